"""Parameters of a pipeline as KFP's: typed as far as it holds their values exactly, and as JSON in a text where not.

KFP keeps numbers as doubles. What a run is not given, it takes from the pipeline itself, by its first task.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from pipeglot.core import params, plain
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    ParamType,
    Pipeline,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params.describing import describe
from pipeglot.core.task.joining import RESERVED

EXACT = 2**53
"""Beyond this a double does not hold every whole number."""

_SCALARS = {
    "bool": "BOOLEAN",
    "int": "NUMBER_INTEGER",
    "float": "NUMBER_DOUBLE",
    "any": "",
}
"""All others are texts; of what has no type, nobody knows which one KFP is to take it for."""


def definitions(pipeline: Pipeline) -> dict[str, Any]:
    """The inputs of a whole run: its parameters, and what `pipeglot run` sends beside them."""
    found = {one.name: definition(one) for one in pipeline.params}
    found[RESERVED] = {
        "parameterType": "STRUCT",
        "defaultValue": {},
        "isOptional": True,
        "description": "For pipeglot's own use.",
    }
    return found


def definition(one: Param) -> dict[str, Any]:
    """An input: its type, its default if KFP holds it exactly, and for people what its type is in Python."""
    words: dict[str, Any] = {"parameterType": _kfp_type(one)}
    if one.default is not UNSET and not one.logical_date:
        default = params.to_json(one.type, one.default)
        if is_text(one):
            default = json.dumps(default, ensure_ascii=False)
        if default is not None and holds(default):
            words["defaultValue"] = default
    if one.default is not UNSET or one.logical_date:
        words["isOptional"] = True
    words["description"] = described(one)
    return words


def passed(pipeline: Pipeline) -> dict[str, Any]:
    """The same, as a component has them that only passes them on."""
    kept = ("parameterType", "isOptional")
    return {name: {key: words[key] for key in kept if key in words} for name, words in definitions(pipeline).items()}


def described(one: Param) -> str:
    """What it is, in Python's words. Braces would be taken for a placeholder."""
    text = "the day that a run is for" if one.logical_date else describe(one.type)
    return (f"{text}, as JSON" if is_text(one) else text).replace("{{", "{ {")


def texts(pipeline: Pipeline) -> list[str]:
    """The parameters that travel as JSON in a text."""
    return [one.name for one in pipeline.params if is_text(one)]


def encoded(pipeline: Pipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is given, as KFP takes it. What is None is left out, for KFP has no such value."""
    json_texts = {*texts(pipeline)}
    return {
        name: json.dumps(value, ensure_ascii=False) if name in json_texts else value
        for name, value in given.items()
        if value is not None or name in json_texts
    }


def is_text(one: Param) -> bool:
    """Whether KFP has no type that holds its values, or not its default."""
    kind = _base(one.type)
    if not _type_name(kind):
        return True
    if one.default is UNSET or one.default is None:
        return False
    default = params.to_json(one.type, one.default)
    is_string = isinstance(default, str) and _type_name(kind) != "STRING"  # such as `nan` for a float
    return is_string or not holds(default)


def holds(value: Any) -> bool:
    """Whether a protobuf value is the same as this JSON."""
    if isinstance(value, Mapping):
        return all(map(holds, value.values()))
    if isinstance(value, list):
        return all(map(holds, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | str | None) or abs(value) <= EXACT


def _kfp_type(one: Param) -> str:
    return "STRING" if is_text(one) else _type_name(_base(one.type))


def _base(kind: ParamType) -> ParamType:
    return _base(kind.of) if isinstance(kind, OptionalType) else kind


def _type_name(kind: ParamType) -> str:
    """KFP's name of a type; empty if it has none."""
    match kind:
        case ScalarType():
            return _SCALARS.get(kind.name, "STRING")
        case LiteralType():
            return _type_of_all([plain.decode(value) for value in kind.values])
        case ListType() | TupleType():
            return "LIST"
        case DictType() | RecordType():
            return "STRUCT"
        case EnumType() | ArtifactType():
            return "STRING"
        case OptionalType():
            return ""


def _type_of_all(values: list[Any]) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    names = {str: "STRING", bool: "BOOLEAN", int: "NUMBER_INTEGER"}
    return names.get(kinds.pop(), "") if len(kinds) == 1 else ""
