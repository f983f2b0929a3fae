"""Where the user wrote something: a code object and an offset when it happens, a line only when someone asks.

Walking frames is cheap; `f_lineno` is not, for it scans the line table of a whole function at every call.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from types import CodeType, FrameType
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.errors import Location

if TYPE_CHECKING:
    from pipeglot.core.code import Project

# os.path is there at every start; pathlib costs an import
_OURS = __file__.rpartition(f"{os.sep}core{os.sep}")[0] + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

_users: dict[str, bool] = {}
"""Of each file that was met on a stack: is it the user's? Neither ours, nor Python's own, nor an installed library."""


class Position(NamedTuple):
    """An instruction in a code object."""

    code: CodeType
    offset: int


def here(frame: FrameType | None = None) -> Position | None:
    """The innermost instruction under way in a file of the user's; None if there is none."""
    frame = frame or sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        users = _users.get(file)
        if users is None:
            users = _users[file] = _is_users(file)
        if users:
            return Position(frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return None


def is_users(file: str) -> bool:
    """Whether a file of this name is the user's."""
    if file not in _users:
        _users[file] = _is_users(file)
    return _users[file]


def is_ours(file: str) -> bool:
    return file.startswith(_OURS)


def declare(file: str) -> None:
    """A file that defines steps or pipelines is the user's, wherever it is installed."""
    if not file.startswith(_OURS):
        _users[file] = True


def _is_users(file: str) -> bool:
    if file.startswith((_OURS, "<frozen ", "<__array_function__ ")):  # the last are NumPy 1's
        return False
    return not file.startswith(_LIBRARY) and not any(part in file for part in _INSTALLED)


class Lines:
    """Turns positions into lines, reading the line table of each code object once."""

    def __init__(self, project: Project | None = None) -> None:
        self._project = project
        self._names: dict[str, str] = {}
        self._tables: dict[CodeType, tuple[list[int], list[int]]] = {}

    def locate(self, position: Position) -> Location:
        starts, lines = self._tables.get(position.code) or self._read(position.code)
        found = lines[bisect_right(starts, position.offset) - 1] if starts else 0
        return Location(self.name(position.code.co_filename), found or position.code.co_firstlineno)

    def name(self, file: str) -> str:
        """A file as it is shown: from the project's root if it lies in there."""
        found = self._names.get(file)
        if found is None:
            module = self._project.module_of(file) if self._project and not file.startswith("<") else None
            found = self._names[file] = _below_root(file, module) if module else file
        return found

    def _read(self, code: CodeType) -> tuple[list[int], list[int]]:
        table = [(start, line) for start, _, line in code.co_lines() if line is not None]
        self._tables[code] = found = [start for start, _ in table], [line for _, line in table]
        return found


def _below_root(file: str, module: str) -> str:
    """The end of a path that a module's name stands for: `a/b.py` for `a.b`."""
    parts = file.split(os.sep)
    return os.sep.join(parts[-(module.count(".") + (2 if parts[-1] == "__init__.py" else 1)) :])
