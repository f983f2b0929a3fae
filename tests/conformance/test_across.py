"""One run on an engine and on the laptop: it fails there, is looked into here, goes on here, and the other way round.

What is told of a run to others (OpenLineage) is told alike, wherever it ran.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.events import portable
from tests.conformance.live import ancestor, until, written
from tests.e2e.conftest import Project
from tests.servers.airflow import Airflow
from tests.servers.kfp import Kfp
from tests.servers.prefect import Prefect
from tests.servers.sandbox import PATIENCE

FLOW = """\
from pipeglot import Cache, current_run, each, pipeline, step

BAD = "none"


@step(cache=Cache(enabled=False))
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(cache=Cache(enabled=False))
def double(n: int) -> int:
    return 2 * n


@step
def total(ns: list[int]) -> int:
    if current_run().backend == BAD:
        raise ValueError("there is too little memory")
    return sum(ns)


@pipeline
def flow(count: int = 3) -> None:
    total(double.map(each(numbers(count))))
"""


class Both:
    """A project with a stack here and others there, on one store."""

    def __init__(self, folder: Path, **there: Any) -> None:
        self.project = Project(folder / "project")
        self.project.patience = PATIENCE
        self.project.write("flow.py", FLOW)
        stacks = {"here": f"backend: local, store: '{folder}/store', trusted: true"}
        stacks |= {name: engine.stack(folder / "store") for name, engine in there.items()}
        stacks["apart"] = f"backend: local, store: '{folder}/other', trusted: true"
        lines = [f"  {name}: {{{words}}}\n" for name, words in stacks.items()]
        self.project.write("pipeglot.yaml", f"stacks:\n{''.join(lines)}")
        self.project("stack", "set", "here")

    def run(self, stack: str, *words: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.project("run", "flow.py", "--stack", stack, "--json", *words, code=code).json
        return found

    def breaks_on(self, backend: str) -> None:
        text = (self.project.root / "flow.py").read_text()
        (line,) = [one for one in text.splitlines() if one.startswith("BAD = ")]
        self.project.replace("flow.py", line, f'BAD = "{backend}"')

    def events(self, run: str) -> list[dict[str, Any]]:
        lines = self.project("lineage", "export", run, "--openlineage").out.splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def both(tmp_path: Path, kfp: Kfp) -> Both:
    return Both(tmp_path, there=kfp)


@pytest.mark.parametrize(("first", "second"), [("there", "here"), ("here", "there")])
def test_what_failed_on_one_goes_on_on_the_other(both: Both, first: str, second: str) -> None:
    backends = {"there": "kfp", "here": "local"}
    both.breaks_on(backends[first])
    failed = both.run(first, code=1)
    replayed = both.project("replay", failed["run_id"], "total", "--json", code=None).json
    assert (replayed["code"], replayed["status"]) == (None, "failed")
    assert replayed["failure"]["message"] == "there is too little memory"

    both.breaks_on("none")
    again = both.project("replay", failed["run_id"], "total", "--json").json
    assert again["code"] is not None, "it is said that the code is another one"
    assert again["status"] == "succeeded"

    done = both.project("runs", "resume", failed["run_id"], "--stack", second, "--json")
    resumed = done.json
    short = failed["run_id"][:10]
    moved = f"run {short} was on stack `{first}` ({backends[first]}), and goes on on `{second}` ({backends[second]})"
    assert f"note: {moved}\n" in done.err
    assert "note: the code of `total` is not what it was: what came of it is not taken over\n" in done.err
    assert (resumed["status"], resumed["stack"], resumed["resumes"]) == ("succeeded", second, failed["run_id"])
    assert {step["id"]: step["cached"] for step in resumed["steps"]} == {
        "numbers": True,
        "double": True,
        "total": False,
    }
    assert {step["origin"]["run"] for step in resumed["steps"] if step["origin"]} == {failed["run_id"]}

    differ = both.project("runs", "diff", failed["run_id"], resumed["run_id"], code=1).out
    assert "total  failed (ValueError: there is too little memory) → succeeded" in differ
    graph = both.project("lineage", f"{resumed['run_id']}/total/output", "--up", "--json").json
    computed = {node["run_id"] for node in graph["nodes"] if node["kind"] == "step"}
    assert computed == {failed["run_id"], resumed["run_id"]}
    down = both.project("lineage", f"{failed['run_id']}/numbers/output", "--down", "--json").json
    assert f"{resumed['run_id']}/total" in {node["id"] for node in down["nodes"]}


@pytest.mark.whole
def test_the_whole_story(airflow3: Airflow, prefect3: Prefect, tmp_path: Path) -> None:
    """A step fails on Airflow in the night. It is looked into here, mended here, and the run goes on on Prefect."""
    story = Both(tmp_path, airflow=airflow3, prefect=prefect3)
    story.breaks_on("airflow")
    failed = story.run("airflow", code=1)
    run, short = failed["run_id"], failed["run_id"][:10]
    shown = story.project("runs", "show", run).out
    assert "ValueError: there is too little memory" in shown

    replayed = story.project("replay", run, "total", code=1).out
    assert replayed.startswith(f"total of run {short} of flow: failed at ")
    shown_first = replayed[: replayed.index("--- what it prints ---")]
    assert "python, packages and code are as they were then\n" in shown_first or " → " in shown_first
    assert "  ns  [0, 2, 4]\n" in shown_first
    assert "ValueError: there is too little memory" in replayed
    assert replayed.endswith("failed, as it failed then\n")

    story.breaks_on("none")
    again = story.project("replay", run, "total", "--json").json
    assert (again["status"], again["recorded"]["failure"]["message"]) == ("succeeded", "there is too little memory")
    assert again["code"]["steps"] == ["total"]

    done = story.project("runs", "resume", run, "--stack", "prefect", "--json")
    resumed = done.json
    assert f"note: run {short} was on stack `airflow` (airflow), and goes on on `prefect` (prefect)\n" in done.err
    assert "note: the code of `total` is not what it was: what came of it is not taken over\n" in done.err
    assert (resumed["status"], resumed["backend"], resumed["resumes"]) == ("succeeded", "prefect", run)
    assert {step["id"]: step["cached"] for step in resumed["steps"]} == {
        "numbers": True,
        "double": True,
        "total": False,
    }
    assert story.project("artifact", "get", f"{resumed['run_id']}/total/output").out.strip() == "6"

    differ = story.project("runs", "diff", run, resumed["run_id"], code=1).out
    assert "total  failed (ValueError: there is too little memory) → succeeded" in differ
    anew = story.run("airflow", "--no-cache")
    assert anew["lineage_digest"] == resumed["lineage_digest"]
    story.project("runs", "diff", resumed["run_id"], anew["run_id"])  # its exit code is 0: the mended pipeline may move
    down = story.project("lineage", f"{run}/numbers/output", "--down", "--json").json
    assert f"{resumed['run_id']}/total" in {node["id"] for node in down["nodes"]}


def test_runs_of_both_are_equal_for_everybody_who_asks(both: Both) -> None:
    one, other = both.run("here"), both.run("there", "--no-cache")
    assert both.project("runs", "diff", one["run_id"], other["run_id"]).code == 0
    assert one["lineage_digest"] == other["lineage_digest"]
    told = [portable(both.events(run["run_id"])) for run in (one, other)]
    assert told[0] == told[1]
    assert len(told[0]) == 12
    both.project("runs", "diff", one["run_id"], both.run("here", "-p", "count=4")["run_id"], code=1)


def test_a_run_goes_on_in_its_own_store(both: Both) -> None:
    both.breaks_on("local")
    failed = both.run("here", code=1)["run_id"]
    done = both.project("runs", "resume", failed, "--stack", "apart", code=2)
    store = f"file://{both.project.root.parent}"
    assert f"run `{failed}` is in `{store}/store`, and stack `apart` has `{store}/other`" in done.err
    assert "a run goes on in its own store: give `apart` the `store:` of stack `here`" in done.err


VANISHES = """\
import os, time
from pathlib import Path
from pipeglot import Cache, pipeline, step


