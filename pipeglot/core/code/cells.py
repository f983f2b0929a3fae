"""The source of a notebook's `__main__`: what the cells that were run amount to, for code digests."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from pipeglot.core.syntax import parse

_MAIN = "__main__"
_HARMLESS = frozenset({"print", "display", "len", "type", "repr", "str", "help", "dir"})
_MAKERS = frozenset({"step", "pipeline", "dataclass", "cache", "lru_cache", "wraps"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def source() -> str:
    """What the cells that were run amount to: of a name that was bound again, only the last binding.

    A cell that failed half-way has not bound what comes after, so for functions that exist, their own source decides.
    """
    main = vars(sys.modules[_MAIN])
    found = (statement for cell in _cells(main) for statement in _parsed(cell))
    statements = [statement for statement in found if not _only_shows(statement, main)]
    for name, definition in _living(main):
        wanted = ast.dump(definition)
        same = [one for one in statements if _defines(one, name) and ast.dump(one) == wanted]
        last = same[-1] if same else definition
        statements = [one for one in statements if one is last or not _defines(one, name)]
        if not same:
            statements.append(definition)
    return ast.unparse(ast.Module(list(_latest(statements)), []))


def _cells(main: dict[str, Any]) -> Iterable[str]:
    """The cells in the order they were run, as IPython keeps them; elsewhere the sources of what is defined."""
    cells = main.get("In")
    if isinstance(cells, list) and "get_ipython" in main:
        return [cell for cell in cells if isinstance(cell, str)]
    codes = (code for value in list(main.values()) if (code := _code(value)))
    return ["".join(linecache.getlines(file)) for file in dict.fromkeys(code.co_filename for code in codes)]


def _parsed(cell: str) -> list[ast.stmt]:
    try:
        return parse(cell).body
    except (SyntaxError, ValueError):  # then it has never run
        return []


def _only_shows(statement: ast.stmt, main: dict[str, Any]) -> bool:
    """`print(x)`, `flow.run(year=YEAR)`: what a person looks at or starts changes nothing that steps read."""
    if not isinstance(statement, ast.Expr | ast.Assign):
        return False
    calls = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
    runs = [call for call in calls if _runs(call, main)]
    if isinstance(statement, ast.Assign):
        return bool(runs) and len(runs) == len(calls)
    return all(call in runs or (isinstance(call.func, ast.Name) and call.func.id in _HARMLESS) for call in calls)


def _runs(call: ast.Call, main: dict[str, Any]) -> bool:
    """`flow.run(…)`, `flow.on(…)`, `flow.on(…).run(…)`."""
    node: ast.expr = call
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("run", "on"):
        node = node.func.value
    kind = type(main.get(node.id)) if isinstance(node, ast.Name) else None
    return kind is not None and kind.__module__ == "pipeglot.core.authoring.pipelines"


def _living(main: dict[str, Any]) -> Iterator[tuple[str, ast.stmt]]:
    """The functions that there are, each with the statement that made it."""
    for name, value in list(main.items()):
        code = _code(value)
        if code is None or code.co_name != name:
            continue
        for statement in _parsed("".join(linecache.getlines(code.co_filename))):
            first = min((one.lineno for one in getattr(statement, "decorator_list", ())), default=statement.lineno)
            if _defines(statement, name) and first == code.co_firstlineno and not _registers(statement):
                yield name, statement


def _code(value: Any) -> CodeType | None:
    """Of a function, a step or a pipeline that was defined in `__main__`."""
    found = getattr(value, "fn", value) if type(value).__module__.startswith("pipeglot.core.") else value
    while type(found) is FunctionType and hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found.__code__ if type(found) is FunctionType and found.__module__ == _MAIN else None


def _defines(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, _DEFINITIONS) and statement.name == name


def _latest(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Without those whose names are all bound anew further down."""
    bound: set[str] = set()
    kept = []
    for statement in reversed(statements):
        names = _bound(statement)
        if names and names <= bound:
            continue
        kept.append(statement)
        bound |= names - _read(statement)
    return reversed(kept)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, if that is all it is there for."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return set() if _registers(statement) else {statement.name}
        case ast.Assign(targets=targets):
            names = [_names(target) for target in targets]
            return set().union(*names) if all(names) else set()
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases) if aliases[0].name != "*":
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    return set()


def _names(target: ast.expr) -> set[str]:
    """Those of a target that is nothing but names."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Tuple | ast.List):
        parts = [_names(part) for part in target.elts]
        return set().union(*parts) if all(parts) else set()
    return set()


def _registers(statement: ast.stmt) -> bool:
    """`@shown.register` above a function: its name is no matter, and it stays when the name is bound anew."""
    decorators = getattr(statement, "decorator_list", ())
    called = (one.func if isinstance(one, ast.Call) else one for one in decorators)
    return any(isinstance(one, ast.Attribute) and one.attr not in _MAKERS for one in called)


def _read(statement: ast.stmt) -> set[str]:
    """`xs = xs + [1]` needs what was bound before; what a function reads, it reads later."""
    if isinstance(statement, _DEFINITIONS):
        return set()
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
