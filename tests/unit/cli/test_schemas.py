"""What commands print with `--json` has a type, and that type has a JSON schema with a word on each struct."""

from __future__ import annotations

from importlib import import_module

import msgspec
import pytest

from pipeglot.cli.commands import COMMANDS
from pipeglot.cli.schemas import SCHEMAS


@pytest.mark.parametrize("command", ["runs diff", "replay", "bundle", "matrix"])
def test_the_type_of_a_command(command: str) -> None:
    assert command in COMMANDS
    module, _, name = SCHEMAS[command].partition(":")
    schema = msgspec.json.schema(getattr(import_module(module), name))
    assert all(one.get("description") for one in schema["$defs"].values())
