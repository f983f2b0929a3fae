"""A run that an orchestrator drives, followed from here, whatever that orchestrator and its network do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.client import engine_runs, following
from pipeglot.client.cancel import cancel
from pipeglot.client.logs import last_lines
from pipeglot.compilers.remote import EngineTask
from pipeglot.core.errors import ConfigError, EngineError, StoreError
from pipeglot.core.lineage.ledger import now
from pipeglot.core.lineage.records import Attempt, Cancel, Failure, Observed
from pipeglot.runtime_local.interrupts import Interrupts
from tests.unit.client.scripted import AWAY, Run, Scripted
from tests.unit.lineage.build import RUN, verdict


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK", 0.01), ("LINGER", 0.05), ("GRACE", 0.2), ("TICK", 0.01)):
        monkeypatch.setattr(following, name, seconds)
    monkeypatch.setattr(engine_runs, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(engine_runs, "SETTLE", 0.05)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_each_step_is_told_once(run: Run) -> None:
    def half() -> str:
        run.done(("numbers", ()), [1, 2])
        return "running"

    def rest() -> str:
        for cell in [("double", (0,)), ("double", (1,)), ("total", ())]:
            run.done(cell, 1)
        return "succeeded"

    tasks = [EngineTask("double", 1, "running", 1), EngineTask("double_items", -1, "running", 1)]
    found = run.follow(Scripted("waiting", half, "running", "running", rest, tasks=tasks))
    assert found.status == "succeeded"
    assert found.lineage_digest is not None
    assert run.heard.words == [
        "numbers[] runs, attempt 1",
        "numbers[] succeeded",
        "double[1] runs, attempt 1",
        "double[0] runs, attempt 1",
        "double[0] succeeded",
        "double[1] succeeded",
        "total[] runs, attempt 1",
        "total[] succeeded",
    ]


def test_steps_that_ended_between_two_looks_are_told_in_the_order_of_their_ends(run: Run) -> None:
    def all_done() -> str:
        for cell, second in [(("total", ()), 9), (("double", (0,)), 5), (("numbers", ()), 1)]:
            made = verdict(cell, [1] if cell[0] == "numbers" else 2)
            started = f"2026-01-02T03:04:0{second}+00:00"
            run.records.ledger.commit(structs.replace(made, observed=structs.replace(made.observed, started=started)))
        return "succeeded"

    run.follow(Scripted(all_done))
    assert [word for word in run.heard.words if "succeeded" in word] == [
        "numbers[] succeeded",
        "double[0] succeeded",
        "total[] succeeded",
    ]


@pytest.mark.parametrize("gap", [AWAY, ConfigError("`auth.token_command` gives no token")], ids=["server", "token"])
def test_a_server_that_is_started_anew_ends_no_run(run: Run, gap: Exception) -> None:
    found = run.follow(Scripted("running", gap, gap, gap, "running", run.all_done))
    assert found.status == "succeeded"
    waiting = [word for word in run.heard.words if word.startswith("waiting")]
    assert waiting == [f"waiting: {gap.args[0]}; asking again", "waiting: "], (
        "it is told once, and once that it is over"
    )


def test_one_that_is_silent_for_long_is_not_followed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENCE", 0.05)
    with pytest.raises(EngineError) as caught:
        run.follow(Scripted(AWAY))
    assert caught.value.message == f"{AWAY.message}\nrun {RUN[:10]} is not followed any more"
    assert caught.value.hint == (
        f"the run may go on there: `pipeglot runs show {RUN[:10]}` tells, `pipeglot runs cancel {RUN[:10]}` stops it"
    )


def test_one_that_lets_nobody_look_any_more(run: Run) -> None:
    with pytest.raises(EngineError) as caught:
        run.follow(Scripted("running", EngineError("the Airflow does not know us", hint="look at `auth:`")))
    assert caught.value.message == f"the Airflow does not know us\nrun {RUN[:10]} is not followed any more"
    assert caught.value.hint.startswith("look at `auth:`\nthe run may go on there: ")


def test_a_run_that_somebody_deletes_is_closed(run: Run) -> None:
    found = run.follow(Scripted("running", "gone"))
    assert (found.steps[0].id, found.steps[0].status) == ("numbers", "lost")
    assert run.heard.words[-1] == "warned: the run is not there any more: somebody has deleted it"


def test_a_task_that_recorded_nothing_has_its_log_brought(run: Run) -> None:
    remote = Scripted("failed", tasks=[EngineTask("numbers", -1, "failed", 1)], log="No module named pipeglot")
    found = run.follow(remote)
    assert found.status == "lost"
    numbers = found.steps[0]
    assert numbers.log is not None
    assert last_lines(run.records.artifacts, numbers.log, 5) == ["No module named pipeglot of numbers"]
    assert run.records.run(RUN).view.steps[0].log == numbers.log, "it is in the ledger"


def test_a_task_that_is_no_step_is_told_where_its_step_was_to_run(run: Run) -> None:
    run.done(("numbers", ()), [1])
    remote = Scripted("failed", tasks=[EngineTask("double_items", -1, "failed", 1)], log="killed")
    found = run.follow(remote)
    double = next(one for one in found.steps if one.id == "double")
    assert double.log is not None
    assert last_lines(run.records.artifacts, double.log, 5) == ["task `double_items`:", "killed of double_items"]


def test_a_retry_is_told_with_its_reason(run: Run) -> None:
    failure = Failure(cause="raised", type="ValueError", message="not yet")
    observed = Observed(backend="airflow", attempt=1, failure=failure)
    run.records.ledger.failed_attempt(Attempt(run=RUN, step="numbers", index=(), observed=observed))
    remote = Scripted("running", "running", run.all_done, tasks=[EngineTask("numbers", -1, "retrying", 1)])
    run.follow(remote)
    assert run.heard.words[0] == "numbers[] failed (not yet), attempt 2 is next"


def test_a_retry_that_is_seen_when_it_runs_is_told_with_its_reason(run: Run) -> None:
    """The first look at the tasks came after the first attempt."""
    for attempt in (1, 2):
        failure = Failure(cause="raised", type="ValueError", message=f"not at {attempt}")
        observed = Observed(backend="airflow", attempt=attempt, failure=failure)
        run.records.ledger.failed_attempt(Attempt(run=RUN, step="numbers", index=(), observed=observed))
    run.follow(Scripted("running", "running", run.all_done, tasks=[EngineTask("numbers", -1, "running", 3)]))
    assert run.heard.words[:3] == [
        "numbers[] failed (not at 1), attempt 2 is next",
        "numbers[] failed (not at 2), attempt 3 is next",
        "numbers[] runs, attempt 3",
    ]


def test_attempts_between_two_looks_are_told(run: Run) -> None:
    def both() -> str:
        failure = Failure(cause="raised", type="ValueError", message="not yet")
        observed = Observed(backend="airflow", attempt=1, failure=failure)
        run.records.ledger.failed_attempt(Attempt(run=RUN, step="numbers", index=(), observed=observed))
        made = verdict(("numbers", ()), status="failed")
        run.records.ledger.commit(structs.replace(made, observed=structs.replace(made.observed, attempt=2)))
        return "failed"

    run.follow(Scripted(both))
    assert run.heard.words[:3] == [
        "numbers[] failed (not yet), attempt 2 is next",
        "numbers[] runs, attempt 2",
        "numbers[] failed",
    ]


def test_a_task_that_runs_several_items_is_at_one_of_them(run: Run) -> None:
    def half() -> str:
        run.done(("numbers", ()), [1, 2, 3, 4, 5])
        return "running"

    def later() -> str:
        run.done(("double", (2,)), 1)
        return "running"

    tasks = [EngineTask("double", 1, "running", 1, among=3)]
    run.follow(Scripted(half, "running", later, "running", "failed", tasks=tasks))
    assert run.heard.words[2:5] == [
        "double[2] runs, attempt 1",
        "double[2] succeeded",
        "double[3] runs, attempt 1",
    ]


def test_the_log_of_several_items_is_that_of_the_one_at_which_they_ended(run: Run) -> None:
    run.done(("numbers", ()), list(range(10)))
    run.done(("double", (6,)), 1)
    remote = Scripted("failed", tasks=[EngineTask("double", 3, "failed", 1, among=5)], log="killed")
    found = run.follow(remote)
    logs = {one.index: one.log for one in found.steps if one.id == "double" and one.log is not None}
    assert list(logs) == [(7,)]


class Blinking:
    """A store that does not answer some questions, each so many times."""

    def __init__(self, ledger: Any, **fails: int) -> None:
        self.ledger = ledger
        self.fails = fails

    def __getattr__(self, name: str) -> Any:
        if self.fails.get(name, 0) > 0:
            self.fails[name] -= 1
            return self._fail
        return getattr(self.ledger, name)

    def _fail(self, *_: Any) -> None:
        raise StoreError("the store does not answer")


def test_a_store_that_does_not_answer_ends_no_following(run: Run) -> None:
    run.records.ledger = Blinking(run.records.ledger, attempts=1, is_cancelled=2)  # type: ignore[assignment]
    tasks = [EngineTask("numbers", -1, "retrying", 1)]
    found = run.follow(Scripted("running", "running", "failed", tasks=tasks))
    assert found.status == "lost"
    assert "waiting: the store does not answer; asking again" in run.heard.words


def test_what_a_store_did_not_give_is_asked_for_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It failed in the middle of several records."""
    failures = [StoreError("the disk is away")]
    store = run.records.ledger.store
    get_all = store.get_all

    def broken(wanted: Any) -> Iterator[Any]:
        for number, found in enumerate(get_all(wanted)):
            if number == 1 and failures:
                raise failures.pop()
            yield found

    monkeypatch.setattr(type(store), "get_all", lambda self, wanted: broken(wanted))
    found = run.follow(Scripted(run.all_done, "succeeded"))
    assert found.status == "succeeded"
    assert not failures
    assert [word for word in run.heard.words if word.endswith("succeeded")] == [
        "numbers[] succeeded",
        "double[0] succeeded",
        "total[] succeeded",
    ]


