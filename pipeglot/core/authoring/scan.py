"""What no symbolic value can notice, found in the syntax of a pipeline function: `is`, and leaving a branch early.

`x is None` asks the value nothing, and a `return` inside a branch ends the tracing: what follows would be lost.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import CodeType
from typing import TYPE_CHECKING, Any

from pipeglot.core.authoring.advice import condition
from pipeglot.core.authoring.functions import function_of
from pipeglot.core.authoring.sources import FUNCTIONS, function, inside, short
from pipeglot.core.errors import Location

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.trace import Trace


def scan(trace: Trace, pipeline: Function) -> None:
    """Note what the body of a pipeline function hides from tracing. Its source is read only if its code gives cause."""
    code = pipeline.code
    branches = "when" in code.co_names or "otherwise" in code.co_names
    if not branches and not _has_identity(code):
        return
    node = function(code)
    if node is None:
        return
    scope = _Scope(pipeline, node)
    for mistake, at in (*_identities(node, scope), *_exits(node)):
        trace.note(*mistake, at=Location(pipeline.file, at.lineno))


def _has_identity(code: CodeType) -> bool:
    from opcode import opmap

    wanted = {
        number for name, number in opmap.items() if name == "IS_OP" or name.endswith(("_IF_NONE", "_IF_NOT_NONE"))
    }
    return not wanted.isdisjoint(code.co_code[::2]) or any(
        _has_identity(inner) for inner in code.co_consts if isinstance(inner, CodeType)
    )


# --- is ---------------------------------------------------------------------------------------------------------------


class _Scope:
    """Which names of a pipeline function are bound to symbolic values: its parameters, and what comes of step calls."""

    def __init__(self, pipeline: Function, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        cells = dict(zip(pipeline.code.co_freevars, pipeline.innermost.__closure__ or (), strict=False))
        self._outer: dict[str, Any] = pipeline.innermost.__globals__ | {
            name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)
        }
        self.names = set(pipeline.parameters)
        plain: set[str] = set()
        for found in inside(node):
            if isinstance(found, ast.Assign | ast.AnnAssign | ast.NamedExpr) and found.value:
                (self.names if self.is_symbolic(found.value) else plain).update(_targets(found))
        self.names -= plain  # whether `last`, set to None before a loop that sets it anew, is None is a plain question

    def is_symbolic(self, node: ast.expr) -> bool:
        match node:
            case ast.Name():
                return node.id in self.names
            case ast.Attribute() | ast.Subscript():
                return self.is_symbolic(node.value)
            case ast.Call():
                return self._makes_symbols(node.func)
            case _:
                return False

    def _makes_symbols(self, node: ast.expr) -> bool:
        """Whether calling this calls a step or a pipeline: `train`, `steps.train`, `train.after(x)`, `one_of`."""
        match node:
            case ast.Name() if node.id not in self.names:
                return _is_ours(self._outer.get(node.id))
            case ast.Attribute():
                return _is_ours(self._resolve(node)) or self._makes_symbols(node.value)
            case ast.Call():
                return self._makes_symbols(node.func)
            case _:
                return False

    def _resolve(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._outer.get(node.id)
        return getattr(self._resolve(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None


def _targets(node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def _is_ours(found: Any) -> bool:
    """A step, a pipeline, `one_of` or a condition."""
    return function_of(found) is not None or getattr(found, "__module__", "") == "pipeglot.core.authoring.conditions"


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # the only way to ask
    except ValueError:
        return False
    return True


def _identities(node: ast.AST, scope: _Scope) -> Iterator[tuple[tuple[str, str, str], Any]]:
    for found in inside(node):
        if isinstance(found, ast.Compare) and any(isinstance(op, ast.Is | ast.IsNot) for op in found.ops):
            if any(scope.is_symbolic(term) for term in (found.left, *found.comparators)):
                message = f"`{short(found)}` asks a value that is known only when the pipeline runs, and is decided now"
                yield ("identity", message, f"write `{condition(found)}`, in `with when(…):`"), found
        elif isinstance(found, ast.MatchSingleton) and found.value is None:
            yield from _matched_none(node, scope, found)


def _matched_none(node: ast.AST, scope: _Scope, case: ast.MatchSingleton) -> Iterator[tuple[tuple[str, str, str], Any]]:
    for match in inside(node):
        if isinstance(match, ast.Match) and case in ast.walk(match) and scope.is_symbolic(match.subject):
            message = f"`case None` asks `{short(match.subject)}`, which is known only when the pipeline runs"
            yield ("identity", message, f"write `with when(is_none({short(match.subject)})):`"), case


# --- leaving a branch -------------------------------------------------------------------------------------------------


def _exits(node: ast.AST) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """`return`, `break` and `continue` that leave a `with when(…)` block."""
    for block in inside(node):
        if isinstance(block, ast.With) and any(_is_arm(item.context_expr) for item in block.items):
            for found in _leaving(block, in_loop=False):
                keyword = type(found).__name__.lower()
                message = (
                    f"`{keyword}` leaves the block of `{short(block.items[0].context_expr)}`, and the tracing with it"
                )
                hint = f"take the `{keyword}` out of the block: the steps in it are skipped when its condition fails"
                yield ("branch-exit", message, hint), found


def _is_arm(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in ("when", "otherwise")


def _leaving(node: ast.AST, *, in_loop: bool) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return) or (isinstance(child, ast.Break | ast.Continue) and not in_loop):
            yield child
        elif isinstance(child, ast.With) and any(_is_arm(item.context_expr) for item in child.items):
            continue  # tells of itself
        elif not isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            yield from _leaving(child, in_loop=in_loop or isinstance(child, ast.For | ast.AsyncFor | ast.While))
