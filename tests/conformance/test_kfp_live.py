"""Runs of KFP that nobody of ours has started, and what can happen to a run: both sides tell the truth."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage import keys
from tests.conformance.live import Live, ancestor, is_alive, states, until, written
from tests.conformance.results import Tally
from tests.conformance.suite import HERE, STACK
from tests.servers.kfp import Kfp


class OnLive(Live):
    """A KFP, whose runs nobody of ours follows. `more` its stack says."""

    def __init__(self, server: Kfp, folder: Path, *more: str) -> None:
        super().__init__(", ".join([server.words, *more]), folder)
        self.server = server

    def deploy(self, pipeline: str, file: str = "flows_live.py") -> None:
        self.project("deploy", f"{file}:{pipeline}", "--stack", STACK)

    def start(self, pipeline: str, *, file: str = "flows_live.py", **params: Any) -> str:
        """Of the newest version, as somebody does in KFP's own pages."""
        self.deploy(pipeline, file)
        name = f"{pipeline.replace('_', '-')}-{STACK}"
        known = self.server.ask("GET", "/pipelines", page_size="200")[1]["pipelines"]
        (found,) = [one for one in known if one["name"] == name]
        reference = {"pipeline_id": found["pipeline_id"]}
        body = {"display_name": "by hand", "pipeline_version_reference": reference}
        status, made = self.server.ask("POST", "/runs", {**body, "runtime_config": {"parameters": params}})
        assert status == 200, made
        return str(made["run_id"])

    def end_schedules(self) -> None:
        for one in self.server.ask("GET", "/recurringruns", page_size="200")[1].get("recurringRuns", []):
            self.server.ask("DELETE", f"/recurringruns/{one['recurring_run_id']}")


@pytest.fixture(scope="module")
def live(kfp: Kfp, tmp_path_factory: pytest.TempPathFactory) -> OnLive:
    return OnLive(kfp, tmp_path_factory.mktemp("live-kfp"))


