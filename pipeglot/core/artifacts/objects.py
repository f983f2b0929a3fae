"""Columns of Python objects as Arrow arrays: text, bytes and dates as such, anything else that is plain as JSON.

What stands for a missing item (None, NaN, NA, NaT) comes back as what it was.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import zoneinfo
from importlib import import_module
from typing import Any

import numpy
import pandas
import pyarrow

from pipeglot.core import plain
from pipeglot.core.errors import PipeglotError

Note = dict[str, Any]

_MISSING = {"none": None, "nan": float("nan"), "NA": pandas.NA, "NaT": pandas.NaT}
_MARKS = list(_MISSING)


class Unfit(PipeglotError):
    """What cannot be stored; the message goes on from the name of the column."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)


def encode(values: Any) -> tuple[Note, Any]:
    """A NumPy array of objects. Raises `Unfit`."""
    missing = pandas.isna(values)
    if missing.dtype != bool or missing.ndim != 1:  # pandas looks into nothing but arrays
        missing = numpy.array([item is None for item in values], bool)
    some = bool(missing.any())
    kinds = set(map(type, (values[~missing] if some else values).tolist())) or {str}
    name, arrow = _TYPED.get(next(iter(kinds)) if len(kinds) == 1 else type(None), ("", None))
    marks = _marks(values, missing) if some else None
    if arrow is None or (some and marks is None):
        return _encode_json(values)
    try:
        array = pyarrow.array(values, arrow, mask=missing)
    except (UnicodeEncodeError, pyarrow.ArrowException):  # lone surrogates
        return _encode_json(values)
    if marks is None or isinstance(marks, str):
        return {"is": name, "missing": marks or "none"}, array
    children = [array, pyarrow.array(marks)]
    return {"is": name, "missing": "mixed"}, pyarrow.StructArray.from_arrays(children, names=["value", "missing"])


_TYPED: dict[type, tuple[str, Any]] = {
    str: ("text", pyarrow.large_string()),
    bytes: ("bytes", pyarrow.large_binary()),
    dt.date: ("date", pyarrow.date32()),
}


def _marks(values: Any, missing: Any) -> Any:
    """What stands for the missing items: one name for all, or a number for each row; None if it is nothing known."""
    found = [_mark(item) for item in values[missing].tolist()]
    if None in found:
        return None
    if len(set(found)) == 1:
        return found[0]
    marks = numpy.zeros(len(values), "i1")
    marks[missing] = [_MARKS.index(mark) for mark in found if mark is not None]
    return marks


def _mark(item: object) -> str | None:
    if item is None:
        return "none"
    if type(item) is float:
        return "nan"
    return "NA" if item is pandas.NA else "NaT" if item is pandas.NaT else None


def decode(note: Note, array: Any) -> Any:
    """The objects again."""
    if note["is"] == "objects":
        return _decode_json(array)
    missing, marks = note["missing"], None
    if missing == "mixed":
        marks = array.field(1).to_numpy()
        array = array.field(0)
    nulls = nulls_of(array)
    values = array.to_numpy(zero_copy_only=False)
    if note["is"] == "date":
        values = values.astype("M8[D]").astype(object)
    if not values.flags.writeable:
        values = values.copy()
    if marks is not None:
        for number, mark in enumerate(_MARKS):
            values[nulls & (marks == number)] = _MISSING[mark]
    elif missing != "none":
        values[nulls] = _MISSING[missing]
    return values


# --- any plain data ---------------------------------------------------------------------------------------------------


def _encode_json(values: Any) -> tuple[Note, Any]:
    texts = []
    for row, item in enumerate(values):
        try:
            texts.append(_text(item))
        except plain.NotPlain:
            kind = f"{type(item).__module__}.{type(item).__qualname__}"
            raise Unfit(
                f"holds a `{kind}` in row {row}, which is no plain data",
                "make it text, a number, a date or a list of these, or return it apart from the frame",
            ) from None
    return {"is": "objects"}, pyarrow.array(texts, pyarrow.large_string())


def _text(item: Any) -> str:
    """JSON; after a `!`, what only pandas has."""
    if item is pandas.NA:
        return "!NA"
    if item is pandas.NaT:
        return "!NaT"
    if type(item) is pandas.Timestamp:
        zone = None if item.tz is None else zone_name(item.tz)
        unit = getattr(item, "unit", "ns")
        return f"!Timestamp {json.dumps([_ticks(item, 'M', unit), unit, zone])}"
    if type(item) is pandas.Timedelta:
        unit = getattr(item, "unit", "ns")
        return f"!Timedelta {json.dumps([_ticks(item, 'm', unit), unit])}"
    return plain.dumps_ordered(plain.encode(item)).decode()


def _ticks(item: Any, kind: str, unit: str) -> int:
    found = item.tz_convert(None) if kind == "M" and item.tz is not None else item
    return int((found.to_datetime64() if kind == "M" else found.to_timedelta64()).astype(f"{kind}8[{unit}]").view("i8"))


def _decode_json(array: Any) -> Any:
    values = numpy.empty(len(array), object)
    for row, text in enumerate(array.to_pylist()):
        values[row] = _pandas_item(text) if text[0] == "!" else plain.decode(json.loads(text))
    return values


def _pandas_item(text: str) -> Any:
    name, _, content = text[1:].partition(" ")
    if not content:
        return _MISSING[name]
    ticks, unit, *rest = json.loads(content)
    if name == "Timedelta":
        return pandas.Timedelta(numpy.int64(ticks).view(f"m8[{unit}]"))
    found = pandas.Timestamp(numpy.int64(ticks).view(f"M8[{unit}]"))
    return found if rest[0] is None else found.tz_localize("UTC").tz_convert(zone(rest[0]))


# --- shared by all columns --------------------------------------------------------------------------------------------


def zone_name(tz: Any) -> str | int:
    """A time zone by its name, or a fixed offset from UTC in seconds. Raises `Unfit`."""
    name = getattr(tz, "key", None) or getattr(tz, "zone", None)
    if type(name) is str:
        return name
    offset = tz.utcoffset(None) if isinstance(tz, dt.timezone) or type(tz).__module__.startswith("pytz") else None
    if offset is None:
        raise Unfit(
            f"has a time zone of the type `{type(tz).__module__}.{type(tz).__qualname__}`",
            "name it, as in `.dt.tz_convert('Europe/Berlin')`",
        )
    return int(offset.total_seconds()) or "UTC"


def zone_library(tz: Any) -> str:
    """Zones of different libraries are different types to pandas before 3."""
    return type(tz).__module__.partition(".")[0]


def zone(name: str | int, library: str = "") -> Any:
    """What pandas takes for a time zone. Without that library: pandas' own choice of one."""
    if not isinstance(name, str):
        return dt.timezone(dt.timedelta(seconds=name))
    if library == "zoneinfo":
        return zoneinfo.ZoneInfo(name)
    if library == "pytz":
        with contextlib.suppress(ImportError):
            return import_module("pytz").timezone(name)
    if name.startswith("dateutil/"):  # pandas would open any file that it names
        raise ValueError(f"{name!r} is no time zone")
    return name


def validity(valid: Any) -> Any:
    """Arrow's bitmap of the items that are there."""
    return pyarrow.py_buffer(numpy.packbits(valid, bitorder="little").tobytes())


def nulls_of(array: Any) -> Any:
    """True for each null."""
    if not array.null_count:
        return numpy.zeros(len(array), bool)
    return numpy.array(array.is_null().to_numpy(zero_copy_only=False))
