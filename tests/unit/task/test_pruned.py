"""Tasks, and runs here, that meet what `store gc` has removed: refused, or computed again, and never half taken."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pipeglot.client.leftovers import _close
from pipeglot.client.verify import verify
from pipeglot.core import run_step
from pipeglot.core.errors import Pruned
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.records import Gone
from pipeglot.core.task import joining
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.task import TaskRun
from tests.unit.runtime_local.conftest import Bench, work
from tests.unit.task.conftest import Engine

AT = "2026-11-22T00:00:00+00:00"


def prune(engine: Engine) -> str:
    """The run is of months ago, and all of it is gone but what stays."""
    run = engine.task().start.run
    engine.ledger.bury(Gone(run=run, at=AT, status="succeeded"))
    for key in list(engine.store.list(keys.run_prefix(run))):
        if key not in (keys.start(run), keys.gone(run)):
            engine.store.delete(key)
    return run


def test_a_task_of_a_pruned_run_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.deploy(work("one"))
    assert engine.step("one").status == "succeeded"
    run = prune(engine)
    for days in (100, -100):  # of a clock that is wrong, too
        late = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        monkeypatch.setattr(joining, "now", lambda late=late: late)
        with pytest.raises(
            Pruned, match=rf"run `{run}` of pipeline `p` \(begun .*, succeeded\) was pruned on 2026-11-22"
        ):
            engine.step("one", attempt=2)
    assert set(engine.store.list(keys.run_prefix(run))) == {keys.start(run), keys.gone(run)}


def test_a_run_that_resumes_one_that_was_pruned_just_now_computes_all(engine: Engine) -> None:
    engine.deploy(work("one"))
    engine.step("one")
    before = prune(engine)
    engine.run = EngineRun(id="second", params={"n": 7, "pipeglot": {"resumes": before, "cache": False}})
    assert engine.step("one").status == "succeeded"
    assert isinstance(engine.task(), TaskRun)


def test_a_run_whose_machine_stood_still_is_not_recorded_over_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the saving of its results and their record, weeks went by, and its blobs."""
    bench, time = Bench(tmp_path), [0.0]
    inner = run_step.Runtime._tried

    def slept(self: run_step.Runtime, *given: object, **known: object) -> object:
        time[0] += 13 * 3600.0
        for blob in list(bench.store.list(keys.BLOBS)):
            bench.store.delete(blob)
        return inner(self, *given, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(run_step, "elapsed", lambda: time[0])
    monkeypatch.setattr(run_step.Runtime, "_tried", slept)
    found = bench.run(work("numbers", given={"n": 3000}), inline=True)
    (told,) = found.steps
    assert told.status == "failed"
    assert told.error is not None
    assert (
        told.error.message == "the results of step `numbers` were removed from the store before they could be recorded"
    )
    assert "this machine stood still for so long" in told.error.hint
    assert verify(bench.store, quick=False, progress=lambda _: None).troubles == []


def test_what_the_cache_had_is_looked_at_again_after_a_long_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, time = Bench(tmp_path), [0.0]
    bench.run(work("numbers", given={"n": 3000}), inline=True)
    inner = run_step.Runtime.reusable

    def slept(self: run_step.Runtime, *given: object, **known: object) -> object:
        found = inner(self, *given, **known)  # type: ignore[arg-type]
        time[0] += 13 * 3600.0
        for blob in list(bench.store.list(keys.BLOBS)):
            bench.store.delete(blob)
        return found

    monkeypatch.setattr(run_step, "elapsed", lambda: time[0])
    monkeypatch.setattr(run_step.Runtime, "reusable", slept)
    (told,) = bench.run(work("numbers", given={"n": 3000}), inline=True).steps
    assert (told.status, told.cached) == ("succeeded", False)
    assert told.why == "what was found was removed while this process stood still"
    assert list(bench.store.list(keys.CACHE)), "with what was computed now"


def test_what_a_killed_process_left_of_a_run_that_was_pruned_since_is_no_news(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run = bench.run(work("one"), inline=True).run_id
    bench.ledger.bury(Gone(run=run, at=AT))
    bench.store.delete(keys.end(run, 1))
    assert _close(run, bench.store.uri) == ""


def test_a_task_that_was_run_again_is_no_damage(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 2}))
    assert engine.step("flaky").status == "failed"
    assert [key.split("/")[2] for key in engine.store.list("runs/") if "/b/" in key] == []
    assert engine.step("flaky", attempt=2).status == "failed"
    assert engine.step("flaky", attempt=3).status == "succeeded"
    assert [key.split("/")[2] for key in engine.store.list("runs/") if "/b/" in key] == ["b", "b"]
    assert verify(engine.store, quick=False, progress=lambda _: None).troubles == []