def test_ctrl_c_reaches_the_orchestrator_though_the_store_does_not_answer(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    blinking = Blinking(run.records.ledger, cancel=2)
    run.records.ledger = blinking  # type: ignore[assignment]
    pressed = [0, 1]
    monkeypatch.setattr(Interrupts, "take", lambda _: pressed.pop() if pressed else 0)
    remote = Scripted("running", "running", "running", "failed")
    assert run.follow(remote).status == "cancelled"
    assert remote.cancelled == 1
    assert blinking.fails["cancel"] == 0, "it was told until it heard"


def test_ctrl_c_is_told_until_the_orchestrator_hears(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Scripted):
        def cancel(self, pipeline: str, run: str) -> None:
            super().cancel(pipeline, run)
            if self.cancelled == 1:
                raise AWAY

    pressed = [1]
    monkeypatch.setattr(Interrupts, "take", lambda _: pressed.pop() if pressed else 0)
    remote = Deaf("running", "running", "failed")
    assert run.follow(remote).status == "cancelled"
    assert remote.cancelled == 2


def test_a_run_that_its_clean_up_turns_green_is_made_red_again(run: Run) -> None:
    def green() -> str:
        run.records.ledger.cancel(Cancel(run=RUN, at=now().isoformat(), by="test"))
        return "succeeded"

    remote = Scripted("running", green)
    assert run.follow(remote).status == "cancelled"
    assert remote.cancelled == 1


# --- runs cancel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ends", "asked"), [("succeeded", 2), ("failed", 1), ("gone", 1)])
def test_runs_cancel_leaves_both_sides_alike(run: Run, monkeypatch: pytest.MonkeyPatch, ends: str, asked: int) -> None:
    remote = Scripted("running", ends)
    monkeypatch.setattr("pipeglot.client.cancel.remote_of", lambda *_: remote)
    found = cancel(run.records, RUN, wait=True, force=False, waiting=lambda _: None)
    assert (found.outcome, found.status) == ("stopped", "cancelled")
    assert remote.cancelled == asked
