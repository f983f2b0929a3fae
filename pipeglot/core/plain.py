"""Plain data: its tagged JSON form on the wire, and its canonical bytes, which are what is hashed.

Plain are None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, date, datetime, time,
timedelta, Decimal, NumPy scalars, the types of `plain_types`, and what is built of them. JSON has fewer types, so the
others are objects with one key that starts with `~`: `{"~t": [1, 2]}` is a tuple. `decode(encode(x))` equals `x`, has
its types, and keeps the order of keys.

Objects of users' classes are not plain, but an `Instance`, which stands for one, is: nothing here imports a class.

The canonical form differs in what equality must not see: keys and set members are sorted (by code point), and floats
are written by `float.hex()`, so that no printer's rounding is part of a hash. 1 and 1.0 differ, so do 0.0 and -0.0; all
NaN are one.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring as _quoted
from typing import Any, NoReturn

from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.placeholders import Builder, Instance, Part

MAX_DEPTH = 100
"""Deeper nesting is refused: it would overflow some reader's stack, and a value that contains itself never ends."""

_BIG = 1 << 63  # larger integers are tagged: not every reader of JSON has them, and decimal digits take for ever
_CONSTANTS = frozenset({type(None), bool})
_CONTAINERS: dict[type, str] = {list: "", dict: "", tuple: "~t", set: "~s", frozenset: "~fs"}


class NotPlain(ValueRefused):
    """Some part of the value is no plain data; the message names the part."""

    code = "not-plain"


class TooDeep(NotPlain):
    """Plain as far as one can see, but there is no end to it."""

    code = "too-deep"


class Unwritten(Corrupt):
    """Tagged data that `encode` never wrote."""


def encode(value: object, name: str = "value") -> Any:
    """Turn plain data into JSON types. Raises `NotPlain`, naming the part by its path below `name`."""
    try:
        return _encode(value, 0)
    except _Unfit as unfit:
        raise unfit.error(name) from None


def canonical(value: object, name: str = "value") -> bytes:
    """The canonical UTF-8 JSON of plain data. Raises `NotPlain`."""
    try:
        return _utf8(_canonical(value, 0))
    except _Unfit as unfit:
        raise unfit.error(name) from None


def digest(value: object, name: str = "value") -> str:
    """The sha256, in hex, of the canonical bytes. Raises `NotPlain`."""
    return hashlib.sha256(canonical(value, name)).hexdigest()


def dumps(tree: Any) -> bytes:
    """JSON with sorted keys and no spaces; a lone surrogate is escaped, all other text is UTF-8."""
    return _utf8(_sorted_json(tree))


def dumps_ordered(tree: Any) -> bytes:
    """As `dumps`, but the keys stay in the order in which they are."""
    return _utf8(_json(tree))


def decode(tree: Any, build: Builder | None = None) -> Any:
    """Turn the result of `encode` back. Raises `ValueRefused` for a tag that this version does not know,
    `Unwritten` for what `encode` never wrote.

    Without a builder, objects of users' classes stay `Instance`s: no module is imported that the data names.
    """
    kind = type(tree)
    if kind is list:
        return [decode(item, build) if type(item) in _CONTAINERS else item for item in tree]
    if kind is not dict:
        return tree
    if len(tree) == 1:
        ((key, content),) = tree.items()
        if key.startswith("~"):
            return _decode_tag(key, content, build)
    return {key: decode(item, build) if type(item) in _CONTAINERS else item for key, item in tree.items()}


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_sorted_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


class _Unfit(Exception):
    """What is no plain data. The path is put together on the way out: almost no value ever needs one."""

    def __init__(self, reason: str, kind: type[NotPlain] = NotPlain) -> None:
        self.reason = reason
        self.kind = kind
        self.path = ""

    def below(self, part: str) -> _Unfit:
        self.path = part + self.path
        return self

    def inside(self, tag: str) -> _Unfit:
        """Of a compound, whose fields are attributes."""
        if tag == "~o" and (found := re.match(r"\['(\w+)'\]", self.path)):
            self.path = f".{found[1]}{self.path[found.end() :]}"
        return self

    def error(self, name: str) -> NotPlain:
        path = self.path if len(self.path) <= 60 else f"{self.path[:60]}…"
        return self.kind(f"`{name}{path}` {self.reason}")


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise _Unfit(f"is nested more than {MAX_DEPTH} levels deep, or contains itself", TooDeep)


