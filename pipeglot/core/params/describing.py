"""Types and values as messages show them: short, on one line, whatever was given."""

from __future__ import annotations

import enum

from pipeglot.core import plain
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

_LONGEST = 80
_MOST_MEMBERS = 12


def describe(kind: ParamType) -> str:
    """A type as people write it: `int | None`, `list[date]`, `Mode (fast | slow)`."""
    match kind:
        case ScalarType():
            return kind.name
        case EnumType():
            names = member_names(kind)
            more = " | …" if len(names) > _MOST_MEMBERS else ""
            return f"{class_name(kind.ref)} ({' | '.join(names[:_MOST_MEMBERS])}{more})"
        case LiteralType():
            return " | ".join(shown(plain.decode(value)) for value in kind.values)
        case OptionalType():
            return f"{describe(kind.of)} | None"
        case ListType():
            return f"tuple[{describe(kind.of)}, ...]" if kind.tuple else f"list[{describe(kind.of)}]"
        case TupleType():
            return f"tuple[{', '.join(describe(one) for one in kind.of) or '()'}]"
        case DictType():
            return f"dict[str, {describe(kind.of)}]"
        case RecordType():
            return class_name(kind.ref)
        case ArtifactType():
            return f"artifact ({kind.type})" if kind.type else "artifact"


def class_name(ref: str) -> str:
    """The class in `module:qualname`, without its module."""
    return ref.partition(":")[2] or ref


def member_names(kind: EnumType) -> list[str]:
    """The names of an enum's members, without aliases: of equal values, the first name stands for all."""
    values: list[object] = []
    names: list[str] = []
    for name, wire in kind.members.items():
        value = plain.decode(wire)
        if value not in values:
            values.append(value)
            names.append(name)
    return names


def shown(value: object) -> str:
    """The value as Python writes it, on one line of at most about 80 characters."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        text = repr(str.__str__(value)[:_LONGEST])
        return text if len(value) <= _LONGEST else f"{text[:-1]}…{text[-1]}"
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"an int of {value.bit_length()} bits"
    try:
        if isinstance(value, list | tuple | dict | set | frozenset):
            import reprlib

            return _cut(" ".join(reprlib.repr(value).split()))
        return _cut(" ".join(repr(value).split()))
    except Exception:  # noqa: BLE001  # the repr is the user's code, or too deep; the message that shows it must not fail
        return f"a {type(value).__qualname__}"


def ticked(name: object) -> str:
    """A name that somebody gave, in backticks, with nothing in it that a terminal would obey."""
    text = repr(str.__str__(name[:_LONGEST]))[1:-1] if isinstance(name, str) else shown(name)
    return f"`{text}`"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
