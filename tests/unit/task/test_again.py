"""What somebody has run once more in an engine: slots opened again, and clean-up steps and hooks after them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Cancelled, StepError, Untrusted
from pipeglot.core.ir import Retry
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.index.queries import RunFilter, list_runs
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.ledger import now
from pipeglot.core.lineage.records import Cancel
from pipeglot.core.lineage.sealing import seal
from pipeglot.core.lineage.view import slots_of
from pipeglot.core.task.folders import cache_folder
from pipeglot.core.task.joining import EngineRun
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.runtime_local.test_death import until
from tests.unit.task.conftest import ROOT, Engine
from tests.unit.task.test_processes import TASK, started


def called(folder: Path) -> int:
    """How often a step `who` was called."""
    return len(list(folder.iterdir()))


def two(tmp_path: Path, *names: str) -> list[Path]:
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
    return folders


def test_a_clean_up_step_runs_again_over_what_was_run_again(engine: Engine, marks: Path, tmp_path: Path) -> None:
    (tidied,) = two(tmp_path, "tidied")
    engine.deploy(
        work("flaky", given={"folder": str(marks), "times": 2}),
        work("who", given={"folder": str(tidied)}, trigger="all_done", after=("flaky",)),
        work("one", after=("who",)),
    )
    assert [engine.step("flaky").status, engine.step("who").status, called(tidied)] == ["failed", "succeeded", 1]
    assert engine.step("one").status == "succeeded"
    assert engine.step("who", attempt=2).status == "succeeded"
    assert called(tidied) == 1, "nothing was run again before it"
    assert engine.step("flaky", attempt=2).status == "failed"
    assert engine.step("who", attempt=3).status == "succeeded"
    assert called(tidied) == 2
    assert engine.step("who", attempt=4).status == "succeeded"
    assert called(tidied) == 2, "it has seen this already"
    assert engine.step("flaky", attempt=3).status == "succeeded"
    assert engine.step("who", attempt=None).status == "succeeded"
    assert called(tidied) == 3
    assert engine.states == {"flaky": "succeeded", "who": "succeeded", "one": "succeeded"}


def test_what_a_clean_up_step_did_last_counts(engine: Engine, marks: Path, tmp_path: Path) -> None:
    (tidied,) = two(tmp_path, "tidied")
    engine.deploy(
        work("flaky", given={"folder": str(marks), "times": 1}),
        work("once", given={"folder": str(tidied)}, returns=NONE, trigger="all_done", after=("flaky",)),
        work("one", after=("once",)),
    )
    assert [engine.step("flaky").status, engine.step("once").status] == ["failed", "succeeded"]
    assert engine.step("flaky", attempt=2).status == "succeeded"
    assert engine.step("once", attempt=2).status == "failed"
    assert engine.step("one").status == "skipped"
    assert engine.states == {"flaky": "succeeded", "once": "failed", "one": "skipped"}


def test_hooks_tell_what_became_of_it_each_time(engine: Engine, marks: Path, tmp_path: Path) -> None:
    bad, good = two(tmp_path, "bad", "good")
    engine.deploy(
        work("flaky", given={"folder": str(marks), "times": 2}),
        on_failure=(work("who", given={"folder": str(bad)}),),
        on_success=(work("told", "who", given={"folder": str(good)}),),
    )
    seen = []
    for attempt in (1, 2, 3):
        engine.step("flaky", attempt=attempt)
        statuses = [engine.step(hook, attempt=attempt).status for hook in ("who", "told")]
        seen.append((*statuses, called(bad), called(good)))
    assert seen == [("succeeded", "skipped", 1, 0), ("succeeded", "skipped", 2, 0), ("skipped", "succeeded", 2, 1)]
    assert engine.view.status == "succeeded"


def test_each_time_it_ends_anew_and_the_index_says_so(engine: Engine, marks: Path, tmp_path: Path) -> None:
    (tidied,) = two(tmp_path, "tidied")
    engine.deploy(
        work("flaky", given={"folder": str(marks), "times": 1}),
        work("once", given={"folder": str(tidied)}, returns=NONE, trigger="all_done", after=("flaky",)),
    )

    def end() -> tuple[int, str]:
        start, state = engine.read
        found = seal(engine.ledger, start, state, len(slots_of(start, engine.ledger)))
        assert found is not None
        return found.number, found.status

    def listed() -> list[object]:
        with FileDatabase(tmp_path / "index.sqlite") as database:
            sync(database, engine.ledger, Artifacts(engine.store), lambda _: None)
            (row,) = list_runs(database.connection, RunFilter())
            cells = database.connection.execute("SELECT ordinal, status, attempts FROM cells ORDER BY ordinal")
            return [row.status, cells.fetchall()]

    engine.step("flaky")
    engine.step("once")
    assert end() == (1, "failed")
    assert listed() == ["failed", [(0, "failed", 1), (1, "succeeded", 1)]]
    engine.step("flaky", attempt=2)
    assert end() == (2, "succeeded")
    assert listed() == ["succeeded", [(0, "succeeded", 2), (1, "succeeded", 1)]]
    engine.step("once", attempt=2)
    assert listed() == ["failed", [(0, "succeeded", 2), (1, "failed", 2)]]


def test_the_index_follows_a_run_that_goes_on_again(engine: Engine, marks: Path, tmp_path: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 2}), work("one", after=("flaky",)))

    def listed() -> str:
        with FileDatabase(tmp_path / "index.sqlite") as database:
            sync(database, engine.ledger, Artifacts(engine.store), lambda _: None)
            return list_runs(database.connection, RunFilter())[0].status

    engine.step("flaky")
    assert listed() == "failed"
    engine.step("flaky", attempt=2)
    assert listed() == "failed"
    engine.step("flaky", attempt=3)
    assert listed() == "running"
    engine.step("one")
    assert listed() == "succeeded"


# --- retries ----------------------------------------------------------------------------------------------------------


def test_tries_that_left_no_record_do_not_count_after_a_clear(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=3)))

    def tried(attempt: int, first: int) -> str:
        return engine.task().step("fail", attempt=attempt, first=first).status

    assert [tried(4, 4), tried(5, 4), tried(6, 4)] == ["retry", "retry", "failed"]
    assert [tried(7, 7), tried(8, 7), tried(9, 7)] == ["retry", "retry", "failed"]


def test_tries_that_left_no_record_count_without_one(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=3)))
    assert engine.task().step("fail", attempt=3, first=1).status == "failed"


# --- closed and cancelled ---------------------------------------------------------------------------------------------


def test_a_first_try_that_comes_after_its_cell_was_closed(engine: Engine, marks: Path) -> None:
    """A run that was still waiting was taken for lost."""
    engine.deploy(
        work("one"),
        work("flaky", given={"folder": str(marks), "times": 1}, after=("one",), retry=Retry(attempts=2)),
    )
    engine.step("one")
    close(engine.ledger, engine.artifacts, engine.task().start.run)
    assert engine.states == {"one": "succeeded", "flaky": "lost"}
    assert [engine.step("flaky").status, engine.step("flaky", attempt=2).status] == ["retry", "succeeded"]
    assert engine.states == {"one": "succeeded", "flaky": "succeeded"}


def test_what_a_task_did_that_was_closed_meanwhile_is_not_taken(engine: Engine, marks: Path) -> None:
    engine.deploy(work("who", given={"folder": str(marks), "seconds": 3.0}))
    process = started(engine, "who")
    run = engine.task().start.run
    until(lambda: list((engine.folder / "cache").glob("task-*/1.log")))
    close(engine.ledger, engine.artifacts, run)
    told, _ = process.communicate(timeout=30)
    assert told == "failed\n"
    assert engine.states == {"who": "lost"}
    assert engine.step("who", attempt=2).status == "succeeded"


def test_nothing_begins_after_a_cancel(engine: Engine, marks: Path, tmp_path: Path) -> None:
    (tidied,) = two(tmp_path, "tidied")
    engine.deploy(
        work("one"),
        work("who", given={"folder": str(marks)}, after=("one",)),
        work("later", "who", given={"folder": str(marks)}, after=("who",)),
        work("tidy", "who", given={"folder": str(tidied), "seconds": 1.0}, trigger="all_done", after=("later",)),
    )
    engine.schedule = Schedule(first=0.2)
    engine.step("one")
    run = engine.task().start.run
    engine.ledger.cancel(Cancel(run=run, at=now().isoformat()))
    with pytest.raises(Cancelled, match="step `who` was cancelled before it began"):
        engine.step("who")
    assert engine.step("tidy").status == "succeeded"
    assert engine.task().outcome() == "cancelled"
    assert (called(marks), called(tidied)) == (0, 1)
    assert engine.states == {"one": "succeeded", "who": "cancelled", "later": "skipped", "tidy": "succeeded"}


def test_a_cancelled_run_goes_on_when_it_is_cleared(engine: Engine, marks: Path) -> None:
    engine.deploy(
        work("who", given={"folder": str(marks), "seconds": 1.0}),
        work("apart", "who", given={"folder": str(marks)}),
        work("later", "who", given={"folder": str(marks)}, after=("who",)),
    )
    engine.schedule = Schedule(first=0.2)
    run = engine.task().start.run
    engine.ledger.cancel(Cancel(run=run, at=now().isoformat()))
    with pytest.raises(Cancelled):
        engine.step("who")
    close(engine.ledger, engine.artifacts, run)
    assert engine.states == {"who": "cancelled", "apart": "cancelled", "later": "skipped"}
    assert engine.step("who", attempt=2).status == "succeeded"
    assert engine.step("apart").status == "succeeded", "it had never begun"
    first, again = (Cancel(run=run, at=now().isoformat(), by=who) for who in ("first", "again"))
    assert [engine.ledger.cancel(first).by, engine.ledger.cancel(again).by] == ["first", "first"]
    with pytest.raises(Cancelled):
        engine.step("later")
    assert engine.step("later", attempt=2).status == "succeeded"
    assert engine.view.status == "succeeded"


# --- a newer file -----------------------------------------------------------------------------------------------------


def test_a_task_of_a_newer_file_on_an_older_run(engine: Engine) -> None:
    engine.deploy(work("one"))
    engine.step("one")
    engine.deploy(work("one"), work("two", "one"))
    for asked in (lambda: engine.step("two"), lambda: engine.task().items("two"), lambda: engine.task().taken("if")):
        with pytest.raises(StepError) as caught:
            asked()
        assert "pipeline `p`, as this run has it, has no " in caught.value.message
        assert caught.value.hint == "a run keeps the code that it began with: what was deployed since is for new runs"


# --- what is left on the machine --------------------------------------------------------------------------------------


def test_an_attempt_leaves_nothing_behind(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 1}))
    engine.step("flaky")
    engine.step("flaky", attempt=2)
    assert list((engine.folder / "cache").glob("task-*")) == []


def test_what_a_killed_task_left_goes_with_the_next_one(engine: Engine, marks: Path) -> None:
    engine.deploy(work("who", given={"folder": str(marks), "seconds": 60.0}), work("one"))
    process = started(engine, "who")
    cache = engine.folder / "cache"
    until(lambda: [1 for one in cache.glob("task-*/process") if one.read_bytes()])
    until(lambda: [*cache.glob("task-*/in-*")])  # the worker is there
    engine.step("one")
    (left,) = cache.glob("task-*")
    temp = (left / "temp").readlink()
    process.kill()
    process.communicate(timeout=30)
    assert temp.is_dir()
    fresh, old = cache / "task-fresh", cache / "task-old"
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    engine.run = EngineRun(id="manual__2", params={"n": 7})
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 0}))
    engine.step("flaky")
    assert [*cache.glob("task-*")] == [fresh]
    assert not temp.exists()


def test_what_has_piled_up_holds_up_no_task(engine: Engine) -> None:
    engine.deploy(work("one"))
    cache = engine.folder / "cache"
    for number in range(50):
        (cache / f"task-{number}").mkdir(parents=True)
        os.utime(cache / f"task-{number}", (0, 0))
    engine.step("one")
    assert len([*cache.glob("task-*")]) == 30


def test_a_task_that_is_told_to_end_while_it_waits(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 1}, retry=Retry(attempts=2, delay=600)))
    engine.step("flaky")
    code = TASK.replace("task.step(sys.argv[2])", "task.step(sys.argv[2], attempt=2)")
    given = msgspec.json.encode(engine.deployed).decode()
    with subprocess.Popen(
        [sys.executable, "-c", code, given, "flaky"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "begins in" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert "Cancelled: step `flaky` was cancelled before it began" in told
    assert engine.states == {"flaky": "cancelled"}
    assert called(marks) == 1


def test_a_cache_folder_that_is_somebody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PIPEGLOT_CACHE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = cache_folder()
    assert (folder, folder.stat().st_mode & 0o777) == (tmp_path / f"pipeglot-{os.geteuid()}", 0o700)
    folder.chmod(0o777)
    with pytest.raises(Untrusted) as caught:
        cache_folder()
    assert caught.value.message == (
        f"`{folder}` is not this user's own: others could change the code that is run from there"
    )
    monkeypatch.setenv("PIPEGLOT_CACHE", str(folder))
    assert cache_folder() == folder, "whoever names it knows whose it is"
