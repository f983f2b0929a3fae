"""Steps that do what they should not, and the records that tell of them: nothing leaks, nothing runs twice."""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import os
import signal
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.context import Active, log_metrics, running
from pipeglot.core.ir import Cache, Retry
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.view import read_view
from pipeglot.runtime_local.listener import Silent
from tests.unit.lineage.build import item, mapped, out
from tests.unit.runtime_local import work as work_module
from tests.unit.runtime_local.conftest import NONE, Bench, work
from tests.unit.runtime_local.test_death import _gone, until

SECRET = {"PASSWORD": "env:DB_PASSWORD"}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse")


class Interrupter(Silent):
    """Presses Ctrl-C when a mark appears, and once more for each further one."""

    def __init__(self, *marks: Path) -> None:
        self.marks = list(marks)

    def tick(self) -> None:
        if self.marks and self.marks[0].exists():
            self.marks.pop(0)
            signal.raise_signal(signal.SIGINT)


def message(bench: Bench, step: str, **options: Any) -> str:
    error = bench.step(bench.run(work(step, **options), secrets=SECRET), step).error
    assert error is not None
    return error.message


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"": 1}, "log_metrics: '' is no name for a metric"),
        ({" ": 1}, "log_metrics: ' ' is no name for a metric"),
        ({"a\nb": 1}, "log_metrics: 'a\\nb' is no name for a metric"),
        ({"n": 10**400}, "log_metrics: 'n' is too large for a float"),
        ({"n": "1"}, "log_metrics: 'n' is '1', which is no number"),
    ],
)
def test_a_metric_is_a_named_number(metrics: dict[str, float], message: str) -> None:
    active = Active(None, {})  # type: ignore[arg-type]  # metrics are no matter of where the step is
    with running(active), pytest.raises((TypeError, ValueError)) as found:
        log_metrics(metrics)
    assert str(found.value) == message
    assert active.metrics == {}


def test_metrics_may_be_nan(bench: Bench) -> None:
    views = [bench.run(work("measures_nothing", returns=NONE)) for _ in range(2)]
    assert [read_view(bench.ledger, bench.artifacts, view.run_id) for view in views] == views
    assert [view.steps[0].metrics for view in views] == [{"loss": "nan", "rate": "inf"}] * 2
    assert views[1].steps[0].cached


def test_the_log_of_a_cancelled_step_holds_no_secret(bench: Bench) -> None:
    class Late(Silent):
        began = 0.0

        def tick(self) -> None:
            self.began = self.began or time.monotonic()
            if time.monotonic() - self.began > 0.5:
                self.began = float("inf")
                signal.raise_signal(signal.SIGINT)

    step = work("hangs_with_its_secret", secrets=("PASSWORD",), returns=NONE)
    view = bench.run(step, secrets=SECRET, listener=Late())
    assert view.status == "cancelled"
    assert bench.log(view, "hangs_with_its_secret") == "the password is ***\n"


@pytest.mark.parametrize("function", ["hints_at_its_secret", "cuts_its_secret"])
def test_no_part_of_a_failure_holds_a_secret(bench: Bench, function: str) -> None:
    view = bench.run(work(function, secrets=("PASSWORD",)), secrets=SECRET)
    error = bench.step(view, function).error
    assert error is not None
    assert "corr" not in error.message + error.hint + error.traceback


def test_a_secret_that_is_gone_when_its_step_died_is_still_taken_out(bench: Bench, marks: Path) -> None:
    source = marks / "password"
    source.write_text("battery-staple\n")
    step = work("removes_its_secret", given={"path": str(source)}, secrets=("PASSWORD",))
    view = bench.run(step, work("one"), secrets={"PASSWORD": f"file:{source}"})
    assert bench.states(view) == {"removes_its_secret": "failed", "one": "succeeded"}
    assert bench.log(view, "removes_its_secret") == "***\n"


@pytest.mark.parametrize(("kind", "text"), [("error", "invalid literal for int()"), ("number", "404")])
def test_permanent_takes_anything_and_is_not_tried_again(bench: Bench, kind: str, text: str) -> None:
    view = bench.run(work("permanently", given={"kind": kind}, retry=Retry(attempts=3)))
    step = bench.step(view, "permanently")
    assert step.error is not None
    assert text in step.error.message
    assert (step.error.type, step.attempts) == ("Permanent", 1)


def test_children_that_a_step_leaves_are_ended(bench: Bench, marks: Path) -> None:
    leaves = work("leaves_a_child", given={"folder": str(marks)}, cache=Cache(enabled=False))
    view = bench.run(leaves, work("again", "leaves_a_child", given={"folder": str(marks)}))
    assert view.status == "succeeded"
    children = [int(mark.name) for mark in marks.iterdir()]
    assert len(children) == 2
    until(lambda: all(map(_gone, children)))


