"""The digest of a step's code: a hash over its function and all project code that it reaches, from source alone."""

from __future__ import annotations

import ast
import os
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code.graph import Graph, Key
from pipeglot.core.code.module import Module
from pipeglot.core.code.normal import Reading, live
from pipeglot.core.code.scopes import Ref, block
from pipeglot.core.errors import DefinitionError, Location, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeglot.core.code.outside import Finder, Outside

FORMAT = 1
"""Part of every digest. Another number makes every step run once more."""

_CELLS = "<cells>"

_SHOWN = 16
"""Hex digits of a member's hash that are kept, to tell which of them changed; the digest is over all 64."""


class Closure(NamedTuple):
    """What a step's code is: one digest, and the hash of each project object that it covers (`module:name`)."""

    digest: str
    members: dict[str, str]


class Project:
    """The import roots of one project and a cache of its parsed modules: files are read once, as they are then.

    `main` is the source of `__main__` where that is no file: the cells of a notebook. `only`: the names of the modules
    and packages that are the project's, where others lie in the same folders.
    """

    def __init__(
        self, roots: Sequence[str | os.PathLike[str]], main: str | None = None, only: Collection[str] | None = None
    ) -> None:
        self._roots = [os.path.abspath(root) for root in roots]
        self._only = only
        self._modules: dict[str, Module | None] = {}
        if main is not None:
            module = self._modules["__main__"] = Module("__main__", _CELLS, is_package=False, source=main.encode())
            module.calls.clear()  # what cells did to modules stays here: workers import them anew
        self._graph = Graph(self._module)
        self._finder: Finder | None = None
        self._reached: dict[str, set[Key]] = {}

    def closure(self, module: str, qualname: str) -> Closure:
        """The code that running `module:qualname` may reach. Raises a `DefinitionError` if there is no such thing."""
        found: dict[str, str] = {}
        todo, seen = list(self._start(module, qualname, found)), set[Key]()
        while todo:
            key = todo.pop()
            if key not in seen:
                seen.add(key)
                member = self._graph.member(key)
                if member.digest:
                    found[str(key)] = member.digest
                todo += member.leads_to
            if not todo:  # what is there so far may be changed by modules that have other parts in it
                todo += [key for key in self._graph.setters(seen) if key not in seen]
        lines = [f"pipeglot code {FORMAT} {module}:{qualname}", *(f"{name} {found[name]}" for name in sorted(found))]
        digest = sha256("\n".join(lines).encode()).hexdigest()
        self._reached[digest] = seen
        return Closure(digest, {name: found[name][:_SHOWN] for name in sorted(found)})

    def outside(self) -> dict[str, tuple[Outside, ...]]:
        """Of each closure so far, by its digest: the values in it that the digest cannot know."""
        if not any(module is not None and module.reads for module in self._modules.values()):
            return {}
        if self._finder is None:
            from pipeglot.core.code.outside import Finder

            self._finder = Finder(self._graph, self._module)
        found = {digest: self._finder.of(keys) for digest, keys in self._reached.items()}
        return {digest: values for digest, values in found.items() if values}

    def module_of(self, file: str | os.PathLike[str]) -> str | None:
        """The dotted name under which `file` is imported from the innermost root it lies in, or None."""
        path = os.path.abspath(file)
        for root in sorted(self._roots, key=len, reverse=True):
            for start, end in ((root, path), (os.path.realpath(root), os.path.realpath(path))):
                name = _dotted_name(os.path.relpath(end, start))
                if name and _same(self._locate(name)[0], path):
                    return name
        return None

    def has_decorator(self, module: str, qualname: str, decorator: str) -> bool:
        """Whether the file says that a function of its top level has this decorator: `@step`, `@pipeglot.step(…)`."""
        home = self._module(module)
        node = home.defined.get(qualname) if home is not None else None
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        return any(_last_name(one) == decorator for one in node.decorator_list)

    def sources(self) -> dict[str, str]:
        """The sha256 of every file that the closures so far have been taken from, by path."""
        found = [module for module in self._modules.values() if module is not None and module.path]
        return {module.path: module.sha256 for module in found if module.path != _CELLS}

    # --- where the walk starts ---

    def _start(self, module: str, qualname: str, found: dict[str, str]) -> tuple[Key, ...]:
        home = self._module(module)
        if home is not None and home.path == _CELLS and not home.of(qualname.partition(".")[0]):
            raise DefinitionError([_unseen(qualname)])
        if home is None or not home.path:
            where = " or ".join(f"`{root}`" for root in self._roots)
            raise _problem("code-module", f"no module `{module}` under {where}")
        parts = qualname.partition(".<locals>")[0].split(".")  # what a function defines counts as all of that function
        reached = self._graph.landing(Ref(home.name, (parts[0],)))
        if not any(self._graph.is_object(key) for key in reached):
            raise _problem("code-function", f"`{module}` has no `{parts[0]}` of the project's at its top level", home)
        method = self._method(home, parts) if len(parts) > 1 and parts[0] in home.defined else None
        if method is None:
            return reached
        found[f"{module}:{'.'.join(parts)}"] = method.digest
        return self._graph.leads_to(home, method.refs)

    def _method(self, home: Module, parts: list[str]) -> Reading | None:
        """A static method on its own; None where the whole class counts, for what is handed `self` or `cls`."""
        around = home.defined.get(parts[0])
        for part in parts[1:-1]:
            around = _inside(around, part)
        if not isinstance(around, ast.ClassDef) or parts[-1] not in block(live(around.body), home.package).names:
            raise _problem("code-function", f"`{home.name}` has no `{'.'.join(parts)}`", home)
        method = _inside(around, parts[-1])
        if len(parts) > 2 or method is None or not _is_static(method):
            return None
        reading = self._graph.reader(home).read(method)
        own = block(live(around.body), home.package).names | {"__class__", "super"}
        if any(ref.module == home.name and ref.path and ref.path[0] in own for ref in reading.refs):
            reading = reading._replace(refs=(*reading.refs, Ref(home.name, (parts[0],))))
        return reading

    # --- files ---

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            path, is_package = self._locate(name)
            is_folder = not path and is_package
            self._modules[name] = Module(name, path, is_package=is_package) if path or is_folder else None
        return self._modules[name]

    def _locate(self, name: str) -> tuple[str, bool]:
        """The file of a module and whether it is a package; a package without a file is a plain folder."""
        parts = name.split(".")
        if parts[0] == "pipeglot" or not all(part.isidentifier() for part in parts):
            return "", False
        if self._only is not None and parts[0] not in self._only:
            return "", False
        bases = [os.path.join(root, *parts) for root in self._roots]
        for base in bases:
            if os.path.isfile(package := os.path.join(base, "__init__.py")):
                return package, True
            if os.path.isfile(base + ".py"):
                return base + ".py", False
        return "", any(os.path.isdir(base) for base in bases)


def _dotted_name(relative: str) -> str:
    """`a/b.py` as `a.b`, or nothing: a path with `..`, `.venv` or `site-packages` in it is nobody's module."""
    base, extension = os.path.splitext(relative)
    parts = base.split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if extension == ".py" and all(part.isidentifier() for part in parts) else ""


def _last_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _same(one: str, other: str) -> bool:
    return bool(one) and (one == other or os.path.realpath(one) == os.path.realpath(other))


def _inside(around: ast.stmt | None, name: str) -> ast.stmt | None:
    """The one function or class of this name directly in a class body."""
    body = live(around.body) if isinstance(around, ast.ClassDef) else ()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in body if isinstance(node, kinds) and node.name == name]
    return found[0] if len(found) == 1 else None


def _is_static(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list
    )


def _unseen(name: str) -> Problem:
    """Typed at a prompt that keeps no source, or made by `exec`."""
    told = f"the source of `{name}` cannot be seen, and without it nobody could tell when its results are out of date"
    return Problem("code-unseen", told, None, "write it in a file, or in a cell of a notebook")


def _problem(code: str, message: str, home: Module | None = None) -> DefinitionError:
    return DefinitionError([Problem(code, message, Location(home.path, 1) if home else None)])
