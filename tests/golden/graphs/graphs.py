"""Pipelines whose order no blocks in blocks can say, and more ways through one than an engine may look at.

Its emitted files are read by people: keep it readable.
"""

from datetime import timedelta

from pipeglot import Retry, each, otherwise, pipeline, step, when


@step
def first(count: int) -> int:
    return count


@step
def second(x: int) -> int:
    return x + 1


@step(retry=Retry(8, delay="1s"), timeout="5m")
def third(x: int, y: int) -> int:
    """Tried more often than Metaflow does."""
    return x * y


@step(retry=Retry(3, delay="90s"), tags=["heavy"])
def fourth(x: int) -> int:
    return x


@step
def many(x: int) -> list[int]:
    return list(range(x))


@step
def resources(x: int) -> int:
    """Its name is one of Metaflow's."""
    return x


@pipeline
def graphs(name: str = "a", index: int = 3, wait: timedelta | None = timedelta(hours=1)) -> None:
    """Crossing arrows, maps of all kinds, a branch with one arm.

    And names that an engine has for itself.
    """
    a = first(index)
    b = first.with_options(name="start")(index)
    c = second(a)
    d = third(a, b)
    e = fourth(b)
    f = third.with_options(name="next")(d, e)
    numbers = many(c)
    squares = resources.map(each(numbers))
    with when(f > 3):
        for item in range(2):
            second.with_options(name=f"arm_{item}")(f)
    with otherwise():
        many.with_options(name="list_of")(f)
    third.after(squares).with_options(name="end")(c, f)


@pipeline
def diamonds(count: int = 3) -> None:
    """So many ways that Metaflow's own code would walk them for hours."""
    top = first(count)
    for number in range(20):
        left = second.with_options(name=f"left_{number}")(top)
        right = second.with_options(name=f"right_{number}")(top)
        top = third.with_options(name=f"bottom_{number}")(left, right)
