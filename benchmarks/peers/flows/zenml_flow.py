"""The pipelines of the benchmark in ZenML: `zenml_flow.py chain|wide|array START COUNT`."""

import sys

import numpy as np
from zenml import pipeline, step


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


@step
def make(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float64)


@step
def hand_on(array: np.ndarray) -> np.ndarray:
    return array


@step
def sum_up(array: np.ndarray) -> float:
    return float(array.sum())


@pipeline
def chain(start: int, steps: int) -> None:
    x = first(start)
    for _ in range(steps - 1):
        x = add(x)


@pipeline(dynamic=True)  # only such a one has maps
def wide(start: int, items: int) -> None:
    total(add.map(numbers(start, items)))


@pipeline
def array(start: int, count: int) -> None:
    sum_up(hand_on(make(start, count)))


if __name__ == "__main__":
    {"chain": chain, "wide": wide, "array": array}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
