"""What happens to the process of a task, and to that of its step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from pipeglot.core.clouds.asking import Trouble
from pipeglot.core.clouds.secrets import Managers
from pipeglot.core.errors import Cancelled, StepError
from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.ledger import now
from pipeglot.core.lineage.records import Cancel
from pipeglot.core.secret_places import InCloud
from pipeglot.core.task import closing
from pipeglot.core.task.task import TaskRun
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import ROOT, THREE, Engine


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("busy_in_c", "ran longer than its timeout of 0.3 s"),
        ("sleeps_in_a_thread", "ran longer than its timeout of 0.3 s"),
    ],
)
def test_a_timeout_ends_it(engine: Engine, function: str, message: str) -> None:
    engine.deploy(work(function, returns=NONE, timeout=0.3))
    found = engine.step(function)
    assert found.failure is not None
    assert (found.status, found.failure.cause, found.failure.message) == ("failed", "timeout", message)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("killed", "the process that ran the step was ended by SIGKILL"),
        ("segfault", "the process that ran the step was ended by SIGSEGV"),
        ("exits", "the process that ran the step ended with exit code"),
    ],
)
def test_a_process_that_dies_is_a_failed_attempt(engine: Engine, function: str, message: str) -> None:
    before = signal.signal(signal.SIGSEGV, lambda *_: None)  # as Airflow leaves one
    try:
        engine.deploy(work(function, returns=NONE, retry=THREE))
        found = engine.step(function)
    finally:
        signal.signal(signal.SIGSEGV, before)
    assert found.status == "retry"
    assert found.failure is not None
    assert found.failure.message.startswith(message)


def test_what_it_prints_is_shown_and_kept(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret-value")
    engine.deploy(work("prints_its_secret", returns=NONE, secrets=("PASSWORD",)), secrets={"PASSWORD": "env:PASSWORD"})
    assert engine.step("prints_its_secret").status == "succeeded"
    shown = capsys.readouterr().out
    assert "***" in shown
    assert "s3cret-value" not in shown
    assert engine.view.steps[0].log is not None


def held(name: str, place: str) -> str:
    if name != "PASSWORD":
        raise StepError(f"secret `{name}`: this engine has no `{place}`", hint="make it")
    return "s3cret-value"


HELD = {"PASSWORD": "engine:password", "OTHER": "engine:other"}


def test_a_secret_that_the_engine_holds(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.deploy(work("prints_its_secret", returns=NONE, secrets=("PASSWORD",)), secrets=HELD)
    task = TaskRun(engine.deployed, engine.run, secrets=held)
    assert task.step("prints_its_secret").status == "succeeded"
    shown = capsys.readouterr().out
    assert "***" in shown
    assert "s3cret-value" not in shown
    for file in (path for path in engine.folder.rglob("*") if path.is_file()):
        assert b"s3cret-value" not in file.read_bytes(), file


def test_a_secret_in_a_cloud(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task asks for it, once, and tells the process of the step, which need not reach the manager."""
    asked: list[str] = []

    def read(_: Managers, place: InCloud) -> str:
        asked.append(f"{place.kind} {place.name} {os.getpid() == here}")
        return "correct-horse"

    here = os.getpid()
    monkeypatch.setattr(Managers, "read", read)
    step = work("prints_its_secret", returns=NONE, secrets=("PASSWORD",))
    engine.deploy(step, secrets={"PASSWORD": "gcp:projects/acme/secrets/token"})
    task = TaskRun(engine.deployed, engine.run, secrets=held)
    assert task.step("prints_its_secret").status == "succeeded"
    assert asked == ["gcp projects/acme/secrets/token True"]
    shown = capsys.readouterr().out
    assert ("***" in shown, "correct-horse" in shown) == (True, False)


def test_a_secret_in_a_cloud_that_does_not_let_us(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Managers, place: InCloud) -> str:
        raise Trouble(f"it does not let us read `{place.name}`", "ask for the role", away="away" in place.name)

    monkeypatch.setattr(Managers, "read", refuse)
    secrets = {"ONE": "aws:one", "TWO": "aws:away"}
    one, two = (work(name, secrets=(asked,), retry=THREE) for name, asked in (("one", "ONE"), ("add", "TWO")))
    engine.deploy(one, two, secrets=secrets)
    found = TaskRun(engine.deployed, engine.run).step("one")
    assert found.status == "failed"
    assert found.failure is not None
    assert found.failure.message == "secret `ONE`: it does not let us read `one`"
    assert found.failure.hint == "ask for the role"
    assert TaskRun(engine.deployed, engine.run).step("add").status == "retry", "it may be back for the next attempt"


def test_only_the_secrets_that_a_step_asks_for_are_read(engine: Engine) -> None:
    asked: list[str] = []

    def note(name: str, place: str) -> str:
        asked.append(place)
        return held(name, place)

    engine.deploy(work("one"), work("prints_its_secret", returns=NONE, secrets=("PASSWORD",)), secrets=HELD)
    for step in ("one", "prints_its_secret", "one"):
        assert TaskRun(engine.deployed, engine.run, secrets=note).step(step).status == "succeeded"
    assert asked == ["engine:password"]


