"""What the model's steps do: their values are drawn anew at each call, so that two calls are never taken for one."""

from __future__ import annotations

import random

DRAW = random.Random(0)
"""Set anew for each schedule."""

FAILS = 0.1


def _drawn(most: int) -> int:
    if DRAW.random() < FAILS:
        raise ValueError("drawn")
    return DRAW.randrange(most)


def numbers() -> list[int]:
    """Few or none, for a map."""
    return [DRAW.randrange(1000) for _ in range(_drawn(3))]


def number() -> int:
    return _drawn(1000)


def times(x: int) -> int:
    return x * 1000 + _drawn(1000)


def total(xs: list[int], y: int) -> list[int]:
    return [*xs, y, _drawn(1000)]


def large(xs: list[int]) -> bytes:
    """More than stands in a record."""
    return bytes(f"{xs}{_drawn(1000)}", "ascii") * 700


def length(data: bytes) -> int:
    return len(data) + _drawn(2)


def tidy() -> int:
    return _drawn(1000)
