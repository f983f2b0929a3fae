"""The JSON schema of `pipeglot.yaml`: current, complete, and of one mind with the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import pipeglot
from pipeglot.core.errors import ConfigError
from pipeglot.stacks import schema
from pipeglot.stacks.models import backends, stack_type
from pipeglot.stacks.reading import read_config
from pipeglot.stacks.state import SCHEMA

HOME = Path(pipeglot.__file__).parent
EXAMPLES = Path(__file__).parents[3] / "examples"


def refused(text: str) -> bool:
    tree = yaml.safe_load(text)
    return not jsonschema.Draft7Validator(schema.schema()).is_valid(tree)


def test_the_file_is_current() -> None:
    """If not: `pipeglot stack schema > pipeglot/stacks/pipeglot.schema.json`."""
    assert (HOME / "stacks" / SCHEMA).read_text() == schema.schema_text()


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema.schema())


def settings(node: Any) -> list[tuple[str, Any]]:
    """All named settings, with what the schema says of them."""
    if isinstance(node, list):
        return [one for part in node for one in settings(part)]
    if not isinstance(node, dict):
        return []
    own = list(node["properties"].items()) if isinstance(node.get("properties"), dict) else []
    return [*own, *(one for part in node.values() for one in settings(part))]


def test_every_setting_is_told() -> None:
    made = schema.schema()
    assert all(kind["description"] for name, kind in settings(made) if "const" not in kind)
    told = {name for name, _ in settings(made)}
    known = {name for backend in backends() for name in stack_type(backend).settings}
    assert told >= known | {"stacks", "backend", "name", "include"}


GOOD = [
    "stacks: {local: {backend: local}}",
    "name: flights\ninclude: ['*.sql', data/]\nstacks: {local: {backend: local, store: s3://b/p, trusted: true}}",
    "stacks: {a: {backend: local, pools: {gpu: 1}, max_parallel: 2, durable: true, strict: false}}",
    "stacks: {a: {backend: local, secrets: {TOKEN: 'env:T', KEY: 'file:k.txt'}}}",
    "stacks: {a: {backend: local, store: 'https://${USER}:${PASSWORD}@host/x?token=${TOKEN}'}}",
    (HOME / "cli" / "template" / "pipeglot.yaml").read_text(),
    *(path.read_text() for path in sorted(EXAMPLES.rglob("pipeglot.yaml"))),
]

BAD = [
    "- a",
    "name: x",
    "stacks: {}",
    "stacks: []",
    "stacks: {local: {}}",
    "stacks: {local: local}",
    "stacks: {local: null}",
    "stacks: {'-x': {backend: local}}",
    "stacks: {'a b': {backend: local}}",
    "stacks: {local: {backend: airflo}}",
    "stacks: {local: {backend: 1}}",
    "stacks: {local: {backend: local, stor: x}}",
    "stacks: {local: {backend: local, name: x}}",
    "stacks: {local: {backend: local}}\nstack: local",
    "stacks: {local: {backend: local}}\norigin: none",
    "stacks: {local: {backend: local, store: 3}}",
    "stacks: {local: {backend: local, store: ' '}}",
    "stacks: {local: {backend: local, store: null}}",
    "stacks: {local: {backend: local, store: 's3://key:word@bucket/x'}}",
    "stacks: {local: {backend: local, store: 's3://bucket/x?token=abc'}}",
    "stacks: {local: {backend: local, trusted: 'yes'}}",
    "stacks: {local: {backend: local, durable: 1}}",
    "stacks: {local: {backend: local, strict: null}}",
    "stacks: {local: {backend: local, max_parallel: 0}}",
    "stacks: {local: {backend: local, max_parallel: two}}",
    "stacks: {local: {backend: local, max_parallel: 1.5}}",
    "stacks: {local: {backend: local, pools: {gpu: 0}}}",
    "stacks: {local: {backend: local, pools: {gpu: one}}}",
    "stacks: {local: {backend: local, pools: {'g p u': 1}}}",
    "stacks: {local: {backend: local, pools: [gpu]}}",
    "stacks: {local: {backend: local, secrets: {TOKEN: abc}}}",
    "stacks: {local: {backend: local, secrets: {TOKEN: 'vault:x'}}}",
    "stacks: {local: {backend: local, secrets: {TOKEN: 'env:'}}}",
    "stacks: {local: {backend: local, secrets: {'1T': 'env:T'}}}",
    "stacks: {local: {backend: local, secrets: [TOKEN]}}",
    "name: 'a b'\nstacks: {local: {backend: local}}",
    "name: 3\nstacks: {local: {backend: local}}",
    "include: '*.sql'\nstacks: {local: {backend: local}}",
    "include: [3]\nstacks: {local: {backend: local}}",
]


@pytest.mark.parametrize("text", GOOD)
def test_accepted_by_both(text: str) -> None:
    read_config(text.encode())
    assert not refused(text)


@pytest.mark.parametrize("text", BAD)
def test_refused_by_both(text: str) -> None:
    with pytest.raises(ConfigError):
        read_config(text.encode())
    assert refused(text)
