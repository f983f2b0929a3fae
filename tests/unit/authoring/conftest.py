"""Pipelines from a few lines of text, traced in a project of their own."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType

import pytest

from pipeglot.core.authoring.pipelines import Traced
from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError

HEADER = (Path(__file__).parent / "header.py").read_text()
_numbers = itertools.count()


class Flow:
    """Writes a module, imports it and traces its pipeline `flow`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def module(self, text: str) -> ModuleType:
        name = f"flow_{next(_numbers)}"
        self.modules.append(name)
        (self.folder / f"{name}.py").write_text(HEADER + dedent(text))
        return importlib.import_module(name)

    def trace(self, body: str, params: str = "year: int = 2013, bar: float = 0.5", before: str = "") -> Traced:
        head = f"{dedent(before)}\n\n@pipeline\ndef flow({params}) -> None:\n"
        traced: Traced = self.module(head + indent(dedent(body).strip("\n"), "    ") + "\n").flow.trace(
            Project([self.folder])
        )
        return traced

    def problems(self, body: str, **options: str) -> str:
        """The message of the mistake. A line of the body is shown as `+1`, a definition in the header as `@train`."""
        with pytest.raises(DefinitionError) as caught:
            self.trace(body, **options)
        return self.readable(str(caught.value))

    def readable(self, text: str) -> str:
        name = f"{self.modules[-1]}.py"
        lines = (self.folder / name).read_text().splitlines()
        first = next((number for number, line in enumerate(lines, 1) if line.startswith("def flow(")), len(lines))
        for number in range(len(lines), 0, -1):
            words = lines[number - 1].replace("(", " ").replace(":", " ").split()
            named = f"@{words[1 + (words[0] == 'async')]}" if words[:1] in (["def"], ["class"], ["async"]) else f"line {number}"
            place = f"+{number - first}" if number > first else named
            text = text.replace(f"{name}:{number}: ", f"{place}: ").replace(f"{name}:{number})", f"{place})")
            text = text.replace(f"{name}:{number} ", f"{place} ").replace(f"{name}:{number}\n", f"{place}\n")
        return text


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    monkeypatch.syspath_prepend(tmp_path)
    made = Flow(tmp_path)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)


Problems = Callable[..., str]
