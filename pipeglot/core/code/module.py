"""One module of a project, parsed once: its top-level statements, and which of them make each of its names."""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code.effects import Effects, effects, of_definition
from pipeglot.core.code.normal import live
from pipeglot.core.code.scopes import Import, block
from pipeglot.core.errors import DefinitionError, Location, Problem
from pipeglot.core.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

_BINDERS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.AugAssign)
"""Statements whose point is a name, not what else they do."""

READS = tuple(
    b"open env read scan load glob walk iterdir listdir exists isfile isdir stat getsize getmtime getline run_path"
    b" get_data fromfile genfromtxt memmap File Dynaconf dotenv config Settings getpass input argv now today time uuid"
    b" urandom token_ url requests httpx subprocess popen system import_module __import__".split()
)
"""In a module without any of these words, nothing brings a value in from outside (see `readers`)."""


class Source(NamedTuple):
    """Something that makes a name what it is: the statement at a place, or with `imported` only an import in it.

    It binds the name, or only changes it. A `perhaps` calls `name.add(…)` or the like, which changes no module.
    """

    place: int
    imported: Import | None = None
    binds: bool = True
    perhaps: bool = False


class Module:
    """The names of a module, each with everything that has a hand in it, in the order of the file.

    All of it counts: which arm of a `try` or an `if` runs is not for a static reader to say.
    """

    def __init__(self, name: str, path: str, *, is_package: bool, source: bytes | None = None) -> None:
        self.name = name
        self.path = path
        self.package = name if is_package else name.rpartition(".")[0]
        source = source if source is not None else _read(path) if path else b""
        self.sha256 = hashlib.sha256(source).hexdigest() if path else ""
        self.reads = any(word in source for word in READS)
        self.imports_by_name = b"import_module" in source or b"__import__" in source
        self.statements = list(_top_level(_parse(path, source).body)) if path else []
        self.sources: dict[str, list[Source]] = {}
        self.stars: list[str] = []
        self.guarded_stars: list[int] = []  # `try: from fast import *`: the places of the statements around them
        self.calls: dict[int, set[str]] = {}  # statements that only call something, and what
        for place, statement in enumerate(self.statements):
            self._bind(place, statement)
        self._running: dict[tuple[str, int], Effects] = {}
        self.defined = {name: node for name in self.sources if (node := self._definition(name))}
        for place, statement in enumerate(self.statements):
            self._affect(place, statement)
        for sources in self.sources.values():
            sources.sort(key=_place)
        self.exported = self._listed()

    def of(self, name: str) -> list[Source]:
        return self.sources.get(name, [])

    def nameless(self) -> Iterator[int]:
        """The places of the statements that make no name."""
        named = {source.place for sources in self.sources.values() for source in sources}
        return (place for place in range(len(self.statements)) if place not in named)

    def _listed(self) -> frozenset[str] | None:
        """What `__all__` names; None where there is none, or more to it than a list of texts."""
        places = {source.place for source in self.of("__all__")}
        match [self.statements[place] for place in places]:
            case [ast.Assign(targets=[ast.Name()], value=ast.List(elts=items) | ast.Tuple(elts=items))]:
                texts = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
                return frozenset(texts) if len(texts) == len(items) else None
        return None

    def _bind(self, place: int, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.sources.setdefault(statement.name, []).append(Source(place))
            return
        found = block([statement], self.package)
        plain = isinstance(statement, ast.Import | ast.ImportFrom)
        for name in () if plain else sorted(found.names):
            self.sources.setdefault(name, []).append(Source(place))
        for imported in found.imports:
            self.sources.setdefault(imported.name, []).append(Source(place, imported))
        self.stars += found.stars
        if found.stars and not plain:
            self.guarded_stars.append(place)

    def _definition(self, name: str) -> ast.stmt | None:
        for source in self.sources[name]:
            node = self.statements[source.place]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
                return node
        return None

    def _affect(self, place: int, statement: ast.stmt) -> None:
        """Count the statement among those that make each name that it may change."""
        found = self.all_effects(effects([statement], self.package))
        changed = found.written | {name for name in found.passed if name not in self.defined}
        for name in sorted(changed | found.perhaps):
            sources = self.sources.setdefault(name, [])  # new, where a star import or a `global` binds it
            if all(source.place != place for source in sources):
                sources.append(Source(place, binds=False, perhaps=name not in changed))
        if found.called and not isinstance(statement, _BINDERS):
            self.calls[place] = found.called

    def all_effects(self, found: Effects) -> Effects:
        """With those of the functions of this module that run on the way."""
        todo = list(found.ran)
        seen: set[tuple[str, int]] = set()
        while todo:
            name, levels = run = todo.pop()
            node = self.defined.get(name)
            if node is None or run in seen:
                continue
            seen.add(run)
            if run not in self._running:
                self._running[run] = of_definition(node, self.package, levels)
            inner = self._running[run]
            found.written.update(inner.written)
            found.perhaps.update(inner.perhaps)
            found.called.update(inner.called)
            todo.extend(inner.ran)
        return found


def _place(source: Source) -> int:
    return source.place


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Without `if __name__ == "__main__":`, for a step's module is imported."""
    for statement in live(body):
        if not (isinstance(statement, ast.If) and _is_main(statement.test)):
            yield statement
        else:
            yield from live(statement.orelse)


def _is_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
    return False


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        what = error.strerror or type(error).__name__
        problem = Problem("code-unreadable", f"this file cannot be read: {what}", Location(path, 1))
        raise DefinitionError([problem]) from None


def _parse(path: str, source: bytes) -> ast.Module:
    try:
        return parse(source, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: a null byte, on Python 3.11
        line = getattr(error, "lineno", None) or 1
        what = getattr(error, "msg", None) or str(error) or type(error).__name__
        problem = Problem("code-syntax", f"this file is not valid Python: {what}", Location(path, line))
    raise DefinitionError([problem])
