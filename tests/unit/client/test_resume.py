"""Which run may be gone on with: what an orchestrator still runs is not over, however long it has been silent."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from pipeglot.client import engine_runs
from pipeglot.client.engine_runs import SETTLE_LONGEST
from pipeglot.client.logs import last_lines
from pipeglot.client.records import Found
from pipeglot.client.resume import is_resumable
from pipeglot.client.unfinished import over
from pipeglot.compilers.remote import EngineTask
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.ledger import host, now
from pipeglot.core.lineage.records import Beat
from tests.unit.client.scripted import AWAY, Run, Scripted
from tests.unit.lineage.build import RUN

LONG_AGO = (now() - dt.timedelta(hours=3)).isoformat()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_runs, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(engine_runs, "SETTLE", 0.05)


@pytest.fixture
def recent(tmp_path: Path) -> Run:
    """It has just begun, and nothing tells that it is over."""
    return Run(tmp_path)


@pytest.fixture
def silent(tmp_path: Path) -> Run:
    """Nothing was heard of it for hours."""
    return Run(tmp_path, LONG_AGO)


def asked(run: Run, remote: Scripted | None, monkeypatch: pytest.MonkeyPatch) -> tuple[Found, list[str]]:
    """What `runs resume` finds, and what it tells of it."""
    monkeypatch.setattr(engine_runs, "remote_of", lambda *_: remote)
    told: list[str] = []
    return over(run.records, run.records.run(RUN), told.append), told


@pytest.mark.parametrize("status", ["running", "waiting"])
def test_silence_does_not_end_what_its_engine_still_runs(
    silent: Run, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert silent.records.run(RUN).view.status == "lost"
    with pytest.raises(UsageError) as caught:
        asked(silent, Scripted(status), monkeypatch)
    short = RUN[:10]
    said = f"run `{short}` is not over: the orchestrator of stack `prod` says that it is {status}; it was last heard of"
    assert caught.value.message.startswith(said)
    assert caught.value.hint == (
        f"wait for it, or stop it: `pipeglot runs cancel {short}`; if nothing of it runs any more:"
        f" `pipeglot runs cancel --force {short}`\nit is at http://there"
    )
    assert silent.records.end(RUN) is None, "nothing is written"
    assert list(silent.records.ledger.verdicts(RUN)) == []


def test_what_its_engine_calls_failed_is_over_at_once(recent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod was killed: the ledger would wait for it for an hour."""
    remote = Scripted("failed", tasks=[EngineTask("numbers", -1, "failed", 1)], log="OOMKilled")
    found, told = asked(recent, remote, monkeypatch)
    assert told == ["the orchestrator of stack `prod` calls it failed: what its tasks left open is closed"]
    assert found.view.status == "lost"
    assert is_resumable(found)
    numbers = found.view.steps[0]
    assert numbers.log is not None
    assert last_lines(recent.records.artifacts, numbers.log, 5) == ["OOMKilled of numbers"]
    end = recent.records.end(RUN)
    assert end is not None
    assert end.status == "lost"


def test_a_step_that_still_ends_is_waited_for(recent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It beats, though its engine has the run as failed already."""
    beat = Beat(
        run=RUN, step="numbers", index=(), slot=1, nonce="a", number=1, at=now().isoformat(), next=60.0, host=host()
    )
    recent.records.ledger.beat(beat)
    looks = 0

    def rest(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 20:
            recent.all_done()

    monkeypatch.setattr(time, "sleep", rest)
    monkeypatch.setattr(engine_runs, "SETTLE", 0.0)
    found, _ = asked(recent, Scripted("succeeded"), monkeypatch)
    assert found.view.status == "succeeded"
    assert not is_resumable(found)
    assert SETTLE_LONGEST >= 30, "a step has half a minute to end"


def test_of_one_that_is_deleted_there_only_silence_tells(
    recent: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is still running, on `stack prod`"):
        asked(recent, Scripted("gone"), monkeypatch)
    found, told = asked(Run(tmp_path / "other", LONG_AGO), Scripted("gone"), monkeypatch)
    assert (is_resumable(found), told) == (True, [])


def test_an_engine_that_cannot_be_asked(recent: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the worst night, it is the engine that is gone."""
    with pytest.raises(UsageError) as caught:
        asked(recent, Scripted(AWAY), monkeypatch)
    assert caught.value.message == (
        f"run `{RUN[:10]}` is still running, on `stack prod`; the orchestrator of stack `prod` cannot be asked:"
        f" {AWAY.message}"
    )
    silent = Run(tmp_path / "other", LONG_AGO)
    found, told = asked(silent, Scripted(AWAY), monkeypatch)
    assert told == [f"the orchestrator of stack `prod` cannot be asked whether it runs: {AWAY.message}"]
    assert is_resumable(found)
    end = silent.records.end(RUN)
    assert end is not None
    assert end.status == "lost"


def test_a_stack_that_is_not_there_any_more(silent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found, told = asked(silent, None, monkeypatch)
    assert (is_resumable(found), told) == (True, [])


def test_what_has_ended_is_asked_nobody_about(recent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    recent.all_done()
    found, told = asked(recent, Scripted(AssertionError("it was asked")), monkeypatch)
    assert (found.view.status, told) == ("succeeded", [])
