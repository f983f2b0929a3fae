"""Two saved values: equal if their hashes are; else loaded, and compared as what they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeglot.client.diff import files
from pipeglot.client.diff.model import ItemDiff, ItemsDiff, KindDiff, Tolerance, Uncompared, ValueDiff
from pipeglot.client.diff.scalars import compare_plain
from pipeglot.core import plain
from pipeglot.core.errors import PipeglotError
from pipeglot.core.lineage.arguments import Arg, Gathered, Given, Saved, Whole, hashes, load
from pipeglot.core.lineage.records import Ref
from pipeglot.core.placeholders import Instance

if TYPE_CHECKING:
    from pipeglot.core.artifacts import Artifacts

LARGEST = 1 << 30
"""Larger values are not read: bytes as they are stored. Arrays and frames are mapped, and compared in parts."""
_LARGEST_PLAIN = 100 << 20
_ITEMS = 100


class Comparer:
    """Compares values of two stores, or of one with itself. Each pair of hashes once."""

    def __init__(self, before: Artifacts, after: Artifacts, tolerance: Tolerance) -> None:
        self.before = before
        self.after = after
        self.tolerance = tolerance
        self._known: dict[tuple[str, str], ValueDiff | None] = {}

    def args(self, old: Arg, new: Arg) -> ValueDiff | None:
        """Two arguments; None if they are equal."""
        if hashes(old, key=True) == hashes(new, key=True):
            return None
        if isinstance(old, Saved) and isinstance(new, Saved):
            return self.refs(old.ref, new.ref)
        if isinstance(old, Gathered) and isinstance(new, Gathered):
            return self._list(len(old.items), len(new.items), lambda i: self.args(old.items[i], new.items[i]))
        if isinstance(old, Whole) and isinstance(new, Whole):
            return self._whole(old, new)
        return self._guarded("a value", lambda: self._loaded(old, new))

    def refs(self, old: Ref, new: Ref) -> ValueDiff | None:
        """Two saved values; None if they are equal."""
        if old.key_hash == new.key_hash:
            return None
        pair = old.key_hash, new.key_hash
        if pair not in self._known:
            what = f"a value stored as `{old.codec}`"
            self._known[pair] = self._guarded(what, lambda: self._refs(old, new))
        return self._known[pair]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _guarded(self, what: str, compare: Callable[[], ValueDiff | None]) -> ValueDiff | None:
        """One that cannot be read (gone, damaged, not trusted) is told, and the others are still compared."""
        try:
            return compare()
        except PipeglotError as error:
            return Uncompared(what=what, why=error.message)
        except MemoryError:
            return Uncompared(what=what, why="there is too little memory to load both")

    def _refs(self, old: Ref, new: Ref) -> ValueDiff | None:
        kinds = [ref.codec.partition("/")[0] for ref in (old, new)]
        if "pickle" in kinds:
            return files.compare_pickles(old, new, self.before, self.after)
        if kinds[0] == kinds[1] == "items":
            pair = self.before, self.after
            return self._list(
                old.length or 0, new.length or 0, lambda i: self.refs(pair[0].item(old, i), pair[1].item(new, i))
            )
        if kinds[0] == kinds[1] and kinds[0] in ("file", "bytes"):
            return files.compare_files(old, new, self.before, self.after)
        if kinds[0] == kinds[1] == "dir":
            return files.compare_folders(old, new, self.before, self.after)
        if {"file", "dir"} & set(kinds):
            return KindDiff(before=_KINDS.get(kinds[0], kinds[0]), after=_KINDS.get(kinds[1], kinds[1]))
        most = _LARGEST_PLAIN if "json" in kinds else LARGEST
        if max(old.size, new.size) > most:
            sizes = f"{old.size:,} → {new.size:,} bytes"
            return Uncompared(what=f"values of {sizes} differ", why=f"more than {most:,} bytes are not read")
        if set(kinds) <= {"json", "tree"}:
            found = self._objects(old, new)
        else:
            found = compare_values(self.before.load(old), self.after.load(new), self.tolerance)
        if found is None and not self.tolerance:
            return Uncompared(what="their hashes differ", why="no difference was found in what they hold")
        return found

    def _objects(self, old: Ref, new: Ref) -> ValueDiff | None:
        """Field by field, whether or not their classes can be imported here; what is saved apart, as what it is."""
        (was, old_parts), (now, new_parts) = self.before.apart(old), self.after.apart(new)
        if type(was) is type(now) is Instance and was.ref != now.ref:
            return KindDiff(before=was.ref.partition(":")[2], after=now.ref.partition(":")[2])
        rest = compare_plain(was, now, self.tolerance)
        both = [path for path in old_parts if path in new_parts]
        items = [
            ItemDiff(name=path, diff=diff) for path in both if (diff := self.refs(old_parts[path], new_parts[path]))
        ]
        if not items:
            return rest
        items += [ItemDiff(name="all else", diff=rest)] if rest is not None else []
        sizes = {"before": len(old_parts) + 1, "after": len(new_parts) + 1}
        return ItemsDiff(**sizes, items=tuple(items), count=len(items), of="parts")

    def _loaded(self, old: Arg, new: Arg) -> ValueDiff | None:
        return compare_values(_value(old, self.before), _value(new, self.after), self.tolerance)

    def _list(self, before: int, after: int, compare: Callable[[int], ValueDiff | None]) -> ValueDiff | None:
        found, count = [], 0
        for i in range(min(before, after)):
            diff = compare(i)
            if diff is not None:
                count += 1
                if count <= _ITEMS:
                    found.append(ItemDiff(index=i, diff=diff))
        if not count and before == after:
            return None
        return ItemsDiff(before=before, after=after, items=tuple(found), count=count)

    def _whole(self, old: Whole, new: Whole) -> ValueDiff | None:
        both = [name for name in old.refs if name in new.refs]
        found = [ItemDiff(name=name, diff=diff) for name in both if (diff := self.refs(old.refs[name], new.refs[name]))]
        if not found and len(old.refs) == len(new.refs) == len(both):
            return None
        return ItemsDiff(before=len(old.refs), after=len(new.refs), items=tuple(found), count=len(found), of="outputs")


_KINDS = {"json": "plain data", "bytes": "bytes", "file": "a file", "dir": "a folder", "items": "a list"}


def _value(arg: Arg, artifacts: Artifacts) -> Any:
    """A parameter stays as it was written: an enum's or a record's class is not asked for."""
    if isinstance(arg, Saved) and arg.ref.codec == "json/1":
        return artifacts.apart(arg.ref)[0]
    if isinstance(arg, Given):
        return plain.decode(arg.value)
    return load(arg, artifacts, name="value", trusted=artifacts.store.trusted)


# --- loaded values ----------------------------------------------------------------------------------------------------

_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))
_TABLES = {
    ("pandas", "DataFrame"): "pandas_table",
    ("pandas", "Series"): "pandas_table",
    ("polars", "DataFrame"): "polars_table",
    ("polars", "Series"): "polars_table",
    ("pyarrow", "Table"): "arrow_table",
    ("pyarrow", "RecordBatch"): "arrow_table",
}


def compare_values(before: Any, after: Any, tolerance: Tolerance) -> ValueDiff | None:
    """Two loaded values, each compared as what it is; None if they are equal."""
    if _is_plain(before) and _is_plain(after):
        return compare_plain(before, after, tolerance)
    kind = _kind(before)
    if kind != _kind(after):
        return KindDiff(before=_title(before), after=_title(after))
    if kind == ("numpy", "ndarray"):
        from pipeglot.client.diff.arrays import compare_arrays

        return compare_arrays(before, after, tolerance)
    if kind in _TABLES:
        return _tables(before, after, _TABLES[kind], tolerance)
    if _fields(before) is not None:
        return compare_plain(_as_plain(before), _as_plain(after), tolerance)
    return compare_plain(before, after, tolerance) if before == after else _unknown(before)


def _tables(before: Any, after: Any, reader: str, tolerance: Tolerance) -> ValueDiff | None:
    try:
        from pipeglot.client.diff import tables
    except ImportError:  # polars and Arrow do without NumPy
        return Uncompared(what=f"tables of `{_title(before)}` differ", why="to compare them takes `numpy`")
    read = getattr(tables, reader)
    return tables.compare_tables(read(before), read(after), tolerance)


def _kind(value: Any) -> tuple[str, str]:
    return type(value).__module__.partition(".")[0], type(value).__qualname__


def _title(value: Any) -> str:
    home, name = _kind(value)
    return name if home == "builtins" else f"{home}.{name}"


def _is_plain(value: Any) -> bool:
    """What `core.plain` holds, times and NumPy's numbers among it."""
    home, name = _kind(value)
    return type(value) in _PLAIN or home in ("datetime", "decimal") or (home == "numpy" and name != "ndarray")


def _unknown(value: Any) -> Uncompared:
    return Uncompared(what=f"two `{_title(value)}` differ", why="pipeglot does not know how to compare them")


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass, a pydantic model, a msgspec struct or an attrs class."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    for listed in ("model_fields", "__struct_fields__", "__attrs_attrs__"):
        names = getattr(kind, listed, None)
        if names is not None:
            return {name: getattr(value, name) for name in (getattr(one, "name", one) for one in names)}
    return None


def _as_plain(value: Any) -> Any:
    """Records as dicts, all the way down."""
    fields = _fields(value)
    if fields is not None:
        return {name: _as_plain(item) for name, item in fields.items()}
    if isinstance(value, dict):
        return {key: _as_plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_as_plain(item) for item in value)
    return value
