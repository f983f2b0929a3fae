"""A sandbox of Prefect whose parts are killed: what its runs become, and what brings it back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.live import is_alive, states, until, written
from tests.conformance.live_prefect import OnLive
from tests.conformance.suite import STACK
from tests.servers.prefect import Prefect

pytestmark = pytest.mark.whole


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OnLive]:
    """Others work with theirs."""
    server = Prefect(tmp_path / "own")
    yield OnLive(server, tmp_path)
    (view,) = server.command("down", "prefect", "--json")
    assert (view["status"], view["services"], view["memory"]) == ("down", [], 0)


def _kill_worker(own: OnLive) -> None:
    (view,) = own.server.command("status", "--json")
    (pid,) = (part["pid"] for part in view["services"] if part["name"] == "worker")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))


def test_a_run_whose_worker_is_killed(own: OnLive) -> None:
    """Its step ends well. Then the flow has nobody to print to, which ends it: both sides say so, and it is resumed."""
    folder = own.marks("worker")
    run = own.start("long", folder=str(folder), seconds=5)
    until(lambda: written(folder / "note-1"))
    _kill_worker(own)
    assert own.server.state(run) == "CRASHED"
    found = own.shown("long", run)
    assert found["status"] == "lost"
    assert states(found)["note"] == ("succeeded", 1)
    own.server.command("up", "prefect")
    again = own.project("runs", "resume", found["run_id"], "flows_live.py:long", "--stack", STACK, "--json").json
    assert (again["status"], again["resumes"]) == ("succeeded", found["run_id"])
    assert {one["id"]: one["cached"] for one in again["steps"]} == {"note": True, "double": False, "tidy": False}


def test_a_run_and_its_worker_that_are_killed(own: OnLive) -> None:
    """Nobody is left who could tell Prefect; in the ledger the beats have ended."""
    folder = own.marks("both")
    run = own.start("long", folder=str(folder))
    pid = int(until(lambda: written(folder / "note-1")))
    time.sleep(15)  # it has told that it lives
    _kill_worker(own)
    os.kill(own.flow_process(run), signal.SIGKILL)
    until(lambda: not is_alive(pid))
    until(lambda: own.shown("long", run)["status"] != "running")
    found = own.shown("long", run)
    assert found["status"] == "lost"
    assert states(found)["note"][0] == "lost"
