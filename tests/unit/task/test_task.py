"""A task of an engine: what it runs, what it takes as it is, and what it tells the engine."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.errors import ParamError, StepError, UsageError
from pipeglot.core.ir import Retry
from pipeglot.core.lineage.sealing import seal
from pipeglot.core.lineage.view import slots_of
from pipeglot.core.task.deployed import read_deployed
from pipeglot.core.task.joining import EngineRun
from tests.unit.lineage.build import item, mapped, out
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import THREE, Engine


def test_a_chain_of_tasks_makes_one_run(engine: Engine) -> None:
    engine.deploy(work("one"), work("add", inputs={"x": out("one")}, given={"y": 2}))
    first, second = engine.step("one"), engine.step("add")
    assert (first.status, second.status) == ("succeeded", "succeeded")
    run = engine.task().start.run
    assert second.outputs == {"output": f"{run}/add/output"}
    assert engine.value("add") == 3
    assert engine.states == {"one": "succeeded", "add": "succeeded"}
    assert engine.view.status == "succeeded"


def test_what_an_engine_computed_before_is_taken_from_the_cache(engine: Engine) -> None:
    engine.deploy(work("one"))
    engine.step("one")
    before = engine.task().start.run
    engine.run = structs.replace(engine.run, id="manual__2")
    found = engine.step("one")
    assert (found.status, found.cached) == ("succeeded", f"run {before}")


def test_a_step_whose_upstream_failed_is_skipped_whatever_the_engine_says(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE), work("one", after=("fail",)))
    failed = engine.step("fail")
    assert failed.status == "failed"
    assert failed.failure is not None
    assert failed.failure.type == "ValueError"
    assert engine.step("one").status == "skipped"
    assert engine.states == {"fail": "failed", "one": "skipped"}


def test_a_failed_attempt_is_tried_again_by_the_engine(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 2}, retry=THREE))
    assert [engine.step("flaky", attempt=number).status for number in (1, 2, 3)] == ["retry", "retry", "succeeded"]
    (step,) = engine.view.steps
    assert step.attempts == 3


def test_the_rest_of_a_delay_is_waited_for_here(engine: Engine, marks: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine.deploy(
        work("flaky", given={"folder": str(marks), "times": 2}, retry=Retry(attempts=3, delay=0.3, backoff=10))
    )
    engine.step("flaky")
    engine.step("flaky", attempt=2)
    assert engine.step("flaky", attempt=3).status == "succeeded"
    told = re.fullmatch(r"pipeglot: attempt 3 .* begins in (\S+) s", capfd.readouterr().out.splitlines()[-1])
    assert told is not None
    assert 1.0 < float(told[1]) <= 3.0, "10 times as long as the first time"


def test_an_attempt_begins_after_its_delay(engine: Engine, marks: Path) -> None:
    """Else the rest of the next delay would be counted from a time before the attempt."""
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 2}, retry=Retry(attempts=3, delay=0.5)))
    for number in (1, 2, 3):
        engine.step("flaky", attempt=number)
    tries = list(engine.ledger.attempts(engine.task().start.run, "flaky", ()))
    first, second = (dt.datetime.fromisoformat(one.observed.started) for one in tries)
    passed = (second - first).total_seconds() - tries[0].observed.seconds
    assert passed > 0.4, "the clock of the wall may have been set by a little"


def test_a_failure_for_good_is_not_tried_again(engine: Engine, marks: Path) -> None:
    engine.deploy(work("permanent", given={"folder": str(marks)}, returns=NONE, retry=THREE))
    assert engine.step("permanent").status == "failed"


def test_an_engine_that_tries_again_whatever_failed(engine: Engine, marks: Path) -> None:
    engine.deploy(work("permanent", given={"folder": str(marks)}, returns=NONE, retry=THREE))

    def tried(attempt: int, round: str) -> str:  # noqa: A002  # as the engine's word is called
        return engine.task().step("permanent", attempt=attempt, engine={"round": round}).status

    assert [tried(1, "2"), tried(2, "2"), tried(3, "2")] == ["failed"] * 3
    assert len(list(marks.iterdir())) == 1, "it was run once"
    assert tried(4, "5") == "failed", "somebody has cleared the task: it is run again"
    assert len(list(marks.iterdir())) == 2


def test_another_kind_of_failure_than_is_worth_a_try(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=3, on=("OSError",))))
    assert engine.step("fail").status == "failed"


# --- once more --------------------------------------------------------------------------------------------------------


def test_a_success_stays_when_its_task_is_run_again(engine: Engine, marks: Path) -> None:
    engine.deploy(work("who", given={"folder": str(marks)}))
    first = engine.step("who")
    assert engine.step("who", attempt=2).outputs == first.outputs
    assert len(list(marks.iterdir())) == 1


def test_a_failed_task_that_is_cleared_gets_another_slot(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 1}), work("one", after=("flaky",)))
    assert engine.step("flaky").status == "failed"
    start, state = engine.read
    ended = seal(engine.ledger, start, state, 0)
    assert ended is not None
    assert (ended.number, ended.status) == (1, "failed")
    assert engine.step("flaky", attempt=2).status == "succeeded"
    assert engine.step("one").status == "succeeded"
    start, state = engine.read
    slots = slots_of(start, engine.ledger)
    assert [(one.step, one.slot, one.attempt) for one in slots] == [("flaky", 2, 2)]
    again = seal(engine.ledger, start, state, len(slots))
    assert again is not None
    assert (again.number, again.status) == (2, "succeeded")
    assert engine.ledger.ended(start.run, 1) == again


def test_a_cleared_task_has_all_its_attempts_again(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=2)))
    statuses = [engine.step("fail", attempt=number).status for number in range(1, 5)]
    assert statuses == ["retry", "failed", "retry", "failed"]


def test_while_it_is_open_again_a_run_goes_on(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=2)))
    for number in (1, 2, 3):
        engine.step("fail", attempt=number)
    assert engine.states == {"fail": "running"}
    assert engine.view.status == "running"


def test_an_attempt_that_comes_too_late_is_refused(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE, retry=Retry(attempts=2)))
    for number in (1, 2):
        engine.step("fail", attempt=number)
    with pytest.raises(StepError) as caught:
        engine.step("fail", attempt=2)
    assert str(caught.value) == (
        "step `fail` has failed in attempt 2 of this run already\n\n"
        "hint: this task is an old one that came back: what it does is not taken"
    )


def test_an_engine_that_does_not_count(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 1}))
    assert engine.step("flaky", attempt=None).status == "failed"
    assert engine.step("flaky", attempt=None).status == "succeeded"
    assert engine.step("flaky", attempt=None).status == "succeeded"
    assert len(list(marks.iterdir())) == 2


def test_an_engine_that_does_not_count_has_retries_counted_here(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 9}, retry=THREE))
    assert [engine.step("flaky", attempt=None).status for _ in range(3)] == ["retry", "retry", "failed"]


# --- maps and branches ------------------------------------------------------------------------------------------------


def test_the_items_of_a_map(engine: Engine) -> None:
    engine.deploy(
        work("numbers", given={"n": 3}),
        mapped("add", out("numbers"), work("add", inputs={"x": item("add")}, given={"y": 10})),
        work("total", inputs={"xs": out("add")}),
    )
    assert engine.task().items("add") == [], "its list is not there yet"
    engine.step("numbers")
    assert engine.task().items("add") == [[0], [1], [2]]
    assert engine.task().label("add", (2,)) == "2: 2"
    for position in (2, 0, 1):
        assert engine.step("add", position).status == "succeeded"
    engine.step("total")
    assert engine.value("total") == 33


def test_a_map_without_a_list_fails_at_its_first_step(engine: Engine) -> None:
    engine.deploy(
        work("one"),
        mapped("add", out("one"), work("add", inputs={"x": item("add")}), work("fail", inputs={"x": out("add")})),
    )
    engine.step("one")
    assert engine.task().items("add") == [[-1]]
    assert engine.task().items("fail") == []
    found = engine.step("add", -1)
    assert found.status == "failed"
    assert found.failure is not None
    assert found.failure.message == "`x` is no list, so a map cannot step through it"
    assert engine.step("fail", -1).status == "skipped", "one list is for all steps of a map"
    assert engine.states == {"one": "succeeded", "add": "failed", "fail": "skipped"}


# --- joining ----------------------------------------------------------------------------------------------------------


def test_the_first_task_decides_what_the_run_is(engine: Engine) -> None:
    engine.deploy(work("one"))
    first = engine.task().start
    engine.run = EngineRun(id="manual__1", params={"n": 8})
    assert engine.task().start == first
    assert first.params == {"n": 7}


def test_parameters_are_checked(engine: Engine) -> None:
    engine.deploy(work("one"))
    engine.run = EngineRun(id="manual__2", params={"n": "seven", "m": 1})
    with pytest.raises(ParamError) as caught:
        engine.task()
    assert "parameter `n` must be int, not 'seven'" in str(caught.value)
    assert "there is no parameter `m`" in str(caught.value)


def test_two_engines_of_one_stack_are_refused(engine: Engine) -> None:
    engine.deploy(work("one"))
    run = engine.task().start.run
    with pytest.raises(StepError) as caught:
        engine.task(backend="other")
    assert str(caught.value) == (
        f"run `{run}` is one of backend `engine`, and this task is one of `other`\n\n"
        "hint: two engines on one store need stacks of different names"
    )


def test_a_file_of_another_pipeglot(engine: Engine) -> None:
    with pytest.raises(UsageError, match="does not understand what the emitted file says of its pipeline"):
        read_deployed({"pipeline": "p", "future": 1})


def test_a_run_that_goes_on_from_another_has_its_logical_date(engine: Engine) -> None:
    engine.deploy(work("one"))
    wishes = {"logical_date": "2024-02-29T00:00:00+00:00"}
    engine.run = structs.replace(engine.run, id="resumed", params={"n": 1, "pipeglot": wishes})
    assert engine.task().start.logical_date == "2024-02-29T00:00:00+00:00"
    engine.run = structs.replace(engine.run, id="forged", params={"n": 1, "pipeglot": {"logical_date": "some day"}})
    with pytest.raises(ParamError, match="has a logical date that is none: `some day`"):
        engine.task()
