"""The search example: its numbers are those of a plain script, flaky steps are retried, first trials are reused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, example, ran

COUNT = 6
"""Fewer than the example has: they take a second each on a busy machine."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return example("search", tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def view(project: Project) -> dict[str, Any]:
    found = project.run("search.py", "-p", f"count={COUNT}")
    assert found["status"] == "succeeded"
    return found


def test_the_numbers_are_those_of_the_plain_script(project: Project, view: dict[str, Any]) -> None:
    code = f"import json, plain; print(json.dumps(plain.main({COUNT})))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True)
    plain = json.loads(done.stdout)
    accuracies = [project.value(view, "evaluate", str(i), "accuracy") for i in range(COUNT)]
    assert accuracies == pytest.approx(plain["accuracies"], rel=1e-12)
    assert len(set(accuracies)) == COUNT
    assert project.value(view, "best", "candidate") == plain["best"]
    assert project.value(view, "best", "accuracy") == pytest.approx(plain["accuracy"], rel=1e-12)
    assert project.value(view, "judge", "output") == plain["unseen"]


def test_every_third_request_was_tried_twice(view: dict[str, Any]) -> None:
    attempts = [step["attempts"] for step in view["steps"] if step["id"] == "reserve"]
    assert attempts == [2, 1, 1, 2, 1, 1]


def test_each_trial_has_its_metrics(project: Project, view: dict[str, Any]) -> None:
    found = [step["metrics"] for step in view["steps"] if step["id"] == "evaluate"]
    assert all(set(one) == {"accuracy", "C", "gamma"} for one in found)


def test_more_trials_take_the_first_from_the_cache(project: Project, view: dict[str, Any]) -> None:
    again = project.run("search.py", "-p", f"count={COUNT + 1}")
    trials = [step["cached"] for step in again["steps"] if step["id"] == "evaluate"]
    assert trials == [True] * COUNT + [False]
    assert "load" not in ran(again)


def test_the_plot_is_a_picture(project: Project, view: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "search.png"
    done = project.call("artifact", "get", f"{view['run_id']}/report/output", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes().startswith(b"\x89PNG")
