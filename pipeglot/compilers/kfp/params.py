"""Parameters of a pipeline as KFP's: typed as far as it holds their values exactly, and as JSON in a text where not.

KFP keeps numbers as doubles. What a run is not given, it takes from the pipeline itself, by its first task; and so it
does with each default that KFP would not bring there as it is. What `pipeglot run` gives, and KFP would not bring,
travels through the store.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from pipeglot.compilers.remote import largest
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
"""From this on a double does not hold every whole number."""

MOST = 10_000
"""Bytes of all parameters of a run that Kubeflow's API server takes. Vertex AI names no number: but it hands them to a
task in an argument, as Kubeflow does, and of one of these Linux takes 128 KiB."""

_ROOM = 1_000
"""Of these bytes, for where the others lie."""

_PLACEHOLDER = "{{"
"""KFP and Argo take what begins so for something to be filled in."""

_UNTAKEN = re.compile(r"[\ud800-\udfff]|\\u0000")
"""What no protobuf takes in a text, or not every database: in JSON, where NUL has an escape."""

_SCALARS = {
    "bool": "BOOLEAN",
    "int": "NUMBER_INTEGER",
    "float": "NUMBER_DOUBLE",
    "any": "",
}
"""All others are texts; of what has no type, nobody knows which one KFP is to take it for."""


def definitions(pipeline: Pipeline) -> dict[str, Any]:
    """The inputs of a whole run: its parameters, and what `pipeglot run` sends beside them."""
    own = defaults_of_its_own(pipeline)
    found = {one.name: definition(one, is_own=one.name in own) for one in pipeline.params}
    found[RESERVED] = {
        "parameterType": "STRUCT",
        "defaultValue": {},
        "isOptional": True,
        "description": "For pipeglot's own use.",
    }
    return found


def definition(one: Param, *, is_own: bool = False) -> dict[str, Any]:
    """An input: its type, its default if KFP holds it exactly, and for people what its type is in Python.

    is_own: whether the default stands in the pipeline alone.
    """
    words: dict[str, Any] = {"parameterType": _kfp_type(one)}
    default = _default(one)
    if default is not None and not is_own:
        words["defaultValue"] = default
    if one.default is not UNSET or one.logical_date:
        words["isOptional"] = True
    words["description"] = f"{described(one)}; its default stands in the pipeline" if is_own else described(one)
    return words


def defaults_of_its_own(pipeline: Pipeline) -> set[str]:
    """The parameters whose default KFP is not told: it would fill something in, or it is too large."""
    texts = {one.name: _json(default) for one in pipeline.params if (default := _default(one)) is not None}
    hostile = {name for name, text in texts.items() if not _is_safe(text)}
    return hostile | {*largest({name: _size(texts[name]) for name in texts if name not in hostile}, MOST)}


def _default(one: Param) -> Any:
    """As KFP has it; None if it has no such value."""
    if one.default is UNSET or one.logical_date:
        return None
    default = params.to_json(one.type, one.default)
    return _json(default) if is_text(one) else default


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


def uncarried(pipeline: Pipeline, given: Mapping[str, Any]) -> list[str]:
    """What a run is given, and KFP would not bring to its tasks as it is; of what would be too large, the largest."""
    known = {one.name: one for one in pipeline.params}
    sizes: dict[str, int] = {}
    found: list[str] = []
    for name, value in given.items():
        text = _json(_json(value)) if name in known and is_text(known[name]) else _json(value)
        if _is_safe(text) and _is_exact(known.get(name), value):
            sizes[name] = _size(text) + len(name) + len('"":,')
        else:
            found.append(name)
    if not found and sum(sizes.values()) < MOST:  # with the braces around them
        return []
    return [*found, *largest(sizes, MOST - _ROOM)]


def _is_exact(one: Param | None, value: Any) -> bool:
    """Whether KFP holds it. It has no None: what is left out is, for the first task, what the pipeline has."""
    if one is None or is_text(one):
        return True
    return one.default is None if value is None else holds(value)


def _is_safe(text: str) -> bool:
    """Whether there is nothing in JSON that would be taken for something else, or not at all."""
    return _PLACEHOLDER not in text and not _UNTAKEN.search(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _size(text: str) -> int:
    """The bytes of JSON as Go writes it."""
    return len(text.encode("utf-8", "surrogatepass")) + 5 * sum(map(text.count, "<>&\u2028\u2029"))


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
    if isinstance(value, float):  # Go writes no sign before a zero that Python reads as a float's
        return math.isfinite(value) and str(value) != "-0.0"
    return isinstance(value, bool | str | None) or abs(value) < EXACT


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
            return "LIST" if _is_typed(kind) else ""
        case DictType() | RecordType():
            return "STRUCT" if _is_typed(kind) else ""
        case EnumType() | ArtifactType():
            return "STRING"
        case OptionalType():
            return ""


def _is_typed(kind: ParamType) -> bool:
    """Whether of each number in it the type is known, by which a double is a whole number again."""
    match kind:
        case ScalarType():
            return kind.name != "any"
        case OptionalType() | ListType() | DictType():
            return _is_typed(kind.of)
        case TupleType():
            return all(map(_is_typed, kind.of))
        case RecordType():
            return kind.style == "dataclass" and all(_is_typed(field.type) for field in kind.fields)
        case _:
            return True


def _type_of_all(values: list[Any]) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    names = {str: "STRING", bool: "BOOLEAN", int: "NUMBER_INTEGER"}
    return names.get(kinds.pop(), "") if len(kinds) == 1 else ""
