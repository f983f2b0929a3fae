"""Runs whose machine is not this one: lost from sight, come back, closed and resumed meanwhile. With real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeglot.cli.main import main
from pipeglot.client import cancel
from tests.e2e.conftest import ENVIRONMENT, Project

ROOT = Path(__file__).parents[2]

PIPELINE = """\
import os
import time
from pathlib import Path

from pipeglot import pipeline, step

HERE = Path(__file__).parent

@step(cache=False)
def first() -> list[int]:
    return [1, 2]

@step(cache=False)
def slow(xs: list[int]) -> int:
    print("epoch 1")
    if "WAITS" in os.environ:
        (HERE / "begun").touch()
        try:
            while not (HERE / "go").exists():
                time.sleep(0.02)
        finally:
            time.sleep(float(os.environ.get("ENDS_IN", "0")))
        return 1000
    return sum(xs)

@step(cache=False)
def last(x: int) -> int:
    with (HERE / "calls").open("a") as calls:
        calls.write(f"{os.environ.get('WAITS', 'here')}\\n")
    return x + 1

@pipeline
def p() -> None:
    last(slow(first()))
"""


class Away:
    """A run that was begun on another machine."""

    def __init__(self, project: Project, **env: str) -> None:
        self.project = project
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.far", "run", "p.py", "--json", "-C", str(project.root)],
            cwd=ROOT,
            env={**ENVIRONMENT, "WAITS": "away", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        until((project.root / "begun").exists)
        (self.run,) = [one["run_id"] for one in self.listed()]

    def listed(self) -> Any:
        return self.project("runs", "list", "--json").json

    def status(self) -> str:
        return str(next(one["status"] for one in self.listed() if one["run_id"] == self.run))

    def beats(self) -> int:
        return sum(1 for _ in self.project.root.glob(f".pipeglot/store/runs/{self.run}/t/**/[0-9]*"))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """And the workers: they are in groups of their own, and end when their runner does."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.communicate()


def until(what: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.05)


@pytest.fixture
def away(project: Project) -> Iterator[Callable[..., Away]]:
    project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store}\n")
    project.write("p.py", PIPELINE)
    begun: list[Away] = []

    def begin(**env: str) -> Away:
        begun.append(Away(project, **env))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


def test_a_machine_that_sleeps_is_silent_and_then_goes_on(project: Project, away: Callable[..., Away]) -> None:
    run = away()
    until(lambda: run.beats() >= 2)
    assert run.status() == "running"
    run.signal(signal.SIGSTOP)
    until(lambda: run.status() == "lost")
    shown = project("runs", "show", run.run).out
    assert "lost: last heard of at " in shown
    assert ", from `far-away`" in shown
    assert shown.rstrip().endswith("  epoch 1")
    (slow,) = [one for one in project("runs", "show", run.run, "--json").json["steps"] if one["id"] == "slow"]
    assert (slow["status"], slow["tail"]) == ("lost", "epoch 1")
    told = project("runs", "logs", run.run).out
    assert told == "--- slow, attempt 1, the last lines so far ---\nepoch 1\n"
    run.signal(signal.SIGCONT)
    until(lambda: run.status() == "running")
    (project.root / "go").touch()
    code, _, err = run.ends()
    assert code == 0, err
    assert run.status() == "succeeded"
    assert project("artifact", "get", f"{run.run}/last/output").out == "1001\n"


@pytest.mark.parametrize("whole", [False, True], ids=["its runner stops", "its runner and its worker stop"])
def test_a_zombie_changes_nothing(project: Project, away: Callable[..., Away], whole: bool) -> None:
    run = away()
    until(lambda: run.beats() >= 1)
    workers = children(run.process.pid) if whole else []
    for pid in [run.process.pid, *workers]:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: run.status() == "lost")
    resumed = project("runs", "resume", run.run, "--json")
    assert "of p, which was last heard of at " in resumed.err
    assert " and is now recorded as lost" in resumed.err
    made = resumed.json
    assert {one["id"]: (one["status"], one["cached"]) for one in made["steps"]} == {
        "first": ("succeeded", True),
        "slow": ("succeeded", False),
        "last": ("succeeded", False),
    }
    before = everything(project, run.run, made["run_id"])
    (project.root / "go").touch()
    for pid in [*workers, run.process.pid]:
        os.kill(pid, signal.SIGCONT)
    code, out, err = run.ends()
    assert code == 1
    assert f"run `{run.run[:10]}` was recorded as lost by another process, for this one was not heard of" in err + out
    assert '"code": "closed"' in out
    assert everything(project, run.run, made["run_id"]) == before
    assert (project.root / "calls").read_text() == "here\n", "`last` ran in the resumed run only"
    assert project("artifact", "get", f"{made['run_id']}/last/output").out == "4\n"
    assert project("store", "verify").out.endswith("all is there, and whole\n")
    assert project("runs", "logs", run.run, "slow").out.startswith("epoch 1"), "kept when it was closed"


def children(pid: int) -> list[int]:
    """All processes below one, as far as they go."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for one in map(int, told) for each in [one, *children(one)]]


def everything(project: Project, *runs: str) -> list[Any]:
    """What can be told of the runs, by the index and by the ledger."""
    found = [project("runs", "show", run, "--json").json for run in runs]
    found += [project("lineage", run, "--json").out for run in runs]
    return [project("runs", "list", "--json").json, *found]


def test_a_silent_run_that_is_stopped_is_closed_if_it_does_not_answer(
    project: Project, away: Callable[..., Away], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = away()
    until(lambda: run.beats() >= 1)
    run.signal(signal.SIGSTOP)
    until(lambda: run.status() == "lost")
    monkeypatch.setattr(cancel, "ANSWER", 0.5)
    assert main(["runs", "cancel", run.run, "-C", str(project.root)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"run {run.run[:10]} of p was last heard of at ")
    assert told.endswith(": it is now recorded as cancelled\n")
    run.signal(signal.SIGCONT)
    code, out, _ = run.ends()
    assert (code, '"code": "closed"' in out) == (1, True)
    assert "was recorded as cancelled by another process" in out


def test_one_whose_clock_is_wrong_answers_and_is_not_closed(
    project: Project, away: Callable[..., Away], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its clock it was last heard of hours ago; and its step takes longer to end than an answer may take."""
    run = away(FAR_CLOCK="-7200", ENDS_IN="5")
    until(lambda: run.beats() >= 1)
    assert run.status() == "lost"
    monkeypatch.setattr(cancel, "ANSWER", 3.0)
    assert main(["runs", "cancel", run.run, "--json", "-C", str(project.root)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["status"], found["host"]) == ("stopped", "cancelled", "far-away")
    code, out, _ = run.ends()
    assert (code, json.loads(out)["status"]) == (130, "cancelled")


def test_one_that_was_killed_is_resumed_from_elsewhere(project: Project, away: Callable[..., Away]) -> None:
    run = away()
    until(lambda: run.beats() >= 1)
    assert "is still running, on `far-away`" in project("runs", "resume", run.run, code=2).err
    run.kill()
    until(lambda: run.status() == "lost")
    assert project("runs", "list", "--status", "lost", "--json").json[0]["run_id"] == run.run
    assert project("runs", "resume", run.run, "--json").json["status"] == "succeeded"
    (project.root / ".pipeglot/index").rename(project.root / "hidden")
    assert [one["status"] for one in run.listed()] == ["succeeded", "lost"]
