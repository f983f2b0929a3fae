"""Hooks run when all else is over, and change nothing of the run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.ir import ParamRef, Retry, Step
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.view import read_view
from pipeglot.runtime_local.listener import Silent
from tests.unit.runtime_local.conftest import NONE, Bench, work


def hook(name: str, marks: Path, **options: Any) -> Step:
    given = {"folder": str(marks), "word": name}
    return work(name, "ends_run", given=given, inputs={"n": ParamRef(name="n")}, returns=NONE, **options)


def both(marks: Path) -> dict[str, Any]:
    return {"on_failure": (hook("sad", marks),), "on_success": (hook("glad", marks),)}


@pytest.mark.parametrize(
    ("node", "status", "ran", "told"),
    [("one", "succeeded", "glad", "False 7"), ("fail", "failed", "sad", "True 7")],
)
def test_the_hook_of_the_outcome_runs(bench: Bench, marks: Path, node: str, status: str, ran: str, told: str) -> None:
    without = bench.run(work(node), n=7, cache=False)
    view = bench.run(work(node), n=7, cache=False, **both(marks))
    assert view.status == status
    assert view.lineage_digest == without.lineage_digest, "hooks are no part of a run's lineage"
    other = {"glad": "sad", "sad": "glad"}[ran]
    assert bench.states(view) == {node: status, ran: "succeeded", other: "skipped"}
    assert (marks / f"{ran}-1").read_text() == told
    assert bench.log(view, ran) == f"told {ran} 7\n"
    assert {one.id: one.hook for one in view.steps} == {node: None, "sad": "on_failure", "glad": "on_success"}
    assert read_view(bench.ledger, bench.artifacts, view.run_id) == view
    end = bench.ledger.ended(view.run_id)
    assert end is not None
    assert end.status == status


def test_a_hook_never_comes_from_the_cache(bench: Bench, marks: Path) -> None:
    for _ in range(2):
        view = bench.run(work("one"), **both(marks))
        assert not bench.step(view, "glad").cached
        (marks / "glad-1").unlink()


def test_a_hook_that_fails_is_tried_again_and_changes_nothing(bench: Bench, marks: Path) -> None:
    broken = work(
        "tell", "ends_badly", given={"folder": str(marks)}, returns=NONE, retry=Retry(attempts=2), timeout=60.0
    )
    view = bench.run(work("one"), on_success=(broken, hook("glad", marks)))
    assert (view.status, bench.states(view)) == (
        "succeeded",
        {"one": "succeeded", "tell": "failed", "glad": "succeeded"},
    )
    assert view.lineage_digest == bench.run(work("one")).lineage_digest
    assert sorted(path.name for path in marks.iterdir()) == ["1", "2", "glad-1"]
    assert (marks / "glad-1").read_text() == "False 0", "another hook's failure is not the run's"


def sleeps(marks: Path) -> Step:
    return work("sleeps", "who", given={"folder": str(marks), "seconds": 60.0})


class Interrupt(Silent):
    """Cancels once a step runs."""

    def __init__(self, step: str, times: int = 1) -> None:
        self.step = step
        self.times = times

    def running(self, cell: Cell, attempt: int) -> None:
        if cell[0] == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)


def test_a_cancelled_run_runs_its_failure_hooks(bench: Bench, marks: Path) -> None:
    view = bench.run(sleeps(marks), listener=Interrupt("sleeps"), **both(marks))
    assert (view.status, bench.states(view)) == (
        "cancelled",
        {"sleeps": "cancelled", "sad": "succeeded", "glad": "skipped"},
    )
    assert (marks / "sad-1").read_text() == "True 0"


def test_a_run_cancelled_twice_runs_none(bench: Bench, marks: Path) -> None:
    view = bench.run(sleeps(marks), listener=Interrupt("sleeps", 2), **both(marks))
    assert (view.status, bench.states(view)) == (
        "cancelled",
        {"sleeps": "cancelled", "sad": "cancelled", "glad": "skipped"},
    )


def test_a_hook_that_is_cancelled_leaves_the_run_as_it_was(bench: Bench, marks: Path) -> None:
    view = bench.run(work("one"), on_success=(sleeps(marks),), listener=Interrupt("sleeps", 2))
    assert (view.status, bench.states(view)) == ("succeeded", {"one": "succeeded", "sleeps": "cancelled"})
