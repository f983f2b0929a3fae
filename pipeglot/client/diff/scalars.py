"""Two plain values: which places of them differ, by path, and by how much numbers do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pipeglot.client.diff.model import Change, PlainDiff, TextDiff, Tolerance, ValueDiff
from pipeglot.core.lineage.view import readable_value
from pipeglot.core.placeholders import Instance, Part

MOST = 100
"""So many changes are kept."""
_LOOKED_AT = 10_000
"""So many are counted; a value that differs in more places is another value."""
_TEXT = 2_000
_FEW = 50
_NUMBERS = (int, float)


def compare_plain(before: Any, after: Any, tolerance: Tolerance) -> ValueDiff | None:
    """None if they are equal."""
    if type(before) is str and type(after) is str and before != after and "\n" in before + after:
        return compare_text(before, after)
    kept: list[Change] = []
    count = 0
    for change in _changes("", before, after, tolerance):
        count += 1
        if count <= MOST:
            kept.append(change)
        if count >= _LOOKED_AT:
            return PlainDiff(changes=tuple(kept), count=count, more=True)
    return PlainDiff(changes=tuple(kept), count=count) if count else None


def same_number(before: Any, after: Any, tolerance: Tolerance) -> bool:
    """Exactly: 0.0 is not -0.0, all NaN are one. With a tolerance: close enough, an int to a float as well."""
    if not tolerance:
        if type(before) is not type(after):
            return False
        if before != before and after != after:  # NaN
            return True
        return bool(before == after) and (
            type(before) is not float or math.copysign(1, before) == math.copysign(1, after)
        )
    if before != before or after != after:  # NaN
        return bool(before != before and after != after)
    if before == after:
        return True
    try:
        largest = max(abs(before), abs(after))
        return bool(math.isfinite(largest) and abs(before - after) <= tolerance.absolute + tolerance.relative * largest)
    except OverflowError:  # an int that no float holds
        return False


def number_change(path: str, before: Any, after: Any) -> Change:
    """With how far apart they are, where that is a number."""
    absolute = relative = None
    try:
        apart = float(after) - float(before)
        if math.isfinite(apart) and apart:
            absolute = apart
            relative = apart / abs(float(before)) if before else None
    except OverflowError:
        pass
    note = "" if type(before) is type(after) else f"`{type(before).__name__}` → `{type(after).__name__}`"
    return Change(
        path=path, before=_shown(before), after=_shown(after), absolute=absolute, relative=relative, note=note
    )


def compare_text(before: str, after: str) -> TextDiff:
    """A unified diff of a few lines."""
    import difflib

    old, new = before[:_LONGEST].splitlines(), after[:_LONGEST].splitlines()
    lines = [line.rstrip("\n") for line in difflib.unified_diff(old, new, n=1, lineterm="")][2:]
    if not lines:
        cut = len(before) > _LONGEST or len(after) > _LONGEST
        lines = ["they differ further down"] if cut else ["they differ in how their lines end"]
    shown = tuple(line[:300] for line in lines[:_LINES])
    return TextDiff(lines=shown, left_out=max(0, len(lines) - _LINES))


_LINES = 20
_LONGEST = 200_000

# --- places -----------------------------------------------------------------------------------------------------------


def _changes(path: str, before: Any, after: Any, tolerance: Tolerance) -> Iterator[Change]:
    if before is after:
        return
    before, after = _scalar(before), _scalar(after)
    if type(before) in _NUMBERS and type(after) in _NUMBERS:
        if not same_number(before, after, tolerance):
            yield number_change(path, before, after)
    elif type(before) is type(after) is Part:
        return  # what is saved apart is compared apart
    elif type(before) is type(after) is Instance:
        yield from _object_changes(path, before, after, tolerance)
    elif type(before) is not type(after):
        yield _change(path, before, after, note=f"`{_kind(before)}` → `{_kind(after)}`")
    elif isinstance(before, dict):
        yield from _dict_changes(path, before, after, tolerance)
    elif isinstance(before, list | tuple):
        yield from _list_changes(path, before, after, tolerance)
    elif isinstance(before, set | frozenset):
        yield from (_change(path, one, None, note="it is gone") for one in _ordered(before - after))
        yield from (_change(path, None, one, note="it is new") for one in _ordered(after - before))
    elif not _equal(before, after, tolerance):
        yield _change(path, before, after)


def _object_changes(path: str, before: Instance, after: Instance, tolerance: Tolerance) -> Iterator[Change]:
    """Objects of users' classes, by their fields."""
    if before.ref != after.ref:
        yield _change(path, before, after, note=f"`{_kind(before)}` → `{_kind(after)}`")
    elif before.kind in ("enum", "flag"):
        if before != after:
            yield _change(path, before, after)
    else:
        same = True
        for change in _dict_changes(path, _attributes(before), _attributes(after), tolerance):
            same = False
            yield change
        if same and before.rest and after.rest:  # a model that was given a default, and one that was not
            yield from _changes(_below(path, "model_fields_set"), before.rest["set"], after.rest["set"], tolerance)


