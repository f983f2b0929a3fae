"""`pipeglot backfill` and `run --logical-date`, as a user drives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

DAILY = """\
import os
import time
from datetime import date

from pipeglot import Cron, LogicalDate, pipeline, step


@step
def count(day: date, factor: int) -> int:
    if os.path.exists(f"missing-{day}"):
        raise ValueError(f"no file for {day}")
    while os.path.exists("wait"):
        time.sleep(0.01)
    return factor * day.toordinal()


@pipeline(schedule=Cron("0 6 * * *", timezone="Europe/Berlin"))
def daily(day: date = LogicalDate(), factor: int = 1) -> None:
    count(day, factor)
"""
JANUARY = ["backfill", "daily.py", "--from", "2026-01-01"]


@pytest.fixture
def daily(project: Project) -> Project:
    project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store}\n")
    project.write("daily.py", DAILY)
    return project


def test_a_run_is_for_the_day_that_it_is_told(daily: Project) -> None:
    found = daily("run", "daily.py", "--logical-date", "2026-02-03", "--json").json
    assert found["logical_date"] == "2026-02-03T00:00:00+01:00"
    assert found["params"]["day"] == "2026-02-03"
    refused = daily("run", "daily.py", "--logical-date", "soon", code=2)
    assert "error: `--logical-date soon` is no time" in refused.err
    failed = daily("run", "daily.py", "--logical-date", "2026-02-03", "-p", "factor=x", code=2)
    assert "factor" in failed.err


def test_what_lacks_is_run_and_what_failed_again(daily: Project) -> None:
    daily.write("missing-2026-01-02", "")
    shown = daily(*JANUARY, "--to", "2026-01-03", "--dry-run")
    assert shown.out.splitlines()[-1] == "3 moments of `daily` on stack `local`: 3 to run"
    assert daily("runs", "list", "--json").json == []

    first = daily(*JANUARY, "--to", "2026-01-03", "--tag", "why=new", code=1)
    assert "3 moments of `daily` on stack `local`: 3 to run" in first.err
    assert "2/3  2026-01-02T06:00:00+01:00  failed" in first.err
    assert "count: ValueError: no file for 2026-01-02" in first.err
    assert "2 succeeded, 1 failed; the same command goes on with what has not succeeded" in first.err
    runs = daily("runs", "list", "--json", "--tag", "backfill=2026-01-01/2026-01-03", "--tag", "why=new").json
    assert sorted(run["params"]["day"] for run in runs) == ["2026-01-01", "2026-01-02", "2026-01-03"]

    left = daily(*JANUARY, "--to", "2026-01-04", "--reprocess", "none", "--dry-run").out
    assert "1 to run, 2 succeeded before, 1 failed before (`--reprocess failed` runs them again)" in left

    (daily.root / "missing-2026-01-02").unlink()
    again = daily(*JANUARY, "--to", "2026-01-03", "--json").json
    assert [one["logical_date"] for one in again["runs"]] == ["2026-01-02T06:00:00+01:00"]
    assert [one["status"] for one in again["runs"]] == ["succeeded"]
    assert "nothing to do" in daily(*JANUARY, "--to", "2026-01-03").err

    anew = daily(*JANUARY, "--to", "2026-01-03", "--reprocess", "all", "--max-parallel", "3", "--json").json
    assert len(anew["runs"]) == 3
    run = daily("runs", "show", anew["runs"][0]["run_id"], "--json").json
    assert not any(step["cached"] for step in run["steps"])


def test_other_parameters_are_another_backfill(daily: Project) -> None:
    daily(*JANUARY, "--to", "2026-01-02")
    other = daily(*JANUARY, "--to", "2026-01-02", "-p", "factor=2", "--json").json
    assert [one["status"] for one in other["runs"]] == ["succeeded", "succeeded"]
    assert daily(*JANUARY, "--to", "2026-01-02", "-p", "factor=2", "--json").json["runs"] == []
    assert "parameter" in daily(*JANUARY, "--to", "2026-01-02", "-p", "other=2", code=2).err


def test_what_is_refused_is_tried_once(daily: Project) -> None:
    """What stands against one run stands against all of them."""
    daily.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store, pools: {}}\n")
    daily.replace("daily.py", "@step\n", '@step(pool="gpu")\n')
    done = daily(*JANUARY, "--to", "2026-01-09", code=2)
    assert "1 refused, 8 not begun" in done.err
    assert "gpu" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "2025-12-31"], "`--to 2025-12-31` is before `--from 2026-01-01`"),
        (["--to", "2026-01-02", "--max-parallel", "0"], "`--max-parallel 0`: at least one run goes on at a time"),
        (["--to", "2026-01-02", "--every", "0"], "`--every 0`: time would not go on"),
        (["--to", "2026-01-02", "--every", "often"], "often"),
        (["--to", "2026-01-02", "--tag", "x"], "`--tag x`"),
        (["--to", "2026-01-02", "--reprocess", "some"], "`--reprocess`"),
        ([], "--to is missing"),
    ],
)
def test_bad_input(daily: Project, words: list[str], message: str) -> None:
    assert message in daily(*JANUARY, *words, code=2).err


def _start(daily: Project, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        daily.command(*words),
        cwd=daily.root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _runs(daily: Project) -> list[dict[str, object]]:
    found: list[dict[str, object]] = daily("runs", "list", "--json", "-n", "0").json
    return found


def _until_at_work(daily: Project) -> None:
    until = time.monotonic() + 30
    while not any(run["status"] == "running" for run in _runs(daily)):
        assert time.monotonic() < until, "no run has begun"


def test_two_at_once_and_a_stop_in_the_middle(daily: Project) -> None:
    daily.write("wait", "")
    first = _start(daily, *JANUARY, "--to", "2026-01-05", "--max-parallel", "2", "--json")
    _until_at_work(daily)
    second = daily(*JANUARY, "--to", "2026-01-05", code=2)
    assert f"a backfill of `daily` on stack `local` is at work already, as process {first.pid}" in second.err
    os.kill(first.pid, signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert {one["status"] for one in json.loads(out)["runs"]} == {"cancelled"}
    assert len(json.loads(out)["runs"]) == 2
    (daily.root / "wait").unlink()
    assert len(daily(*JANUARY, "--to", "2026-01-05", "--json").json["runs"]) == 5


def test_killed_in_the_middle(daily: Project) -> None:
    """The run that is at work ends by itself; the same command goes on with all others."""
    daily.write("wait", "")
    first = _start(daily, *JANUARY, "--to", "2026-01-03")
    _until_at_work(daily)
    first.kill()
    first.communicate()
    (daily.root / "wait").unlink()
    until = time.monotonic() + 30
    while any(run["status"] == "running" for run in _runs(daily)):
        assert time.monotonic() < until, "it runs still"
    found = daily(*JANUARY, "--to", "2026-01-03", "--json").json
    assert [one["before"] for one in found["moments"]] == ["succeeded", "nothing", "nothing"]
    assert [one["status"] for one in found["runs"]] == ["succeeded", "succeeded"]


def test_a_run_that_was_killed_is_run_again(daily: Project) -> None:
    """It is lost, which is no success: `--reprocess none` leaves it alone, as what failed."""
    daily.write("wait", "")
    words = ["run", "daily.py", "--logical-date", "2026-01-02T06:00"]
    killed = _start(daily, *words)
    _until_at_work(daily)
    killed.kill()
    killed.communicate()
    assert [run["status"] for run in _runs(daily)] == ["lost"]
    left = daily(*JANUARY, "--to", "2026-01-02", "--reprocess", "none", "--dry-run").out
    assert "1 to run, 1 failed before (`--reprocess failed` runs them again)" in left
    found = daily(*JANUARY, "--to", "2026-01-02", "--dry-run", "--json").json
    assert [(one["before"], one["is_due"]) for one in found["moments"]] == [("nothing", True), ("failed", True)]
    (daily.root / "wait").unlink()  # what its step is waiting for


def test_a_part_of_a_run_is_not_done(daily: Project) -> None:
    daily.replace("daily.py", "    count(day, factor)\n", "    told(count(day, factor))\n")
    daily.replace("daily.py", "@pipeline(", "@step\ndef told(n: int) -> int:\n    return n\n\n\n@pipeline(")
    day = ["run", "daily.py", "--logical-date"]
    daily(*day, "2026-01-01T06:00", "--until", "count")
    daily(*day, "2026-01-02T06:00", "--until", "told")
    shown = daily(*JANUARY, "--to", "2026-01-03", "--dry-run", "--reprocess", "none").out.splitlines()
    assert [line.split()[1:] for line in shown[1:4]] == [
        ["a", "part", shown[1].split()[3], "would", "run"],
        ["succeeded", shown[2].split()[2], "is", "left", "alone"],
        ["no", "run", "would", "run"],
    ]
    assert shown[-1] == (
        "3 moments of `daily` on stack `local`: 2 to run (1 of them ran in part, with `--until`), 1 succeeded before"
    )
    found = daily(*JANUARY, "--to", "2026-01-03", "--json").json
    assert [(one["before"], one["is_due"]) for one in found["moments"]] == [
        ("part", True),
        ("succeeded", False),
        ("nothing", True),
    ]
    assert len(found["runs"]) == 2
    assert "nothing to do" in daily(*JANUARY, "--to", "2026-01-03").err
