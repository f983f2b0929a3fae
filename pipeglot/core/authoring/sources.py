"""The user's source around a position, as syntax: only looked at when there is a mistake to explain."""

from __future__ import annotations

import ast
import functools
import linecache
from itertools import islice
from types import CodeType
from typing import TYPE_CHECKING

from pipeglot.core.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.authoring.positions import Position

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def enclosing(position: Position | None) -> list[ast.AST]:
    """The nodes that stand at a position, innermost first, up to the function that they belong to; empty if unknown."""
    if position is None:
        return []
    code, offset = position
    line, end_line, column, end_column = next(islice(code.co_positions(), offset // 2, None))
    tree = _tree(code.co_filename)
    if tree is None or line is None:
        return []
    if column is None:  # Python was started with `-X no_debug_ranges`
        return [node for node in _path(tree, (line, 10**9), (line, 0)) if isinstance(node, ast.stmt)]
    assert end_line is not None
    assert end_column is not None
    return _path(tree, (line, column), (end_line, end_column))


def function(code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition that made a code object; None for a lambda, or where the source is not at hand."""
    tree = _tree(code.co_filename)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min((decorator.lineno for decorator in node.decorator_list), default=node.lineno)
            if first == code.co_firstlineno:
                return node
    return None


def definition_line(code: CodeType) -> int:
    """The line of `def`; `co_firstlineno` is that of the first decorator."""
    node = function(code)
    return node.lineno if node else code.co_firstlineno


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below this one in source order, without entering functions defined there."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            yield from inside(child)


def short(node: ast.AST, limit: int = 60) -> str:
    """A piece of code on one line, shortened in the middle."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= limit else f"{text[: limit - 12]} … {text[-9:]}"


def _tree(file: str) -> ast.Module | None:
    linecache.checkcache(file)
    return _parse("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=8)
def _parse(text: str) -> ast.Module | None:
    try:
        return parse(text) if text else None
    except (SyntaxError, ValueError):  # a notebook's magics, or a file that was changed since
        return None


def _path(tree: ast.Module, start: tuple[int, int], end: tuple[int, int]) -> list[ast.AST]:
    path: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        path.append(node)
        node = next((child for child in ast.iter_child_nodes(node) if _holds(child, start, end)), None)
    path.reverse()
    for depth, found in enumerate(path):
        if isinstance(found, (*FUNCTIONS, ast.ClassDef)) and depth:
            return path[: depth + 1]
    return path


def _holds(node: ast.AST, start: tuple[int, int], end: tuple[int, int]) -> bool:
    line = getattr(node, "lineno", None)
    if line is None:  # `arguments`, `comprehension`, `withitem` and the like have no place of their own
        return any(_holds(child, start, end) for child in ast.iter_child_nodes(node))
    first, last = (line, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    return bool(first <= start and end <= last)
