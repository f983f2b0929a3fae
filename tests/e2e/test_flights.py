"""The demo's numbers are those of a plain script that shares no code with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, example, ran


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return example("flights", tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def view(project: Project) -> dict[str, Any]:
    found = project.run("flights.py")
    assert found["status"] == "succeeded"
    return found


def test_the_numbers_are_those_of_the_plain_script(project: Project, view: dict[str, Any]) -> None:
    done = subprocess.run([sys.executable, "plain.py"], cwd=project.folder, capture_output=True, text=True, check=True)
    plain = json.loads(done.stdout)
    assert plain["rows"] == 336_776
    carriers = project.value(view, "carriers", "output")
    assert carriers == plain["carriers"]
    aucs = {name: project.value(view, "train", str(i), "auc") for i, name in enumerate(carriers)}
    assert aucs == plain["aucs"]
    assert project.value(view, "best", "carrier") == plain["winner"]
    assert project.value(view, "best", "auc") == plain["auc"]
    assert project.value(view, "evaluate", "output")["auc"] == plain["auc_unseen"]


def test_the_plot_is_a_picture(project: Project, view: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "plot.png"
    done = project.call("artifact", "get", f"{view['run_id']}/report/output", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes().startswith(b"\x89PNG")


def test_the_second_run_takes_all_but_the_clean_up_from_the_cache(project: Project, view: dict[str, Any]) -> None:
    again = project.run("flights.py")
    assert ran(again) == ["clean_up"]
    assert again["lineage_digest"] == view["lineage_digest"]
    assert not list((project.folder / "unpacked").iterdir())


def test_a_higher_bar_takes_the_other_branch_and_nothing_else_runs(project: Project, view: dict[str, Any]) -> None:
    again = project.run("flights.py", "-p", "bar=0.75")
    assert ran(again) == ["clean_up", "publish", "reject", "report"]
    assert [step["id"] for step in again["steps"] if step["status"] == "skipped"] == ["register"]
