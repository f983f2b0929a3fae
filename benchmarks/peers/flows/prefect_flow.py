"""The pipelines of the benchmark in Prefect: `prefect_flow.py chain|wide|array START COUNT`."""

import sys

import numpy as np
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

# Results are kept, and a task whose code and inputs were seen is not run again.
kept = task(persist_result=True, cache_policy=INPUTS + TASK_SOURCE)


@kept
def first(start: int) -> int:
    return start


@kept
def add(x: int) -> int:
    return x + 1


@kept
def numbers(start: int, items: int) -> list[int]:
    return list(range(start, start + items))


@kept
def total(xs: list[int]) -> int:
    return sum(xs)


@kept
def make(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float64)


@kept
def hand_on(array: np.ndarray) -> np.ndarray:
    return array


@kept
def sum_up(array: np.ndarray) -> float:
    return float(array.sum())


@flow
def chain(start: int, steps: int) -> None:
    x = first(start)
    for _ in range(steps - 1):
        x = add(x)


@flow
def wide(start: int, items: int) -> None:
    total(add.map(numbers(start, items)))


@flow
def array(start: int, count: int) -> None:
    sum_up(hand_on(make(start, count)))


if __name__ == "__main__":
    {"chain": chain, "wide": wide, "array": array}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
