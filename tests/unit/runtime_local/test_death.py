"""Whoever dies, however: nothing finished is lost, nothing runs on, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage.view import read_view
from pipeglot.core.workers import pool as pool_module
from pipeglot.core.workers.folders import remove_folders
from pipeglot.runtime_local.listener import Silent
from tests.unit.lineage.build import const, mapped, out
from tests.unit.runtime_local.conftest import NONE, ROOT, Bench, work

DRIVER = """
import signal
import stat
import sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup ignores it
from tests.unit.runtime_local.conftest import NONE, Bench, work
bench = Bench(Path(sys.argv[1]))
marks = {"folder": sys.argv[2]}
signal.signal(signal.SIGINT, lambda *_: None)  # for one that comes when the run is over already
bench.run(
    work("one"),
    work("child_process", given=marks, after=("one",), returns=NONE),
    work("leaves_a_mark", given=marks, after=("one",), returns=NONE),
)
signal.signal(signal.SIGINT, signal.SIG_IGN)
"""


def until(seen: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def runner(bench: Bench, marks: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, in the middle of a step that has a child process."""
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(bench.folder), str(marks)], cwd=ROOT)
    until((marks / "pid").exists)
    until((marks / "began").exists)
    return process


def _gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_a_killed_runner_leaves_no_process_and_a_run_shown_as_lost(
    bench: Bench, marks: Path, runner: subprocess.Popen[bytes]
) -> None:
    child = int((marks / "pid").read_text())
    runner.kill()
    runner.wait()
    until(lambda: _gone(child))
    until((marks / "finally").exists)
    (folder,) = (bench.folder / "work").iterdir()
    temp = (folder / "temp").readlink()
    assert temp.is_dir()
    remove_folders(folder)  # as the next command does
    assert not temp.exists()
    assert not folder.exists()
    (run,) = bench.ledger.runs()
    view = read_view(bench.ledger, bench.artifacts, run)
    assert view.status == "lost"
    assert bench.states(view) == {"one": "succeeded", "child_process": "lost", "leaves_a_mark": "lost"}
    assert bench.run(work("one")).steps[0].cached


def test_a_run_killed_in_a_hook_keeps_what_its_steps_did(bench: Bench, marks: Path) -> None:
    code = DRIVER.partition("bench.run(")[0] + (
        "hook = work('child_process', given=marks, returns=NONE)\n"
        "bench.run(work('one'), on_success=(hook,), on_failure=(work('sad', 'one'),))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(bench.folder), str(marks)], cwd=ROOT)
    until((marks / "pid").exists)
    process.kill()
    process.wait()
    (run,) = bench.ledger.runs()
    view = read_view(bench.ledger, bench.artifacts, run)
    assert (view.status, view.lineage_digest) == ("lost", None)
    assert bench.states(view) == {"one": "succeeded", "sad": "skipped", "child_process": "lost"}


def test_a_second_interrupt_ends_all_at_once(bench: Bench, marks: Path, runner: subprocess.Popen[bytes]) -> None:
    runner.send_signal(signal.SIGINT)
    time.sleep(0.3)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=10) == 0
    (run,) = bench.ledger.runs()
    assert read_view(bench.ledger, bench.artifacts, run).status == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_cancel_too(bench: Bench, number: signal.Signals, runner: subprocess.Popen[bytes]) -> None:
    runner.send_signal(number)
    assert runner.wait(timeout=20) == 0
    (run,) = bench.ledger.runs()
    assert read_view(bench.ledger, bench.artifacts, run).status == "cancelled"
    assert bench.store.size(f"runs/{run}/cancel")


def test_a_process_with_threads_starts_a_new_python_instead_of_forking(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_may_fork", lambda: False)
    view = bench.run(work("one"), work("add", inputs={"x": out("one")}))
    assert bench.value(view, "add") == 1


def test_what_another_thread_starts_gets_no_socket_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep the socket open, and the end of the process at the other end would not be seen."""
    seen: list[int] = []
    spawn = os.posix_spawn

    def meanwhile(*args: Any, **options: Any) -> int:
        open_fds = [int(name) for name in os.listdir("/proc/self/fd")]
        seen.extend(fd for fd in open_fds if fd > 2 and _is_socket(fd) and os.get_inheritable(fd))
        return spawn(*args, **options)

    monkeypatch.setattr(os, "posix_spawn", meanwhile)
    before = {fd for fd in range(3, 64) if _is_socket(fd) and os.get_inheritable(fd)}
    pool_module.Pool(fresh=True).close()
    assert set(seen) <= before


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def test_workers_are_used_again(bench: Bench, marks: Path) -> None:
    view = bench.run(mapped("who", const(list(range(8))), work("who", given={"folder": str(marks)})), max_parallel=2)
    pids = {bench.value(view, "who", i) for i in range(8)}
    assert len(pids) <= 2
    assert os.getpid() not in pids


def test_a_cached_run_starts_no_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run(work("one"))
    monkeypatch.setattr(pool_module.Pool, "spawn", lambda *_: pytest.fail("a worker was started"))
    assert bench.run(work("one")).steps[0].cached


def test_two_runs_at_once_on_one_store(bench: Bench, marks: Path) -> None:
    code = DRIVER.partition("bench.run(")[0] + (
        "from tests.unit.lineage.build import const, mapped\n"
        "view = bench.run(mapped('who', const(list(range(20))), work('who', given=marks)))\n"
        "assert view.status == 'succeeded', view\n"
    )
    command = [sys.executable, "-c", code, str(bench.folder), str(marks)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert len(bench.ledger.runs()) == 3
    assert {read_view(bench.ledger, bench.artifacts, run).status for run in bench.ledger.runs()} == {"succeeded"}


def test_work_folders_are_removed(bench: Bench) -> None:
    bench.run(work("makes_a_file", given={"text": "x"}), work("fail", returns=NONE))
    assert list((bench.folder / "work").iterdir()) == []


class Breaks(Silent):
    """Fails as whatever is ours may, once a step runs."""

    def running(self, cell: Any, attempt: int) -> None:
        raise RuntimeError("something of ours")


@pytest.mark.parametrize("inline", [False, True])
def test_a_run_that_is_given_up_is_lost_though_its_process_lives(bench: Bench, inline: bool) -> None:
    with pytest.raises(RuntimeError, match="something of ours"):
        bench.run(work("one"), work("two", "one"), listener=Breaks(), inline=inline)
    (run,) = bench.ledger.runs()
    end = bench.ledger.ended(run)
    assert end is not None
    assert end.status == "lost"
    assert bench.states(read_view(bench.ledger, bench.artifacts, run)) == {"one": "lost", "two": "lost"}
    assert not list((bench.folder / "work").iterdir())
