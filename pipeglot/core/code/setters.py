"""What a module does to names of other modules when it is imported: `@register` above a function, `conf.LIMIT = 5`.

What a statement only calls for its effect always counts (see `graph.IMPORT`). The rest is here: which names of other
modules each statement changes. It is asked of those modules only that a step has parts of: no other is read for it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code.effects import nothing
from pipeglot.core.code.graph import Key
from pipeglot.core.code.scopes import Ref, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.code.graph import Graph
    from pipeglot.core.code.module import Module

_DEEPEST = 20


class Act(NamedTuple):
    """Something that a statement does to a dotted path: decorate by it, set it, inherit from it.

    `levels`: of a decorator, how many functions inside the one that it calls run, too.
    """

    path: tuple[str, ...]
    kind: str
    levels: int = 0


def acts(module: Module) -> dict[str, list[tuple[int, Act]]]:
    """What the statements of a module do to what they import, by the modules that it may come from."""
    found: dict[str, list[tuple[int, Act]]] = {}
    for place, statement in enumerate(module.statements):
        for act in _acts(statement):
            for other in _from(module, act.path[0]):
                found.setdefault(other, []).append((place, act))
    return found


def setters(graph: Graph, module: Module, found: list[tuple[int, Act]]) -> dict[Key, list[int]]:
    """The members of other modules that these acts change, each with the places of the statements."""
    places: dict[Key, list[int]] = {}
    for place, act in found:
        for key in _changed(graph, module, act):
            if key.module != module.name and place not in places.setdefault(key, []):
                places[key].append(place)
    return places


def _from(module: Module, name: str) -> set[str]:
    sources = module.of(name)
    found: set[str] = set() if any(source.binds for source in sources) else set(module.stars)
    for source in sources:
        if source.imported is not None:
            target = source.imported.target
            found |= {target.module, source.imported.loads, ".".join((target.module, *target.path))}
    return found


def _acts(statement: ast.stmt) -> Iterator[Act]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            for decorator in statement.decorator_list:
                called = isinstance(decorator, ast.Call)
                path = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
                yield from [Act(path, "decorate", int(called))] if path else []
            bases = statement.bases if isinstance(statement, ast.ClassDef) else []
            yield from (Act(path, "inherit") for path in filter(None, map(dotted, bases)))
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            yield from (act for target in targets for act in _set(target))
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _set(target)
        case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
            for inner in ast.iter_child_nodes(statement):
                nodes = inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                yield from (act for node in nodes if isinstance(node, ast.stmt) for act in _acts(node))


def _set(target: ast.expr) -> Iterator[Act]:
    """`conf.LIMIT = …`, `TABLE["a"] = …`, `TABLE["a"]["b"] = …`; a bare name is the module's own."""
    item = isinstance(target, ast.Subscript)
    while isinstance(target, ast.Subscript):
        target = target.value
    path = dotted(target)
    if len(path) > 1 or (path and item):
        yield Act(path, "set")


def _changed(graph: Graph, module: Module, act: Act) -> Iterator[Key]:
    for key in graph.landing(Ref(module.name, act.path)):
        home = graph.find(key.module)
        if home is None:
            continue
        node = home.defined.get(key.name)
        if act.kind == "set":
            yield key
        elif act.kind == "inherit":
            yield from _inherited(graph, home, node, 0)
        elif isinstance(node, ast.FunctionDef):
            yield from _ran(home, key.name, act.levels)
        elif graph.is_object(key) and act.path[-1] != key.name:  # `@REGISTRY.add`: a method of it
            yield key


def _ran(home: Module, name: str, levels: int) -> Iterator[Key]:
    """The names of its own module that a function changes when it is called."""
    found = nothing()
    found.ran.add((name, levels))
    home.all_effects(found)
    for changed in sorted(found.written | found.perhaps):
        if any(source.imported is None for source in home.of(changed)):
            yield Key(home.name, changed)


def _inherited(graph: Graph, home: Module, base: ast.stmt | None, depth: int) -> Iterator[Key]:
    """What `__init_subclass__` of a base, or of one of its own, keeps of a new class."""
    if not isinstance(base, ast.ClassDef) or depth >= _DEEPEST:
        return
    if any(isinstance(each, ast.FunctionDef) and each.name == "__init_subclass__" for each in base.body):
        yield from _ran(home, base.name, 0)
    for path in filter(None, map(dotted, base.bases)):
        for key in graph.landing(Ref(home.name, path)):
            further = graph.find(key.module)
            if further is not None:
                yield from _inherited(graph, further, further.defined.get(key.name), depth + 1)
