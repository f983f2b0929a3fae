"""Every error code of pipeglot, read from its source: what is raised, noted and reported anywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pipeglot"
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

Calls = dict[str, int | None]
"""The functions and records that take a code: at which position, None if by keyword only."""


@cache
def all_codes() -> dict[str, str]:
    """Each code, and the first place that has it, as `file:line`."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    takers: Calls = {}
    for tree in trees.values():
        takers.update(_takers(tree))
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for code, line in _codes(tree, takers):
            found.setdefault(code, f"{path.relative_to(PACKAGE.parent)}:{line}")
    return dict(sorted(found.items()))


_NO_ERRORS = {"view"}
"""Functions whose `code` is none of an error (a dtype's)."""


def _takers(tree: ast.Module) -> Iterator[tuple[str, int | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _taking_class(node)
        elif isinstance(node, ast.FunctionDef):
            args = [arg for arg in node.args.args if arg.arg not in ("self", "cls")]
            word = "use" if node.name == "_misuse" else "code"  # a misuse of a symbolic value is its own code
            at = next((at for at, arg in enumerate(args) if arg.arg == word and _is_text(arg)), None)
            keyword = any(arg.arg == "code" and _is_text(arg) for arg in node.args.kwonlyargs)
            if node.name not in _NO_ERRORS and (at is not None or keyword):
                yield node.name, at


def _is_text(arg: ast.arg) -> bool:
    return isinstance(arg.annotation, ast.Name) and arg.annotation.id == "str"


def _taking_class(node: ast.ClassDef) -> Iterator[tuple[str, int | None]]:
    """A record with a field `code: str`, or a class whose `__init__` takes one."""
    fields = {
        one.target.id: one.annotation
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    annotation = fields.get("code")
    if isinstance(annotation, ast.Name) and annotation.id == "str":
        yield node.name, list(fields).index("code")
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            names = [arg.arg for arg in one.args.args[1:]]
            if "code" in names:
                yield node.name, names.index("code")


def _codes(tree: ast.Module, takers: Calls) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                yield from _of_call(node, takers)
            case ast.ClassDef():
                yield from _of_class(node)
            case ast.FunctionDef():
                yield from _of_function(node)
            case ast.Assign(targets=[ast.Name(id=name)]) if name.endswith("_CODE"):
                yield from _texts(node.value)


def _of_call(call: ast.Call, takers: Calls) -> Iterator[tuple[str, int]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    match call:  # `mistakes.append((code, message, hint))`
        case ast.Call(
            func=ast.Attribute(attr="append", value=ast.Name(id="mistakes") | ast.Attribute(attr="mistakes")),
            args=[ast.Tuple(elts=[first, *_])],
        ):
            yield from _texts(first)
    if name not in takers:
        return
    at = takers[name]
    given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    if at is not None and at < len(call.args):
        given.append(call.args[at])
    for value in given:
        yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[tuple[str, int]]:
    """A constant; of `a if … else b`, both."""
    if isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str) and _CODE.fullmatch(value.value):
        yield value.value, value.lineno


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """`code = "…"` of an error class."""
    for one in node.body:
        target = (
            one.targets[0] if isinstance(one, ast.Assign) else one.target if isinstance(one, ast.AnnAssign) else None
        )
        value = one.value if isinstance(one, ast.Assign | ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == "code" and value is not None:
            yield from _texts(value)


def _of_function(node: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """A default `code="…"`; and `(code, …, message, hint)` in a function that gives such."""
    every = [*node.args.posonlyargs, *node.args.args]
    plain = every[len(every) - len(node.args.defaults) :]
    for arg, default in zip(plain, node.args.defaults, strict=True):
        if arg.arg == "code":
            yield from _texts(default)
    if node.returns is None or not re.search(
        r"Mistake|_Found|tuple\[str, (Path, )?str, str\]", ast.unparse(node.returns)
    ):
        return
    for one in ast.walk(node):
        if isinstance(one, ast.Tuple) and len(one.elts) in (3, 4):
            yield from _texts(one.elts[0])
