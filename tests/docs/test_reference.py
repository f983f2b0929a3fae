"""What the reference and the first page say beside what is run: variables, settings, options, the template's code."""

from __future__ import annotations

import ast
import re

import pytest

import pipeglot
from pipeglot.cli.schemas import ERROR, SCHEMAS, VARIANTS, schema_of
from pipeglot.core.authoring.options import OPTIONS, Options
from pipeglot.stacks.models import BACKENDS, Stack
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
    for model in BACKENDS.values():
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
