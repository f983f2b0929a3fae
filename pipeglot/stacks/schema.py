"""The JSON schema of `pipeglot.yaml`, made from the models, so that editors complete and check what is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeglot.core.stack import NAME_PATTERN, NO_PASSWORD, Setting, Stack
from pipeglot.stacks.models import backends, stack_type
from pipeglot.stacks.reading import FILE_SETTINGS

_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_BACKEND = "What runs the steps."
_STACKS = "Where pipelines run and where their results are kept, by name. `pipeglot stack set NAME` chooses one."


def schema() -> dict[str, Any]:
    """The schema of the whole file (JSON Schema, draft 7, which all editors know)."""
    stacks = {"description": _STACKS, **_stacks()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pipeglot.yaml",
        "type": "object",
        "properties": {"stacks": stacks, **_settings(FILE_SETTINGS)},
        "additionalProperties": False,
        "required": ["stacks"],
    }


def schema_text() -> str:
    """As it is kept in a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _stacks() -> dict[str, Any]:
    """Each stack is of one of the backends, and `backend` tells which."""
    choice = {"description": _BACKEND, "type": "string", "enum": backends()}
    by_backend = [
        {"if": {"properties": {"backend": {"const": name}}}, "then": _stack(stack_type(name), choice)}
        for name in backends()
    ]
    stack = {"type": "object", "required": ["backend"], "properties": {"backend": choice}, "allOf": by_backend}
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": stack,
    }


def _stack(model: type[Stack], choice: dict[str, Any]) -> dict[str, Any]:
    properties = {"backend": choice, **_settings(model.settings)}
    properties["secrets"] |= _secrets(model.secret_kinds)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _secrets(kinds: tuple[str, ...]) -> dict[str, Any]:
    place = {"type": "string", "pattern": rf"^({'|'.join(kinds)}):[\s\S]+", **NO_PASSWORD}
    return {"type": "object", "propertyNames": {"pattern": _VARIABLE}, "additionalProperties": place}


def _settings(settings: Mapping[str, Setting]) -> dict[str, dict[str, Any]]:
    """What an editor knows of each setting: its type as msgspec tells it, and what else we know."""
    return {name: {"description": one.doc, **_type(one.type), **one.schema} for name, one in settings.items()}


def _type(kind: Any) -> dict[str, Any]:
    (found,), _ = msgspec.json.schema_components([kind])
    return found
