"""The flow files that runs are started from: kept in a folder of this user's, for each task reads the file."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from pipeglot.compilers.base import File
from pipeglot.compilers.metaflow.names import WISHES
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Pipeline
from pipeglot.core.store.files import make_private, write_private
from pipeglot.core.task.joining import RESERVED

DIGITS = 16
"""Of a text's digest, by which its folder is named."""

_NEWEST = "newest.json"


class FlowText(NamedTuple):
    """What a flow file says of itself.

    name: the flow's. words: by a pipeline's name for a parameter its name on the command line. texts: the parameters
    that travel as JSON in a text.
    """

    name: str
    words: Mapping[str, str]
    texts: Collection[str]


class Kept(Struct, frozen=True):
    """A flow that is kept. path: of its file, below the pipeline's folder. most: how many tasks it has at once at most; 0
    if any number."""

    path: str
    most: int = 0


class Flows:
    """Those of one stack. Each text has a folder of its own, and a file says which one is the newest."""

    def __init__(self, base: Path, stack: str) -> None:
        self._folder = base / "flows" / stack

    def keep(self, pipeline: Pipeline, files: Collection[File]) -> None:
        """Keep what was compiled as the newest. Raises `EngineError`."""
        flow = next(one for one in files if one.version)
        folder = self._folder / pipeline.name
        newest = Kept(f"{flow.version[:DIGITS]}/{flow.name}", pipeline.max_parallel or 0)
        try:
            for one in files:
                write_private(make_private(folder / flow.version[:DIGITS]) / one.name, one.text.encode())
            write_private(folder / _NEWEST, msgspec.json.encode(newest))
        except OSError as error:
            raise EngineError(f"`{folder}` cannot be written: {error.strerror}") from None

    def newest(self, pipeline: str) -> Path | None:
        """The file that was kept last, if it is still there."""
        found = self._newest(pipeline)
        path = self._folder / pipeline / found.path if found is not None else None
        return path if path is not None and path.is_file() else None

    def most(self, pipeline: str) -> int:
        """How many of its tasks run at once at most; 0 if any number."""
        found = self._newest(pipeline)
        return found.most if found is not None else 0

    def is_newest(self, pipeline: str, version: str) -> bool:
        """Whether a text of that version is."""
        found = self.newest(pipeline)
        return found is not None and found.parent.name == version[:DIGITS]

    def _newest(self, pipeline: str) -> Kept | None:
        try:
            return msgspec.json.decode((self._folder / pipeline / _NEWEST).read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError):
            return None


def read_flow(file: Path) -> FlowText:
    """What a flow file says of itself, read without running it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {WISHES: RESERVED}
    texts: list[str] = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "Worker":
            words: dict[str, Any] = {
                one.arg: ast.literal_eval(one.value) for one in call.keywords if one.arg in ("params", "texts")
            }
            names |= words.get("params", {})
            texts = words.get("texts", [])
    flow = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    found = {
        names.get(target.id, target.id): ast.literal_eval(value.args[0])
        for one in flow.body
        if isinstance(one, ast.Assign)
        for target, value in [(one.targets[0], one.value)]
        if isinstance(target, ast.Name) and isinstance(value, ast.Call) and _name(value.func) == "Parameter"
    }
    return FlowText(flow.name, found, texts)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
