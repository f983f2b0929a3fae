"""Several runs, each a process of its own, compute the same step at the same time: each keeps what it computed itself,
and the cache has what was finished first.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

RUNS = 4
FLOW = """\
import os, time
from pathlib import Path
from pipeglot import pipeline, step

@step
def work(folder: str) -> dict[str, str]:
    me = os.environ["ME"]
    Path(folder, f"began-{me}").touch()
    while not Path(folder, f"go-{me}").exists():
        time.sleep(0.01)
    return {"me": me, "pad": me * PAD}

@step(cache=False)
def use(made: dict[str, str]) -> str:
    return made["me"]

@pipeline
def flow(folder: str) -> None:
    use(work(folder))
"""
PADS = pytest.mark.parametrize("pad", [0, 9000], ids=["in the record", "a blob"])


def begin(project: Project, me: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        project.command("run", "flow.py", "--json", "-p", f"folder={project.root}"),
        cwd=project.root,
        env={**ENVIRONMENT, "ME": str(me)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def under_way(project: Project, pad: int) -> list[subprocess.Popen[str]]:
    """All have asked the cache, which had nothing, and are in the step."""
    project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: store}\n")
    project.write("flow.py", FLOW.replace("PAD", str(pad)))
    started = [begin(project, me) for me in range(RUNS)]
    deadline = time.monotonic() + 60
    while len(list(project.root.glob("began-*"))) < RUNS:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return started


def finish(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def used(project: Project, view: Any) -> str:
    return str(project("artifact", "get", f"{view['run_id']}/use/output").json)


def check(project: Project, views: list[Any], first: list[int]) -> None:
    """`first` are those that may have been the first to finish."""
    assert [used(project, view) for view in views] == [str(me) for me in range(RUNS)], "each used its own"
    assert not any(step["cached"] for view in views for step in view["steps"])
    later = project("run", "flow.py", "--json", "-p", f"folder={project.root}", ME="later").json
    (work,) = (step for step in later["steps"] if step["id"] == "work")
    assert work["cached"]
    winner = next(me for me, view in enumerate(views) if view["run_id"] == work["origin"]["run"])
    assert winner in first
    assert used(project, later) == str(winner)
    assert project("store", "verify").out.endswith("all is there, and whole\n")


@PADS
def test_the_cache_keeps_what_was_finished_first(project: Project, pad: int) -> None:
    started = under_way(project, pad)
    views: dict[int, Any] = {}
    for me in (2, 0, 3, 1):
        project.write(f"go-{me}", "")
        views[me] = finish(started[me])
    check(project, [views[me] for me in range(RUNS)], [2])


@PADS
def test_all_finish_at_once(project: Project, pad: int) -> None:
    started = under_way(project, pad)
    for me in range(RUNS):
        project.write(f"go-{me}", "")
    check(project, [finish(process) for process in started], list(range(RUNS)))


def test_the_first_to_begin_is_killed(project: Project) -> None:
    """Nothing of it is left that others would wait for, or take."""
    started = under_way(project, 0)
    started[0].kill()
    started[0].communicate(timeout=60)
    for me in range(1, RUNS):
        project.write(f"go-{me}", "")
    views = [finish(process) for process in started[1:]]
    assert [used(project, view) for view in views] == ["1", "2", "3"]
    later = project("run", "flow.py", "--json", "-p", f"folder={project.root}", ME="later").json
    assert used(project, later) in ("1", "2", "3")
