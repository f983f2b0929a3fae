"""The flow files that runs are started from: kept in a folder of this user's, for each task reads the file."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeglot.compilers.base import File
from pipeglot.compilers.metaflow.names import WISHES
from pipeglot.core.errors import EngineError
from pipeglot.core.store.files import make_private, write_private
from pipeglot.core.task.joining import RESERVED

DIGITS = 16
"""Of a text's digest, by which its folder is named."""


_SAID = ("most", "params", "quoted", "texts")


class FlowText(NamedTuple):
    """What a flow file says of itself.

    name: the flow's. words: by a pipeline's name for a parameter its name on the command line. texts: the parameters
    that travel as JSON in a text. quoted: those that do if they are no plain word. most: how many tasks are at work at
    once; 0 if it says nothing of it.
    """

    name: str
    words: Mapping[str, str]
    texts: Collection[str]
    most: int = 0
    quoted: Collection[str] = ()


class Flows:
    """Those of one stack. Each text has a folder of its own, and a file says which one is the newest."""

    def __init__(self, base: Path, stack: str) -> None:
        self._folder = base / "flows" / stack

    def keep(self, pipeline: str, files: Collection[File]) -> Path:
        """Keep what was compiled as the newest. Raises `EngineError`."""
        flow = next(one for one in files if one.version)
        try:
            folder = make_private(self._folder / pipeline / flow.version[:DIGITS])
            for one in files:
                write_private(folder / one.name, one.text.encode())
            write_private(self._folder / pipeline / "newest", f"{flow.version[:DIGITS]}/{flow.name}\n".encode())
        except OSError as error:
            raise EngineError(f"`{self._folder / pipeline}` cannot be written: {error.strerror}") from None
        return folder / flow.name

    def newest(self, pipeline: str) -> Path | None:
        """The file that was kept last, if it is still there."""
        try:
            name = (self._folder / pipeline / "newest").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        found = self._folder / pipeline / name
        return found if found.is_file() else None

    def is_newest(self, pipeline: str, version: str) -> bool:
        """Whether a text of that version is."""
        found = self.newest(pipeline)
        return found is not None and found.parent.name == version[:DIGITS]


def read_flow(file: Path) -> FlowText:
    """What a flow file says of itself, read without running it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {WISHES: RESERVED}
    said: dict[str, Any] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "Worker":
            said = {one.arg: ast.literal_eval(one.value) for one in call.keywords if one.arg in _SAID}
            names |= said.pop("params", {})
    flow = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    found = {
        names.get(target.id, target.id): ast.literal_eval(value.args[0])
        for one in flow.body
        if isinstance(one, ast.Assign)
        for target, value in [(one.targets[0], one.value)]
        if isinstance(target, ast.Name) and isinstance(value, ast.Call) and _name(value.func) == "Parameter"
    }
    return FlowText(flow.name, found, **{"texts": (), **said})


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
