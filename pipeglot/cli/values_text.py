"""A difference of two values as lines for people: the first line stands beside its name, the others below it."""

from __future__ import annotations

import json
from typing import Any

from pipeglot.client.diff.model import (
    ArrayDiff,
    Change,
    ColumnDiff,
    FileChange,
    FilesDiff,
    ItemsDiff,
    KindDiff,
    PlainDiff,
    TableDiff,
    TextDiff,
    Uncompared,
    Upstream,
    ValueDiff,
)
from pipeglot.client.text import listed, plural, safe, safe_line, size

_CHANGES = 8
_COLUMNS = 12
_ITEMS = 3


def value_lines(diff: ValueDiff) -> list[str]:
    """At least one line."""
    match diff:
        case PlainDiff():
            return _plain(diff)
        case TableDiff():
            return _table(diff)
        case ArrayDiff():
            return _array(diff)
        case TextDiff():
            return _text(diff)
        case FilesDiff():
            return _files(diff)
        case ItemsDiff():
            return _items(diff)
        case KindDiff():
            return [f"{diff.before} → {diff.after}"]
        case Upstream():
            output = f", output `{diff.output}`" if diff.output else ""
            return [f"another one, from step `{diff.step}`{output}"]
        case Uncompared():
            return [f"{safe_line(diff.what)} ({safe_line(diff.why, 300)})" if diff.why else safe_line(diff.what)]


def change_text(change: Change) -> str:
    """`0.7 → 0.75 (+0.05, +7.1 %)`, without the path."""
    if change.note == "length":
        return f"{plural(change.before, 'item')} → {change.after}"
    if change.note == "it is new":
        return f"new: {value_text(change.after)}"
    if change.note == "it is gone":
        return f"gone: {value_text(change.before)}"
    shown = " → ".join(_pair(change.before, change.after))
    told = [text for text in (_apart(change.absolute), _percent(change.relative), change.note) if text]
    return f"{shown} ({', '.join(told)})" if told else shown


def value_text(value: Any) -> str:
    """As JSON, on one line that is not too long."""
    return safe_line(json.dumps(value, ensure_ascii=False), 100)


def _pair(before: Any, after: Any) -> tuple[str, str]:
    """Two floats only as exactly as it takes to tell them apart."""
    if type(before) is float and type(after) is float:
        for digits in (4, 6, 9, 12):
            short = f"{before:.{digits}g}", f"{after:.{digits}g}"
            if abs(after - before) > 10 ** (1 - digits) * abs(before) and short[0] != short[1]:
                return short
    return value_text(before), value_text(after)


def _apart(absolute: float | None) -> str:
    return f"{absolute:+.3g}" if absolute is not None else ""


def _percent(relative: float | None) -> str:
    if relative is None:
        return ""
    part = relative * 100
    return f"{part:+.2g} %" if abs(part) < 100 else f"{part:+,.0f} %"


# --- plain data -------------------------------------------------------------------------------------------------------


def _plain(diff: PlainDiff) -> list[str]:
    if diff.count == 1 and not diff.changes[0].path:
        return [change_text(diff.changes[0])]
    lines = [f"{f'{change.path}: ' if change.path else ''}{change_text(change)}" for change in diff.changes[:_CHANGES]]
    if diff.count == 1:
        return lines
    more = diff.count - len(lines[:_CHANGES])
    at_least = "at least " if diff.more else ""
    rest = [f"… {at_least}{plural(more, 'more place')}"] if more else []
    return [f"{at_least}{plural(diff.count, 'place')} differ", *lines, *rest]


def _text(diff: TextDiff) -> list[str]:
    lines = [safe(line) for line in diff.lines]
    return ["text differs", *lines, *([f"… {plural(diff.left_out, 'more line')}"] if diff.left_out else [])]


# --- tables and arrays ------------------------------------------------------------------------------------------------


def _table(diff: TableDiff) -> list[str]:
    lines = [_table_title(diff)]
    lines += [f"columns added: {listed(diff.added, 12)}"] if diff.added else []
    lines += [f"columns removed: {listed(diff.removed, 12)}"] if diff.removed else []
    lines += ["columns are in another order"] if diff.reordered else []
    lines += list(diff.notes)
    lines += _grid([_column(column, diff.compared) for column in diff.columns[:_COLUMNS]])
    more = len(diff.columns) - _COLUMNS
    lines += [f"… {plural(more, 'more column')}"] if more > 0 else []
    rows = [[f"row {one.row}", one.column, f"{one.before} → {one.after}"] for one in diff.examples]
    return [*lines, *_grid([["first rows:", "", ""], *rows] if rows else [])]


