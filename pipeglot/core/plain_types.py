"""More scalars that are plain data, in tagged form. Their modules are imported only by who uses them."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pipeglot.core import plain


def encode(value: Any) -> dict[str, Any] | None:
    """The tagged form; None for a type that is none of these. Subclasses are none: they may hold more."""
    kind = type(value)
    if kind.__module__ == "numpy" and isinstance(value, sys.modules["numpy"].generic):
        scalar = _numpy_scalar(value)
        return None if scalar is None else {"~n": scalar}
    home, name = kind.__module__.partition(".")[0], kind.__name__
    known = _TYPES.get((home, name))
    if known is None or getattr(sys.modules.get(home), name, None) is not kind:
        return _pandas_missing(value) if home == "pandas" else None
    tag, encoder = known
    content = encoder(value)
    return None if content is None else {tag: content}


def _integer(value: int) -> Any:
    return plain.encode(value)


def _fraction(value: Any) -> list[Any]:
    return [_integer(value.numerator), _integer(value.denominator)]


def _range(value: range) -> list[Any]:
    return [_integer(value.start), _integer(value.stop), _integer(value.step)]


# --- NumPy ------------------------------------------------------------------------------------------------------------


def _numpy_scalar(value: Any) -> list[Any] | None:
    """By dtype and value: `numpy.float64(0.5)` is `["float64", {"~f": "0x1.0000000000000p-1"}]`."""
    kind, dtype = value.dtype.kind, value.dtype
    if kind in "biuf" and dtype.itemsize <= 8:  # a long double has no exact float
        item = value.item()
        return [dtype.name, {"~f": item.hex()} if kind == "f" else item]
    if kind == "c" and dtype.itemsize <= 16:
        return [dtype.name, plain.encode(complex(value))]
    if kind == "U" and type(value).__name__ == "str_":
        return ["str", plain.encode(str(value))]
    if kind == "S" and type(value).__name__ == "bytes_":
        return ["bytes", plain.encode(bytes(value))]
    return [dtype.name, int(value.view("i8"))] if kind in "mM" else None


_SCALAR = re.compile(r"bool|(u?int|float|complex)\d+|(datetime|timedelta)64(\[\w+\])?")
"""The names of types that are written."""


def _decode_numpy(content: list[Any]) -> Any:
    import numpy

    name, item = content[0], plain.decode(content[1])
    if name in ("str", "bytes"):
        if type(item) is not (str if name == "str" else bytes):
            raise TypeError(f"a NumPy `{name}` of a `{type(item).__name__}`")
        return numpy.str_(item) if name == "str" else numpy.bytes_(item)
    if type(name) is not str or not _SCALAR.fullmatch(name):  # others may be as large as their name says
        raise TypeError(f"`{name}` is no type of a NumPy scalar")
    dtype = numpy.dtype(name)
    if dtype.kind in "mM":
        return numpy.int64(item).view(dtype)
    return dtype.type(item)


# --- pandas: a Timestamp is a datetime, but one with nanoseconds and a unit -------------------------------------------


def _timestamp(value: Any) -> list[Any] | None:
    unit = getattr(value, "unit", "ns")
    naive = value if value.tz is None else value.tz_convert(None)
    ticks = int(naive.to_datetime64().astype(f"M8[{unit}]").view("i8"))
    if value.tz is None:
        return [ticks, unit, value.fold]
    zone = _zone(value.tz)
    return None if zone is None else [ticks, unit, value.fold, *zone]


def _zone(tz: Any) -> list[Any] | None:
    """Its library, for zones of different ones are different types, and its name, or its offset in seconds."""
    library = type(tz).__module__.partition(".")[0]
    name = getattr(tz, "key", None) if library == "zoneinfo" else getattr(tz, "zone", None)
    if library in ("zoneinfo", "pytz") and type(name) is str:
        return [library, name]
    if library == "datetime":
        return [library, tz.utcoffset(None).total_seconds().hex()]
    return None


def _decode_timestamp(content: list[Any]) -> Any:
    import numpy
    import pandas

    ticks, unit, fold, *zone = content
    found = pandas.Timestamp(numpy.int64(ticks).view(f"M8[{unit}]"))
    if not zone:
        return found.replace(fold=fold) if fold else found
    return found.tz_localize("UTC").tz_convert(_make_zone(*zone))


def _make_zone(library: str, name: str) -> Any:
    if library == "datetime":
        import datetime as dt

        return dt.timezone(dt.timedelta(seconds=float.fromhex(name)))
    return import_module("pytz").timezone(name) if library == "pytz" else import_module("zoneinfo").ZoneInfo(name)


def _timedelta(value: Any) -> list[Any]:
    unit = getattr(value, "unit", "ns")
    return [int(value.to_timedelta64().astype(f"m8[{unit}]").view("i8")), unit]


def _decode_timedelta(content: list[Any]) -> Any:
    import numpy
    import pandas

    ticks, unit = content
    return pandas.Timedelta(numpy.int64(ticks).view(f"m8[{unit}]"))


def _pandas_missing(value: object) -> dict[str, Any] | None:
    """Singletons, whose types have no public names."""
    pandas = sys.modules["pandas"]
    for name in ("NA", "NaT"):
        if value is getattr(pandas, name):
            return {"~pN": name}
    return None


def _decode_missing(name: str) -> Any:
    return getattr(import_module("pandas"), name if name == "NA" else "NaT")


def _path(value: Any) -> Any | None:
    """As text; but half a name of a network share, `\\\\host\\`, is another path once it is read from text."""
    text = str(value)
    return plain.encode(text) if type(value)(text) == value else None


_TYPES: dict[tuple[str, str], tuple[str, Callable[[Any], Any]]] = {
    ("builtins", "bytearray"): ("~ba", lambda value: base64.b64encode(value).decode()),
    ("builtins", "range"): ("~r", _range),
    ("fractions", "Fraction"): ("~F", _fraction),
    ("pathlib", "PurePosixPath"): ("~pp", _path),
    ("pathlib", "PureWindowsPath"): ("~pw", _path),
    ("uuid", "UUID"): ("~id", str),
    ("pandas", "Timestamp"): ("~pT", _timestamp),
    ("pandas", "Timedelta"): ("~pD", _timedelta),
}

DECODERS: dict[str, Callable[[Any], Any]] = {
    "~ba": lambda text: bytearray(base64.b64decode(text)),
    "~r": lambda parts: range(*plain.decode(parts)),
    "~F": lambda parts: import_module("fractions").Fraction(*plain.decode(parts)),
    "~pp": lambda text: import_module("pathlib").PurePosixPath(plain.decode(text)),
    "~pw": lambda text: import_module("pathlib").PureWindowsPath(plain.decode(text)),
    "~id": lambda text: import_module("uuid").UUID(text),
    "~n": _decode_numpy,
    "~pT": _decode_timestamp,
    "~pD": _decode_timedelta,
    "~pN": _decode_missing,
}
