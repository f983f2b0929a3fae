"""`runs resume` and `runs cancel`, as a person uses them: what the screen says, and what is then in the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import structs

from pipeglot.client.cancel import Cancellation
from pipeglot.core.lineage.ledger import pack, unpack
from pipeglot.core.lineage.records import Verdict
from tests.e2e.conftest import ENVIRONMENT, Project

FLOW = """\
import os, time
from pathlib import Path
from pipeglot import Cache, pipeline, step

@step(cache=Cache(enabled=False))
def token() -> str:
    return os.urandom(8).hex()

@step
def check(token: str, wait: float) -> str:
    Path("waiting").touch()
    time.sleep(wait)
    if not Path("ok").exists():
        raise ValueError("not ok")
    return token

@pipeline
def made(wait: float = 0.0) -> None:
    check(token(), wait)
"""


@pytest.fixture
def made(project: Project) -> Project:
    project.write("made.py", FLOW)
    return project


def steps(found: dict[str, Any]) -> dict[str, Any]:
    return {step["id"]: step for step in found["steps"]}


def until(seen: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def running(project: Project, *words: str) -> subprocess.Popen[str]:
    """A run that is in the middle of its last step."""
    process = subprocess.Popen(
        project.command("run", "made.py", "-p", "wait=60", *words),
        cwd=project.root,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    until((project.root / "waiting").exists)
    return process


def run_of(project: Project) -> str:
    return str(project("runs", "list", "--json").json[0]["run_id"])


# --- resume -----------------------------------------------------------------------------------------------------------


def test_a_failed_run_goes_on_where_it_was(made: Project) -> None:
    failed = made("run", "made.py", "--tag", "team=risk", "--json", code=1)
    old = failed.json
    short = old["run_id"][:10]
    assert f"  pipeglot runs resume {short}\n      go on with this very run: `token` would run again" in failed.err
    made.write("ok", "")
    done = made("runs", "resume", short, "--json")
    new = done.json
    assert new["status"] == "succeeded"
    assert new["resumes"] == old["run_id"]
    assert new["tags"] == {"team": "risk"}
    assert steps(new)["token"]["cached"]
    assert steps(new)["token"]["origin"]["run"] == old["run_id"]
    assert done.err.startswith(f"resuming run {short} of made, which failed at check\n")
    shown = made("runs", "show", new["run_id"]).out
    assert f"resumes   {old['run_id']}" in shown
    assert "tags      team=risk" in shown
    assert made("runs", "show", new["run_id"], "--json").json == new


def test_nothing_is_left_of_one_that_succeeded(made: Project) -> None:
    made.write("ok", "")
    found = made("run", "made.py", "--json").json
    done = made("runs", "resume", "latest")
    assert done.err == f"run {found['run_id'][:10]} of made succeeded: there is nothing left to do\n"
    assert made("runs", "resume", "latest", "--json").json == found
    assert len(made("runs", "list", "--json").json) == 1


def test_it_fails_as_run_does(made: Project) -> None:
    made("run", "made.py", code=1)
    done = made("runs", "resume", "latest", code=1)
    assert "ValueError: not ok" in done.err
    run = made("runs", "list", "--json").json[0]["run_id"][:10]
    assert done.err.rstrip().splitlines()[-2] == f"  pipeglot runs resume {run}"
    assert done.err.count("pipeglot runs resume") == 1


def test_from_another_folder_and_with_the_parts_that_were_asked_for(made: Project) -> None:
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local}\n")
    made.write("sub/keep", "")
    made("run", "../made.py:made", "--until", "token", "--no-cache", cwd="sub")
    made("run", "../made.py", "--until", "check", cwd="sub", code=1)
    made.write("ok", "")
    found = made("runs", "resume", "latest", "--json", cwd="sub").json
    assert found["status"] == "succeeded"
    assert set(steps(found)) == {"token", "check"}


def test_a_second_pipeline_in_the_file_does_not_confuse_it(made: Project) -> None:
    made("run", "made.py", code=1)
    made.write("made.py", FLOW + "\n@pipeline\ndef other() -> None:\n    token()\n")
    made.write("ok", "")
    assert made("runs", "resume", "latest", "--json").json["pipeline"] == "made"


def test_a_moved_file_is_named(made: Project) -> None:
    made("run", "made.py", code=1)
    (made.root / "made.py").rename(made.root / "moved.py")
    refused = made("runs", "resume", "latest", code=2)
    assert "there is no file `made.py`" in refused.err
    made.write("ok", "")
    made("runs", "resume", "latest", "moved.py")


def test_parameters_that_have_changed_are_told(made: Project) -> None:
    made("run", "made.py", code=1)
    made.write("ok", "")
    made.replace("made.py", "wait: float = 0.0)", "wait: int = 0, more: int = 3)")
    done = made("runs", "resume", "latest", "--json")
    assert done.json["params"] == {"wait": 0, "more": 3}
    assert "note: parameter `wait` had type float in that run, and has type int now\n" in done.err
    assert "note: parameter `more` is new since that run: its default is taken\n" in done.err
    made.replace("made.py", "wait: int = 0, more: int = 3)", "wait: int = 0)")
    (made.root / "ok").unlink()
    made("run", "made.py", "--no-cache", code=1)
    made.replace("made.py", "def made(wait: int = 0)", "def made(wait: str = '')")
    made.replace("made.py", "check(token(), wait)", "check(token(), 0.0)")
    refused = made("runs", "resume", "latest", code=2)
    assert "error: parameter `wait` must be str, not 0 (it had type int in run `" in refused.err
    assert "hint: run the pipeline anew: `pipeglot run TARGET -p …`" in refused.err


def test_another_pipeline_is_refused(made: Project) -> None:
    made("run", "made.py", code=1)
    made.write("other.py", FLOW.replace("def made", "def other"))
    refused = made("runs", "resume", "latest", "other.py", code=2)
    assert "is of pipeline `made`, and this is `other`" in refused.err


def test_a_running_one_is_refused(made: Project) -> None:
    process = running(made)
    try:
        run = run_of(made)[:10]
        refused = made("runs", "resume", "latest", code=2)
        assert f"error: run `{run}` is still running, on `{os.uname().nodename}`  [usage]\n" in refused.err
        assert f"hint: wait for it, or stop it: `pipeglot runs cancel {run}`\n" in refused.err
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel_ends_a_run_of_another_terminal(made: Project) -> None:
    process = running(made)
    run = run_of(made)
    done = made("runs", "cancel", run[:6])
    assert done.out == f"run {run[:10]} of made is cancelled\n"
    host = os.uname().nodename
    assert done.err == f"asked to stop; waiting for its steps on {host} to end (Ctrl-C stops waiting only)\n"
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "made was cancelled after" in told
    assert made("runs", "cancel", run).out == f"run {run[:10]} of made is over already: cancelled\n"
    made.write("ok", "")
    made.replace("made.py", "time.sleep(wait)", "pass")
    assert made("runs", "resume", run, "--json").json["status"] == "succeeded"


def test_cancel_without_waiting(made: Project) -> None:
    process = running(made)
    told = "step `check` has not ended: what a step prints is kept when it ends\n"
    assert made("runs", "logs", "latest", "check").err == told
    found = made("runs", "cancel", "latest", "--no-wait", "--json").json
    assert (found["outcome"], found["status"]) == ("asked", "running")
    process.communicate(timeout=30)
    assert process.returncode == 130


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_cancel_closes_a_run_whose_process_is_gone(made: Project) -> None:
    kill(running(made))
    run = run_of(made)
    assert made("runs", "list", "--json").json[0]["finished"] is None
    gone = "was lost, and with it what it had printed: logs are kept when a step ends\n"
    assert made("runs", "logs", "latest", "check").err == f"step `check` {gone}"
    done = made("runs", "cancel", "latest", "--json")
    jsonschema.validate(done.json, msgspec.json.schema(Cancellation))
    assert (done.json["outcome"], done.json["status"]) == ("closed", "lost")
    (listed,) = made("runs", "list", "--json").json
    assert listed["finished"] is not None
    assert listed["seconds"] is None  # that is when it was closed
    assert made("runs", "cancel", run).out == f"run {run[:10]} of made is over already: lost\n"
    assert {step["status"] for step in made("runs", "show", run, "--json").json["steps"]} == {"succeeded", "lost"}


def test_the_next_start_closes_it_too(made: Project) -> None:
    kill(running(made))
    run = run_of(made)
    made.write("ok", "")
    done = made("run", "made.py", "--until", "token")
    note = f"note: run `{run[:10]}` of `made` was killed: it is now recorded as lost; `pipeglot runs resume {run[:10]}`"
    assert done.err.startswith(note)
    assert made("runs", "cancel", run).out.endswith("is over already: lost\n")
    assert "was killed" not in made("run", "made.py", "--until", "token").err
    assert list((made.root / ".pipeglot" / "run" / os.uname().nodename).iterdir()) == []


def test_a_killed_run_is_resumed_at_once(made: Project) -> None:
    kill(running(made))
    run = run_of(made)
    made.write("ok", "")
    made.replace("made.py", "time.sleep(wait)", "pass")
    found = made("runs", "resume", "latest", "--json").json
    assert steps(found)["token"]["cached"]
    assert made("runs", "show", run, "--json").json["status"] == "lost"


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_lost_run_whose_store_cannot_be_read_does_not_stop_the_next(made: Project, comes_back: bool) -> None:
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: here}\n  other: {backend: local}\n")
    kill(running(made, "--stack", "local"))
    mark = made.root / "here" / "store.json"
    before = mark.read_bytes()
    if comes_back:  # it is not there at the moment
        mark.unlink()
        mark.mkdir()
    else:  # a later pipeglot has been at work
        mark.write_text('{"format": 99}')
    words = ["run", "made.py", "--until", "token", "--stack", "other"]
    assert "` was killed, and cannot be recorded as lost: " in made(*words).err
    again = made(*words).err
    assert ("cannot be recorded as lost: " in again) == comes_back
    if comes_back:
        mark.rmdir()
        mark.write_bytes(before)
        assert "` of `made` was killed: it is now recorded as lost" in made(*words).err


def test_a_run_of_another_machine_is_asked_and_closed_by_force_only(
    made: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kill(running(made))
    run = run_of(made)
    from pipeglot.cli.main import main
    from pipeglot.client import cancel
    from pipeglot.core.lineage import processes

    monkeypatch.setattr(processes, "host", lambda: "another")
    monkeypatch.setattr(cancel, "PATIENCE", 0.3)
    assert main(["runs", "cancel", run, "-C", str(made.root)]) == 1
    said = capsys.readouterr()
    assert said.out == f"run {run[:10]} of made is asked to stop\n"
    assert f"or its process is gone, close the run: `pipeglot runs cancel {run[:10]} --force`" in said.err
    assert main(["runs", "cancel", run, "--force", "--json", "-C", str(made.root)]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "cancelled"


def test_on_another_stack_what_is_not_as_it_was_is_told_first(made: Project) -> None:
    """The two stacks have one store. Versions as they were recorded on the first are held against those here."""
    one = "{backend: local, store: .pipeglot/store}"
    made.write("pipeglot.yaml", f"stacks:\n  local: {one}\n  laptop: {one}\n")
    made("run", "made.py", "--stack", "local", code=1)
    for verdict in made.root.glob(".pipeglot/store/runs/*/v/token/-/1"):
        record = unpack(verdict.read_bytes(), "x")
        assert isinstance(record, Verdict)
        seen = structs.replace(record.observed, python="3.9.1", packages={"no-such": "2"})
        verdict.chmod(0o600)
        verdict.write_bytes(pack(structs.replace(record, observed=seen)))
    head = "def check(token: str, wait: float) -> str:"
    made.replace("made.py", head, f"{head}\n    wait += 0")
    made.write("ok", "")
    lines = made("runs", "resume", "latest", "--stack", "laptop").err.splitlines()
    run = lines[0].split()[2]
    assert lines[1] == f"note: run {run} was on stack `local` (local), and goes on on `laptop` (local)"
    assert lines[2] == "note: the code of `check` is not what it was: what came of it is not taken over"
    here = ".".join(map(str, sys.version_info[:3]))
    assert lines[3] == f"note: other versions than there: Python 3.9.1 → {here}, no-such 2 → not installed"
    assert lines[4] == "token: cached"


def test_on_a_stack_of_another_store_it_is_not_found(made: Project) -> None:
    made.write(
        "pipeglot.yaml",
        "stacks:\n  local: {backend: local, store: here}\n  far: {backend: local, store: there}\n"
        "  away: {backend: local, store: 'ftp://nobody/knows'}\n",
    )
    made("stack", "set", "local")
    made("run", "made.py", code=1)
    run = made("runs", "list", "--json").json[0]["run_id"]
    refused = made("runs", "resume", run, "--stack", "far", code=2).err
    root = f"file://{made.root.resolve()}"
    assert f"run `{run}` is in `{root}/here`, and stack `far` has `{root}/there`" in refused
    assert "hint: a run goes on in its own store: give `far` the `store:` of stack `local`" in refused
    assert "has no run `nothere`" in made("runs", "resume", "nothere", "--stack", "far", code=2).err
    told = made("replay", "nothere", "check", code=2).err
    assert "other stores are those of `far`, `away`: `--stack NAME` looks there" in told
