"""Runs of a real Prefect that nobody of ours has started, and what can happen to a run: both sides tell the truth."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.live import is_alive, states, until, written
from tests.conformance.live_prefect import OnLive
from tests.conformance.results import Tally
from tests.conformance.suite import STACK
from tests.servers.prefect import Prefect
from tests.servers.sandbox import held


@pytest.fixture(scope="module")
def live(prefect3: Prefect, engines: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnLive]:
    with held(engines, "prefect3"):
        yield OnLive(prefect3, tmp_path_factory.mktemp("live-prefect"))


def test_scheduled_runs_are_complete(live: OnLive, tally: Tally) -> None:
    with tally.of(live.server.title, "scheduled from now on"):
        live.schedule("ticking")
        try:
            runs = until(lambda: _two_good(live.listed("ticking")))
        finally:
            live.pause("ticking")
        for run in runs:
            moment = dt.datetime.fromisoformat(run["logical_date"])
            assert moment.timestamp() % 10 == 0, "the planned time"
            assert run["params"]["day"] == moment.date().isoformat()
            assert run["lineage_digest"] == live.local_digest("ticking", "-p", f"day={run['params']['day']}")


def _two_good(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    good = [run for run in runs if run["status"] == "succeeded"]
    return good[:2] if len(good) > 1 else []


def test_a_run_whose_process_is_killed(live: OnLive, tally: Tally) -> None:
    """With kill -9. Prefect says so, and so does the ledger."""
    with tally.of(live.server.title, "a task's process killed"):
        _kill(live)


def _kill(live: OnLive) -> None:
    folder = live.marks("killed")
    run = live.start("long", folder=str(folder))
    pid = int(until(lambda: written(folder / "note-1")))
    os.kill(live.flow_process(run), signal.SIGKILL)
    until(lambda: not is_alive(pid))
    assert live.server.state(run) == "CRASHED"
    until(lambda: live.shown("long", run)["status"] != "running", 120)
    found = live.shown("long", run)
    assert found["status"] == "lost"
    assert states(found)["note"] == ("lost", 0)


def test_results_from_the_cache_are_shown_as_such(live: OnLive) -> None:
    live.local("shared", "-p", "n=21")
    run = live.start("shared", n=21)
    assert live.server.state(run) == "COMPLETED"
    assert {one["state_name"] for one in live.ended(run).values()} == {"Cached"}


def test_branches_do_not_wait_for_each_other(live: OnLive) -> None:
    """Of two whose conditions are known at different times, one is over before the other's is."""
    run = live.start("two_branches")
    assert live.server.state(run) == "COMPLETED"
    tasks = live.ended(run)
    assert tasks["soon"]["end_time"] < tasks["slow"]["end_time"] <= tasks["when_2"]["start_time"]
    assert tasks["never"]["state_name"] == "Skipped"
    assert tasks["late"]["state_name"] == "Completed"


def test_prefects_own_command_makes_the_same_deployment(live: OnLive, tmp_path: Path) -> None:
    live.deploy("shared")
    before = live.deployment("shared")
    live.project("compile", "flows_live.py:shared", "--stack", STACK, "--out", str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {
        "PREFECT_API_URL": f"{live.server.view['url']}/api",
        "PREFECT_API_AUTH_STRING": f"admin:{live.server.password}",
        "PREFECT_HOME": str(tmp_path / "home"),
    }
    program = Path(live.server.view["environment"]) / "bin/prefect"
    done = subprocess.run(
        [program, "--no-prompt", "deploy", "--prefect-file", "shared.prefect.yaml", "--all"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = live.deployment("shared")
    for name in ("id", "version", "entrypoint", "pull_steps", "work_pool_name", "tags", "job_variables"):
        assert after[name] == before[name], name
    run = live.server.trigger("shared", STACK, n=9)
    assert live.server.state(run) == "COMPLETED"
