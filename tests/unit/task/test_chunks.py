"""Items that share a task: each has its own records, retries and outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.core.ir import Retry
from pipeglot.core.lineage.closing import close
from pipeglot.core.task.chunks import chunks, name, run_chunk, shared
from tests.unit.lineage.build import item, mapped, out
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine

INDEXES = ((0,), (1,), (2,))


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(0, 16, []), (1, 16, [1]), (16, 16, [1] * 16), (17, 16, [2] * 8 + [1]), (40, 16, [3] * 13 + [1]), (5, 1, [5])],
)
def test_chunks_keep_the_order_and_are_not_too_many(count: int, most: int, sizes: list[int]) -> None:
    found = chunks(range(count), most)
    assert [len(one) for one in found] == sizes
    assert [one for chunk in found for one in chunk] == list(range(count))


def test_what_an_engine_can_map_over_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert shared([[0], [1]], 2, "train") == [[0], [1]]
    assert capsys.readouterr().out == ""
    assert shared([[0], [1], [2]], 2, "train") == [[[0], [1]], [[2]]]
    assert capsys.readouterr().out == (
        "pipeglot: 3 items are more than the 2 that are mapped over here: "
        "each task of `train` runs up to 2, one after the other\n"
    )


def test_an_index_is_named_by_its_positions() -> None:
    assert (name((3,)), name((1, 20))) == ("3", "1.20")


@pytest.fixture
def flaky(engine: Engine, marks: Path) -> Engine:
    """A map of 0, 1 and 2, whose steps fail at first, as often as their item says."""
    given = {"folder": str(marks)}
    body = work("flaky", inputs={"times": item("flaky")}, given=given, retry=Retry(attempts=2, delay=0.1))
    engine.deploy(work("numbers", given={"n": 3}), mapped("flaky", out("numbers"), body))
    engine.step("numbers")
    return engine


def test_each_item_has_its_own_attempts(flaky: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    found = run_chunk(flaky.task(), "flaky", INDEXES, {"task": "flaky"})
    assert (found.status, found.message) == ("failed", "1 of 3 items failed: 2")
    assert [bool(outputs) for outputs in found.outputs] == [True, True, False]
    assert found.tracebacks.startswith("item 2:\nTraceback")
    attempts = {one.index: one.attempts for one in flaky.view.steps if one.id == "flaky"}
    assert attempts == {(0,): 1, (1,): 2, (2,): 2}
    assert len(set(workers_of(flaky, "flaky"))) == 1, "the step's code is imported once"
    shown = [line for line in capfd.readouterr().out.splitlines() if line.startswith("pipeglot: item")]
    assert shown == [
        "pipeglot: item 0: succeeded",
        "pipeglot: item 1: ConnectionError: attempt 1",
        "pipeglot: item 1: succeeded",
        "pipeglot: item 2: ConnectionError: attempt 1",
        "pipeglot: item 2: failed: ConnectionError: attempt 2",
    ]


def workers_of(engine: Engine, step: str) -> list[int]:
    verdicts = [engine.ledger.verdict(engine.view.run_id, step, index) for index in INDEXES]
    return [one.observed.pid for one in verdicts if one]


def test_a_worker_that_dies_ends_its_item_only(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    body = work("killed_at", inputs={"x": item("killed")}, given={"bad": 1})
    engine.deploy(work("numbers", given={"n": 3}), mapped("killed", out("numbers"), body))
    engine.step("numbers")
    found = run_chunk(engine.task(), "killed_at", INDEXES, {})
    assert found.message == "1 of 3 items failed: 1"
    assert "item 1: failed: WorkerDied: " in capfd.readouterr().out
    first, killed, after = workers_of(engine, "killed_at")
    assert first == killed != after
    assert not list(engine.task().base.glob("task-*"))


def test_a_chunk_that_is_tried_again_runs_only_what_has_not_succeeded(flaky: Engine) -> None:
    run_chunk(flaky.task(), "flaky", INDEXES, {})
    found = run_chunk(flaky.task(), "flaky", INDEXES, {})
    assert found.status == "succeeded"
    assert all(found.outputs)
    attempts = {one.index: one.attempts for one in flaky.view.steps if one.id == "flaky"}
    assert attempts == {(0,): 1, (1,): 2, (2,): 3}
    assert flaky.view.status == "succeeded"


def test_in_one_round_of_an_engine_an_item_that_failed_for_good_stays_so(flaky: Engine) -> None:
    """The task of the chunk was killed, say, and Airflow tries it again; later somebody clears it."""
    words = {"try": "1", "round": "2"}
    run_chunk(flaky.task(), "flaky", INDEXES, words)
    found = run_chunk(flaky.task(), "flaky", INDEXES, {**words, "try": "2"})
    assert (found.status, found.message) == ("failed", "1 of 3 items failed: 2")
    assert run_chunk(flaky.task(), "flaky", INDEXES, {"try": "3", "round": "4"}).status == "succeeded"


def test_an_item_that_was_closed_meanwhile_has_failed(flaky: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody takes its run for lost while it goes on."""
    task = flaky.task()

    def closed(*_: object) -> object:
        close(flaky.ledger, flaky.artifacts, task.start.run)
        return flaky.ledger.verdict(task.start.run, "flaky", (0,))

    monkeypatch.setattr("pipeglot.core.task.attempt.Bench.attempt", closed)
    found = run_chunk(task, "flaky", [(0,)], {})
    assert (found.status, found.message) == ("failed", "1 of 1 items failed: 0")
