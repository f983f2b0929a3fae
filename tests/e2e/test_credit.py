"""The credit example: its numbers are those of a plain script, and both gates close."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, example, ran, statuses


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return example("credit", tmp_path_factory.mktemp("credit"))


@pytest.fixture(scope="module")
def view(project: Project) -> dict[str, Any]:
    found = project.run("credit.py")
    assert found["status"] == "succeeded"
    return found


def metrics(view: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = next(step["metrics"] for step in view["steps"] if step["id"] == "judge")
    return found


def test_the_numbers_are_those_of_the_plain_script(project: Project, view: dict[str, Any]) -> None:
    done = subprocess.run([sys.executable, "plain.py"], cwd=project.folder, capture_output=True, text=True, check=True)
    plain = json.loads(done.stdout)
    found = metrics(view)
    assert found["auc"] == pytest.approx(plain["auc"], abs=1e-6)  # the solver sees the columns in another order
    assert found["cost"] == pytest.approx(plain["cost"], abs=1e-9)
    assert 0.75 < plain["auc"] < 0.85
    assert statuses(view)["deploy"] == "succeeded"
    assert statuses(view)["keep_the_old"] == "skipped"


def test_the_plot_is_a_picture(project: Project, view: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "roc.png"
    done = project.call("artifact", "get", f"{view['run_id']}/plot/output", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_higher_bar_keeps_the_old_model_and_trains_nothing(project: Project, view: dict[str, Any]) -> None:
    again = project.run("credit.py", "-p", "bar=0.9")
    assert ran(again) == ["ingest", "keep_the_old", "notify", "tell"]
    assert statuses(again)["deploy"] == "skipped"


SPOILED = {
    "age": ("radio/television,1169,", ",67,none,own", ",7,none,own", "`age` is not between 18 and 100 in 1 rows"),
    "outcome": ("radio/television,1169,", "yes,good", "yes,perhaps", "`outcome` is neither good nor bad, but perhaps"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_bad_data_stops_the_run_and_people_are_told(project: Project, view: dict[str, Any], name: str) -> None:
    mark, old, new, told = SPOILED[name]
    lines = (project.folder / "german_credit.csv").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if mark in line)
    assert old in lines[at]
    lines[at] = lines[at].replace(old, new)
    project.write("spoiled.csv", "\n".join(lines) + "\n")
    found = project.run("credit.py", "-p", "file=spoiled.csv")
    assert statuses(found)["validate"] == "failed"
    assert {statuses(found)[step] for step in ("prepare", "train", "judge", "deploy", "tell")} == {"skipped"}
    assert told in next(step["error"]["message"] for step in found["steps"] if step["id"] == "validate")
    log = project.call("runs", "logs", found["run_id"], "notify").stdout
    assert log == "#credit: credit has failed\n"


def test_an_edited_table_is_noticed(project: Project, view: dict[str, Any]) -> None:
    lines = (project.folder / "german_credit.csv").read_text().splitlines()
    project.write("fewer.csv", "\n".join(lines[:-100]) + "\n")
    again = project.run("credit.py", "-p", "file=fewer.csv")
    assert {"ingest", "validate", "prepare", "train", "judge"} <= set(ran(again))
    assert metrics(again) != metrics(view)
