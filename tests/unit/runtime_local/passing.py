"""Step functions that tell what their process was handed: the very object, or one of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

_made: list[Any] = []


def makes_text() -> str:
    _made[:] = ["ab" * 5000]
    return str(_made[0])


def is_that_text(x: str) -> bool:
    return bool(_made) and x is _made[0]


def gives_back(x: Any) -> Any:
    return x


def makes_rows() -> list[list[int]]:
    return [[number, number] for number in range(2000)]


def makes_array() -> Any:
    return np.zeros(400_000)


def changes(x: Any) -> float:
    """Sees nothing of what another has done to it, and does the same to its own."""
    before = float(np.asarray(x)[0].sum())
    x[0] = [7, 7] if isinstance(x, list) else 7
    return before
