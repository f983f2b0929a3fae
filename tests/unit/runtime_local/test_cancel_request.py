"""A request to stop, left in the ledger by another process, is noticed by the run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Cancel, Start
from pipeglot.runtime_local import runner
from pipeglot.runtime_local.listener import Silent
from tests.unit.runtime_local.conftest import NONE, Bench, work


class Asks(Silent):
    """Asks the run to stop as soon as a step runs."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.run = ""

    def begun(self, start: Start, plan: Plan) -> None:
        self.run = start.run

    def running(self, cell: Any, attempt: int) -> None:
        self.bench.ledger.cancel(Cancel(run=self.run, at="2026-01-01T00:00:00+00:00", by="another"))


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CANCEL_POLL", 0.01)


def test_it_ends_as_on_ctrl_c(bench: Bench, marks: Path) -> None:
    view = bench.run(
        work("leaves_a_mark", given={"folder": str(marks)}, returns=NONE),
        work("never", "one", after=("leaves_a_mark",)),
        work("tidy", given={"folder": str(marks)}, returns=NONE, trigger="all_done", after=("leaves_a_mark",)),
        listener=Asks(bench),
    )
    assert view.status == "cancelled"
    assert bench.states(view) == {"leaves_a_mark": "cancelled", "never": "skipped", "tidy": "succeeded"}
    assert (marks / "tidied").read_text() == "True"
    ended = bench.ledger.ended(view.run_id)
    assert ended is not None
    assert ended.status == "cancelled"


def test_it_works_in_a_thread_that_hears_no_signals(bench: Bench, marks: Path) -> None:
    found = []
    step = work("leaves_a_mark", given={"folder": str(marks)}, returns=NONE)
    thread = threading.Thread(target=lambda: found.append(bench.run(step, listener=Asks(bench))))
    thread.start()
    thread.join(30)
    assert found[0].status == "cancelled"


def test_a_store_that_does_not_answer_does_not_end_the_run(
    bench: Bench, marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def size(*_: object) -> None:
        asked.append(1)
        raise StoreError("no answer")

    monkeypatch.setattr(Ledger, "is_cancelled", size)
    view = bench.run(work("who", given={"folder": str(marks), "seconds": 0.3}))
    assert view.status == "succeeded"
    assert asked
