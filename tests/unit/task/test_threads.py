"""Tasks that are threads of one process: each attempt in a worker of its own, all of them from one place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.errors import Cancelled
from pipeglot.core.ir import Retry
from pipeglot.core.task.places import Threads
from pipeglot.core.task.task import TaskRun
from tests.unit.lineage.build import item, mapped, out
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import ROOT, Engine
from tests.unit.task.test_processes import is_gone, wait_for


class Hall:
    """A place, and what its steps printed, by the thread of each task."""

    def __init__(self) -> None:
        self.shown: dict[int, str] = {}
        self.place = Threads(self._show, 3.0)

    def _show(self, text: str) -> None:
        me = threading.get_ident()
        self.shown[me] = self.shown.get(me, "") + text

    def run(self, engine: Engine) -> TaskRun:
        return TaskRun(engine.deployed, engine.run, place=self.place)


@pytest.fixture
def hall() -> Iterator[Hall]:
    found = Hall()
    yield found
    found.place.close()


def test_many_at_once_make_one_run(engine: Engine, hall: Hall) -> None:
    numbers = work("numbers", given={"n": 20})
    engine.deploy(
        numbers,
        mapped("each", out("numbers"), work("add", inputs={"x": item("each")}, given={"y": 1})),
        work("total", inputs={"xs": out("add")}),
    )
    run = hall.run(engine)
    assert run.step("numbers").status == "succeeded"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: run.step("add", tuple(index)), run.items("add")))
    assert {one.status for one in found} == {"succeeded"}
    assert run.step("total").status == "succeeded"
    assert engine.value("total") == sum(range(20)) + 20
    pids = {entry.verdict.observed.pid for entry in engine.state.entries.values() if entry.verdict is not None}
    assert len(pids) <= 5, "workers are there for the next step"


def test_what_a_step_prints_is_shown_in_its_own_thread(engine: Engine, hall: Hall) -> None:
    numbers = work("numbers", given={"n": 3})
    engine.deploy(numbers, mapped("each", out("numbers"), work("says", inputs={"words": item("each")}, returns=NONE)))
    run = hall.run(engine)
    run.step("numbers")
    threads = [threading.Thread(target=run.step, args=("says", (number,))) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for number, thread in enumerate(threads):
        assert f"print {number}\nraw {number}\nchild {number}\n" in hall.shown[thread.ident or 0]


def test_a_worker_that_dies_is_not_there_for_the_next_step(engine: Engine, hall: Hall) -> None:
    engine.deploy(work("segfault", returns=NONE), work("one"))
    run = hall.run(engine)
    failed = run.step("segfault")
    assert failed.failure is not None
    assert "SIGSEGV" in failed.failure.message
    assert run.step("one").status == "succeeded"


DRIVER = """
import sys
import threading
from pathlib import Path
from pipeglot.core.task.places import Threads
from pipeglot.core.task.task import TaskRun
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import Engine
engine = Engine(Path(sys.argv[1]))
names = [f"sleeps_{number}" for number in range(3)]
engine.deploy(*(work(name, "child_process", given={"folder": sys.argv[2]}, returns=NONE) for name in names))
place = Threads(lambda text: None, 3.0)
run = TaskRun(engine.deployed, engine.run, place=place)
threads = [threading.Thread(target=run.step, args=(name,)) for name in names]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_what_threads_run_ends_with_a_process_that_is_killed(tmp_path: Path, marks: Path) -> None:
    """With its child processes, though nobody is left to tell them."""
    environment = {**os.environ, "PIPEGLOT_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path), str(marks)], cwd=ROOT, env=environment)
    pid = wait_for(marks)
    process.kill()
    process.wait()
    assert is_gone(pid)


def test_told_to_end_it_ends_what_runs_and_begins_nothing_but_what_cleans_up(
    engine: Engine, hall: Hall, marks: Path
) -> None:
    engine.deploy(
        work("child_process", given={"folder": str(marks)}, returns=NONE),
        work("one"),
        work("tidy", given={"folder": str(marks)}, returns=NONE, trigger="all_done", after=("child_process", "one")),
    )
    run = hall.run(engine)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run.step, "child_process")
        pid = wait_for(marks)
        hall.place.tell()
        with pytest.raises(Cancelled, match="step `child_process` was cancelled"):
            running.result(30)
    assert is_gone(pid)
    with pytest.raises(Cancelled, match="step `one` was cancelled before it began"):
        run.step("one")
    assert run.step("tidy").status == "succeeded"
    assert engine.states == {"child_process": "cancelled", "one": "cancelled", "tidy": "succeeded"}


def test_told_to_end_it_waits_for_no_retry(engine: Engine, hall: Hall, marks: Path) -> None:
    retry = Retry(attempts=3, delay=600.0)
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 9}, retry=retry))
    run = hall.run(engine)
    assert run.step("flaky").status == "retry"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run.step, "flaky", attempt=2)
        try:
            while not any("begins in" in text for text in list(hall.shown.values())):
                assert not waiting.done()
                time.sleep(0.01)
        finally:
            hall.place.tell()
        with pytest.raises(Cancelled):
            waiting.result(30)
    assert engine.states == {"flaky": "cancelled"}


def test_what_is_closed_leaves_no_process(engine: Engine, hall: Hall) -> None:
    engine.deploy(work("one"))
    run = hall.run(engine)
    run.step("one")
    (verdict,) = (entry.verdict for entry in engine.state.entries.values())
    assert verdict is not None
    hall.place.close()
    assert is_gone(verdict.observed.pid)
    assert not list((engine.folder / "cache").glob("task-*"))
    engine.run = structs.replace(engine.run, id="manual__2", params={"n": 8})
    assert hall.run(engine).step("one").cached, "and another run may begin"


def test_a_secret_that_the_engine_holds_reaches_a_worker_that_was_there_before(engine: Engine, hall: Hall) -> None:
    secrets = {"PASSWORD": "vault:here"}
    engine.deploy(work("one"), work("tells_its_secret", returns=NONE, secrets=("PASSWORD",)), secrets=secrets)
    run = TaskRun(engine.deployed, engine.run, secrets=lambda name, place: f"{name} in {place}", place=hall.place)
    run.step("one")
    failed = run.step("tells_its_secret")
    assert failed.failure is not None
    assert failed.failure.type == "ValueError"
    assert "cannot log in with" in failed.failure.message
    pids = {entry.verdict.observed.pid for entry in engine.state.entries.values() if entry.verdict is not None}
    assert len(pids) == 1
    told = failed.failure.message + "".join(hall.shown.values())
    assert "the password is" in told
    assert "PASSWORD in vault:here" not in told


def test_what_makes_workers_may_die(engine: Engine, hall: Hall) -> None:
    engine.deploy(work("segfault", returns=NONE), work("one"), work("numbers", given={"n": 2}))
    run = hall.run(engine)
    run.step("segfault")
    assert hall.place._nursery is not None
    os.kill(hall.place._nursery._child, signal.SIGKILL)
    os.waitid(os.P_PID, hall.place._nursery._child, os.WEXITED | os.WNOWAIT)  # it still takes orders until then
    for bench in hall.place._idle:
        bench.close()
    hall.place._idle.clear()
    assert run.step("one").status == "succeeded"
    assert run.step("numbers").status == "succeeded"


def test_after_its_end_nothing_begins(engine: Engine, hall: Hall) -> None:
    engine.deploy(work("one"))
    run = hall.run(engine)
    hall.place.close()
    with pytest.raises(Cancelled, match="step `one` was cancelled before it began"):
        run.step("one")
