"""What the reference and the first page say beside what is run: variables, settings, options, the template's code."""

from __future__ import annotations

import ast
import importlib.util
import re
from typing import Any

import msgspec
import pytest

import pipeglot
from pipeglot.cli.schemas import ERROR, SCHEMAS, VARIANTS, schema_of, type_of
from pipeglot.core.authoring.options import OPTIONS, Options
from pipeglot.core.context import RunContext
from pipeglot.core.stack import Stack
from pipeglot.stacks.models import backends, stack_type
from tests.docs.codes import PACKAGE
from tests.docs.pages import DOCS, blocks


def variables() -> set[str]:
    """Every environment variable that pipeglot asks for by name."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Call(
                        func=ast.Attribute(attr="get" | "getenv", value=owner), args=[ast.Constant(value=str(name)), *_]
                    )
                    | ast.Subscript(value=owner, slice=ast.Constant(value=str(name)), ctx=ast.Load())
                ) if ast.unparse(owner) in ("os.environ", "os"):
                    found.add(name)
    return found


def test_every_environment_variable_has_a_line() -> None:
    table = (DOCS / "reference/environment.md").read_text(encoding="utf-8")
    assert "PIPEGLOT_DEBUG" in variables()
    assert variables() == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_every_setting_and_option_has_a_meaning() -> None:
    for model in map(stack_type, backends()):
        told = f"{Stack.__doc__}{model.__doc__}"
        for name in model.__struct_fields__:
            assert name == "name" or f"    {name}: " in told, name
    for name in OPTIONS:
        assert f"    {name}: " in (Options.__doc__ or ""), name


def test_every_public_name_has_an_entry() -> None:
    text = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    entries = set(re.findall(r"^\.\. \S+:: pipeglot\.(\w+)", text, re.MULTILINE))
    assert set(pipeglot.__all__) - {"__version__"} <= entries


def test_code_shown_of_the_template_is_in_it() -> None:
    template = (PACKAGE / "cli/template/pipeline.py").read_text(encoding="utf-8")
    shown = [block for block in blocks((DOCS / "index.md").read_text(encoding="utf-8")) if block.language == "python"]
    quoted = ["\n".join(block.lines) for block in shown if not block.caption]
    assert quoted
    assert all(one in template for one in quoted)


@pytest.mark.parametrize("path", [*SCHEMAS.values(), *VARIANTS.values(), ERROR])
def test_every_record_says_what_it_is(path: str) -> None:
    schema = schema_of(path)
    if path == SCHEMAS["stack schema"]:  # it has no record: it is a schema itself
        assert schema == {"type": "object"}
        return
    records = [one for one in schema.get("$defs", {}).values() if "properties" in one]
    assert records
    assert all(one.get("description") for one in records)


def generator() -> Any:
    """The extension of Sphinx that writes the reference; it lies beside the pages, in no package."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "_ext/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", [*SCHEMAS.values(), *VARIANTS.values(), ERROR])
def test_every_field_of_every_record_has_a_meaning(path: str) -> None:
    reference = generator()
    records = reference.records(type_of(path))
    assert records or path == SCHEMAS["stack schema"]
    for record in [*records, RunContext]:
        fields = [field.name for field in msgspec.structs.fields(record)]
        told = reference.meanings(record)
        assert [f"{record.__name__}.{name}" for name in fields if not told.get(name, "").strip()] == []


def test_a_line_without_a_field_is_no_meaning() -> None:
    reference = generator()

    class Record(msgspec.Struct):
        """A record.

        one: the first of
            two lines.
        other: no field is called so.
        """

        one: int
        two: int = 0

    assert reference.meanings(Record) == {"one": "the first of two lines."}


def test_a_table_has_tags_and_what_may_be_left_out() -> None:
    class Leaf(msgspec.Struct, tag_field="kind", tag="leaf", omit_defaults=True):
        """A record.

        size: how | large.
        note: why.
        items: which.
        """

        size: int
        note: str | None = None
        items: list[int | None] = []

    assert list(generator()._table(Leaf)) == [
        "| field | type | |",
        "|---|---|---|",
        "| `kind` | `leaf` | which record this is |",
        "| `size` | int | how \\| large. |",
        "| `note` | text, or left out | why. |",
        "| `items` | list of (int or null), or left out | which. |",
    ]
