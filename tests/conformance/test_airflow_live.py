"""Runs of a real Airflow that nobody of ours has started, and what can happen to a run: both sides tell the truth."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends.airflow import OnAirflow
from tests.conformance.live import Live, ancestor, is_alive, states, until, written
from tests.conformance.results import Tally
from tests.conformance.suite import STACK
from tests.servers.airflow import Airflow
from tests.servers.sandbox import held

NIGHTS = ["2024-03-30T01:30:00+01:00", "2024-03-31T01:30:00+01:00"]
"""The second is the one in which clocks are put forward, at two."""

HOURS = ["2024-03-30T10:00:00+01:00", "2024-03-30T11:00:00+01:00", "2024-03-30T12:00:00+01:00"]


class OnLive(Live):
    """An Airflow, whose runs nobody of ours follows."""

    def __init__(self, server: Airflow, folder: Path) -> None:
        super().__init__(OnAirflow(server).words, folder)
        self.server = server

    def deploy(self, pipeline: str) -> None:
        self.project("deploy", f"flows_live.py:{pipeline}", "--stack", STACK)
        self.server.wait_for(pipeline)

    def start(self, pipeline: str, **params: Any) -> str:
        self.deploy(pipeline)
        return self.server.trigger(pipeline, **params)

    def wake(self, pipeline: str) -> None:
        """Let Airflow start what its schedule asks for."""
        self.deploy(pipeline)
        assert self.server.ask("PATCH", f"/dags/{pipeline}", {"is_paused": False})[0] == 200

    def airflow(self, *words: str) -> None:
        """Airflow's own command line."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment["AIRFLOW_HOME"] = str(self.server.home)
        program = str(Path(self.server.view["environment"]) / "bin/airflow")
        done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=["airflow3", pytest.param("airflow2", marks=pytest.mark.whole)])
def live(
    request: pytest.FixtureRequest, engines: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnLive]:
    server = request.getfixturevalue(request.param)
    with held(engines, request.param):
        yield OnLive(server, tmp_path_factory.mktemp(f"live-{request.param}"))


# --- runs that Airflow starts -----------------------------------------------------------------------------------------


def test_scheduled_runs_are_complete(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "scheduled by the engine"):
        for pipeline in ("nightly", "hourly"):
            live.wake(pipeline)
        nights = until(lambda: live.all_good("nightly", 2))
        assert [run["logical_date"] for run in nights] == NIGHTS
        assert [run["params"]["day"] for run in nights] == ["2024-03-30", "2024-03-31"]
        digests = [live.local_digest("nightly", "-p", f"day={night[:10]}") for night in NIGHTS]
        assert [run["lineage_digest"] for run in nights] == digests
        assert [run["logical_date"] for run in until(lambda: live.all_good("hourly", 3))] == HOURS
        table = live.project("runs", "list", "--pipeline", "nightly", "--stack", "far").out
        assert "LOGICAL DATE" in table
        assert "2024-03-31 01:30" in table


@pytest.mark.whole
def test_a_backfill_is_complete(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "backfilled by the engine"):
        live.wake("refilled")
        if live.server.version == "3":
            days = ("--from-date", "2024-03-30", "--to-date", "2024-04-01")
            live.airflow("backfill", "create", "--dag-id", "refilled", *days)
        else:
            live.airflow("dags", "backfill", "refilled", "-s", NIGHTS[0], "-e", NIGHTS[1])

        def filled() -> list[dict[str, Any]]:
            runs = [run for run in live.listed("refilled") if run["logical_date"] in NIGHTS]
            return runs if [run["status"] for run in runs] == ["succeeded"] * 2 else []

        assert [run["logical_date"] for run in until(filled)] == NIGHTS


# --- what happens to a run --------------------------------------------------------------------------------------------


@pytest.mark.whole
def test_a_run_that_is_ended_in_airflow_while_nothing_runs_is_no_success(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "ended in the engine: nothing runs"):
        folder = live.marks("waiting")
        run = live.start("waiting", folder=str(folder))
        path = f"/dags/waiting/dagRuns/{run}"
        until(lambda: live.server.ask("GET", f"{path}/taskInstances/never")[1]["state"] == "up_for_retry")
        assert live.server.ask("PATCH", path, {"state": "failed"})[0] == 200
        assert live.server.state("waiting", run) == "failed"
        assert (folder / "tidy").exists()
        found = live.shown("waiting", run)
        assert found["status"] == "lost"
        assert states(found)["tidy"] == ("succeeded", 1)


def test_a_task_process_that_is_killed_is_tried_again(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "a task's process killed"):
        folder = live.marks("killed")
        run = live.start("killed", folder=str(folder))
        pid = int(until(lambda: written(folder / "again-1")))
        os.kill(ancestor(pid, 2), signal.SIGKILL)  # the step's process, what forks it, and the task of Airflow
        assert live.server.state("killed", run) == "success"
        assert not is_alive(pid)
        found = live.shown("killed", run)
        assert found["status"] == "succeeded"
        assert states(found) == {"again": ("succeeded", 2)}


def test_what_is_cleared_after_a_success_stays_as_it_is(live: OnLive) -> None:
    run = live.start("shared", n=5)
    assert live.server.state("shared", run) == "success"
    before = live.shown("shared", run)
    live.server.clear("shared", run, "twice")
    assert live.server.state("shared", run) == "success"
    assert states(live.shown("shared", run)) == states(before)
