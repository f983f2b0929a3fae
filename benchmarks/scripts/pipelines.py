"""The pipelines of the benchmark, in pipeglot: chains and maps of steps that do nothing to speak of."""

from __future__ import annotations

from pipeglot import each, pipeline, step


@step
def first(start: int) -> int:
    return start


@step
def add(x: int) -> int:
    return x + 1


@step
def numbers(start: int, items: int) -> list[int]:
    return list(range(start, start + items))


@step
def total(xs: list[int]) -> int:
    return sum(xs)


def chain(start: int, steps: int) -> None:
    x = first(start)
    for _ in range(steps - 1):
        x = add(x)


def wide(start: int, items: int) -> None:
    total(add.map(each(numbers(start, items))))


@pipeline
def chain_3(start: int = 0) -> None:
    chain(start, 3)


@pipeline
def chain_50(start: int = 0) -> None:
    chain(start, 50)


@pipeline
def chain_100(start: int = 0) -> None:
    chain(start, 100)


@pipeline
def chain_1000(start: int = 0) -> None:
    chain(start, 1000)


@pipeline
def wide_3(start: int = 0) -> None:
    wide(start, 3)


@pipeline
def wide_50(start: int = 0) -> None:
    wide(start, 50)


@pipeline
def wide_1000(start: int = 0) -> None:
    wide(start, 1000)
