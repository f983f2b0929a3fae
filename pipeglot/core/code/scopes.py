"""Which name means what: the names that a block of code binds, and the scopes that hide a module's own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    _Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Ref(NamedTuple):
    """A dotted path, looked up in a module. An empty path is the module object itself, used as a value."""

    module: str
    path: tuple[str, ...] = ()

    def then(self, rest: tuple[str, ...]) -> Ref:
        return Ref(self.module, self.path + rest)


class Import(NamedTuple):
    """What an import makes of `name`. `import a.b` binds `a`, and `loads` the module `a.b` into it."""

    name: str
    target: Ref
    loads: str

    def refs(self, rest: tuple[str, ...]) -> Iterator[Ref]:
        """What `name` followed by `.rest` is; with no rest, whatever can be reached through the bare module."""
        yield self.target.then(rest)
        if not rest and not self.target.path and self.loads != self.target.module:
            yield Ref(self.loads)


class Block:
    """The names that some statements bind in their own scope, found without entering functions and classes."""

    __slots__ = ("declared", "imports", "names", "nonlocals", "stars")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.declared: set[str] = set()  # by `global`
        self.nonlocals: set[str] = set()
        self.imports: list[Import] = []
        self.stars: list[str] = []

    def locals(self) -> set[str]:
        return self.names - self.declared - self.nonlocals


def block(nodes: Iterable[ast.AST], package: str) -> Block:
    """Read the bindings of `nodes`. What it misses counts as global: that can only cover too much."""
    found = Block()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del()):
                found.names.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                _bind_imports(node, package, found)
            case ast.Global():
                found.declared.update(node.names)
            case ast.Nonlocal():
                found.nonlocals.update(node.names)
            case ast.comprehension():  # its target is its own; a walrus inside it is the block's
                stack += [node.iter, *node.ifs]
            case ast.Lambda():
                pass
            case _:
                _bind_name(node, found)
                stack.extend(ast.iter_child_nodes(node))
    return found


def _bind_name(node: ast.AST, found: Block) -> None:
    """The bindings that are a plain string in the tree: `except … as e`, `case x`, `case [*rest]`, `case {**rest}`."""
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        name = node.name
    elif isinstance(node, ast.MatchMapping):
        name = node.rest
    else:
        return
    if name is not None:
        found.names.add(name)


def _bind_imports(node: ast.Import | ast.ImportFrom, package: str, found: Block) -> None:
    for imported in imports(node, package):
        if imported.name == "*":
            found.stars.append(imported.loads)
        else:
            found.names.add(imported.name)
            found.imports.append(imported)


def imports(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    """What an import statement in `package` binds; a star import has the name `*`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            name, module = (alias.asname, alias.name) if alias.asname else (top, top)
            yield Import(name, Ref(module), alias.name)
        return
    module = absolute(node.module or "", node.level, package)
    for alias in node.names:
        yield Import(alias.asname or alias.name, Ref(module, (alias.name,)), module)


def absolute(module: str, level: int, package: str) -> str:
    """`from ..a import b` names `a` from the package two up; beyond the top it names nothing that can exist."""
    if not level:
        return module
    parts = package.split(".") if package else []
    if level > len(parts):
        return "." * level + module
    return ".".join(parts[: len(parts) - level + 1] + ([module] if module else []))


class Scope:
    """A function, a comprehension or a class body as seen from one of its statements.

    `names` maps a local name to the place where it is bound, and `at` is where the reader stands: in a class body a
    name is the class's own only after the statement that binds it, in a function everywhere.
    """

    __slots__ = ("at", "declared", "first", "imports", "is_class", "names", "parent")

    def __init__(
        self, parent: Scope | None, names: Mapping[str, int], inside: Block, *, at: int = 1, is_class: bool = False
    ) -> None:
        self.parent = parent
        self.names = names
        self.at = at
        self.is_class = is_class
        self.imports = inside.imports
        self.declared = inside.declared
        self.first: ast.comprehension | None = None  # of a comprehension: its first `for` reads the scope outside

    def holds(self, name: str) -> bool:
        return self.names.get(name, self.at) < self.at


def local_scope(parent: Scope | None, names: Iterable[str], inside: Block | None = None) -> Scope:
    return Scope(parent, dict.fromkeys(names, 0), inside or Block())


def function_scope(node: _Function, parent: Scope | None, package: str) -> Scope:
    """The inside of a function: its parameters, and whatever its body binds."""
    inside = block(node.body if isinstance(node.body, list) else [node.body], package)
    return local_scope(parent, inside.locals() | parameters(node.args), inside)


def parameters(args: ast.arguments) -> set[str]:
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return {arg.arg for arg in every}


def class_scopes(body: Sequence[ast.stmt], parent: Scope | None, package: str) -> list[Scope]:
    """One scope for each statement of a class body. A name bound under an `if` or a `for` may still be the module's."""
    names: dict[str, int] = {}
    for place, statement in enumerate(body):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.setdefault(statement.name, place)
        elif isinstance(statement, ast.Assign | ast.Import | ast.ImportFrom) or (
            isinstance(statement, ast.AnnAssign) and statement.value is not None
        ):
            for name in block([statement], package).names:
                names.setdefault(name, place)
    whole = block(body, package)
    return [Scope(parent, names, whole, at=place, is_class=True) for place in range(len(body))]


def lookup(scope: Scope | None, path: tuple[str, ...], module: str) -> Iterator[Ref]:
    """What `path`, read in `scope`, may be beyond this scope's own locals: names of `module`, or what was imported."""
    name, rest = path[0], path[1:]
    here = scope
    while scope is not None:
        if scope is here or not scope.is_class:  # a class's names are not seen from the functions in it
            if name in scope.declared:
                break
            if scope.holds(name):
                for imported in scope.imports:
                    if imported.name == name:
                        yield from imported.refs(rest)
                return
        scope = scope.parent
    yield Ref(module, path)


def dotted(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as a path, or nothing where it is not one."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()
