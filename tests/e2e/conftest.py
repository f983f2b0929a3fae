"""A project in a fresh folder, and the command line as a user drives it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("CI", "NO_COLOR", "TERM", "PIPEGLOT_DEBUG", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED")
}


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Project:
    """A folder with a user's files in it. A command may take so many seconds."""

    patience = 60.0

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipeglot", *words]

    def __call__(self, *words: str, cwd: str = ".", code: int | None = 0, **env: str) -> Result:
        """Run a command. `code` is the exit code that it must have."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.root / cwd,
            env={**ENVIRONMENT, **env},
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=self.patience,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


FLOW = '''\
"""A flow with a map, a branch and a parameter."""

from pipeglot import each, one_of, otherwise, pipeline, step, when

import helper


@step
def numbers(count: int) -> list[int]:
    print(f"counting to {count}")
    return list(range(count))


@step
def double(n: int) -> int:
    return helper.twice(n)


@step
def total(ns: list[int]) -> int:
    return sum(ns)


@step
def large(n: int) -> str:
    return f"{n} is large"


@step
def small(n: int) -> str:
    return f"{n} is small"


@step
def tell(text: str) -> dict[str, object]:
    return {"text": text, "at": (1, 2)}


@pipeline
def flow(count: int = 3, bar: int = 10) -> None:
    doubled = double.map(each(numbers(count)))
    sum_ = total(doubled)
    with when(sum_ >= bar):
        good = large(sum_)
    with otherwise():
        bad = small(sum_)
    tell(one_of(good, bad))
'''

HELPER = """\
FACTOR = 2


def twice(n: int) -> int:
    return FACTOR * n


def unrelated() -> None:
    pass
"""

CONFIG = """\
stacks:
  local: {backend: local, store: .pipeglot/store}
"""


@pytest.fixture
def flow(project: Project) -> Project:
    """The usual project: `flow.py`, a helper module, a `pipeglot.yaml`."""
    project.write("flow.py", FLOW)
    project.write("helper.py", HELPER)
    project.write("pipeglot.yaml", CONFIG)
    return project
