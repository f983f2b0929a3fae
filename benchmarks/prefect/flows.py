"""What is measured on Prefect: a trivial chain, and a map."""

from pipeglot import each, pipeline, step


@step
def one(x: int) -> int:
    return x + 1


@step
def numbers(start: int) -> list[int]:
    return list(range(start, start + 100))


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@pipeline
def chain(start: int = 0) -> None:
    x = start
    for _ in range(100):
        x = one(x)


@pipeline
def wide(start: int = 0) -> None:
    total(one.map(each(numbers(start))))
