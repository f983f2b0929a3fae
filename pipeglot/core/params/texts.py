"""Values as text: `-p KEY=VALUE` of a command line, and the text that gives a value back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, NoReturn

from pipeglot.core import plain
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params.describing import shown, ticked
from pipeglot.core.params.scalars import Place
from pipeglot.core.params.values import normalise, to_json

_BOOLS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_NONE = ("null", "none")
_HOLDERS = (ListType, TupleType, DictType, RecordType)


def parse(kind: ParamType, text: str, *, name: str) -> Any:
    """The wire form of a value written as text. Raises `ParamError`.

    A list is JSON if it starts with `[`, else its items between commas; a dict and a record are JSON. `null` and `none`
    are None wherever None may stand, so a `str | None` is never the text "none". Ints and floats may have underscores.
    """
    return normalise(kind, _value(kind, text, name), name=name)


def show(kind: ParamType, wire: Any, *, name: str = "value") -> str:
    """The text that `parse` turns into this wire form (but for the texts "none" and "null" of a `str | None`)."""
    value = to_json(kind, wire, name=name)
    while isinstance(kind, OptionalType) and value is not None:
        kind = kind.of
    if isinstance(kind, ScalarType) and kind.name == "any":
        return value if isinstance(value, str) and _stays_text(value) else _dumps(value)
    if isinstance(kind, LiteralType) and isinstance(value, str):
        return value if _option(kind, value) == value else _dumps(value)
    return value if isinstance(value, str) and not isinstance(kind, RecordType) else _dumps(value)


def _value(kind: ParamType, text: str, at: str) -> Any:
    """A Python value or JSON that `normalise` checks."""
    match kind:
        case ScalarType():
            return _scalar(kind, text, at)
        case OptionalType():
            return None if text.lower() in _NONE and not _names_option(kind.of, text) else _value(kind.of, text, at)
        case EnumType():
            return _enum_value(kind, text)
        case LiteralType():
            return _option(kind, text)
        case ListType() | TupleType():
            return _items(kind, text, at)
        case DictType() | RecordType():
            return _json_value(kind, text, at)
        case ArtifactType():
            return text.strip()


def _scalar(kind: ScalarType, text: str, at: str) -> Any:
    match kind.name:
        case "any":
            return _any(text, at)
        case "bool":
            return _bool(kind, text, at)
        case "int":
            return _number(int, kind, text, at)
        case "float":
            return _float(kind, text, at)
        case "str":
            return text
        case _:
            return text.strip()


def _any(text: str, at: str) -> Any:
    """JSON if it is JSON, else the text."""
    try:
        return _loads(text)
    except json.JSONDecodeError:
        return text
    except _NotUsable as error:
        raise ParamError(f"parameter {ticked(at)} {error}, in {shown(text)}") from None


def _bool(kind: ScalarType, text: str, at: str) -> bool:
    try:
        return _BOOLS[text.strip().lower()]
    except KeyError:
        raise Place(at).refuse(kind, text, hint="write `true` or `false`") from None


def _float(kind: ScalarType, text: str, at: str) -> float:
    number = _number(float, kind, text, at)
    if number in (float("inf"), float("-inf")) and "n" not in text.lower():
        raise Place(at).refuse(kind, text, "it is too large")
    return number


def _number(cls: Callable[[str], float], kind: ScalarType, text: str, at: str) -> float:
    try:
        if text.isascii():  # Python reads the digits of all scripts
            return cls(text)
    except ValueError:
        pass
    raise Place(at).refuse(kind, text)


def _enum_value(kind: EnumType, text: str) -> object:
    """By name, else by the text of a value; what is neither stays text, and is refused as such."""
    if text in kind.members:
        return text
    for wire in kind.members.values():
        value = plain.decode(wire)
        if type(value) is not str and str(_plain_text(value)) == text:
            return value
    return text


def _plain_text(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def _names_option(kind: ParamType, text: str) -> bool:
    if isinstance(kind, EnumType):
        return text in kind.members
    return isinstance(kind, LiteralType) and text in kind.values


def _option(kind: LiteralType, text: str) -> object:
    """`1`, `true` and `null` are no texts where both may stand; `"1"` in quotes is one."""
    options = [plain.decode(wire) for wire in kind.values]
    for option in options:
        if not isinstance(option, str) and text.strip().lower() in (str(option).lower(), _dumps(option)):
            return option
    return next((option for option in options if _dumps(option) == text), text)


def _items(kind: ListType | TupleType, text: str, at: str) -> list[Any]:
    if text.lstrip().startswith("["):
        value = _json_value(kind, text, at)
        assert isinstance(value, list)
        return value
    if not text.strip():
        return []
    words = text.split(",")
    types = [kind.of] * len(words) if isinstance(kind, ListType) else list(kind.of)
    if any(isinstance(_bare(of), _HOLDERS) for of in types):
        raise Place(at).refuse(kind, text, hint="write it as JSON, as `[[1, 2], [3]]`")
    if len(words) != len(types):
        raise Place(at).refuse(kind, text, f"it has {len(words)} of {len(types)} places")
    return [_value(of, word.strip(), f"{at}[{i}]") for i, (of, word) in enumerate(zip(types, words, strict=True))]


def _bare(kind: ParamType) -> ParamType:
    return kind.of if isinstance(kind, OptionalType) else kind


def _json_value(kind: ParamType, text: str, at: str) -> Any:
    try:
        return _loads(text)
    except json.JSONDecodeError as error:
        why = f"it is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise Place(at).refuse(kind, text, why, f"write it as `{_example(kind)}`") from None
    except _NotUsable as error:
        raise Place(at).refuse(kind, text, f"it {error}") from None


def _example(kind: ParamType) -> str:
    if isinstance(kind, RecordType) and kind.fields:
        return f'{{"{kind.fields[0].name}": …}}'
    return '["a", "b"]' if isinstance(kind, ListType | TupleType) else '{"key": …}'


# --- JSON -------------------------------------------------------------------------------------------------------------


class _NotUsable(Exception):
    """JSON of a kind that readers understand differently, or not at all."""


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _NotUsable("is nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # the interpreter's limit on the digits of an int
        raise _NotUsable("has a number of too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _NotUsable(f"has the key {ticked(twice)} twice")
    return found


def _constant(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"`{word}` is no JSON", word, 0)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _stays_text(value: str) -> bool:
    """Whether no reader would take this text for JSON."""
    try:
        _loads(value)
    except json.JSONDecodeError:
        return value.lower() not in _NONE
    except _NotUsable:
        return False
    return False
