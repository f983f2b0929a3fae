"""What importing a module does to its names beyond binding them: `CONFIG["a"] = 1`, `HOOKS.append(f)`, `@register`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code.scopes import block, parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

# fmt: off
MUTATORS = frozenset({
    "__delitem__", "__setitem__", "add", "append", "appendleft", "clear", "difference_update", "discard", "extend",
    "extendleft", "insert", "intersection_update", "pop", "popitem", "popleft", "register", "remove", "reverse",
    "rotate", "setdefault", "sort", "subtract", "symmetric_difference_update", "update",
})
# fmt: on
"""Methods that change what they are called on, also where their result is used. A bare `x.anything()` always may."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Effects(NamedTuple):
    """Global names, by what running some code may do to them."""

    written: set[str]  # assigned into, or a method of theirs was called for its effect
    perhaps: set[str]  # a method was called that changes what it is called on, if that is no module
    passed: set[str]  # given to a call whose result nobody takes
    called: set[str]  # such calls of a plain name, or of a name's attribute
    ran: set[tuple[str, int]]  # functions and classes that may run, and how many levels of functions inside them

    def take(self, more: Effects) -> None:
        self.written.update(more.written)
        self.perhaps.update(more.perhaps)
        self.passed.update(more.passed)
        self.called.update(more.called)
        self.ran.update(more.ran)


def nothing() -> Effects:
    return Effects(set(), set(), set(), set(), set())


def effects(nodes: Iterable[ast.AST], package: str, hidden: frozenset[str] = frozenset(), levels: int = 0) -> Effects:
    """What running `nodes` does. Functions defined in them only run so many `levels` down: a decorator with
    arguments runs the function that it returns, and the wrapper in there runs when the step does."""
    found = nothing()
    stack = [(node, hidden, levels) for node in nodes]
    while stack:
        node, hidden, levels = stack.pop()
        inside: Iterable[ast.AST]
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                inside = _now(node, hidden, found)
                if levels:
                    body, names = _body(node, package, found)
                    stack.extend((each, hidden | names, levels - 1) for each in body)
            case ast.ClassDef():
                _decorated(node, hidden, found)
                inside = ast.iter_child_nodes(node)
            case _:
                _note(node, hidden, found)
                inside = ast.iter_child_nodes(node)
        stack.extend((each, hidden, levels) for each in inside)
    return found


def of_definition(node: ast.stmt, package: str, levels: int) -> Effects:
    """What calling the function, or making an instance of the class, does."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        found = nothing()
        body, names = _body(node, package, found)
        found.take(effects(body, package, frozenset(names), levels))
        return found
    return effects([node], package, levels=levels + 1)


def _now(node: _Function, hidden: frozenset[str], found: Effects) -> list[ast.AST]:
    """The parts of a function that run where it is defined."""
    defaults: list[ast.AST] = [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
    if isinstance(node, ast.Lambda):
        return defaults
    _decorated(node, hidden, found)
    return [*node.decorator_list, *defaults]


def _body(node: _Function, package: str, found: Effects) -> tuple[list[ast.AST], set[str]]:
    """What runs when it is called, and its local names. A name that it declares `global` is one that it sets."""
    body: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    inside = block(body, package)
    found.written.update(inside.declared)
    return body, inside.locals() | parameters(node.args)


def _decorated(node: _Definition, hidden: frozenset[str], found: Effects) -> None:
    """`@area.register` changes `area`; `@register("x")` also runs the function that it returns."""
    for decorator in node.decorator_list:
        name = _root(decorator)
        if name in hidden:
            continue
        match decorator:
            case ast.Call(func=ast.Name()):
                found.ran.add((name, 1))
            case ast.Name() | ast.Attribute(attr="setter" | "getter" | "deleter"):
                pass  # which is seen as any other name; or a property, whose class has all of it
            case _:
                _add(found.perhaps, decorator, hidden)


def _note(node: ast.AST, hidden: frozenset[str], found: Effects) -> None:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            _add(found.written, node, hidden)
        case ast.Expr(value=ast.Call() as call) | ast.Expr(value=ast.Await(value=ast.Call() as call)):
            _add(found.called, call.func, hidden)
            if not isinstance(call.func, ast.Name):
                _add(found.written, call.func, hidden)
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
                for each in ast.walk(argument):
                    if isinstance(each, ast.Name):
                        _add(found.passed, each, hidden)
        case ast.Call(func=ast.Attribute(attr=method)) if method in MUTATORS:
            _add(found.perhaps, node, hidden)
        case ast.Name(id=name, ctx=ast.Load()) if name not in hidden:
            found.ran.add((name, 0))


def _add(names: set[str], node: ast.AST, hidden: frozenset[str]) -> None:
    name = _root(node)
    if name and name not in hidden:
        names.add(name)


def _root(node: ast.AST) -> str:
    """`CONFIG` of `CONFIG["a"].append(1)`."""
    while True:
        match node:
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
                node = value
            case ast.Call(func=func):
                node = func
            case _:
                return node.id if isinstance(node, ast.Name) else ""
