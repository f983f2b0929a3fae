"""What is around a project is no part of any key: after a run, the same steps are cached wherever and however."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project, ran

FLOW = """\
from pipeglot import Retry, Resources, pipeline, step

@step
def rows(n: int, k: float = 1.0) -> list[float]:
    return [i * k for i in range(n)]

@step(env={"A": "1", "B": "2"})
def total(xs: list[float], by: dict[str, int]) -> float:
    return sum(xs) + sum(by.values())

@step
def other(x: float) -> float:
    return x

@pipeline
def flow(n: int = 3) -> None:
    xs = rows(n=n, k=2.0)
    other(total(xs, {"a": 1, "b": 2}))
"""
CONFIG = "stacks:\n  local: {backend: local, store: store}\n"

Change = Callable[[Project], dict[str, str]]


def edit(*pairs: tuple[str, str]) -> Change:
    def change(project: Project) -> dict[str, str]:
        for old, new in pairs:
            project.edit("flow.py", old, new)
        return {}

    return change


def configured(text: str) -> Change:
    def change(project: Project) -> dict[str, str]:
        project.write("pipeglot.yaml", text.replace("HERE", str(project.folder)))
        return {}

    return change


SAME: dict[str, Change] = {
    "hash seed and zone": lambda _: {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    "user and home": lambda _: {"USER": "u", "LOGNAME": "u", "HOME": "/nonexistent", "HOSTNAME": "h"},
    "locale and optimisation": lambda _: {"LC_ALL": "C", "PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    "variables that no step declares": lambda _: {"A": "9", "B": "9", "C": "9"},
    "order of keyword arguments": edit(("rows(n=n, k=2.0)", "rows(k=2.0, n=n)")),
    "order of a dict": edit(('{"a": 1, "b": 2}', '{"b": 2, "a": 1}')),
    "order of env": edit(('{"A": "1", "B": "2"}', '{"B": "2", "A": "1"}')),
    "comments and docstrings": edit(("    return x\n", '    """The same."""\n    return x  # as it is\n')),
    "retries, timeout, resources": edit(
        (
            "@step\ndef other",
            '@step(retry=Retry(3), timeout="1h", resources=Resources(cpu=1), tags=["t"], priority=2)\ndef other',
        )
    ),
    "names of steps": edit(("other(total(xs", 'other.with_options(name="last")(total.with_options(name="sum")(xs')),
    "order of steps, more steps": edit(("    xs = rows", "    other(7.0)\n    xs = rows")),
    "name of the pipeline": edit(("def flow(", "def renamed(")),
    "name and default of the parameter": edit(("flow(n: int = 3)", "flow(m: int = 3)"), ("n=n", "n=m")),
    "a default that is given": edit(("    xs = rows(n=n, k=2.0)", "    xs = rows(n, 2.0)")),
    "a unused function": edit(("@pipeline", "def unused() -> None: ...\n\n\n@pipeline")),
    "name of the stack": configured("stacks:\n  other: {backend: local, store: store}\n"),
    "another way to write the store": configured("stacks:\n  local: {backend: local, store: 'file://HERE/store'}\n"),
    "its full path": configured("stacks:\n  local: {backend: local, store: HERE/store}\n"),
    "a store that is durable": configured("stacks:\n  local: {backend: local, store: store, durable: true}\n"),
    "pools and limits": configured(
        "stacks:\n  local: {backend: local, store: store, max_parallel: 1, pools: {p: 1}}\n"
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "first", flow=FLOW)
    made.write("pipeglot.yaml", CONFIG)
    assert ran(made.run("flow.py")) == ["other", "rows", "total"]
    return made


@pytest.mark.parametrize("name", SAME)
def test_nothing_runs_again(project: Project, name: str) -> None:
    env = SAME[name](project)
    again = ran(project.run("flow.py", cwd=None, **env))
    assert again == (["other"] if "more steps" in name else [])


def test_nothing_runs_again_in_another_place(project: Project, tmp_path: Path) -> None:
    """A copied or a moved folder, from another working directory, inline, from Python, and by its IR."""
    shutil.copytree(project.folder, tmp_path / "copied")
    copied = Project(tmp_path / "copied")
    assert ran(copied.run("../copied/flow.py", cwd=tmp_path / "first")) == []
    moved = Project(project.folder.rename(tmp_path / "moved"))
    assert ran(moved.run(str(moved.folder / "flow.py"), cwd=tmp_path)) == []
    assert ran(moved.run("flow:flow", "--inline")) == []
    moved.write("flow.pipeglot.json", moved.call("compile", "flow.py", "--ir").stdout)
    assert ran(moved.run("flow.pipeglot.json")) == []


DIFFERENT: dict[str, tuple[Change, list[str]]] = {
    "an int for a float": (edit(("k=2.0", "k=2")), ["other", "rows", "total"]),
    "a value in a dict": (edit(('"b": 2}', '"b": 3}')), ["other", "total"]),
    "a key of a dict": (edit(('"b": 2}', '"c": 2}')), ["total"]),
    "a value of env": (edit(('"B": "2"', '"B": "3"')), ["total"]),
    "a name of env": (edit(('"B": "2"', '"C": "2"')), ["total"]),
    "code": (edit(("    return x\n", "    return x + 0\n")), ["other"]),
    "a type": (edit(("def other(x: float) -> float", "def other(x: float) -> object")), ["other"]),
    "version": (
        edit(("@step\ndef other", '@step(cache=__import__("pipeglot").Cache(version="2"))\ndef other')),
        ["other"],
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_runs_again_and_nothing_else(project: Project, name: str) -> None:
    change, steps = DIFFERENT[name]
    change(project)
    assert ran(project.run("flow.py")) == steps
    assert ran(project.run("flow.py")) == []
