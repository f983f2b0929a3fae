"""Plain data: its tagged JSON form on the wire, and its canonical bytes, which are what is hashed.

Plain are None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, date, datetime, time, timedelta,
Decimal and NumPy scalars, and what is built of them. JSON has fewer types, so the others are objects with one key that
starts with `~`: `{"~t": [1, 2]}` is a tuple. `decode(encode(x))` equals `x` and has its types.

The canonical form differs in what equality must not see: keys and set members are sorted (by code point), and floats
are written by `float.hex()`, so that no printer's rounding is part of a hash. 1 and 1.0 differ, so do 0.0 and -0.0;
all NaN are one.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from decimal import Decimal
from typing import Any, NoReturn

from pipeglot.core.errors import ValueRefused

MAX_DEPTH = 200
"""Deeper nesting is refused: it would overflow some reader's stack, and a value that contains itself never ends."""


class NotPlain(ValueRefused):
    """Some part of the value is no plain data; the message names the part."""

    code = "not-plain"


def encode(value: object, name: str = "value") -> Any:
    """Turn plain data into JSON types. Raises `NotPlain`, naming the part by its path below `name`."""
    return _encode(value, name, canonical=False, depth=0)


def canonical(value: object, name: str = "value") -> bytes:
    """The canonical UTF-8 JSON of plain data. Raises `NotPlain`."""
    return dumps(_encode(value, name, canonical=True, depth=0))


def digest(value: object, name: str = "value") -> str:
    """The sha256, in hex, of the canonical bytes. Raises `NotPlain`."""
    return hashlib.sha256(canonical(value, name)).hexdigest()


def dumps(tree: Any) -> bytes:
    """JSON with sorted keys and no spaces; a lone surrogate is escaped, all other text is UTF-8."""
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def decode(tree: Any) -> Any:
    """Turn the result of `encode` back. Raises `ValueRefused` for a tag that this version does not know."""
    if type(tree) is list:
        return [decode(item) for item in tree]
    if type(tree) is not dict:
        return tree
    if len(tree) == 1:
        ((key, content),) = tree.items()
        if key.startswith("~"):
            return _decode_tag(key, content)
    return {key: decode(item) for key, item in tree.items()}


def _encode(value: object, name: str, *, canonical: bool, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is str:
        return _text(value, canonical)  # type: ignore[arg-type]  # `kind is str` narrows for a reader, not for mypy
    if kind is float:
        return _float(value, canonical)  # type: ignore[arg-type]
    if depth >= MAX_DEPTH:
        raise NotPlain(f"`{name[:60]}…` is nested more than {MAX_DEPTH} levels deep, or contains itself")
    if kind is list:
        return _items(value, name, canonical, depth)
    if kind is dict:
        return _dict(value, name, canonical, depth)  # type: ignore[arg-type]
    if kind is tuple:
        return {"~t": _items(value, name, canonical, depth)}
    if kind is set or kind is frozenset:
        return {"~s" if kind is set else "~fs": sorted(_items(value, name, canonical, depth), key=dumps)}
    return _scalar(value, name, canonical)


def _text(value: str, canonical: bool) -> Any:
    if canonical or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, as in a file name that is not UTF-8
        return {"~u": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
    return value


def _float(value: float, canonical: bool) -> Any:
    if value != value:
        return {"~f": "nan"}
    if canonical or value in (float("inf"), float("-inf")):
        return {"~f": value.hex()}
    return value


def _items(value: Any, name: str, canonical: bool, depth: int) -> list[Any]:
    return [_encode(item, f"{name}[{i}]", canonical=canonical, depth=depth + 1) for i, item in enumerate(value)]


def _dict(value: dict[Any, Any], name: str, canonical: bool, depth: int) -> dict[str, Any]:
    if all(type(key) is str and not key.startswith("~") and _is_utf8(key) for key in value):
        return {
            key: _encode(item, f"{name}[{key!r}]", canonical=canonical, depth=depth + 1) for key, item in value.items()
        }
    pairs = [
        [
            _encode(key, f"{name} key {key!r}", canonical=canonical, depth=depth + 1),
            _encode(item, f"{name}[{key!r}]", canonical=canonical, depth=depth + 1),
        ]
        for key, item in value.items()
    ]
    return {"~m": sorted(pairs, key=dumps) if canonical else pairs}


def _is_utf8(key: str) -> bool:
    return key.isascii() or _text(key, canonical=False) is key


def _scalar(value: object, name: str, canonical: bool) -> Any:
    if type(value) is bytes:
        return {"~b": base64.b64encode(value).decode()}
    if type(value) is Decimal:
        return {"~D": str(value)}
    if type(value) is dt.date:
        return {"~d": value.isoformat()}
    if type(value) is dt.datetime:
        return {"~dt": _datetime(value, name)}
    if type(value) is dt.time and value.tzinfo is None:
        return {"~tm": value.isoformat()}
    if type(value) is dt.timedelta:
        return {"~td": [value.days, value.seconds, value.microseconds]}
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return _numpy_scalar(value, name, canonical)
    _refuse(value, name)


def _refuse(value: object, name: str) -> NoReturn:
    raise NotPlain(f"`{name}` is a `{type(value).__module__}.{type(value).__qualname__}`, which is no plain data")


def _datetime(value: dt.datetime, name: str) -> list[Any]:
    zone = value.tzinfo
    if zone is None or type(zone) is dt.timezone:
        return [value.isoformat(), value.fold]
    key = getattr(zone, "key", None)
    if type(key) is not str:
        raise NotPlain(f"`{name}` has a time zone of type `{type(zone).__qualname__}`; use `zoneinfo.ZoneInfo`")
    return [value.replace(tzinfo=None).isoformat(), value.fold, key]


def _numpy_scalar(value: Any, name: str, canonical: bool) -> Any:
    """By dtype and value: `numpy.float64(0.5)` is `{"~n": ["float64", 0.5]}`."""
    if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8 or value.ndim:  # a long double has no exact float
        _refuse(value, name)
    return {"~n": [value.dtype.name, _encode(value.item(), name, canonical=canonical, depth=0)]}


def _decode_tag(tag: str, content: Any) -> Any:
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise ValueRefused(f"plain data has the unknown tag `{tag}`", hint="it may be of a later pipeglot: upgrade")
    return decoder(content)


def _decode_datetime(content: list[Any]) -> dt.datetime:
    value = dt.datetime.fromisoformat(content[0]).replace(fold=content[1])
    if len(content) == 2:
        return value
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=ZoneInfo(content[2]))


def _decode_numpy(content: list[Any]) -> Any:
    import numpy

    return numpy.dtype(content[0]).type(decode(content[1]))


_DECODERS = {
    "~f": float.fromhex,
    "~t": lambda items: tuple(decode(item) for item in items),
    "~s": lambda items: {decode(item) for item in items},
    "~fs": lambda items: frozenset(decode(item) for item in items),
    "~m": lambda pairs: {decode(key): decode(item) for key, item in pairs},
    "~u": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
    "~b": base64.b64decode,
    "~D": Decimal,
    "~d": dt.date.fromisoformat,
    "~dt": _decode_datetime,
    "~tm": dt.time.fromisoformat,
    "~td": lambda parts: dt.timedelta(*parts),
    "~n": _decode_numpy,
}
