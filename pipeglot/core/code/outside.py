"""Which values of a project's modules come from outside its code: what a digest of the code cannot know.

`CONF = json.loads(Path("conf.json").read_text())` at the top of a module is one line to a digest, whatever the file
says. Here such values are found, to be told: what runs when a module is imported is followed, also through functions
of the project, to the calls of `readers` that bring something in.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code import readers
from pipeglot.core.code.effects import MUTATORS
from pipeglot.core.code.graph import IMPORT, STARS, WHOLE, Key
from pipeglot.core.code.normal import imported_name
from pipeglot.core.code.scopes import Import, Ref, block, dotted
from pipeglot.core.errors import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pipeglot.core.code.graph import Graph
    from pipeglot.core.code.module import Module

_SHOWN = 60
_DEEPEST = 20
"""Calls in calls, and bases of bases: further down nobody looks."""
_MAKERS = ("__new__", "__init__", "__post_init__")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Outside(NamedTuple):
    """A value of a module that is not in the code alone, and where it is made.

    name: the member of the closure, as `module:NAME`. shown: the expression that brings it in. function: the one of the
    project in which that stands, at `read_at`; empty if it is the very place where the value is made.
    """

    name: str
    kind: readers.Kind
    shown: str
    at: Location
    function: str
    read_at: Location


class _Hit(NamedTuple):
    """A node that brings something in, and in which function it stands. `at`: the line that runs on import."""

    kind: readers.Kind
    node: ast.AST
    unit: _Unit | None = None
    line: int = 1


class _Unit(NamedTuple):
    """A function of the project, with the class that it is a method of."""

    module: Module
    node: _Function
    owner: ast.ClassDef | None = None


class Finder:
    """Looks at each member of a graph once."""

    def __init__(self, graph: Graph, find: Callable[[str], Module | None]) -> None:
        self._graph = graph
        self._find = find
        self._members: dict[Key, tuple[Outside, ...]] = {}
        self._statements: dict[tuple[str, int], _Hit | None] = {}
        self._units: dict[tuple[str, int], _Hit | None] = {}
        self._names: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        self._depth = 0

    def of(self, keys: Iterable[Key]) -> tuple[Outside, ...]:
        """What the members of a closure hold from outside, by file and line."""
        found: set[Outside] = set()
        for key in sorted(keys):
            if key not in self._members:
                self._members[key] = tuple(self._member(key))
            found.update(self._members[key])
        return tuple(sorted(found, key=lambda one: (one.at, one.name)))

    def _member(self, key: Key) -> Iterator[Outside]:
        module = self._find(key.module)
        if module is None or key.name in (IMPORT, STARS):
            return
        for name in sorted(module.sources) if key.name == WHOLE else [key.name]:
            foreign = not self._graph.is_object(Key(module.name, name))
            for source in module.of(name):
                if source.imported is not None or (foreign and not source.binds):
                    continue  # what is done to a module of others (`np.seterr(…)`) is rarely about values
                if name in _handles(module.statements[source.place]):
                    continue
                hit = self._statement(module, source.place)
                if hit is not None:
                    yield _told(f"{module.name}:{name}", hit, module)

    def _statement(self, module: Module, place: int) -> _Hit | None:
        """What runs when the module is imported; and an import by a made-up name, whenever that runs."""
        key = (module.name, place)
        if key not in self._statements:
            statement = module.statements[place]
            hit = self._first(_now([statement]), _Here(self, module))
            if hit is None and module.imports_by_name:
                inside = block(ast.walk(statement), module.package).imports
                here = _Here(self, module, inside)
                hits = (
                    hit._replace(line=_line(hit.node)) for node in ast.walk(statement) if (hit := here.dynamic(node))
                )
                hit = next(hits, None)
            self._statements[key] = hit
        return self._statements[key]

    def _first(self, nodes: Iterable[ast.AST], here: _Here) -> _Hit | None:
        for node in nodes:
            hit = here.read(node)
            if hit is not None:
                return hit._replace(line=_line(node))
        return None

    def unit(self, unit: _Unit) -> _Hit | None:
        """What calling a function of the project reads."""
        key = (unit.module.name, id(unit.node))
        if key not in self._units:
            if self._depth >= _DEEPEST:
                return None
            self._units[key] = None  # while it is under way: recursion finds nothing new
            here = _Here(self, unit.module, block(unit.node.body, unit.module.package).imports, unit)
            self._depth += 1
            hit = self._first(_now(unit.node.body), here)
            self._depth -= 1
            self._units[key] = hit._replace(unit=hit.unit or unit) if hit else None
        return self._units[key]

    # --- names ---

    def names(self, module: Module, path: tuple[str, ...], imports: Iterable[Import] = ()) -> set[str]:
        """The full names, `os.environ.get`, that a dotted path may be, of what is not the project's."""
        imports = tuple(imports)
        if (known := self._names.get((module.name, path))) is not None and not imports:
            return known
        found: set[str] = set()
        for ref in _refs(module, path, imports):
            for origin in self._graph.origins(ref):
                home = self._find(origin.module)
                if home is None:
                    found.add(".".join((origin.module, *origin.path)))
                elif origin.path and origin.path[0] in readers.BUILTINS and not home.of(origin.path[0]):
                    found.add(".".join(("builtins", *origin.path)))
        if not imports:
            self._names[module.name, path] = found
        return found

    def definitions(
        self, module: Module, path: tuple[str, ...], imports: Iterable[Import] = ()
    ) -> Iterator[tuple[Module, ast.stmt]]:
        """The functions and classes of the project that a dotted path begins with, or is."""
        for ref in _refs(module, path, imports):
            for key in self._graph.landing(ref):
                home = self._find(key.module)
                if home is not None and key.name in home.defined:
                    yield home, home.defined[key.name]

    def method(self, module: Module, owner: ast.ClassDef, name: str, depth: int = 0) -> _Unit | None:
        """A method of a class, or of one that it inherits from."""
        for node in owner.body:
            if isinstance(node, _Function) and node.name == name:
                return _Unit(module, node, owner)
        for base in owner.bases if depth < _DEEPEST else ():
            for home, node in self.definitions(module, dotted(base)) if dotted(base) else ():
                found = self.method(home, node, name, depth + 1) if isinstance(node, ast.ClassDef) else None
                if found is not None:
                    return found
        return None

    def is_settings(self, module: Module, owner: ast.ClassDef, depth: int = 0) -> bool:
        """Whether making an instance of a class reads the environment, for a library does so."""
        for path in filter(None, map(dotted, owner.bases)):
            if not readers.SETTINGS.isdisjoint(self.names(module, path)):
                return True
            for home, node in self.definitions(module, path) if depth < _DEEPEST else ():
                if isinstance(node, ast.ClassDef) and self.is_settings(home, node, depth + 1):
                    return True
        return False