def test_silent_steps_of_a_worker_share_one_log_file(bench: Bench) -> None:
    """To make and remove a file for each step is a large part of what a small step costs."""
    first, second = work("one", "log_file"), work("two", "log_file", after=("one",))
    view = bench.run(first, second)
    assert bench.value(view, "one") == bench.value(view, "two")
    assert bench.log(view, "one") == bench.log(view, "two") == ""


def test_what_a_lost_process_prints_is_not_the_next_steps(bench: Bench, marks: Path) -> None:
    given = {"folder": str(marks)}
    loses = work("lets_one_go", given=given, returns=NONE)
    view = bench.run(loses, work("hears_it_print", given=given, returns=NONE, after=("lets_one_go",)))
    assert view.status == "succeeded"
    assert (marks / "said").exists()
    assert bench.log(view, "hears_it_print") == ""


def test_a_worker_does_at_its_end_only_what_its_steps_asked_for(bench: Bench, marks: Path) -> None:
    ours = work_module.Kept()
    by_exit = atexit.register(lambda: (marks / "the caller's atexit").touch())
    by_weakref = weakref.finalize(ours, (marks / "the caller's finalize").touch)
    handler = logging.handlers.MemoryHandler(9, target=logging.FileHandler(marks / "the caller's log", delay=True))
    handler.emit(logging.makeLogRecord({"msg": "kept", "levelno": logging.INFO}))
    try:
        assert bench.run(work("ends_well", given={"folder": str(marks)}, returns=NONE)).status == "succeeded"
    finally:
        atexit.unregister(by_exit)
        by_weakref.detach()
        handler.setTarget(None)
        handler.close()
    assert sorted(path.name for path in marks.iterdir()) == ["atexit", "finalize", "log"]
    assert (marks / "log").read_text() == "kept for the end\n"


def test_a_signal_without_a_name(bench: Bench) -> None:
    assert "was ended by " in message(bench, "odd_signal")


@pytest.mark.parametrize("function", ["removes_its_folder", "closes_descriptors"])
def test_what_has_succeeded_does_not_run_again(bench: Bench, marks: Path, function: str) -> None:
    step = work(function, given={"folder": str(marks)}, retry=Retry(attempts=3), cache=Cache(enabled=False))
    view = bench.run(step, work("one", after=(function,)))
    assert bench.states(view) == {function: "succeeded", "one": "succeeded"}
    assert len(list(marks.iterdir())) == 1


def test_a_timeout_is_a_timeout_whatever_the_step_makes_of_it(bench: Bench, marks: Path) -> None:
    nodes = (
        work("ignores_its_end", given={"folder": str(marks)}, timeout=0.3),
        work("minds_its_end", timeout=0.3, retry=Retry(attempts=2, on=("TimeoutError",))),
    )
    view = bench.run(*nodes)
    assert {step.error.cause for step in view.steps if step.error} == {"timeout"}
    assert [step.attempts for step in view.steps] == [1, 2]
    assert (marks / "swallowed").exists()


def test_multiprocessing_finds_room_for_its_sockets(bench: Bench) -> None:
    assert bench.value(bench.run(work("shares_memory")), "shares_memory") == 2


def test_a_step_finds_its_process_as_if_it_were_the_first(bench: Bench) -> None:
    nodes = (
        work("changes_its_process", returns=NONE),
        work("finds_a_clean_process", after=("changes_its_process",)),
        work("busy_in_python", timeout=0.2, after=("changes_its_process",), returns=NONE),
    )
    view = bench.run(*nodes, max_parallel=1)
    assert bench.value(view, "finds_a_clean_process") == [False, False, False]
    assert bench.log(view, "finds_a_clean_process") == "heard\n"
    assert bench.step(view, "busy_in_python").seconds < 1.5


def test_a_users_error_named_like_ours_does_not_touch_the_cache(bench: Bench) -> None:
    nodes = (work("one"), work("raises_corrupt", inputs={"x": out("one")}))
    bench.run(*nodes)
    assert bench.step(bench.run(*nodes), "one").cached


def test_keyboard_interrupt_of_the_users_own_is_a_failure_like_any(bench: Bench) -> None:
    error = bench.step(bench.run(work("interrupts")), "interrupts").error
    assert error is not None
    assert (error.cause, error.type) == ("raised", "KeyboardInterrupt")


def test_opaque_results_from_the_cache_have_the_lineage_of_this_run(bench: Bench, tmp_path: Path) -> None:
    changed = work("thing", cache=Cache(version="2"))
    nodes = (work("thing"), work("wrap", inputs={"x": out("thing")}))
    computed = bench.run(*nodes)
    cached = bench.run(*nodes)
    assert cached.lineage_digest == computed.lineage_digest
    again = bench.run(changed, nodes[1])
    assert again.lineage_digest == computed.lineage_digest
    assert [step.cached for step in again.steps] == [False, True]


