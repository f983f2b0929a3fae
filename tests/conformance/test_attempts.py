"""The tries of a step on real engines: how long the pauses between them were, and what ends one that takes too long."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Observed
from pipeglot.core.store import open_store
from tests.conformance.backends import ENGINES
from tests.conformance.live import OnEngine, is_alive, states, until, written

pytestmark = pytest.mark.whole


@pytest.fixture(params=ENGINES)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> OnEngine:
    return OnEngine(ENGINES[request.param], request.getfixturevalue(request.param), tmp_path)


def test_the_pauses_are_as_long_as_the_policy_says(live: OnEngine) -> None:
    """Four tries, 1 s, 10 s and 100 s apart, but no more than 8 s, each by up to a half shorter or longer.

    An engine may add to that, but not as much as would be waited for with no longest delay.
    """
    run = live.run("pauses")
    assert states(run) == {"flaky": ("failed", 4), "wrong": ("failed", 1), "final": ("failed", 1)}
    tries = _tries(live, run, "flaky")
    assert [one.attempt for one in tries] == [1, 2, 3, 4]
    waits = [(_began(after) - _began(before)).total_seconds() - before.seconds for before, after in pairwise(tries)]
    assert all(wait >= least for wait, least in zip(waits, (0.5, 4.0, 4.0), strict=True)), waits
    assert max(waits) < 50, waits


def test_a_timeout_ends_a_busy_loop_and_its_child(live: OnEngine) -> None:
    folder = live.marks("overdue")
    run = live.run("overdue", folder=str(folder))
    (step,) = run["steps"]
    assert (step["status"], step["error"]["type"]) == ("failed", "StepTimeout")
    assert 2.0 <= step["seconds"] < 60.0
    until(lambda: not is_alive(int(written(folder / "endless"))))


def _tries(live: OnEngine, run: dict[str, Any], step: str) -> list[Observed]:
    ledger = Ledger(open_store(str(live.store), trusted=True))
    last = ledger.verdict(run["run_id"], step, ())
    assert last is not None
    return [*(one.observed for one in ledger.attempts(run["run_id"], step, ())), last.observed]


def _began(one: Observed) -> dt.datetime:
    return dt.datetime.fromisoformat(one.started)