class _Here:
    """Where code stands that is looked at: its module, what it imports itself, and the function that it is in."""

    def __init__(
        self, finder: Finder, module: Module, imports: Iterable[Import] = (), unit: _Unit | None = None
    ) -> None:
        self.finder = finder
        self.module = module
        self.imports = list(imports)
        self.owner = unit.owner if unit else None
        self.inner = {node.name: node for node in unit.node.body if isinstance(node, _Function)} if unit else {}

    def read(self, node: ast.AST) -> _Hit | None:
        """What running this one node brings in; what its children do is not asked here."""
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            return self._value(node, dotted(node.value))
        return self._value(node, dotted(node)) if isinstance(node, ast.Attribute | ast.Name) else None

    def dynamic(self, node: ast.AST) -> _Hit | None:
        """`import_module(name)`, where no text tells which module that is."""
        if not isinstance(node, ast.Call) or not dotted(node.func) or not node.args:
            return None
        if imported_name(node, self.module.name, self.module.package):
            return None
        refs = _refs(self.module, dotted(node.func), self.imports)
        text = isinstance(node.args[0], ast.Constant) and not str(node.args[0].value).startswith(".")
        imports = not text and any(self.finder._graph.is_import(ref) for ref in refs)
        return _Hit("import", node) if imports else None

    def _value(self, node: ast.AST, path: tuple[str, ...]) -> _Hit | None:
        for name in sorted(self.finder.names(self.module, path, self.imports)):
            if (kind := readers.value(name)) is not None:
                return _Hit(kind, node)
        return None

    def _call(self, node: ast.Call) -> _Hit | None:
        path = dotted(node.func)
        units = list(self._units(node.func, path))
        if units:
            return next(filter(None, map(self.finder.unit, units)), None)
        kind: readers.Kind | None = None
        names = sorted(self.finder.names(self.module, path, self.imports))
        for name in names:
            kind = kind or readers.value(name.rpartition(".")[0]) or readers.called(name, node)
        if not kind and any(self._makes_settings(path)):
            kind = "environment"
        if not kind and not names:  # else it is no method of some object, but what a module of others has
            kind = readers.method(node)
        return _Hit(kind, node) if kind else None

    def _makes_settings(self, path: tuple[str, ...]) -> Iterator[bool]:
        for home, node in self.finder.definitions(self.module, path, self.imports):
            if isinstance(node, ast.ClassDef):
                yield self.finder.is_settings(home, node)

    def _units(self, func: ast.expr, path: tuple[str, ...]) -> Iterator[_Unit]:
        """The functions of the project that a call runs, where that can be told."""
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Call):  # `Config("x").load()`
            for home, node in self.finder.definitions(self.module, dotted(func.value.func), self.imports):
                found = self.finder.method(home, node, func.attr) if isinstance(node, ast.ClassDef) else None
                if found is not None:
                    yield found
        if not path:
            return
        if path[0] in ("self", "cls") and self.owner is not None and len(path) == 2:
            found = self.finder.method(self.module, self.owner, path[1])
            if found is not None:
                yield found
        elif len(path) == 1 and path[0] in self.inner:
            yield _Unit(self.module, self.inner[path[0]], self.owner)
        else:
            for home, node in self.finder.definitions(self.module, path, self.imports):
                yield from self._runs(home, node, path[-1])

    def _runs(self, home: Module, node: ast.stmt, last: str) -> Iterator[_Unit]:
        if isinstance(node, _Function):
            yield _Unit(home, node)
        elif isinstance(node, ast.ClassDef):
            named = self.finder.method(home, node, last) if last != node.name else None
            makers = [named] if named else [self.finder.method(home, node, name) for name in _MAKERS]
            yield from (unit for unit in makers if unit is not None)


