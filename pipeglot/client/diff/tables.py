"""Two tables (of pandas, polars or Arrow): shape, columns, which cells differ, and the first rows where they do.

All kinds are read as columns of NumPy arrays with a mask of what is missing, so one comparison serves for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy

from pipeglot.client.diff.arrays import Differing, differing
from pipeglot.client.diff.model import CellChange, ColumnDiff, TableDiff, Tolerance

_EXAMPLE_ROWS = 5
_EXAMPLE_CELLS = 12


class Column(NamedTuple):
    """Its values, and which of them are missing."""

    values: Any
    missing: Any


class Table(NamedTuple):
    """A table of any library. `labels` are the row labels where they tell more than the position does."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    column: Callable[[int], Column]
    labels: Any = None
    other: tuple[str, ...] = ()


class Rows(NamedTuple):
    """Which rows are held against each other, as positions on both sides (None: the first `compared` of each)."""

    by: str
    compared: int
    before: Any = None
    after: Any = None
    only_before: int = 0
    only_after: int = 0


def compare_tables(old: Table, new: Table, tolerance: Tolerance) -> TableDiff | None:
    """None if they are equal."""
    places, others = _places(old.names), _places(new.names)
    both = [name for name in places if name in others]
    rows = _rows(old, new)
    anywhere = numpy.zeros(rows.compared, bool)
    columns: list[ColumnDiff] = []
    masks: list[tuple[str, Any, Column, Column]] = []
    for name in both:
        one, other = _aligned(old, places[name], rows.before, rows), _aligned(new, others[name], rows.after, rows)
        found = _differing(one, other, tolerance)
        types = old.types[places[name]], new.types[others[name]]
        cells = int(found.mask.sum())
        if cells or (types[0] != types[1] and not tolerance):
            columns.append(_column(name, types, cells, found, one, other))
        if cells:
            anywhere |= found.mask
            masks.append((name, found.mask, one, other))
    diff = TableDiff(
        before=(old.rows, len(old.names)),
        after=(new.rows, len(new.names)),
        by=rows.by,
        compared=rows.compared,
        rows=int(anywhere.sum()),
        only_before=rows.only_before,
        only_after=rows.only_after,
        added=tuple(name for name in others if name not in places),
        removed=tuple(name for name in places if name not in others),
        reordered=[name for name in others if name in places] != both,
        columns=tuple(columns),
        examples=tuple(_examples(old, rows, anywhere, masks)),
        notes=(*_notes(old, new), *_label_notes(old, new, rows, tolerance)),
    )
    same_rows = not diff.only_before and not diff.only_after
    plain = not (diff.columns or diff.added or diff.removed or diff.notes or diff.reordered)
    return None if plain and same_rows else diff


def _places(names: Sequence[str]) -> dict[str, int]:
    """Columns by name; a second one of a name is called so."""
    seen: Counter[str] = Counter()
    found = {}
    for i, name in enumerate(names):
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = i
    return found


def _notes(old: Table, new: Table) -> tuple[str, ...]:
    """What is the same for all of a table, as the names of its index."""
    return tuple(f"{one} → {other}" for one, other in zip(old.other, new.other, strict=False) if one != other)


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(old: Table, new: Table) -> Rows:
    """By label where both have labels of their own and no label twice; else by position, as far as both go."""
    if old.labels is not None and new.labels is not None and old.labels.is_unique and new.labels.is_unique:
        if old.labels.equals(new.labels):
            return Rows("index", old.rows)
        try:
            places = new.labels.get_indexer(old.labels)
        except (TypeError, ValueError):  # labels of unlike types
            places = numpy.full(old.rows, -1)
        found = numpy.flatnonzero(places >= 0)
        if len(found):
            only = old.rows - len(found), new.rows - len(found)
            return Rows("index", len(found), found, places[found], *only)
    count = min(old.rows, new.rows)
    return Rows("position", count, None, None, old.rows - count, new.rows - count)


def _aligned(table: Table, place: int, positions: Any, rows: Rows) -> Column:
    column = table.column(place)
    if positions is None:
        return Column(column.values[: rows.compared], column.missing[: rows.compared])
    return Column(column.values[positions], column.missing[positions])


def _label_notes(old: Table, new: Table, rows: Rows, tolerance: Tolerance) -> Iterator[str]:
    """What matching the rows has hidden: their order, or that each has another label."""
    if rows.by == "index":
        if rows.after is not None and (numpy.diff(rows.after) < 0).any():
            yield "rows are in another order"
        return
    if old.labels is None and new.labels is None:
        return
    one, other = _labels(old)[: rows.compared], _labels(new)[: rows.compared]
    count = int(differing(one, other, tolerance).mask.sum())
    if count:
        yield f"{count:,} row {'label differs' if count == 1 else 'labels differ'}"


