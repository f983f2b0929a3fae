"""Types of parameters as JSON schema, as far as an engine's form needs it: `run_step` checks the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from pipeglot.core.params.describing import member_names

_SCALARS: Mapping[str, dict[str, Any]] = {
    "any": {},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "timedelta": {"type": "string"},
}


def schema(kind: ParamType) -> dict[str, Any]:
    """The JSON schema of a type."""
    match kind:
        case ScalarType():
            return dict(_SCALARS[kind.name])
        case EnumType():
            return {"type": "string", "enum": member_names(kind)}
        case LiteralType():
            return {"enum": [plain.decode(value) for value in kind.values]}
        case OptionalType():
            return _or_null(schema(kind.of))
        case ListType():
            return {"type": "array", **_inner("items", kind.of)}
        case TupleType():
            return {"type": "array", "minItems": len(kind.of), "maxItems": len(kind.of)}
        case DictType():
            return {"type": "object", **_inner("additionalProperties", kind.of)}
        case RecordType():
            return {"type": "object"}
        case ArtifactType():
            return {"type": "string"}


_EMPTY: Mapping[str, Any] = {
    "any": None,
    "bool": False,
    "int": 0,
    "float": 0.0,
    "str": "",
    "date": "1970-01-01",
    "datetime": "1970-01-01T00:00:00Z",
    "timedelta": "0s",
}


def empty(kind: ParamType) -> Any:
    """What fits the schema of a type and says nothing: it stands for a value that travels another way."""
    match kind:
        case ScalarType():
            return _EMPTY[kind.name]
        case EnumType():
            return member_names(kind)[0]
        case LiteralType():
            return plain.decode(kind.values[0])
        case OptionalType():
            return empty(kind.of)
        case ListType():
            return []
        case TupleType():
            return [empty(one) for one in kind.of]
        case DictType() | RecordType():
            return {}
        case ArtifactType():
            return ""


def _inner(name: str, kind: ParamType) -> dict[str, Any]:
    found = schema(kind)
    return {name: found} if found else {}


def _or_null(found: dict[str, Any]) -> dict[str, Any]:
    if "enum" in found:
        found["enum"] = [None, *found["enum"]]
    if "type" in found:
        found["type"] = ["null", found["type"]] if isinstance(found["type"], str) else ["null", *found["type"]]
    return found
