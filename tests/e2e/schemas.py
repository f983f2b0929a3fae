"""Holds what commands print against the schemas of it."""

from __future__ import annotations

from typing import Any

import jsonschema

from pipeglot.cli.schemas import schema_of


def valid(path: str, value: Any) -> None:
    """Holds a value against the schema of a type, which allows no field that the type has not."""
    jsonschema.Draft202012Validator(closed(schema_of(path))).validate(value)


def closed(schema: Any) -> Any:
    """The same schema, in which objects with named fields have no others."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(one) for key, one in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in found else found