def _labels(table: Table) -> Any:
    return table.labels.to_numpy() if table.labels is not None else numpy.arange(table.rows)


# --- columns ----------------------------------------------------------------------------------------------------------


def _differing(one: Column, other: Column, tolerance: Tolerance) -> Differing:
    """Both missing is equal; one missing is not, whatever stands below it."""
    there = ~(one.missing | other.missing)
    mask = one.missing != other.missing
    if there.all():
        found = differing(one.values, other.values, tolerance)
        return Differing(mask | found.mask, found.absolute, found.relative)
    found = differing(one.values[there], other.values[there], tolerance)
    mask = mask.copy()
    mask[there] = found.mask
    return Differing(mask, found.absolute, found.relative)


def _column(name: str, types: tuple[str, str], cells: int, found: Differing, one: Column, other: Column) -> ColumnDiff:
    came, went = int((one.missing & ~other.missing).sum()), int((other.missing & ~one.missing).sum())
    told = [
        f"{what} {count:,}" for count, what in ((came, "missing only before:"), (went, "missing only now:")) if count
    ]
    return ColumnDiff(
        name=name,
        before=types[0],
        after=types[1],
        cells=cells,
        absolute=found.absolute,
        relative=found.relative,
        note=", ".join(told),
    )


def _examples(old: Table, rows: Rows, anywhere: Any, masks: list[tuple[str, Any, Column, Column]]) -> list[CellChange]:
    found: list[CellChange] = []
    for i in numpy.flatnonzero(anywhere)[:_EXAMPLE_ROWS]:
        place = int(rows.before[i]) if rows.before is not None else int(i)
        label = str(old.labels[place]) if rows.by == "index" else str(place)
        found += [
            CellChange(row=label, column=name, before=_cell(one, i), after=_cell(other, i))
            for name, mask, one, other in masks
            if mask[i]
        ]
    return found[:_EXAMPLE_CELLS]


def _cell(column: Column, i: Any) -> str:
    if column.missing[i]:
        return "missing"
    value = column.values[i]
    text = str(value) if column.values.dtype.kind == "M" else repr(value.item() if hasattr(value, "item") else value)
    return text if len(text) <= 60 else f"{text[:59]}…"


# --- the libraries ----------------------------------------------------------------------------------------------------


def pandas_table(value: Any) -> Table:
    """A frame, or a series as a table of one column."""
    frame = value.to_frame(value.name if value.name is not None else "values") if value.ndim == 1 else value
    index = frame.index
    counts = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1
    return Table(
        tuple(str(name) for name in frame.columns),
        tuple(str(dtype) for dtype in frame.dtypes),
        len(frame),
        lambda i: _pandas_column(frame.iloc[:, i]),
        None if counts else index,
        (f"index named {list(index.names)}",),
    )


def _pandas_column(series: Any) -> Column:
    missing = series.isna().to_numpy()
    if isinstance(series.dtype, numpy.dtype):
        return Column(series.to_numpy(), missing)
    kind = getattr(series.dtype, "numpy_dtype", None) or getattr(series.dtype, "type", None)
    if isinstance(kind, numpy.dtype) and kind.kind in "biuf":
        return Column(series.to_numpy(dtype=kind, na_value=kind.type(0)), missing)
    if str(getattr(series.dtype, "pyarrow_dtype", "")).startswith("timestamp"):  # pandas 1.5 has no `.dt` for them
        return Column(_arrow_array(series.array.__arrow_array__()), missing)
    if getattr(series.dtype, "kind", "O") == "M":
        in_utc = series if series.dt.tz is None else series.dt.tz_convert("UTC").dt.tz_localize(None)
        return Column(in_utc.to_numpy(), missing)
    return Column(series.to_numpy(dtype=object), missing)


def polars_table(value: Any) -> Table:
    """A frame, or a series as a table of one column."""
    frame = value if hasattr(value, "columns") else value.to_frame()
    return Table(
        tuple(frame.columns),
        tuple(str(dtype) for dtype in frame.dtypes),
        frame.height,
        lambda i: Column(frame.to_series(i).to_numpy(), frame.to_series(i).is_null().to_numpy()),
    )


def arrow_table(value: Any) -> Table:
    """A table or a record batch."""
    return Table(
        tuple(value.schema.names),
        tuple(str(kind) for kind in value.schema.types),
        value.num_rows,
        lambda i: Column(_arrow_array(value.column(i)), _arrow_array(value.column(i).is_null())),
    )


def _arrow_array(column: Any) -> Any:
    """A table's column is in chunks, which are always copied; a batch's is copied only if that is asked for."""
    return column.to_numpy() if hasattr(column, "num_chunks") else column.to_numpy(zero_copy_only=False)
