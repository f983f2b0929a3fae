"""Laws of the normal form, on real source: another layout gives the same one, any change of the tree another one."""

from __future__ import annotations

import ast
import copy
import dis
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeglot.core.code import Project
from pipeglot.core.code.normal import Reader, live

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXAMPLE = Path(__file__).parent / "example"
MODULES = [
    "ast",
    "asyncio.tasks",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "statistics",
    "typing",
]
"""Of the standard library: written by many hands, and long."""


def digest(node: ast.AST) -> str:
    return Reader("m", "", lambda _: False).read(node).digest


def parse(module: str) -> ast.Module:
    __import__(module)
    return ast.parse(Path(sys.modules[module].__file__ or "").read_bytes())


@cache
def statements(module: str) -> list[ast.stmt]:
    """Without what means nothing, for a change of that must not show."""
    tree = parse(module)
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, field, None), list):
                setattr(node, field, list(live(body)))
    return tree.body


@pytest.mark.parametrize("module", MODULES)
def test_unparsed_and_parsed_again(module: str) -> None:
    """Comments, quotes, brackets and every layout are gone; what is left means the same."""
    for statement in parse(module).body:
        text = ast.unparse(statement)
        assert digest(statement) == digest(ast.parse(text).body[0]), text


@pytest.mark.parametrize(
    "options",
    [
        ["line-length=40", "indent-width=2"],
        ["line-length=320", "format.indent-style='tab'", "format.skip-magic-trailing-comma=true"],
        ["format.quote-style='preserve'", "format.line-ending='cr-lf'", "format.docstring-code-format=true"],
        ["preview=true", "line-length=60"],
    ],
    ids=str,
)
def test_formatted(options: list[str], tmp_path: Path) -> None:
    """What a formatter does to a whole project changes no digest."""
    for source in EXAMPLE.rglob("*.py.txt"):
        target = tmp_path / source.relative_to(EXAMPLE).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    closures = Project([tmp_path]).closure("steps", "train"), Project([tmp_path]).closure("steps", "decide")
    config = [part for option in options for part in ("--config", option)]
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--target-version=py311",
        "--no-cache",
        "--quiet",
        *config,
        str(tmp_path),
    ]
    subprocess.run(command, check=True)
    assert all(path.read_bytes() != text for path, text in before.items())
    assert (Project([tmp_path]).closure("steps", "train"), Project([tmp_path]).closure("steps", "decide")) == closures


# --- names ---

LOADS = {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"}
IMPLIED = {"__annotations__", "__build_class__", "__class__", "__debug__", "__doc__", "__name__"}


def code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_objects(constant)


def compiled_names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The global names that a statement reads for Python's own compiler, and those that may be a class's."""
    surely, perhaps = set(), set()
    for depth, code in enumerate(code_objects(compile(ast.Module([statement], []), "m", "exec", dont_inherit=True))):
        for instruction in dis.get_instructions(code):
            if instruction.opname in LOADS or (not depth and instruction.opname == "LOAD_NAME"):
                surely.add(str(instruction.argval))
            elif instruction.opname in {"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
                perhaps.add(str(instruction.argval))
    return surely, perhaps


def annotation_names(statement: ast.stmt) -> set[str]:
    """What is followed though the compiler drops it: the annotations of locals, and texts in annotations."""
    names: set[str] = set()
    for node in ast.walk(statement):
        for annotation in filter(None, (getattr(node, "annotation", None), getattr(node, "returns", None))):
            for each in ast.walk(annotation):
                if isinstance(each, ast.Name):
                    names.add(each.id)
                elif isinstance(each, ast.Constant):
                    names.update("".join(c if c.isalnum() or c == "_" else " " for c in str(each.value)).split())
    return names


def unmangled(names: set[str]) -> set[str]:
    """`__x` in a class A is `_A__x` for the compiler."""
    return {"__" + name.split("__", 1)[1] if name[:1] == "_" != name[1:2] and "__" in name else name for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_names_are_those_that_the_compiler_sees(module: str) -> None:
    for statement in parse(module).body:
        if isinstance(statement, ast.AugAssign | ast.ImportFrom):
            continue  # which reads the name that it binds; `from __future__` stands only at the top
        surely, perhaps = compiled_names(statement)
        refs = Reader("m", "", lambda _: False).read(copy.deepcopy(statement)).refs
        names = {ref.path[0] for ref in refs if ref.module == "m" and ref.path}
        assert unmangled(surely) - names - IMPLIED == set(), ast.unparse(statement)
        assert names - unmangled(surely | perhaps) - annotation_names(statement) - IMPLIED == set(), ast.unparse(
            statement
        )


# --- mutation ---


def changes(node: ast.AST) -> list[tuple[str, int]]:
    """What can be changed in a node: a field, and the place in it."""
    found = []
    for field, value in ast.iter_fields(node):
        if field in {"ctx", "kind", "type_comment", "generators"} or isinstance(value, ast.arguments | ast.arg):
            continue
        if isinstance(value, list):
            found += [(field, place) for place in range(len(value))]
        else:
            found.append((field, 0))
    return found


def change(node: ast.AST, field: str, place: int) -> None:
    value = getattr(node, field)
    if isinstance(value, list):
        del value[place]
    else:
        setattr(node, field, other(value, field))


def other(value: object, field: str) -> object:
    match value:
        case None if field in {"vararg", "kwarg"}:
            return ast.arg("added")
        case None if field in {"arg", "asname", "module", "name", "rest"}:
            return "added"
        case bool() | None:
            return ast.Name("added", ast.Load()) if field != "value" else 1
        case int() | float() | complex():
            return value + 1 if value == value + 0 and value != value + 1 else 0
        case str():
            return value + "_"
        case bytes():
            return value + b"_"
        case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop():
            kinds: Sequence[type[ast.AST]] = type(value).__mro__[1].__subclasses__()
            return next(kind() for kind in kinds if not isinstance(value, kind))
        case _:
            return ast.Name("changed", ast.Load())


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_change_of_the_tree_shows(data: st.DataObject) -> None:
    module = data.draw(st.sampled_from(MODULES))
    statement = copy.deepcopy(data.draw(st.sampled_from(statements(module))))
    nodes = [node for node in ast.walk(statement) if changes(node)]
    node = data.draw(st.sampled_from(nodes))
    field, place = data.draw(st.sampled_from(changes(node)))
    before = digest(copy.deepcopy(statement))
    change(node, field, place)
    assert digest(statement) != before, (ast.dump(node), field)