def test_a_damaged_list_fails_the_map_over_it_and_is_made_anew(bench: Bench, tmp_path: Path) -> None:
    over = (work("numbers", given={"n": 1500}), mapped("add", out("numbers"), work("add", inputs={"x": item("add")})))
    bench.run(over[0])
    blob = next(path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"[" + b"0" * (blob.stat().st_size - 1))
    broken = bench.run(*over, work("one"))
    assert broken.status == "failed"
    assert bench.step(broken, "one").status == "succeeded"
    assert not bench.run(over[0]).steps[0].cached


def test_a_later_pipeglots_cache_entry_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.run(work("one"))
    entry = next((tmp_path / "store" / "cache").iterdir())
    entry.chmod(0o600)
    entry.write_bytes(entry.read_bytes().replace(b"pipeglot 1 ", b"pipeglot 2 "))
    assert not bench.run(work("one")).steps[0].cached
    assert bench.store.get(keys.cache(entry.name)) == entry.read_bytes()


def test_after_the_second_interrupt_nothing_starts(bench: Bench, marks: Path) -> None:
    folder = str(marks)
    nodes = (
        work("child_process", given={"folder": folder}, returns=NONE),
        work("a", "slow_tidy", given={"folder": folder, "name": "a"}, trigger="all_done", after=("child_process",)),
        work("b", "slow_tidy", given={"folder": folder, "name": "b"}, trigger="all_done", after=("a",)),
    )
    view = bench.run(*nodes, listener=Interrupter(marks / "pid", marks / "a"))
    assert bench.states(view) == {"child_process": "cancelled", "a": "cancelled", "b": "cancelled"}
    assert not (marks / "b").exists()


def test_clean_up_is_tried_again_in_a_cancelled_run(bench: Bench, marks: Path) -> None:
    folder = {"folder": str(marks)}
    retry = Retry(attempts=3, delay=0.1)
    tidy = work("flaky_tidy", given=folder, trigger="all_done", after=("child_process",), retry=retry, returns=NONE)
    view = bench.run(work("child_process", given=folder, returns=NONE), tidy, listener=Interrupter(marks / "pid"))
    assert bench.states(view) == {"child_process": "cancelled", "flaky_tidy": "succeeded"}
    assert bench.step(view, "flaky_tidy").attempts == 3


def test_a_cancelled_step_is_cancelled_whatever_it_makes_of_it(bench: Bench, marks: Path) -> None:
    nodes = (work("child_process", given={"folder": str(marks)}, returns=NONE), work("minds_its_end", returns=NONE))
    view = bench.run(*nodes, listener=Interrupter(marks / "pid"))
    assert view.status == "cancelled"
    assert view.lineage_digest is None


def test_an_ignored_signal_stays_ignored(bench: Bench) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        class Hangup(Silent):
            def tick(self) -> None:
                os.kill(os.getpid(), signal.SIGHUP)

        assert bench.run(work("one"), listener=Hangup()).status == "succeeded"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("content", [b"\xff\xfe not text", b""])
def test_a_secret_that_is_no_text_fails_its_step_only(bench: Bench, marks: Path, content: bytes) -> None:
    source = marks / "password"
    source.write_bytes(content)
    where = f"file:{source}" if content else "file:~nobody9/x"
    step = work("tells_its_secret", secrets=("PASSWORD",))
    view = bench.run(step, work("one"), secrets={"PASSWORD": where})
    assert bench.states(view) == {"tells_its_secret": "failed", "one": "succeeded"}
    error = bench.step(view, "tells_its_secret").error
    assert error is not None
    assert error.message == f"secret `PASSWORD`: `{where[5:]}` cannot be read"


def test_two_signals_at_a_time_are_one(bench: Bench, marks: Path) -> None:
    class Supervisor(Interrupter):
        def tick(self) -> None:
            if self.marks and self.marks[0].exists():
                self.marks.pop(0)
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGHUP)

    folder = {"folder": str(marks)}
    nodes = (
        work("child_process", given=folder, returns=NONE),
        work("tidy", given=folder, trigger="all_done", after=("child_process",), returns=NONE),
    )
    view = bench.run(*nodes, listener=Supervisor(marks / "pid"))
    assert bench.states(view) == {"child_process": "cancelled", "tidy": "succeeded"}


def test_what_was_computed_with_no_cache_is_what_later_runs_find(bench: Bench, marks: Path) -> None:
    step = work("who", given={"folder": str(marks)})
    bench.run(step)
    newest = bench.value(bench.run(step, cache=False), "who")
    assert bench.value(bench.run(step), "who") == newest
    assert len(list(marks.iterdir())) == 2
