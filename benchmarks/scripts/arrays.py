"""A float64 array of 100 MB that goes through three steps, in pipeglot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeglot import pipeline, step

Array = NDArray[np.float64]


@step
def make(start: int) -> Array:
    return np.arange(start, start + 12_500_000, dtype=np.float64)


@step
def hand_on(array: Array) -> Array:
    return array


@step
def total(array: Array) -> float:
    return float(array.sum())


@pipeline
def through_three(start: int = 0) -> None:
    total(hand_on(make(start)))
