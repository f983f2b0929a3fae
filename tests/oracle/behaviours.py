"""What the steps of generated pipelines do: pure functions of their seed, their attempt and what they are given."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeglot.core.errors import Permanent

TEXT = 1500
"""Characters of a text: three of them are more than fits into a record."""


class Kind(NamedTuple):
    """What a step gives: numbers or texts, in so many lists."""

    base: str
    depth: int


def mix(seed: int, inputs: dict[str, Any]) -> int:
    """A number that depends on everything that a step is given."""
    return zlib.crc32(repr((seed, sorted(inputs.items()))).encode()) % 1000


def _number(seed: int, _: int, **inputs: Any) -> int:
    return mix(seed, inputs)


def _numbers(seed: int, _: int, **inputs: Any) -> list[int]:
    found = mix(seed, inputs)
    return [found + i for i in range(found % 4)]


def _lists(seed: int, _: int, **inputs: Any) -> list[list[int]]:
    found = mix(seed, inputs)
    return [[found + 10 * i + j for j in range((found + i) % 3)] for i in range(found % 3)]


def _text(seed: int, _: int, **inputs: Any) -> str:
    return "abc"[mix(seed, inputs) % 3]


def _texts(seed: int, _: int, **inputs: Any) -> list[str]:
    """Together they are large, each of them is small enough to be compared."""
    found = mix(seed, inputs)
    return ["abc"[(found + i) % 3] * TEXT for i in range(found % 5)]


def _pair(seed: int, _: int, **inputs: Any) -> tuple[int, list[int]]:
    return mix(seed, inputs), _numbers(seed, 1, **inputs)


def _nothing(seed: int, attempt: int, **inputs: Any) -> None:
    _sometimes(seed, attempt, **inputs)


def _fails(seed: int, _: int, **inputs: Any) -> int:
    raise ValueError(f"never good: {mix(seed, inputs)}")


def _sometimes(seed: int, _: int, **inputs: Any) -> int:
    found = mix(seed, inputs)
    if found % 3 == 0:
        raise LookupError(f"no good: {found}")
    return found


def _flaky(seed: int, attempt: int, **inputs: Any) -> int:
    found = mix(seed, inputs)
    if attempt <= found % 4:
        raise ConnectionError(f"attempt {attempt} of {found}")
    return found


def _permanent(seed: int, _: int, **inputs: Any) -> int:
    raise Permanent(f"for good: {mix(seed, inputs)}")


BEHAVIOURS: dict[str, Callable[..., Any]] = {
    "number": _number,
    "numbers": _numbers,
    "lists": _lists,
    "text": _text,
    "texts": _texts,
    "pair": _pair,
    "nothing": _nothing,
    "fails": _fails,
    "sometimes": _sometimes,
    "flaky": _flaky,
    "permanent": _permanent,
}

GIVES: dict[str, Kind] = {
    "number": Kind("int", 0),
    "numbers": Kind("int", 1),
    "lists": Kind("int", 2),
    "text": Kind("text", 0),
    "texts": Kind("text", 1),
    "fails": Kind("int", 0),
    "sometimes": Kind("int", 0),
    "flaky": Kind("int", 0),
    "permanent": Kind("int", 0),
}
"""Of those that give one value."""
