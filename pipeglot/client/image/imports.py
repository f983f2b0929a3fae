"""What the code of a project imports: its own files, and the installed packages that have to be in an image, too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pipeglot.core.errors import Location, UsageError
from pipeglot.core.syntax import parse


class Import(NamedTuple):
    """A module that is imported by its whole name, and where."""

    name: str
    at: Location


class Imports:
    """Of some files of a project, and of all its files that these import in turn."""

    def __init__(self, roots: tuple[Path, ...], files: Iterable[Path]) -> None:
        self._roots = roots
        self._seen: set[Path] = set()
        self._found: dict[str, Import] = {}
        for file in files:
            self._read(file)

    @cached_property
    def packages(self) -> Mapping[str, str]:
        """The installed distributions that have what is imported, by version."""
        names = {name for one in self._found for name in self._distributions(one)} - {"pipeglot"}
        return {name: metadata.version(name) for name in sorted(names)}

    @property
    def missing(self) -> tuple[Import, ...]:
        """What is not installed here, so that nobody can tell which package has it."""
        return tuple(one for name, one in sorted(self._found.items()) if not _is_there(name))

    def _distributions(self, name: str) -> set[str]:
        """Those that have a module: of several that share a package, as `google`, those that have this part of it."""
        found = set(self._installed.get(name.partition(".")[0], ()))
        if len(found) > 1:
            place = name.replace(".", "/")
            whole = {
                one
                for one in found
                if any(str(file).startswith((f"{place}/", f"{place}.")) for file in metadata.files(one) or ())
            }
            return whole or found
        return found

    @cached_property
    def _installed(self) -> Mapping[str, list[str]]:
        return metadata.packages_distributions()

    def _read(self, file: Path) -> None:
        waiting = [file]
        while waiting:
            one = waiting.pop()
            if one in self._seen:
                continue
            self._seen.add(one)
            for name, line in _names(self._tree(one), self._package(one)):
                own = self._own(name)
                if own is not None:
                    waiting.append(own)
                elif name.partition(".")[0] not in sys.stdlib_module_names:
                    self._found.setdefault(name, Import(name, Location(self._shown(one), line)))

    def _tree(self, file: Path) -> ast.AST:
        try:
            return parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError) as error:
            at = f"{self._shown(file)}:{getattr(error, 'lineno', None) or 1}"
            raise UsageError(f"{at}: this is no Python, so what it imports cannot be told: {error.args[0]}") from None

    def _package(self, file: Path) -> tuple[str, ...]:
        """Of the package that a file is in, the name in its parts."""
        root = next((root for root in self._roots if file.is_relative_to(root)), file.parent)
        return file.relative_to(root).parent.parts

    def _shown(self, file: Path) -> str:
        return str(file.relative_to(self._roots[-1])) if file.is_relative_to(self._roots[-1]) else str(file)

    def _own(self, name: str) -> Path | None:
        """The project's file of a module, or of the module that has this name in it."""
        known = [one for one in (name, name.rpartition(".")[0]) if one]
        for place in (root / one.replace(".", "/") for one in known for root in self._roots):
            for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if file.is_file():
                    return file
        return None


def _names(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """What is imported anywhere in a file of a package, but for type checkers only. Of `from a import b`, `a.b`."""
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package[: len(package) - node.level + 1] if node.level else ()
            before = ".".join([*within, node.module or ""]).strip(".")
            yield from ((f"{before}.{alias.name}".strip("."), node.lineno) for alias in node.names)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _nodes(other)
            continue
        yield node
        yield from _nodes(node)


def _is_there(name: str) -> bool:
    top = name.partition(".")[0]
    try:
        return top in sys.modules or find_spec(top) is not None
    except (ImportError, ValueError):
        return False
