"""Two NumPy arrays: shape, type, how many items differ, by how much at most, and the first of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from pipeglot.client.diff.model import ArrayDiff, Change, Tolerance
from pipeglot.client.diff.scalars import number_change

_CHUNK = 1 << 20
_EXAMPLES = 3


class Differing(NamedTuple):
    """Which items differ, as a mask, and the largest distances between numbers."""

    mask: Any
    absolute: float | None
    relative: float | None


def compare_arrays(before: Any, after: Any, tolerance: Tolerance) -> ArrayDiff | None:
    """None if they are equal. In chunks: only so much is in memory at once."""
    names = f"{before.dtype} {_shape(before)}", f"{after.dtype} {_shape(after)}"
    if before.shape != after.shape or before.dtype.names or after.dtype.names:
        return ArrayDiff(before=names[0], after=names[1])
    old, new = before.reshape(-1), after.reshape(-1)
    count, absolute, relative = 0, None, None
    examples: list[Change] = []
    for start in range(0, old.size, _CHUNK):
        one, other = old[start : start + _CHUNK], new[start : start + _CHUNK]
        found = differing(one, other, tolerance)
        here = numpy.flatnonzero(found.mask)
        count += len(here)
        absolute, relative = largest(absolute, found.absolute), largest(relative, found.relative)
        for i in here[: _EXAMPLES - len(examples)]:
            place = ", ".join(str(int(n)) for n in numpy.unravel_index(start + int(i), before.shape))
            examples.append(item_change(f"[{place}]", one[i], other[i]))
    if not count and (tolerance or before.dtype == after.dtype):
        return None
    return ArrayDiff(
        before=names[0],
        after=names[1],
        size=old.size,
        differing=count,
        absolute=absolute,
        relative=relative,
        examples=tuple(examples),
    )


def differing(before: Any, after: Any, tolerance: Tolerance) -> Differing:
    """Two arrays of one shape and one dimension, item by item. All NaN are one, and so are all NaT."""
    if before.dtype.kind == after.dtype.kind == "b":
        return Differing(before != after, None, None)
    if before.dtype.kind in "biufc" and after.dtype.kind in "biufc":
        return _numbers(before, after, tolerance)
    if "O" in (before.dtype.kind, after.dtype.kind):
        pairs = zip(before.tolist(), after.tolist(), strict=True)
        return Differing(numpy.fromiter((not same_object(*pair) for pair in pairs), bool, len(before)), None, None)
    try:
        mask = before != after
    except TypeError:  # types that cannot be compared
        mask = numpy.ones(len(before), bool)
    if before.dtype.kind in "mM" and after.dtype.kind == before.dtype.kind:
        mask &= ~(numpy.isnat(before) & numpy.isnat(after))
    return Differing(numpy.broadcast_to(mask, before.shape), None, None)


def same_object(before: Any, after: Any) -> bool:
    """Two items of an object array or column; `1` and `True` are not the same, all NaN are."""
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    try:
        return bool(before == after) or bool(before != before and after != after)  # NaN
    except (TypeError, ValueError):  # an array in a cell: compared by what it holds
        return bool(numpy.array_equal(before, after))


def item_change(path: str, before: Any, after: Any) -> Change:
    """One item that differs."""
    one, other = (value.item() if hasattr(value, "item") else value for value in (before, after))
    if type(one) in (int, float) and type(other) in (int, float):
        return number_change(path, one, other)
    return Change(path=path, before=str(one), after=str(other))


def largest(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)


def _numbers(before: Any, after: Any, tolerance: Tolerance) -> Differing:
    is_complex = "c" in (before.dtype.kind, after.dtype.kind)
    old, new = (array.astype("c16" if is_complex else "f8") for array in (before, after))
    both_nan = numpy.isnan(old) & numpy.isnan(new)
    with numpy.errstate(invalid="ignore", over="ignore", divide="ignore"):
        distance = numpy.abs(new - old)
        if tolerance:
            limit = tolerance.absolute + tolerance.relative * numpy.maximum(numpy.abs(old), numpy.abs(new))
            mask = ~((distance <= limit) & numpy.isfinite(limit)) & (old != new)
        elif is_complex:
            mask = before != after
        else:
            mask = (before != after) | (numpy.signbit(old) != numpy.signbit(new))
        mask &= ~both_nan
        apart = distance[mask & numpy.isfinite(distance)]
        parts = (distance / numpy.abs(old))[mask & numpy.isfinite(distance) & (old != 0)]
    return Differing(mask, _most(apart), _most(parts))


def _most(found: Any) -> float | None:
    return float(found.max()) if found.size and found.max() > 0 else None


def _shape(array: Any) -> str:
    return "×".join(map(str, array.shape)) or "scalar"
