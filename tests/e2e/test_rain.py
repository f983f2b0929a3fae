"""The rain example: two pipelines of which one takes what the other has made, by name, as people run them in turn."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.project import Project, example, ran, statuses

DAY = ("-p", "day=2026-07-02")
ALWAYS = ["batch", "forecast", "publish", "tell"]
"""What a first forecast has to run, when training has prepared the weather."""


class Story(NamedTuple):
    """A model, a forecast with it, a newer model, one that is no good, and a forecast again."""

    project: Project
    trained: dict[str, Any]
    scored: dict[str, Any]
    retrained: dict[str, Any]
    bad: dict[str, Any]
    rescored: dict[str, Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    project = example("rain", tmp_path_factory.mktemp("rain"))
    return Story(
        project,
        project.run("train.py", "--tag", "stage=champion"),
        project.run("score.py", *DAY),
        project.run("train.py", "-p", "until=2013-10-01"),
        project.run("train.py", "-p", "until=2013-11-01", "-p", "bar=0.9"),
        project.run("score.py", *DAY),
    )


def model_of(view: dict[str, Any]) -> str:
    """The id of what a run of `train` made."""
    return f"{view['run_id']}/fit/output"


def chances(project: Project, view: dict[str, Any], folder: Path) -> dict[tuple[str, str], float]:
    """The forecast of a run, by airport and time."""
    target = folder / f"{view['run_id']}.csv"
    done = project.call("artifact", "get", f"{view['run_id']}/forecast/output", "-o", str(target))
    assert done.returncode == 0, done.stderr
    with target.open(newline="") as file:
        return {(row["origin"], row["time"]): float(row["chance"]) for row in csv.DictReader(file)}


def told(project: Project, view: dict[str, Any], step: str) -> str:
    done = project.call("runs", "logs", view["run_id"], step)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- a model, a forecast ----------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_plain_script(story: Story, tmp_path: Path) -> None:
    project = story.project
    done = subprocess.run([sys.executable, "plain.py"], cwd=project.folder, capture_output=True, text=True, check=True)
    plain = json.loads(done.stdout)
    skill = next(step["metrics"]["skill"] for step in story.trained["steps"] if step["id"] == "judge")
    assert skill == pytest.approx(plain["skill"], abs=1e-9)
    assert 0.2 < skill < 0.5
    found = chances(project, story.scored, tmp_path)
    assert {airport for airport, _ in found} == {"EWR", "JFK", "LGA"}
    assert list(found.values()) == pytest.approx(plain["forecast"], abs=1e-9)


def test_a_forecast_takes_the_latest_model_and_the_weather_that_training_prepared(story: Story) -> None:
    assert story.scored["params"] == {"day": "2026-07-02", "model": model_of(story.trained), "bar": 0.9}
    assert ran(story.trained) == ["fit", "judge", "observe", "prepare"]
    assert ran(story.scored) == ALWAYS
    assert "2026-07-02: rain within 6 hours: EWR " in told(story.project, story.scored, "tell")


def test_after_training_anew_the_forecast_is_another(story: Story, tmp_path: Path) -> None:
    assert story.rescored["params"]["model"] == model_of(story.retrained) != story.scored["params"]["model"]
    assert ran(story.retrained) == ["fit", "judge"]
    assert ran(story.rescored) == ["forecast", "publish", "tell"]
    old, new = (chances(story.project, view, tmp_path) for view in (story.scored, story.rescored))
    assert old.keys() == new.keys()
    assert old != new


# --- which model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["by its id", "by its tag"])
def test_an_older_model_gives_the_older_forecast_from_the_cache(story: Story, how: str) -> None:
    named = model_of(story.trained) if how == "by its id" else "train/fit.output:stage=champion"
    again = story.project.run("score.py", *DAY, "-p", f"model={named}")
    assert again["params"]["model"] == model_of(story.trained)
    assert ran(again) == []
    assert again["lineage_digest"] == story.scored["lineage_digest"] != story.rescored["lineage_digest"]


def test_a_tag_that_no_model_has(story: Story) -> None:
    done = story.project.call("run", "score.py", "-p", "model=train/fit.output:stage=retired")
    assert done.returncode == 2
    assert "no run of pipeline `train` has the tag `stage=retired`" in done.stderr
    assert "`stage=champion`" in done.stderr


def test_a_bad_model_fails_its_run_and_is_not_the_latest(story: Story) -> None:
    assert statuses(story.bad) == {
        "observe": "succeeded", "prepare": "succeeded", "fit": "succeeded", "judge": "failed", "alert": "succeeded",
    }  # fmt: skip
    assert "#models: `train` has failed" in told(story.project, story.bad, "alert")
    assert story.rescored["params"]["model"] == model_of(story.retrained)


def test_without_a_model_nothing_is_run(tmp_path: Path) -> None:
    done = example("rain", tmp_path).call("run", "score.py")
    assert done.returncode == 2
    assert "has no run of a pipeline `train`" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_must_be_weather_to_judge_by(story: Story) -> None:
    failed = story.project.run("train.py", "-p", "until=2014-03-01")
    error = next(step["error"] for step in failed["steps"] if step["id"] == "fit")
    assert error["message"] == (
        "`until=2014-03-01` leaves nothing to learn from, or to judge by: the weather is of 2013-01-01 to 2013-12-30"
    )


# --- the day ----------------------------------------------------------------------------------------------------------


def test_a_day_badly_measured_gets_no_forecast(story: Story) -> None:
    found = story.project.run("score.py", "-p", "day=2026-12-30")
    assert found["status"] == "succeeded"
    assert {step: statuses(found)[step] for step in ("forecast", "publish", "hold", "tell")} == {
        "forecast": "skipped", "publish": "skipped", "hold": "succeeded", "tell": "succeeded",
    }  # fmt: skip
    assert "2026-12-30: no forecast, 79% of the day was measured, and the bar is 90%" in told(
        story.project, found, "tell"
    )


def test_every_day_of_a_leap_year_has_one_that_was_measured(story: Story) -> None:
    code = "import datetime as d, weather as w; print(*{w.as_measured(d.date(2028, 2, n)) for n in (28, 29)})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=story.project.folder, capture_output=True, text=True, check=True)
    assert done.stdout == "2013-02-28\n"


def test_the_day_is_the_logical_date(story: Story) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)  # the schedule is of New York
    day = dt.date.fromisoformat(story.project.run("score.py")["params"]["day"])
    assert before.date() <= day <= dt.datetime.now(dt.UTC).date()


# --- lineage and resuming ---------------------------------------------------------------------------------------------


def test_lineage_goes_back_to_the_training_run(story: Story) -> None:
    done = story.project.call("lineage", f"{story.rescored['run_id']}/forecast/output", "--up", "--json")
    graph = json.loads(done.stdout)
    steps = {(node["pipeline"], node["step"]): node for node in graph["nodes"] if node["kind"] == "step"}
    assert steps["train", "fit"]["run_id"] == story.retrained["run_id"]
    model = model_of(story.retrained)
    assert {(edge["source"], edge["kind"]) for edge in graph["edges"] if edge["source"] == model} == {(model, "given")}
    assert ("train", "judge") not in steps
    done = story.project.call("lineage", model, "--down")
    assert f"score {story.rescored['run_id'][:10]}" in done.stdout
    assert story.scored["run_id"][:10] not in done.stdout


def test_a_forecast_that_failed_goes_on_with_the_model_that_it_had(story: Story, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(story.project.folder, tmp_path / "with its store")))
    right, wrong = 'groupby("origin")["chance"]', 'groupby("airport")["chance"]'
    project.edit("weather.py", right, wrong)
    failed = project.run("score.py", *DAY)
    assert statuses(failed)["publish"] == "failed"
    assert "#weather: `score` has failed" in told(project, failed, "alert")
    project.edit("weather.py", wrong, right)
    newest = project.run("train.py", "-p", "until=2013-11-01")
    done = project.call("runs", "resume", failed["run_id"], "--json")
    assert done.returncode == 0, done.stderr
    resumed = json.loads(done.stdout)
    assert resumed["params"]["model"] == model_of(story.retrained) != model_of(newest)
    assert statuses(resumed)["publish"] == "succeeded"
    assert statuses(resumed)["alert"] == "skipped"
