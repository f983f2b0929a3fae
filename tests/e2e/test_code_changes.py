"""What makes a step run again, and how the cache explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, ran

FLOW = '''
from pipeglot import pipeline, step
import middle

@step
def load(n: int) -> list[int]:
    """Numbers."""
    return list(range(n))

@step
def work(xs: list[int]) -> int:
    return middle.process(xs)

@step
def other(xs: list[int]) -> int:
    return len(xs)

@pipeline
def flow(n: int = 3) -> None:
    xs = load(n)
    work(xs)
    other(xs)
'''
MIDDLE = """
from far import Adder, BIAS, helper

def process(xs):
    return helper(Adder().total(xs)) + BIAS

def unrelated():
    return 1
"""
FAR = """
BIAS = 10
UNUSED = 1

class Base:
    start = 0

class Adder(Base):
    def total(self, xs):
        return sum(xs, self.start)

def helper(x):
    # a comment
    return x * 2

def unrelated(x):
    return x
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path, flow=FLOW, middle=MIDDLE, far=FAR)
    assert ran(made.run("flow.py")) == ["load", "other", "work"]
    assert ran(made.run("flow.py")) == []
    return made


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("far.py", "return x * 2", "return x * 3", "far:helper"),
        ("far.py", "sum(xs, self.start)", "sum(xs) + self.start", "far:Adder"),
        ("far.py", "start = 0", "start = 1", "far:Base"),
        ("far.py", "BIAS = 10", "BIAS = 11", "far:BIAS"),
        ("middle.py", "total(xs)) + BIAS", "total(xs)) - BIAS", "middle:process"),
    ],
)
def test_an_edit_of_what_a_step_reaches_makes_it_run_again_and_is_named(
    project: Project, file: str, old: str, new: str, named: str
) -> None:
    project.edit(file, old, new)
    view = project.run("flow.py")
    assert ran(view) == ["work"]
    told = project.call("cache", "explain", str(view["run_id"]), "work")
    assert named in told.stdout
    assert "far:unrelated" not in told.stdout
    assert named in json.dumps(json.loads(project.call("cache", "explain", "latest", "work", "--json").stdout))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("far.py", "# a comment", "# another comment"),
        ("far.py", "def unrelated(x):\n    return x", "def unrelated(x):\n    return x + 1"),
        ("far.py", "UNUSED = 1", "UNUSED = 2"),
        ("far.py", "def helper(x):\n", 'def helper(x):\n\n    """Now with a docstring."""\n'),
        ("middle.py", "def unrelated():\n    return 1", "def unrelated():\n    return 2"),
        ("flow.py", '"""Numbers."""', '"""Other words."""'),
        ("flow.py", "@step\ndef work", '@step(timeout="5m")\ndef work'),
    ],
)
def test_an_edit_of_anything_else_does_not(project: Project, file: str, old: str, new: str) -> None:
    project.edit(file, old, new)
    assert ran(project.run("flow.py")) == []


def test_another_parameter_is_explained(project: Project) -> None:
    view = project.run("flow.py", "-p", "n=4")
    assert ran(view) == ["load", "other", "work"]
    told = project.call("cache", "explain", "latest", "load").stdout
    assert "`n`" in told


def test_a_reused_step_says_whose_results_it_took(project: Project) -> None:
    first = json.loads(project.call("runs", "list", "--json").stdout)[-1]["run_id"]
    told = project.call("cache", "explain", "latest", "work").stdout
    assert first[:10] in told


def test_an_edit_within_a_second_that_keeps_the_length_is_seen(tmp_path: Path) -> None:
    import os

    made = Project(tmp_path, flow=FLOW, middle=MIDDLE, far=FAR)
    os.utime(tmp_path / "far.py", (1_700_000_000, 1_700_000_000))
    first = made.run("flow.py")
    made.edit("far.py", "return x * 2", "return x * 7")
    os.utime(tmp_path / "far.py", (1_700_000_000, 1_700_000_000))  # Python's own bytecode cache would not look again
    second = made.run("flow.py")
    assert _value(made, first) == 16
    assert _value(made, second) == 31


def test_a_file_that_is_edited_while_a_run_goes_on_is_refused(tmp_path: Path) -> None:
    edits = "import pathlib\np = pathlib.Path('far.py')\np.write_text(p.read_text().replace('x * 2', 'x * 9'))\n"
    flow = FLOW.replace("    return list(range(n))", "    exec(" + repr(edits) + ")\n    return list(range(n))")
    flow = flow.replace("import middle\n", "").replace("    return middle", "    import middle\n    return middle")
    view = Project(tmp_path, flow=flow, middle=MIDDLE, far=FAR).run("flow.py")
    errors = {step["id"]: step["error"] for step in view["steps"] if step["error"]}
    assert set(errors) == {"work"}
    assert errors["work"]["message"] == "`far.py` was changed while the run went on"


def _value(project: Project, view: dict[str, Any]) -> Any:
    return json.loads(project.call("artifact", "get", "/".join([view["run_id"], "work", "output"])).stdout)


def test_the_code_that_runs_is_the_projects_whatever_else_is_on_the_path(tmp_path: Path) -> None:
    Project(tmp_path / "other", far=FAR.replace("x * 2", "x * 100"))
    made = Project(tmp_path / "project", flow=FLOW, middle=MIDDLE, far=FAR)
    path = f"{tmp_path / 'other'}:{tmp_path / 'project'}"
    assert _value(made, made.run("flow.py", PYTHONPATH=path)) == 16