def _good(runs: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    good = [run for run in runs if run["status"] == "succeeded"]
    return good[:count] if len(good) >= count else []


@pytest.mark.whole
def test_runs_from_now_on(live: OnLive, tally: Tally) -> None:
    """By an interval that counts from the start of the year, and by a cron line."""
    with tally.of(live.server.title, "scheduled from now on, in UTC"):
        live.deploy("ticking")
        live.deploy("minutely_utc")
        try:
            runs = until(lambda: _good(live.listed("ticking"), 2))
            by_cron = until(lambda: _good(live.listed("minutely_utc"), 1))
        finally:
            live.end_schedules()
        for run in (*runs, *by_cron):
            moment = dt.datetime.fromisoformat(run["logical_date"])
            assert moment.timestamp() % (60 if run in by_cron else 10) == 0, "the planned time"
            assert run["params"]["day"] == moment.date().isoformat()
            assert run["lineage_digest"] == live.local_digest(run["pipeline"], "-p", f"day={run['params']['day']}")


def test_runs_that_are_caught_up_on(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "scheduled by the engine, in UTC"):
        live.deploy("nightly_utc")
        live.deploy("hourly")
        try:
            runs = until(lambda: live.all_good("nightly_utc", 2))
            hours = until(lambda: live.all_good("hourly", 2))
        finally:
            live.end_schedules()
        assert [run["logical_date"] for run in runs] == ["2024-03-30T01:30:00+00:00", "2024-03-31T01:30:00+00:00"]
        assert [run["params"]["day"] for run in runs] == ["2024-03-30", "2024-03-31"]
        assert [run["logical_date"] for run in hours] == ["2024-03-30T11:00:00+01:00", "2024-03-30T12:00:00+01:00"]
        for run in runs:
            assert run["lineage_digest"] == live.local_digest("nightly_utc", "-p", f"day={run['params']['day']}")


def test_what_is_past_is_not_run(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "scheduled for the past"):
        live.deploy("past")
        live.deploy("ticking")
        before = len(live.listed("ticking"))
        until(lambda: len(live.listed("ticking")) > before)
        live.end_schedules()
        assert live.listed("past") == []


def test_what_a_laptop_computed_is_reused_and_the_other_way_round(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "cache shared with a laptop"):
        here = live.local("shared", "-p", "n=3")
        run = live.start("shared", n=3)
        assert live.server.state(run) == "SUCCEEDED"
        there = live.shown("shared", run)
        assert all(one["cached"] for one in there["steps"])
        assert there["lineage_digest"] == here["lineage_digest"]
        run = live.start("shared", n=4)
        assert live.server.state(run) == "SUCCEEDED"
        assert not any(one["cached"] for one in live.shown("shared", run)["steps"])
        assert all(one["cached"] for one in live.local("shared", "-p", "n=4")["steps"])


def test_a_run_terminated_through_kfps_own_api(live: OnLive, tally: Tally) -> None:
    """Nothing cleans up after it: KFP starts no task of a run that is terminated."""
    with tally.of(live.server.title, "cancelled in the engine"):
        folder = live.marks("cancelled")
        run = live.start("long", folder=str(folder))
        pid = int(until(lambda: written(folder / "note-1")))
        assert live.server.ask("POST", f"/runs/{run}:terminate", {})[0] == 200
        assert live.server.state(run) == "CANCELED"
        until(lambda: not is_alive(pid))
        found = live.shown("long", run)
        assert states(found)["note"] == ("cancelled", 1)
        assert not (folder / "tidy").exists()


@pytest.mark.whole
def test_a_run_that_is_terminated_between_two_tries(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "ended in the engine: nothing runs"):
        folder = live.marks("waiting")
        run = live.start("waiting", folder=str(folder))
        until((folder / "tried").exists)
        assert live.server.ask("POST", f"/runs/{run}:terminate", {})[0] == 200
        assert live.server.state(run) == "CANCELED"
        live.project("runs", "cancel", keys.run_id(STACK, "waiting", run), "--stack", STACK)
        assert live.shown("waiting", run)["status"] == "cancelled"


def test_a_task_process_that_is_killed_is_tried_again(live: OnLive, tally: Tally) -> None:
    """KFP does not tell which try it is: one that was killed, and has recorded nothing, is not counted."""
    with tally.of(live.server.title, "a task's process killed"):
        folder = live.marks("killed")
        run = live.start("killed", folder=str(folder), seconds=5.0)
        pid = int(until(lambda: written(folder / "again-1")))
        os.kill(ancestor(pid, 2), signal.SIGKILL)  # the step's process, what forks it, and the task of KFP
        assert live.server.state(run) == "SUCCEEDED"
        assert not is_alive(pid)
        assert int(written(folder / "again-1")) != pid
        found = live.shown("killed", run)
        assert found["status"] == "succeeded"
        assert states(found) == {"again": ("succeeded", 1)}


def test_what_one_pipeline_hands_to_the_next(kfp: Kfp, tmp_path: Path, tally: Tally) -> None:
    """With secrets in files, which is all that there is without a Kubernetes; no log shows them."""
    with tally.of(kfp.title, "artifacts and secrets from pipeline to pipeline"):
        (tmp_path / "token").write_text("s3cret-token")
        (tmp_path / "password").write_text("pa55-word")
        named = f"secrets: {{TOKEN: 'file:{tmp_path}/token', PASSWORD: 'file:{tmp_path}/password'}}"
        far = OnLive(kfp, tmp_path, named)
        shutil.copy(HERE / "native.py", far.project.root)
        run = far.start("maker", file="native.py", count=4)
        assert kfp.state(run) == "SUCCEEDED"
        made = far.shown("maker", run)
        (artifact,) = made["steps"][0]["outputs"].values()
        assert far.project("artifact", "get", artifact, "--stack", STACK).out == "25\n"
        logs = kfp.logs(run)
        assert logs
        assert not any("s3cret" in log for log in logs)

        run = far.start("picker", file="native.py")
        assert kfp.state(run) == "SUCCEEDED"
        picked = far.shown("picker", run)
        assert picked["params"]["made"] == artifact
        (artifact,) = picked["steps"][0]["outputs"].values()
        assert f"25 on {dt.datetime.now(dt.UTC):%Y}" in far.project("artifact", "get", artifact, "--stack", STACK).out
