"""The words for a value of one arm of a branch that is used where that arm may not be taken."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.sources import FUNCTIONS, enclosing
from pipeglot.core.authoring.trace import InMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.authoring.trace import Trace
    from pipeglot.core.authoring.values import Value


def explain_arm(trace: Trace, value: Value, where: str) -> tuple[str, str]:
    """Message and hint for a value that is not there outside the arm in which its step stands."""
    arm = next(arm for depth, arm in enumerate(value._arms) if trace.arms[depth : depth + 1] != (arm,))
    if type(arm) is InMap:
        return (
            f"{where} is {value._label()}, which is that of one item of {arm}",
            "return it from that pipeline: what `.map(…)` gives is the list of all items",
        )
    message = f"{where} is {value._label()}, which runs only in the {arm}"
    name = _set_in_both()
    if name:
        return (
            f"{message}; `{name}` is set in both arms, and here it is the second",
            f"give each its own name, and write `one_of({name}_1, {name}_2)`",
        )
    join = "" if where.endswith(".after`") else ", or join both arms with `one_of(…)`"
    return message, f"move the call into that arm{join}"


def _set_in_both() -> str:
    """The variable that the call at hand is given, if several `with` blocks of the function set it."""
    chain = enclosing(here())
    call = next((node for node in chain if isinstance(node, ast.Call)), None)
    function = chain[-1] if chain else None
    if call is None or not isinstance(function, FUNCTIONS):
        return ""
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(argument, ast.Name) and len(_setters(function, argument.id)) > 1:
            return argument.id
    return ""


def _setters(function: ast.AST, name: str) -> set[ast.With]:
    """The innermost `with` blocks in which a name is set."""
    return {block for block, node in _assigned(function, None) if node.id == name}


def _assigned(node: ast.AST, block: ast.With | None) -> Iterator[tuple[ast.With, ast.Name]]:
    for child in ast.iter_child_nodes(node):
        if block is not None and isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield block, child
        if not isinstance(child, FUNCTIONS):
            yield from _assigned(child, child if isinstance(child, ast.With) else block)
