"""The JSON schema of `pipeglot.yaml`, made from the models, so that editors complete and check what is written."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pipeglot.stacks.models import BACKENDS, Config

_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_NO_PASSWORD = {
    "not": {
        "anyOf": [
            {"pattern": r"^[A-Za-z][A-Za-z0-9+.-]*://(?!(\$\{[A-Za-z_][A-Za-z0-9_]*\}|:)*@)[^/?#\s]*@"},
            {
                "pattern": r"://.*[?&;]([Pp]assword|[Pp]asswd|[Pp]wd|[Ss]ecret|[Tt]oken|[Aa]pi_?[Kk]ey|"
                r"[Aa]ccess_?[Kk]ey|[Ss]ig)=(?!\$\{)"
            },
        ]
    }
}

DOCS = {
    "stacks": "Where pipelines run and where their results are kept, by name. `pipeglot stack set NAME` chooses one.",
    "name": "The name of the project.",
    "include": "Files that go with the code, as patterns from this file.",
    "backend": "What runs the steps.",
    "store": "Where results, logs and the record of every run are kept: a folder, from this file, or a bucket: "
    "`s3://…`, `gs://…`, `az://…`.",
    "trusted": "Whether pickles are read from the store. Left out: only if it is a folder of this user's own.",
    "durable": "Whether a result is on the disk, safe from power loss, before a step counts as done.",
    "strict": "Whether a request that cannot be met exactly (memory, priority) is an error, not a note.",
    "secrets": "Where the value of each secret is, as `TOKEN: env:MY_TOKEN` or `TOKEN: file:token.txt`.",
    "pools": "How many steps of a pool may run at once, as `gpu: 1`.",
    "max_parallel": "How many steps may run at once. Left out: one for each core.",
}
"""Of each setting, as an editor shows it."""

_RULES: dict[str, dict[str, Any]] = {
    "name": {"pattern": _NAME},
    "store": {"pattern": r"\S", **_NO_PASSWORD},
    "pools": {"propertyNames": {"pattern": _NAME}, "additionalProperties": {"type": "integer", "minimum": 1}},
    "max_parallel": {"minimum": 1},
    "include": {"items": {"type": "string", **_NO_PASSWORD}},
}
"""What the types do not say. `stacks.reading` refuses the same, in better words."""


def schema() -> dict[str, Any]:
    """The schema of the whole file (JSON Schema, draft 7, which all editors know)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pipeglot.yaml",
        **_object(Config, hidden=("origin",), changed={"stacks": _stacks()}),
        "required": ["stacks"],
    }


def schema_text() -> str:
    """As it is kept in a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _stacks() -> dict[str, Any]:
    """Each stack is of one of the backends, and `backend` tells which."""
    choice = {"type": "string", "enum": list(BACKENDS), "description": DOCS["backend"]}
    by_backend = [
        {
            "if": {"properties": {"backend": {"const": backend}}},
            "then": _object(
                model, hidden=("name",), changed={"backend": choice, "secrets": _secrets(model.secret_kinds)}
            ),
        }
        for backend, model in BACKENDS.items()
    ]
    stack = {"type": "object", "required": ["backend"], "properties": {"backend": choice}, "allOf": by_backend}
    return {"type": "object", "minProperties": 1, "propertyNames": {"pattern": _NAME}, "additionalProperties": stack}


def _secrets(kinds: tuple[str, ...]) -> dict[str, Any]:
    place = {"type": "string", "pattern": rf"^({'|'.join(kinds)}):[\s\S]+", **_NO_PASSWORD}
    return {"type": "object", "propertyNames": {"pattern": _VARIABLE}, "additionalProperties": place}


def _object(model: type[msgspec.Struct], hidden: tuple[str, ...], changed: dict[str, Any]) -> dict[str, Any]:
    """The settings of a model: their types as msgspec tells them, and what else we know of them."""
    found = {**_properties(model), **changed}
    properties = {name: _setting(name, found[name], is_whole=name in changed) for name in found if name not in hidden}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _properties(model: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([model], ref_template="{name}")
    properties: dict[str, Any] = components[model.__name__]["properties"]
    return properties


def _setting(name: str, kind: dict[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """Without `null`: what is left out is not written at all."""
    if "anyOf" in kind:
        (kind_alone,) = [one for one in kind["anyOf"] if one != {"type": "null"}]
        kind = kind_alone
    kept = {key: value for key, value in kind.items() if key != "default" or value is not None}
    return {"description": DOCS[name], **kept, **({} if is_whole else _RULES.get(name, {}))}
