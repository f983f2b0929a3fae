"""Pipelines from a few lines of text, each traced in a module and a project of its own."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType

import pytest

from pipeglot.core import ir
from pipeglot.core.authoring.pipelines import Traced
from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError

HEADER = (Path(__file__).parent / "header.txt").read_text()
"""The steps that the pipelines call."""

PARAMS = "year: int = 2013, bar: float = 0.5"
_numbers = itertools.count()


class Flow:
    """Writes a module, imports it and traces its pipeline `flow`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    @property
    def file(self) -> Path:
        """The module written last."""
        return self.folder / f"{self.modules[-1]}.py"

    def module(self, text: str) -> ModuleType:
        self.modules.append(f"flow_{next(_numbers)}")
        self.file.write_text(HEADER + dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module(self.modules[-1])

    def trace(self, body: str, params: str = PARAMS, before: str = "") -> Traced:
        head = f"{dedent(before)}\n\n@pipeline\ndef flow({params}):\n"
        module = self.module(head + indent(dedent(body).strip("\n"), "    ") + "\n")
        traced: Traced = module.flow.trace(Project([self.folder]))
        return traced

    def nodes(self, body: str, params: str = PARAMS, before: str = "") -> tuple[ir.AnyNode, ...]:
        return self.trace(body, params, before).pipeline.nodes

    def step(self, body: str, params: str = PARAMS, before: str = "") -> ir.Step:
        """The last node, which is a step."""
        found = self.nodes(body, params, before)[-1]
        assert isinstance(found, ir.Step)
        return found

    def problems(self, body: str, params: str = PARAMS, before: str = "") -> str:
        """All that is wrong with a pipeline, as a user reads it, with short places."""
        with pytest.raises(DefinitionError) as caught:
            self.trace(body, params, before)
        return self.readable(str(caught.value))

    def readable(self, text: str) -> str:
        """A line of the pipeline's body is shown as `+1`, one before it as `-1`, a definition as `@train`."""
        lines = self.file.read_text().splitlines()
        first = next((number for number, line in enumerate(lines, 1) if line.startswith("def flow(")), len(lines))
        for number in range(len(lines), 0, -1):
            words = lines[number - 1].replace("(", " ").replace(":", " ").split()
            place = f"{number - first:+}"
            if words and words[0] in ("def", "class", "async") and number <= first:
                place = f"@{words[2] if words[0] == 'async' else words[1]}"
            text = text.replace(f"{self.file.name}:{number}", f"\0{place}\0")
        return text.replace("\0", "").replace(self.modules[-1], "module")


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    monkeypatch.syspath_prepend(tmp_path)
    made = Flow(tmp_path)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)