def _table_title(diff: TableDiff) -> str:
    shape = f"{diff.before[0]:,} × {diff.before[1]}"
    if diff.before != diff.after:
        shape += f" → {diff.after[0]:,} × {diff.after[1]}"
    told = [f"table of {shape}"]
    if diff.rows:
        told.append(f"{diff.rows:,} of {diff.compared:,} rows differ ({_share(diff.rows, diff.compared)})")
    elif diff.compared and not (diff.columns or diff.added or diff.removed):
        told.append(f"the {diff.compared:,} rows that both have are equal")
    if diff.only_before:
        told.append(f"{plural(diff.only_before, 'row')} gone")
    if diff.only_after:
        told.append(f"{plural(diff.only_after, 'row')} new")
    if diff.rows or diff.only_before or diff.only_after:
        told.append(f"by {diff.by}")
    return ", ".join(told)


def _column(column: ColumnDiff, rows: int) -> list[str]:
    kind = column.before if column.before == column.after else f"{column.before} → {column.after}"
    told = (
        [f"{column.cells:,} {'cell' if column.cells == 1 else 'cells'} ({_share(column.cells, rows)})"]
        if column.cells
        else ["values are equal"]
    )
    told += _most(column.absolute, column.relative)
    told += [column.note] if column.note else []
    return [safe_line(column.name, 40), kind, ", ".join(told)]


def _most(absolute: float | None, relative: float | None) -> list[str]:
    if absolute is None:
        return []
    return [f"by {absolute:.3g} at most" + (f" ({_percent(relative).lstrip('+')})" if relative is not None else "")]


def _array(diff: ArrayDiff) -> list[str]:
    names = diff.before if diff.before == diff.after else f"{diff.before} → {diff.after}"
    if not diff.size:
        return [f"array of {names}"]
    if not diff.differing:
        return [f"array of {names}, values are equal"]
    told = f"{diff.differing:,} of {diff.size:,} items differ ({_share(diff.differing, diff.size)})"
    title = ", ".join([f"array of {names}", told, *_most(diff.absolute, diff.relative)])
    more = diff.differing - len(diff.examples)
    rest = [f"… {more:,} more"] if more else []
    return [title, *(f"{one.path} {change_text(one)}" for one in diff.examples), *rest]


def _share(part: int, whole: int) -> str:
    share = 100 * part / whole
    return "all" if part == whole else f"{share:.2g} %" if share >= 0.01 else "under 0.01 %"


def _grid(rows: list[list[str]]) -> list[str]:
    """Columns side by side."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{safe_line(cell):{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


# --- files and lists --------------------------------------------------------------------------------------------------


def _files(diff: FilesDiff) -> list[str]:
    if diff.count == 1 and not diff.changes[0].path:
        return [f"binary content: {_file(diff.changes[0])}"]
    lines = [f"{safe_line(change.path)}: {_file(change)}" for change in diff.changes[:_CHANGES]]
    more = diff.count - len(lines)
    return [
        f"{plural(diff.count, 'entry').replace('entrys', 'entries')} differ",
        *lines,
        *([f"… {more} more"] * bool(more)),
    ]


def _file(change: FileChange) -> str:
    note = f" ({change.note})" if change.note else ""
    if change.before is None:
        return f"new, {size(change.after or 0)}{note}"
    if change.after is None:
        return f"gone, {size(change.before)}{note}"
    sizes = size(change.before), size(change.after)
    if change.before == change.after:
        return f"{sizes[0]}, with other bytes{note}"
    if sizes[0] == sizes[1]:
        return f"{change.before:,} → {change.after:,} bytes{note}"
    return f"{sizes[0]} → {sizes[1]}{note}"


def _items(diff: ItemsDiff) -> list[str]:
    count = str(diff.before) if diff.before == diff.after else f"{diff.before} → {diff.after}"
    common = min(diff.before, diff.after)
    title = f"list of {count} values" if diff.of == "values" else f"{count} {diff.of}"
    if diff.count or common:
        title += f": {diff.count} of {common} differ" if diff.count else ": those that both have are equal"
    lines = [title]
    for item in diff.items[:_ITEMS]:
        first, *rest = value_lines(item.diff)
        lines.append(f"{item.name or f'[{item.index}]'} {first}")
        lines += [f"  {line}" for line in rest]
    more = diff.count - min(len(diff.items), _ITEMS)
    return [*lines, *([f"… {more} more"] if more else [])]
