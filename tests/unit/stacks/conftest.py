"""The command line in this process, for what needs none of its own. What it imports is forgotten afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeglot.cli.main import main
from tests.e2e.conftest import CONFIG, FLOW, HELPER


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


class Here:
    """A folder that is the working directory."""

    def __init__(self, root: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._captured = captured

    def write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def __call__(self, *words: str) -> Said:
        self._captured.readouterr()
        code = main(words)
        return Said(code, *self._captured.readouterr())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Here]:
    monkeypatch.chdir(tmp_path)
    for name in ("PIPEGLOT_DEBUG", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path, modules = sys.path[:], set(sys.modules)
    yield Here(tmp_path, capfd)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def flow(here: Here) -> Here:
    """The usual project: `flow.py`, a helper module, a `pipeglot.yaml`."""
    here.write("flow.py", FLOW)
    here.write("helper.py", HELPER)
    here.write("pipeglot.yaml", CONFIG)
    return here