@step(cache=Cache(enabled=False))
def first() -> str:
    return os.urandom(8).hex()


@step
def second(found: str, folder: str) -> str:
    print("half of it is done", flush=True)
    Path(folder, "pid.new").write_text(str(os.getpid()))
    Path(folder, "pid.new").rename(Path(folder, "pid"))
    while not Path(folder, "go").exists():
        time.sleep(0.1)
    return found


@pipeline
def vanishes(folder: str) -> None:
    second(first(), folder)
"""


def test_what_vanishes_there_goes_on_here(prefect3: Prefect, tmp_path: Path) -> None:
    """All processes of a run are gone, as a pod is. Prefect sees it, and the ledger would wait for an hour."""
    both = Both(tmp_path, there=prefect3)
    both.project.write("vanishes.py", VANISHES)
    words = ["run", "vanishes.py", "-p", f"folder={tmp_path}", "--stack", "there", "--no-wait", "--json"]
    run = both.project(*words).json["run_id"]
    pid = int(until(lambda: written(tmp_path / "pid")))
    refused = both.project("runs", "resume", run, "--stack", "here", code=2).err
    assert f"run `{run[:10]}` is not over: the orchestrator of stack `there` says that it is running" in refused
    for one in machine(pid):
        os.kill(one, signal.SIGKILL)
    start = json.loads(both.project("runs", "show", run, "--json").out)
    assert prefect3.state(start["engine"]["run"]) == "CRASHED"

    (tmp_path / "go").touch()
    done = both.project("runs", "resume", run, "--stack", "here", "--json")
    assert "note: the orchestrator of stack `there` calls it failed: what its tasks left open is closed\n" in done.err
    found = {step["id"]: step for step in done.json["steps"]}
    assert found["first"]["cached"], "what had finished is not lost"
    assert done.json["status"] == "succeeded"
    lost = both.project("runs", "show", run, "--json").json
    assert {step["id"]: step["status"] for step in lost["steps"]} == {"first": "succeeded", "second": "lost"}
    assert lost["status"] == "lost"
    assert both.project("artifact", "get", f"{done.json['run_id']}/second/output").out == (
        both.project("artifact", "get", f"{run}/first/output").out
    )


def machine(pid: int) -> list[int]:
    """The processes of a run of Prefect, the flow's first, down to this one of a step."""
    found = [pid]
    while b"prefect.engine" not in Path(f"/proc/{found[0]}/cmdline").read_bytes():
        found.insert(0, ancestor(found[0], 1))
    return found