def _refs(module: Module, path: tuple[str, ...], imports: Iterable[Import]) -> list[Ref]:
    local = [ref for imported in imports if path and imported.name == path[0] for ref in imported.refs(path[1:])]
    return local or [Ref(module.name, path)] if path else []


def _now(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes that run when these do: not the insides of functions, nor the targets of assignments."""
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        inside: Iterable[ast.AST | None]
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inside = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]
            case ast.Lambda():
                inside = [*node.args.defaults, *node.args.kw_defaults]
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                inside = [node.slice]
            case ast.Call(func=ast.Attribute(attr=attr, value=value)) if attr in MUTATORS:
                inside = [*([value] if isinstance(value, ast.Call) else []), *node.args, *node.keywords]
            case ast.AnnAssign():
                inside = [node.value]
            case _:
                yield node
                inside = ast.iter_child_nodes(node)
        stack.extend([each for each in inside if each is not None][::-1])


def _handles(statement: ast.stmt) -> set[str]:
    """`f` of `with open("x") as f: X = f.read()`: what is of interest is `X`."""
    items = statement.items if isinstance(statement, ast.With) else []
    return {item.optional_vars.id for item in items if isinstance(item.optional_vars, ast.Name)}


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 1)


def _told(name: str, hit: _Hit, module: Module) -> Outside:
    text = ast.unparse(hit.node)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    at = Location(module.path, hit.line)
    if hit.unit is None:
        return Outside(name, hit.kind, shown, at, "", at)
    read_at = Location(hit.unit.module.path, _line(hit.node))
    return Outside(name, hit.kind, shown, at, hit.unit.node.name, read_at)