def test_a_secret_that_the_engine_does_not_have_fails_the_step(engine: Engine) -> None:
    engine.deploy(work("one", secrets=("OTHER",), retry=THREE), secrets=HELD)
    found = TaskRun(engine.deployed, engine.run, secrets=held).step("one")
    assert found.status == "failed", "another try has no better chance"
    assert found.failure is not None
    assert found.failure.message == "secret `OTHER`: this engine has no `engine:other`"
    assert engine.states == {"one": "failed"}


TASK = """
import sys
from tests.unit.task.conftest import Engine
from pathlib import Path
from pipeglot.core.task.deployed import read_deployed
from pipeglot.core.task.joining import RESERVED, EngineRun
from pipeglot.core.task.task import TaskRun
import json
task = TaskRun(read_deployed(json.loads(sys.argv[1])), EngineRun(id="manual__1", params={"n": 7}))
print("begun", flush=True)
print(task.step(sys.argv[2]).status, flush=True)
"""


def started(engine: Engine, step: str) -> subprocess.Popen[str]:
    given = msgspec.json.encode(engine.deployed).decode()
    process = subprocess.Popen(
        [sys.executable, "-c", TASK, given, step], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def wait_for(marks: Path) -> int:
    """The process that a step says it is."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for file in marks.iterdir():
            text = file.read_text().strip()
            if text:
                return int(text)
        time.sleep(0.02)
    raise AssertionError("the step has not begun")


def is_gone(pid: int) -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_task_that_is_told_to_end_ends_its_step_and_says_so(engine: Engine, marks: Path) -> None:
    engine.deploy(work("child_process", given={"folder": str(marks)}, returns=NONE))
    process = started(engine, "child_process")
    pid = wait_for(marks)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert "Cancelled: step `child_process` was cancelled" in told
    assert is_gone(pid)
    assert engine.states == {"child_process": "cancelled"}


def test_a_task_that_is_killed_leaves_no_process(engine: Engine, marks: Path) -> None:
    engine.deploy(
        work("child_process", given={"folder": str(marks)}, returns=NONE),
        work("tidy", given={"folder": str(marks)}, returns=NONE, trigger="all_done", after=("child_process",)),
    )
    process = started(engine, "child_process")
    pid = wait_for(marks)
    process.kill()
    process.communicate(timeout=30)
    assert is_gone(pid)
    assert engine.states["child_process"] == "running", "nobody has said yet that it is over"
    assert engine.step("tidy").status == "succeeded"
    assert engine.states == {"child_process": "lost", "tidy": "succeeded"}


def test_a_task_of_an_engine_that_has_closed_its_streams(engine: Engine) -> None:
    """As the executor of Airflow 3 does."""
    engine.deploy(work("says", given={"words": "hello"}, returns=NONE))
    given = msgspec.json.encode(engine.deployed).decode()
    closed = 'exec "$@" 0<&- 1>&- 2>&-'
    subprocess.run(["sh", "-c", closed, "sh", sys.executable, "-c", TASK, given, "says"], cwd=ROOT, check=True)
    assert engine.states == {"says": "succeeded"}
    assert engine.view.steps[0].log is not None


REPLACED = "import os, sys\nsys.stdout, sys.stderr = os.fdopen(1, 'w', buffering=1), os.fdopen(2, 'w')\n"


def test_a_task_of_an_engine_that_has_streams_of_its_own(engine: Engine) -> None:
    """As Airflow 3 has: they close the descriptor when they go."""
    engine.deploy(work("says", given={"words": "hello"}, returns=NONE))
    given = msgspec.json.encode(engine.deployed).decode()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            REPLACED + TASK.replace('print("begun"', 'del sys.__stdout__; print("begun"'),
            given,
            "says",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hello" in done.stdout
    assert engine.states == {"says": "succeeded"}


def test_a_run_that_somebody_cancels_in_the_ledger(engine: Engine) -> None:
    engine.deploy(work("busy_in_python", returns=NONE))
    run = engine.task().start.run
    engine.ledger.cancel(Cancel(run=run, at=now().isoformat()))
    engine.schedule = Schedule(first=0.2)
    with pytest.raises(Cancelled, match="step `busy_in_python` was cancelled"):
        engine.step("busy_in_python")
    assert engine.states == {"busy_in_python": "cancelled"}


@pytest.mark.parametrize(
    ("ran", "cancelled", "found"),
    [
        (["one", "add"], False, "succeeded"),
        (["one"], False, "lost"),
        (["one"], True, "cancelled"),
        (["one", "fail"], False, "failed"),
    ],
)
def test_an_engine_is_told_how_its_run_has_ended(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ran: list[str], cancelled: bool, found: str
) -> None:
    monkeypatch.setattr(closing, "PATIENCE", 0.0)
    last = work("fail", returns=NONE) if "fail" in ran else work("add", given={"x": 1, "y": 2})
    engine.deploy(work("one"), last, on_failure=(work("hook", "one"),))
    for name in ran:
        engine.step(name)
    run = engine.task().start.run
    if cancelled:
        engine.ledger.cancel(Cancel(run=run, at=now().isoformat()))
    assert engine.task().outcome() == found
    assert engine.states[last.id] == found, "what was open is closed"
    assert engine.state.finished == (found == "succeeded"), "else the hook comes after it"
