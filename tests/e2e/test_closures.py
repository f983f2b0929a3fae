"""The table of closures, run: all cases lie side by side in one project, and are edited at once.

Each edit stands for itself, so a step must run again if and only if its own edit matters to it. And whatever the cache
gave, it is what a run without it gives.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.e2e.project import Project, ran
from tests.unit.code.closures import ARGUMENT, Edit, edits

EDITS = edits()


class Runs(NamedTuple):
    """Per package, what its step gave: before the edits, after them, and after them without the cache."""

    before: dict[str, str]
    after: dict[str, str]
    anew: dict[str, str]
    ran: set[str]


def outputs(project: Project, view: dict[str, Any]) -> dict[str, str]:
    """The hash of each step's value, which tells values apart as well as they do themselves."""
    assert view["status"] == "succeeded", [step["error"] for step in view["steps"] if step["error"]]
    listed = json.loads(project.call("artifact", "list", view["run_id"], "--json").stdout)
    assert not any(one["opaque"] for one in listed)
    return {one["step"]: one["value"] for one in listed}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    project = Project(tmp_path_factory.mktemp("closures"))
    calls = [f'    {edit.package}.steps.run.with_options(name="{edit.package}")({ARGUMENT})' for edit in EDITS]
    imports = [f"import {edit.package}.steps" for edit in EDITS]
    head = [*imports, "from pipeglot import pipeline", "@pipeline", "def flow() -> None:"]
    project.write("flow.py", "\n".join([*head, *calls, ""]))
    for edit in EDITS:
        edit.write(project.folder, edited=False)
    before = outputs(project, project.run("flow.py"))
    assert ran(project.run("flow.py")) == []
    for edit in EDITS:
        edit.write(project.folder, edited=True)
    view = project.run("flow.py")
    return Runs(before, outputs(project, view), outputs(project, project.run("flow.py", "--no-cache")), set(ran(view)))


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_a_step_runs_again_if_an_edit_matters(edit: Edit, runs: Runs) -> None:
    step = edit.package
    assert (step in runs.ran) is edit.runs
    assert runs.after[step] == runs.anew[step], "what came from the cache is what the code gives"
    assert (runs.before[step] != runs.after[step]) is edit.runs, "the table itself tells what matters"
