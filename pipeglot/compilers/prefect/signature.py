"""The signature of a flow: its parameters with types that its readers, and Prefect's forms, can use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from pipeglot.compilers.python_text import Code, broken, literal
from pipeglot.compilers.schemas import schema
from pipeglot.core import params, plain
from pipeglot.core.ir import (
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params.describing import member_names

_SCALARS = {"any": "Any", "bool": "bool", "int": "int", "float": "float", "str": "str"}
"""Others travel as texts."""


def words(given: Iterable[Param]) -> list[str]:
    """`year: int = 2013`, for each: those that must be given come first, as Python wants it."""
    return [_word(one) for one in sorted(given, key=has_default)]


def has_default(one: Param) -> bool:
    return one.logical_date or one.default is not UNSET


def default_of(one: Param) -> Any:
    """As JSON; None in place of the day that a run is for."""
    return None if one.logical_date else params.to_json(one.type, one.default)


def type_of(one: Param) -> ParamType:
    if one.logical_date and not isinstance(one.type, OptionalType):
        return OptionalType(of=one.type)
    return one.type


def _word(one: Param) -> str:
    head = f"{one.name}: {annotation(type_of(one))}"
    if not has_default(one):
        return head
    return f"{head} = {broken(default_of(one), indent=4, used=len(head) + 4)}"


def annotation(kind: ParamType) -> str:
    """What a reader takes it for, and a form."""
    match kind:
        case ScalarType():
            return _SCALARS.get(kind.name, "str")
        case EnumType():
            return _literals(member_names(kind))
        case LiteralType():
            values = [plain.decode(value) for value in kind.values]
            return _literals(values) if all(isinstance(one, str | int | None) for one in values) else "Any"
        case OptionalType():
            inner = annotation(kind.of)
            return inner if inner == "Any" else f"{inner} | None"
        case ListType():
            return f"list[{annotation(kind.of)}]"
        case TupleType():
            return "list[Any]"
        case DictType():
            return f"dict[str, {annotation(kind.of)}]"
        case RecordType():
            return "dict[str, Any]"
        case _:
            return "str"


def _literals(values: Iterable[Any]) -> str:
    return f"Literal[{', '.join(map(literal, values))}]"


def json_schema(given: Iterable[Param]) -> dict[str, Any]:
    """Of all parameters, for the server: it refuses what is wrong, and what is not known."""
    properties: dict[str, Any] = {}
    required = []
    for place, one in enumerate(given):
        found = {"title": one.name, "position": place, **schema(type_of(one))}
        if has_default(one):
            found["default"] = default_of(one)
        else:
            required.append(one.name)
        properties[one.name] = found
    return {
        "title": "Parameters",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "definitions": {},
    }


def imported(signature: Iterable[str]) -> Code:
    """What the annotations need."""
    text = "\n".join(signature)
    names = [name for name in ("Any", "Literal") if name in text]
    return Code(f"from typing import {', '.join(names)}\n\n" if names else "")