def _attributes(found: Instance) -> dict[str, Any]:
    """The fields, and of a model what it has beside them."""
    rest = found.rest or {}
    return {**found.fields, **(rest.get("extra") or {}), **(rest.get("private") or {})}


def _kind(value: Any) -> str:
    return value.ref.partition(":")[2] if type(value) is Instance else type(value).__name__


def _scalar(value: Any) -> Any:
    """NumPy's numbers as Python's; their type is compared where the value is."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", None):
        return value.item()
    return value


def _equal(before: Any, after: Any, tolerance: Tolerance) -> bool:
    if isinstance(before, complex):
        pairs = ((before.real, after.real), (before.imag, after.imag))
        return all(same_number(one, other, tolerance) for one, other in pairs)
    if isinstance(before, Decimal):
        return str(before) == str(after) or (bool(tolerance) and same_number(float(before), float(after), tolerance))
    try:
        return bool(before == after)
    except (TypeError, ValueError):  # an array in a field, say
        return False


def _dict_changes(path: str, before: dict[Any, Any], after: dict[Any, Any], tolerance: Tolerance) -> Iterator[Change]:
    for key in {**before, **after}:
        where = _below(path, key)
        if key not in after:
            yield _change(where, before[key], None, note="it is gone")
        elif key not in before:
            yield _change(where, None, after[key], note="it is new")
        else:
            yield from _changes(where, before[key], after[key], tolerance)


def _below(path: str, key: Any) -> str:
    if type(key) is str and key.isidentifier():
        return f"{path}.{key}" if path else key
    text = repr(key)
    return f"{path}[{text if len(text) <= 60 else text[:59] + '…'}]"


def _list_changes(path: str, before: Any, after: Any, tolerance: Tolerance) -> Iterator[Change]:
    """By position; lists of unlike lengths by which items came and went, where they have an order to go by."""
    if len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changes(f"{path}[{i}]", one, other, tolerance)
        return
    yield Change(path=path, before=len(before), after=len(after), note="length")
    aligned = _aligned(before, after)
    if aligned is None:
        for i, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _changes(f"{path}[{i}]", one, other, tolerance)
        return
    for i, gone, new in aligned:
        yield _change(f"{path}[{i}]", gone, new, note="it is gone" if new is None else "it is new")


def _aligned(before: Any, after: Any) -> list[tuple[int, Any, Any]] | None:
    """The items that came and went, of short lists of texts and whole numbers; None for others."""
    import difflib

    if max(len(before), len(after)) > _TEXT or not {type(one) for one in (*before, *after)} <= {str, int, bool}:
        return None
    found: list[tuple[int, Any, Any]] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind in ("delete", "replace"):
            found += [(i, before[i], None) for i in range(start, end)]
        if kind in ("insert", "replace"):
            found += [(i, None, after[i]) for i in range(new_start, new_end)]
    return found


def _ordered(found: Any) -> list[Any]:
    return sorted(found, key=lambda one: (type(one).__name__, str(one)))


def _change(path: str, before: Any, after: Any, note: str = "") -> Change:
    return Change(path=path, before=_shown(before), after=_shown(after), note=note)


def _shown(value: Any) -> Any:
    """As JSON has it; something large only by what it is."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    if isinstance(value, dict | list | tuple | set | frozenset):
        return readable_value(value) if _leaves(value, _FEW) <= _FEW else f"{type(value).__name__} of {len(value)}"
    return "a value saved apart" if type(value) is Part else readable_value(value)


def _leaves(value: Any, most: int) -> int:
    """How many scalars are in it, at least: it counts no further than it must."""
    if isinstance(value, str):
        return 1 + len(value) // 80
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return 1
    count = 1
    for item in value.values() if isinstance(value, dict) else value:
        count += _leaves(item, most - count)
        if count > most:
            break
    return count
