"""Runs on real engines as a user drives them: the same words, the same JSON, the same exit codes as a run here."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends import CLEANS_CANCELLED, EACH, ENGINES, Engine
from tests.conformance.suite import Backend
from tests.e2e.conftest import ENVIRONMENT, Project
from tests.servers.sandbox import PATIENCE

FLOW = """\
import os
import time

from pipeglot import Retry, current_run, each, pipeline, step

@step
def hello(names: list[str]) -> list[str]:
    print("hello", *names)
    return names

@step(retry=Retry(2))
def greet(name: str) -> str:
    print("greeting", name)
    if name == "b" and current_run().attempt == 1:
        raise ConnectionError("away")
    if name == os.environ.get("BROKEN", "broken"):
        raise ValueError(f"{name} is broken")
    return f"hello {name}"

@step
def last(texts: list[str]) -> int:
    return len(texts)

@pipeline
def greetings(names: list[str] = ["a", "b"]) -> None:
    last(greet.map(each(hello(names))))

@step
def sleepy(path: str) -> None:
    for number in range(3000):
        print("sleeping", number, flush=True)
        time.sleep(0.1)

@step(trigger="all_done")
def clean() -> None:
    print("cleaned")

@pipeline
def napping(path: str = "") -> None:
    clean.after(sleepy(path))()
"""


class Far:
    """A project with a stack of a real engine, and one of this machine on another store."""

    def __init__(self, engine: Engine, server: Any, folder: Path) -> None:
        self.engine = engine
        self.backend: Backend = engine.drive(server)
        self.project = Project(folder)
        self.project.patience = PATIENCE
        self.project.write("flow.py", FLOW)
        local = f"{{backend: local, store: '{folder}/local'}}"
        far = server.stack(folder / "far")
        self.project.write("pipeglot.yaml", f"stacks:\n  local: {local}\n  far: {{{far}}}\n")


@pytest.fixture(scope="module")
def far(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Far:
    server = request.getfixturevalue(request.param)
    return Far(ENGINES[request.param], server, tmp_path_factory.mktemp(request.param))


def shape(value: Any) -> Any:
    """The names and types of an object, all the way down."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


def told(lines: str) -> set[str]:
    """What a run said, without times, ids and addresses."""
    import re

    text = re.sub(r"in [\d.]+ m?s|after [\d.]+ m?s|\(run \w+\)", "", lines)
    kept = [line.rstrip() for line in text.splitlines()]
    return {line for line in kept if line and not line.startswith(("note: ", "  pipeglot", "  File", "… after"))}


@pytest.mark.parametrize("far", EACH, indirect=True)
def test_a_run_there_is_as_one_here_and_goes_on_when_it_is_mended(far: Far) -> None:
    import json

    words = ["run", "flow.py:greetings", "-p", 'names=["a", "b", "broken"]', "--json"]
    there = far.project(*words, "--stack", "far", code=1)
    here = far.project(*words, "--stack", "local", code=1)
    found, local = json.loads(there.out), json.loads(here.out)
    assert found.pop("engine")["run"]
    assert "host" in local.pop("engine")
    assert shape(found) == shape(local)
    assert [(one["id"], one["index"], one["status"], one["attempts"]) for one in found["steps"]] == [
        (one["id"], one["index"], one["status"], one["attempts"]) for one in local["steps"]
    ]
    assert found["lineage_digest"] == local["lineage_digest"]
    expected = {line for line in told(here.err) if not line.startswith("    ")}
    assert expected - told(there.err) == set(), "the same progress, the same failure"
    logs = far.project("runs", "logs", found["run_id"], "greet", "--index", "2", "--stack", "far").out
    assert "greeting broken\n" in logs
    assert "ValueError: broken is broken" in logs

    far.project.replace("flow.py", '"BROKEN", "broken"', '"BROKEN", "none"')
    again = far.project("runs", "resume", found["run_id"], "--stack", "far", "--json")
    resumed = json.loads(again.out)
    assert (resumed["status"], resumed["resumes"]) == ("succeeded", found["run_id"])
    assert {one["id"]: one["cached"] for one in resumed["steps"] if one["id"] != "greet"} == {
        "hello": True,
        "last": False,
    }


@pytest.mark.parametrize("far", EACH, indirect=True)
def test_ctrl_c_ends_it_on_both_sides(far: Far) -> None:
    import json

    process = subprocess.Popen(
        [*far.project.command("run", "flow.py:napping", "--stack", "far", "--json")],
        cwd=far.project.root,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        logs = _until_it_runs(far, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert "sleeping 0\n" in logs, "what a task prints is told while it runs"
    assert process.returncode == 130, err
    assert "cancelling: running steps have 30.0 s to end" in err
    found = json.loads(out)
    cleaned = "cancelled" if CLEANS_CANCELLED in far.engine.lacks else "succeeded"
    assert {one["id"]: one["status"] for one in found["steps"]} == {"sleepy": "cancelled", "clean": cleaned}
    shown = far.project("runs", "show", found["run_id"], "--stack", "far").out
    engine_run = next(line.split()[-1] for line in shown.splitlines() if line.startswith(f"{far.engine.backend} run"))
    assert not far.backend.wait("napping", engine_run), "its clean-up has not turned it green"


def _until_it_runs(far: Far, process: subprocess.Popen[str]) -> str:
    told: list[str] = []
    while process.poll() is None:
        done = far.project("runs", "logs", "latest", "sleepy", "--stack", "far", code=None)
        if done.code == 0 and "sleeping 0\n" in done.out and process.poll() is None:
            return done.out
        told.append(f"{time.monotonic():.1f}: exit {done.code}, {done.out[:200]!r}, {done.err[:300]!r}")
        time.sleep(0.5)
    raise AssertionError("it ended before its first line was told\n" + "\n".join(told))