# --- the wire form ---------------------------------------------------------------------------------------------------


def _encode(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _CONSTANTS:
        return value
    if kind is str:
        return value if value.isascii() or _is_utf8(value) else {"~u": _surrogates(value)}
    if kind is int:
        return value if -_BIG <= value < _BIG else {"~i": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"~f": value.hex()}
    if kind not in _CONTAINERS:
        return _encode_compound(value, depth) if kind in _COMPOUNDS else _scalar(value)
    _check_depth(depth)
    if kind is dict:
        return _encode_dict(value, depth)
    items = _encode_items(value, depth)
    if kind is list:
        return items
    return {_CONTAINERS[kind]: items if kind is tuple else sorted(items, key=dumps)}


def _encode_items(value: Any, depth: int) -> list[Any]:
    if _all_json(value):
        return list(value)
    items: list[Any] = []
    try:
        for item in value:
            items.append(_encode(item, depth + 1))  # noqa: PERF401  # how far it came is the index in the message
    except _Unfit as unfit:
        raise unfit.below(f"[{len(items)}]") from None
    return items


def _all_json(value: Any) -> bool:
    """Do all items stand for themselves? For long lists of one type this is told at the speed of C."""
    kinds = set(map(type, value))
    if kinds <= _CONSTANTS:
        return True
    if kinds == {float}:
        return all(map(math.isfinite, value))
    if kinds == {int}:
        return bool(min(value) >= -_BIG and max(value) < _BIG)
    return kinds == {str} and all(map(str.isascii, value))


def _encode_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    key = None
    try:
        if _is_object(value):
            tree = {}
            for key, item in value.items():
                tree[key] = _encode(item, depth + 1)
            return tree
        pairs = []
        for key, item in value.items():
            pairs.append([_encode(key, depth + 1), _encode(item, depth + 1)])
    except _Unfit as unfit:
        raise unfit.below(f"[{key!r}]") from None
    return {"~m": pairs}


def _encode_compound(value: Any, depth: int) -> dict[str, Any]:
    tag, head, body = _COMPOUNDS[type(value)](value)
    try:
        return {tag: [*(_encode(item, depth + 1) for item in head), _encode(body, depth)]}
    except _Unfit as unfit:
        raise unfit.inside(tag) from None


def _is_object(value: dict[Any, Any]) -> bool:
    """Can it be a JSON object: is every key text, and none like a tag?"""
    return all(type(key) is str and key[:1] != "~" and (key.isascii() or _is_utf8(key)) for key in value)


def _is_utf8(text: str) -> bool:
    """False for lone surrogates, as in a file name that is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _surrogates(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


# --- the canonical form ----------------------------------------------------------------------------------------------


def _canonical(value: Any, depth: int) -> str:
    """Text at once: a tree in between would take most of the time and of the memory."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int:
        return repr(value) if -_BIG <= value < _BIG else f'{{"~i":"{value:#x}"}}'
    if kind is float:
        return f'{{"~f":"{value.hex()}"}}'
    if kind in _CONSTANTS:
        return "null" if value is None else "true" if value else "false"
    if kind not in _CONTAINERS:
        return _canonical_compound(value, depth) if kind in _COMPOUNDS else _sorted_json(_scalar(value, canonical=True))
    _check_depth(depth)
    if kind is dict:
        return _canonical_dict(value, depth)
    items = _canonical_items(value, depth)
    if kind is set or kind is frozenset:
        items.sort(key=_utf8)
    text = f"[{','.join(items)}]"
    return text if kind is list else f'{{"{_CONTAINERS[kind]}":{text}}}'


def _canonical_items(value: Any, depth: int) -> list[str]:
    kinds = set(map(type, value))
    if kinds == {str}:
        return [_quoted(item) for item in value]
    if kinds == {float}:
        return [f'{{"~f":"{item.hex()}"}}' for item in value]
    if kinds == {int} and _all_json(value):
        return [repr(item) for item in value]
    items: list[str] = []
    try:
        for item in value:
            items.append(_canonical(item, depth + 1))  # noqa: PERF401  # as in `_encode_items`
    except _Unfit as unfit:
        raise unfit.below(f"[{len(items)}]") from None
    return items


def _canonical_dict(value: dict[Any, Any], depth: int) -> str:
    items = []
    key = None
    try:
        if _is_object(value):
            for key in sorted(value):
                items.append(f"{_quoted(key)}:{_canonical(value[key], depth + 1)}")  # noqa: PERF401  # `key`: as there
            return f"{{{','.join(items)}}}"
        for key, item in value.items():
            items.append(f"[{_canonical(key, depth + 1)},{_canonical(item, depth + 1)}]")
    except _Unfit as unfit:
        raise unfit.below(f"[{key!r}]") from None
    items.sort(key=_utf8)
    return f'{{"~m":[{",".join(items)}]}}'


def _canonical_compound(value: Any, depth: int) -> str:
    tag, head, body = _COMPOUNDS[type(value)](value)
    try:
        items = [_canonical(item, depth + 1) for item in head]
        return f'{{"{tag}":[{",".join([*items, _canonical(body, depth)])}]}}'
    except _Unfit as unfit:
        raise unfit.inside(tag) from None


# --- containers with more to them than their items -------------------------------------------------------------------


def _attributes(value: Any) -> None:
    if getattr(value, "__dict__", None):
        raise _Unfit(f"is a `{type(value).__name__}` with attributes of its own, which is no plain data")


def _ordered(value: Any) -> tuple[str, list[Any], Any]:
    """With the keys once more, as a list: their order counts, and the canonical form of a dict has none."""
    _attributes(value)
    return "~od", [list(value)], dict(value)


def _counter(value: Any) -> tuple[str, list[Any], Any]:
    _attributes(value)
    return "~ct", [], dict(value)


def _defaults(value: Any) -> tuple[str, list[Any], Any]:
    factory = value.default_factory
    if factory is not None and not any(factory is kind for kind in _FACTORIES.values()):
        raise _Unfit(f"is a `defaultdict` with the default factory `{factory!r}`, which is no plain data")
    return "~dd", [None if factory is None else factory.__name__], dict(value)


_FACTORIES: dict[str, Any] = {kind.__name__: kind for kind in (bool, int, float, str, bytes, list, tuple, dict, set)}
_COMPOUNDS: dict[type, Callable[[Any], tuple[str, list[Any], Any]]] = {
    OrderedDict: _ordered,
    Counter: _counter,
    defaultdict: _defaults,
    deque: lambda value: ("~dq", [value.maxlen], list(value)),
    Instance: lambda value: ("~o", [value.kind, value.ref, value.rest], value.fields),
}
"""Tag, head and body of each: stored as `{tag: [*head, body]}`."""


# --- scalars that JSON lacks: but for parts, the same in both forms --------------------------------------------------


def _scalar(value: Any, *, canonical: bool = False) -> dict[str, Any]:
    kind = type(value)
    if kind is bytes:
        return {"~b": base64.b64encode(value).decode()}
    if kind is Decimal:
        return {"~D": str(value)}
    if kind is dt.date:
        return {"~d": value.isoformat()}
    if kind is dt.datetime:
        return {"~dt": _datetime(value)}
    if kind is dt.time:
        return {"~tm": _time(value)}
    if kind is dt.timedelta:
        return {"~td": [value.days, value.seconds, value.microseconds]}
    if kind is complex:
        return {"~c": [value.real.hex(), value.imag.hex()]}
    if kind is Part:
        return {"~v": value.value if canonical else value.at}
    from pipeglot.core.plain_types import encode

    found = encode(value)
    if found is None:
        _refuse(value)
    return found


def _refuse(value: object) -> NoReturn:
    raise _Unfit(f"is a `{type(value).__module__}.{type(value).__qualname__}`, which is no plain data")


def _datetime(value: dt.datetime) -> list[Any]:
    zone = value.tzinfo
    if zone is None or type(zone) is dt.timezone:
        return [value.isoformat(), value.fold]
    return [value.replace(tzinfo=None).isoformat(), value.fold, _zone_key(zone)]


def _time(value: dt.time) -> Any:
    zone = value.tzinfo
    if zone is None or type(zone) is dt.timezone:
        return [value.isoformat(), 1] if value.fold else value.isoformat()
    return [value.replace(tzinfo=None).isoformat(), value.fold, _zone_key(zone)]


def _zone_key(zone: dt.tzinfo) -> str:
    key = getattr(zone, "key", None)
    if type(key) is not str:
        raise _Unfit(f"has a time zone of type `{type(zone).__qualname__}`; use `zoneinfo.ZoneInfo`")
    return key


def _decode_tag(tag: str, content: Any, build: Builder | None) -> Any:
    try:
        return _decoded(tag, content, build)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise Unwritten(f"plain data holds a `{tag}` that is none: {type(error).__name__}: {error}") from error


def _decoded(tag: str, content: Any, build: Builder | None) -> Any:
    container = _BUILDERS.get(tag)
    if container is not None:
        return container(content, build)
    decoder = _DECODERS.get(tag)
    if decoder is not None:
        return decoder(content)
    from pipeglot.core.plain_types import DECODERS

    if tag not in DECODERS:
        raise ValueRefused(f"plain data has the unknown tag `{tag}`", hint="it may be of a later pipeglot: upgrade")
    return DECODERS[tag](content)


def _decode_instance(content: Any, build: Builder | None) -> Any:
    kind, ref, rest, fields = content
    found = Instance(kind, ref, decode(fields, build), decode(rest, build))
    return found if build is None else build.instance(found)


def _decode_deque(content: Any, build: Builder | None) -> Any:
    maxlen, items = content
    return deque(decode(items, build), maxlen)


def _decode_defaults(content: Any, build: Builder | None) -> Any:
    factory, items = content
    return defaultdict(None if factory is None else _FACTORIES[factory], decode(items, build))


_BUILDERS: dict[str, Callable[[Any, Builder | None], Any]] = {
    "~t": lambda items, build: tuple([decode(item, build) for item in items]),
    "~s": lambda items, build: {decode(item, build) for item in items},
    "~fs": lambda items, build: frozenset([decode(item, build) for item in items]),
    "~m": lambda pairs, build: {decode(key, build): decode(item, build) for key, item in pairs},
    "~od": lambda content, build: OrderedDict(decode(content[1], build)),
    "~ct": lambda content, build: Counter(decode(content[0], build)),
    "~dd": _decode_defaults,
    "~dq": _decode_deque,
    "~o": _decode_instance,
    "~v": lambda at, build: Part(at) if build is None else build.part(at),
}


def _decode_datetime(content: list[Any]) -> dt.datetime:
    value = dt.datetime.fromisoformat(content[0]).replace(fold=content[1])
    if len(content) == 2:
        return value
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=ZoneInfo(content[2]))


def _decode_time(content: Any) -> dt.time:
    if type(content) is str:
        return dt.time.fromisoformat(content)
    value = dt.time.fromisoformat(content[0]).replace(fold=content[1])
    if len(content) == 2:
        return value
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=ZoneInfo(content[2]))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "~i": lambda text: int(text, 16),
    "~f": float.fromhex,
    "~c": lambda parts: complex(float.fromhex(parts[0]), float.fromhex(parts[1])),
    "~u": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
    "~b": base64.b64decode,
    "~D": Decimal,
    "~d": dt.date.fromisoformat,
    "~dt": _decode_datetime,
    "~tm": _decode_time,
    "~td": lambda parts: dt.timedelta(*parts),
}
