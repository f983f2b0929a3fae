"""All steps in this process: the same ledger and the same results, and a debugger at hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.ir import Retry
from pipeglot.runtime_local.listener import Silent
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import NONE, Bench, work


def test_it_gives_what_workers_give(bench: Bench) -> None:
    nodes = (
        work("numbers", given={"n": 4}),
        mapped("plus", out("numbers"), work("plus", "add", given={"y": 10}, inputs={"x": item("plus")})),
        work("total", inputs={"xs": out("plus")}),
    )
    inline = bench.run(*nodes, inline=True, max_parallel=1)
    assert bench.value(inline, "total") == 46
    workers = bench.run(*nodes, cache=False)
    assert inline.lineage_digest == workers.lineage_digest
    assert [step.cached for step in bench.run(*nodes).steps] == [True] * 6


def test_it_is_this_process_and_leaves_it_as_it_was(bench: Bench, marks: Path, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    environ = dict(os.environ)
    nodes = work("who", given={"folder": str(marks)}), work("environment", env={"GREETING": "hello"})
    view = bench.run(*nodes, inline=True, max_parallel=1)
    assert bench.value(view, "who") == os.getpid()
    assert bench.value(view, "environment")[0] == "hello"
    assert Path.cwd() == tmp_path
    assert dict(os.environ) == environ
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert list((bench.folder / "work").iterdir()) == []


def test_what_steps_print_is_shown(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    view = bench.run(work("says", given={"words": "x"}, returns=NONE), inline=True, max_parallel=1)
    assert "print x\n" in capfd.readouterr().out
    assert bench.step(view, "says").log is None


def test_failures_and_retries(bench: Bench, marks: Path) -> None:
    flaky = work("flaky", given={"folder": str(marks), "times": 1}, retry=Retry(attempts=2))
    view = bench.run(flaky, work("fail", returns=NONE), work("sys_exits", returns=NONE), inline=True, max_parallel=1)
    assert bench.states(view) == {"flaky": "succeeded", "fail": "failed", "sys_exits": "failed"}
    assert bench.step(view, "flaky").attempts == 2
    error = bench.step(view, "fail").error
    assert error is not None
    assert "pipeglot/core" not in error.traceback


def test_a_step_that_leaves_a_thread_behind(bench: Bench) -> None:
    view = bench.run(
        work("leaves_a_thread", returns=NONE), work("one", after=("leaves_a_thread",)), inline=True, max_parallel=1
    )
    assert view.status == "succeeded"


class Interrupts(Silent):
    """Sends a signal to this process soon after a step begins."""

    def __init__(self, step: str, number: signal.Signals) -> None:
        self.step = step
        self.number = number

    def running(self, cell: Any, attempt: int) -> None:
        if cell[0] == self.step:
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(self.number))
            signal.setitimer(signal.ITIMER_REAL, 0.3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(bench: Bench, marks: Path, number: signal.Signals) -> None:
    view = bench.run(
        work("leaves_a_mark", given={"folder": str(marks)}, returns=NONE, retry=Retry(attempts=3)),
        work("never", "one", after=("leaves_a_mark",)),
        work("tidy", given={"folder": str(marks)}, returns=NONE, trigger="all_done", after=("leaves_a_mark",)),
        inline=True,
        max_parallel=1,
        listener=Interrupts("leaves_a_mark", number),
    )
    assert bench.states(view) == {"leaves_a_mark": "cancelled", "never": "skipped", "tidy": "succeeded"}
    assert view.status == "cancelled"
    assert (marks / "finally").exists()
    assert (marks / "tidied").read_text() == "True"


def test_a_clean_up_step_goes_on_after_the_first_signal(bench: Bench, marks: Path) -> None:
    tidy = work("who", given={"folder": str(marks), "seconds": 0.6}, trigger="all_done")
    view = bench.run(
        tidy,
        work("never", "one", after=("who",)),
        inline=True,
        max_parallel=1,
        listener=Interrupts("who", signal.SIGINT),
    )
    assert bench.states(view) == {"who": "succeeded", "never": "cancelled"}


def test_so_does_a_hook(bench: Bench, marks: Path) -> None:
    view = bench.run(
        work("one"),
        on_success=(work("who", given={"folder": str(marks), "seconds": 0.6}), work("last", "one")),
        inline=True,
        max_parallel=1,
        listener=Interrupts("who", signal.SIGINT),
    )
    assert (view.status, bench.states(view)) == (
        "succeeded",
        {"one": "succeeded", "who": "succeeded", "last": "succeeded"},
    )


def test_secrets_are_hidden_where_nobody_can_debug(
    bench: Bench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse")
    settings: dict[str, Any] = {"inline": True, "max_parallel": 1, "secrets": {"PASSWORD": "env:DB_PASSWORD"}}
    view = bench.run(work("prints_its_secret", secrets=("PASSWORD",), returns=NONE), **settings)
    assert view.status == "succeeded"
    found = capfd.readouterr()
    assert found.out.splitlines() == ["the password is ***", "and *** from a child"]
    assert "correct-horse" not in found.out + found.err


def test_leaving_the_debugger_cancels_and_does_not_try_again(bench: Bench) -> None:
    view = bench.run(work("quits_the_debugger", returns=NONE, retry=Retry(attempts=3)), inline=True, max_parallel=1)
    assert bench.states(view) == {"quits_the_debugger": "cancelled"}


def test_without_a_terminal_a_debugger_is_no_good_and_is_not_tried_again(bench: Bench) -> None:
    view = bench.run(
        work("quits_the_debugger", returns=NONE, retry=Retry(attempts=3)),
        mapped("m", const([1]), work("asks", returns=NONE, retry=Retry(attempts=3))),
    )
    for step in view.steps:
        assert step.attempts == 1
        assert step.error is not None
        assert "`pipeglot run TARGET --inline`" in step.error.hint
        assert "`pipeglot replay RUN STEP --pdb`" in step.error.hint
