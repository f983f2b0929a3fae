"""How a frame lies in an Arrow file: the levels of its index, its columns, and as metadata a note of all the rest."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas
import pyarrow

from pipeglot.core import plain
from pipeglot.core.artifacts import arrow_hash
from pipeglot.core.artifacts.columns import Memory, Note, coded, decode, encode, index_of, positions
from pipeglot.core.artifacts.objects import Unfit
from pipeglot.core.errors import ValueRefused

if TYPE_CHECKING:
    from pipeglot.core.artifacts.spool import Spool

VERSIONS = f"pandas {pandas.__version__} and pyarrow {pyarrow.__version__}"

_META = b"pipeglot"
_ROWS = 3
"""How many rows are read back at once when a frame is saved, to see that its types come back."""


def write(value: Any, out: Spool, what: str) -> str:
    """Write a frame or series, and return its logical hash. Raises `ValueRefused`; `what` names the value."""
    try:
        layout = _describe(value)
        logical = _hash(layout)
        batch = pyarrow.record_batch([field.array for field in layout.fields], [field.name for field in layout.fields])
        _check(value, layout.note, batch)
    except Unfit as unfit:
        raise ValueRefused(f"{what} cannot be stored: {unfit.message}", hint=unfit.hint) from None
    schema = batch.schema.with_metadata({_META: plain.dumps_ordered(layout.note)})
    with pyarrow.ipc.new_file(pyarrow.PythonFile(out, mode="w"), schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return logical


def read(buffer: Any, *, validate: bool) -> Any:
    """The frame or series in the bytes of a file. To validate is to look for offsets that lead out of it."""
    memory = Memory(buffer)
    reader = pyarrow.ipc.open_file(pyarrow.BufferReader(memory.arrow))
    note = json.loads(reader.schema.metadata[_META])
    batch = reader.get_batch(0)
    if validate:
        batch.validate(full=True)
    return _build(note, batch.columns, memory, note["rows"])


class Field(NamedTuple):
    """An array of the file. `where` is how messages call it."""

    where: str
    name: str
    note: Note
    array: Any


class Layout(NamedTuple):
    """All that is stored: `labels` are the column names as arrays, which `note` has as text."""

    note: Note
    fields: list[Field]
    labels: list[Field]


# --- into the file ----------------------------------------------------------------------------------------------------


def _describe(value: Any) -> Layout:
    series = isinstance(value, pandas.Series)
    note: Note = {"series": series, "rows": len(value), "unique_labels": not value.flags.allows_duplicate_labels}
    note["attrs"] = _plain(value.attrs, "`.attrs`")
    note["index"], fields = _index(value.index, "the index")
    labels: list[Field] = []
    if series:
        note["name"] = _plain(value.name, "the name")
        data = [_field(value, "the series", str(value.name))]
    else:
        note["columns"], labels = _index(value.columns, "the list of column names")
        note["columns"]["labels"] = _packed(labels)
        data = [_field(column, f"column `{label}`", str(label)) for label, column in value.items()]
    note["data"] = [field.note for field in data]
    return Layout(note, fields + data, labels)


def _field(values: Any, where: str, name: str) -> Field:
    try:
        note, array = encode(values)
    except Unfit as unfit:
        raise Unfit(f"{where} {unfit.message}", unfit.hint) from None
    return Field(where, name.encode(errors="replace").decode(), note, array)


def _index(index: Any, where: str) -> tuple[Note, list[Field]]:
    note: Note = {"names": _plain(list(index.names), f"the name of {where}")}
    if isinstance(index, pandas.RangeIndex):
        return {**note, "is": "range", "range": [index.start, index.stop, index.step]}, []
    if isinstance(index, pandas.MultiIndex):
        fields = [_level(index, number, where) for number in range(index.nlevels)]
        return {**note, "is": "multi", "of": [field.note for field in fields]}, fields
    field = _field(index, where, "index")
    return {**note, "is": "index", "of": [field.note], "freq": _freq(index, where)}, [field]


def _level(index: Any, number: int, where: str) -> Field:
    """As a dictionary: its values in their order, used or not, and a position for each row."""
    field = _field(index.levels[number], f"level {number} of {where}", f"index {number}")
    return field._replace(array=coded(index.codes[number], field.array))


def _freq(index: Any, where: str) -> str | None:
    """Times may know their distance; only what its name says in full can come back."""
    freq = index.freq if isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex) else None
    if freq is None:
        return None
    text: str = freq.freqstr
    try:
        if pandas.tseries.frequencies.to_offset(text) == freq:
            return text
    except ValueError:
        pass
    raise Unfit(f"{where} has the frequency `{freq!r}`", "let go of it: `frame.index.freq = None`")


def _plain(value: Any, where: str) -> Any:
    try:
        return plain.encode(value, "it")
    except plain.NotPlain as error:
        raise Unfit(f"{where} is no plain data: {error.message}", "make it text or numbers") from None


def _packed(labels: list[Field]) -> str:
    """Column names are fewer than rows, so they cannot be in the same file: they are one of their own."""
    if not labels:
        return ""
    batch = pyarrow.record_batch([field.array for field in labels], [field.name for field in labels])
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue()).decode()


def _hash(layout: Layout) -> str:
    """Of the description, without what only says how it is stored, and of every array."""
    found = hashlib.sha256(b"frame/1\n")
    found.update(plain.canonical(_logical(layout.note)))
    for field in layout.labels + layout.fields:
        try:
            arrow_hash.update(found, field.array)
        except arrow_hash.Unhashable as unfit:
            raise Unfit(f"{field.where} has the Arrow type `{unfit}`, which cannot be stored", _ASTYPE) from None
    return found.hexdigest()


_PHYSICAL = frozenset({"labels", "library", "storage"})
_ASTYPE = "change it with `.astype(…)`"


def _logical(note: Any) -> Any:
    if isinstance(note, dict):
        return {key: _logical(item) for key, item in note.items() if key not in _PHYSICAL}
    return [_logical(item) for item in note] if isinstance(note, list) else note


def _check(value: Any, note: Note, batch: Any) -> None:
    """Read the first rows back: do the types come back, and the names?"""
    rows = min(_ROWS, len(value))
    head = _build(note, batch.slice(0, rows).columns, Memory(b""), rows)
    _check_index(value.index[:rows], head.index, "the index")
    if note["series"]:
        _check_type(value.dtype, head.dtype, "the series")
        return
    _check_index(value.columns, head.columns, "the list of column names")
    for label, was, now in zip(value.columns, value.dtypes, head.dtypes, strict=True):
        _check_type(was, now, f"column `{label}`")


def _check_index(was: Any, now: Any, where: str) -> None:
    if type(was) is not type(now) or not was.equals(now):
        raise Unfit(f"{where} (a `{type(was).__name__}`) would not come back the same", "`.reset_index()` it first")
    _check_type(was.dtype, now.dtype, where)
    if isinstance(was, pandas.MultiIndex):
        for number, (old, new) in enumerate(zip(was.levels, now.levels, strict=True)):
            _check_type(old.dtype, new.dtype, f"level {number} of {where}")


def _check_type(was: Any, now: Any, where: str) -> None:
    if was != now:
        raise Unfit(f"{where} has the type `{was}`, and would come back as `{now}`", _ASTYPE)


# --- out of the file --------------------------------------------------------------------------------------------------


def _build(note: Note, arrays: list[Any], memory: Memory, rows: int) -> Any:
    count = _width(note["index"])
    index = _build_index(note["index"], arrays[:count], memory, rows)
    data = [decode(of, array, memory) for of, array in zip(note["data"], arrays[count:], strict=True)]
    found = _build_series(data[0], note, index) if note["series"] else _build_frame(data, note, index)
    found.attrs = plain.decode(note["attrs"])
    if note["unique_labels"]:
        found.flags.allows_duplicate_labels = False
    return found


def _build_series(values: Any, note: Note, index: Any) -> Any:
    dtype = object if values.dtype == object else None  # else pandas makes text of objects that are text
    return pandas.Series(values, index, dtype, plain.decode(note["name"]), copy=False)


def _build_frame(data: list[Any], note: Note, index: Any) -> Any:
    """Columns as they are, without gathering those of one type: that would read and copy all of it."""
    labels = note["columns"]["labels"]
    memory = Memory(bytearray(base64.b64decode(labels)))
    arrays = _labels(memory) if labels else []
    columns = _build_index(note["columns"], arrays, memory, len(data))
    parts = {
        number: pandas.Series(values, index, object, copy=False) if values.dtype == object else values
        for number, values in enumerate(data)
    }
    frame = pandas.DataFrame(parts, index, copy=False)
    frame.columns = columns
    return frame


def _labels(memory: Memory) -> list[Any]:
    """Always validated: they are few."""
    batch = pyarrow.ipc.open_file(pyarrow.BufferReader(memory.arrow)).get_batch(0)
    batch.validate(full=True)
    found: list[Any] = batch.columns
    return found


def _width(note: Note) -> int:
    return 0 if note["is"] == "range" else len(note["of"])


def _build_index(note: Note, arrays: list[Any], memory: Memory, rows: int) -> Any:
    names = plain.decode(note["names"])
    if note["is"] == "range":
        start, stop, step = note["range"]
        span = range(start, stop, step)
        return pandas.RangeIndex(span if len(span) == rows else span[:rows], name=names[0])
    if note["is"] == "multi":
        levels = [index_of(of, array.dictionary, memory) for of, array in zip(note["of"], arrays, strict=True)]
        codes = [positions(array, memory) for array in arrays]
        return pandas.MultiIndex(levels, codes, names=names, verify_integrity=False)
    index = index_of(note["of"][0], arrays[0], memory)
    index.name = names[0]
    if note["freq"]:
        _set_freq(index, note["freq"])
    return index


def _set_freq(index: Any, freq: str) -> None:
    """Its name may be of another pandas; the times are the same without it."""
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")
        index.freq = freq
