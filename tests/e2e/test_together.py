"""Features of several areas in one project: a pipeline that takes another's artifacts, with hooks, maps in maps, a
checkpoint, a secret, frames and records. What one command says of it must fit what the others do.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

CONFIG = """\
stacks:
  local: {backend: local, store: .pipeglot/store, trusted: true, secrets: {TOKEN: "env:TOKEN"}}
"""

TRAIN = """\
from dataclasses import dataclass
from pipeglot import pipeline, step

@dataclass(frozen=True)
class Conf:
    rate: float
    names: list[str]

@step
def conf(n: int) -> Conf:
    return Conf(n / 10, ["a", "b"])

@step
def rows(n: int) -> list[list[int]]:
    return [list(range(i + 1)) for i in range(n)]

@pipeline
def train(n: int = 3) -> None:
    conf(n)
    rows(n)
"""

SCORE = """\
import os
from datetime import date

import polars as pl
from pipeglot import Artifact, LogicalDate, checkpoint, current_run, pipeline, secret, step

from train import Conf

@step(secrets=["TOKEN"])
def table(day: date, conf: Conf) -> pl.DataFrame:
    print("the token is", secret("TOKEN"))
    return pl.DataFrame({"rate": [conf.rate], "day": [day]})

@step
def inner(x: int, y: int) -> int:
    if os.environ.get("FAIL") == f"{x}{y}":
        raise ValueError(f"no {x}")
    return x * 10 + y

@step
def total(xs: list[int]) -> int:
    return sum(xs)

@step(cache=False)
def counts(n: int) -> int:
    with checkpoint() as c:
        file = c.dir / "n.txt"
        at = int(file.read_text()) if c.restored else 0
        print("begins at", at)
        for i in range(at, n):
            file.write_text(str(i + 1))
            c.save()
            if str(i) == os.environ.get("FAIL_AT"):
                raise RuntimeError(f"stopped at {i}")
    return n

@step
def report(t: pl.DataFrame, sums: list[int]) -> str:
    return f"{len(t)} {sums}"

@step(secrets=["TOKEN"])
def bad(day: date) -> None:
    print("bad", current_run().failed, secret("TOKEN"))

@step
def good(day: date) -> None:
    print("good", current_run().failed)

@pipeline
def sub(row: list[int]) -> list[int]:
    return inner.map(x=row, y=row)

@pipeline(on_failure=[bad], on_success=[good])
def score(conf: Artifact[Conf], rows: Artifact[list[list[int]]], day: date = LogicalDate()) -> None:
    t = table(day, conf)
    sums = total.map(xs=sub.map(row=rows))
    counts(4)
    report(t, sums)
"""

TARGET = (
    "score.py:score",
    *("-p", "conf=train/conf.output@latest"),
    *("-p", "rows=train/rows@latest"),
    *("-p", "day=2026-01-31"),
)
TOKEN = "t0p-s3cret-value"
NESTED = [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2]]


@pytest.fixture
def both(project: Project) -> Project:
    """The two pipelines; the first has run."""
    for name, text in (("pipeglot.yaml", CONFIG), ("train.py", TRAIN), ("score.py", SCORE)):
        project.write(name, text)
    project("run", "train.py")
    return project


def score(project: Project, *words: str, code: int = 0, **env: str) -> Any:
    return project("run", *TARGET, "--json", *words, code=code, TOKEN=TOKEN, **env).json


def states(found: dict[str, Any]) -> dict[str, str]:
    """By step and index; of those that came from the cache, `cached`."""
    return {
        ".".join([one["id"], *map(str, one["index"])]): "cached" if one.get("cached") else one["status"]
        for one in found["steps"]
    }


def test_the_index_knows_what_a_map_over_an_artifact_did(both: Project) -> None:
    made = score(both)
    graph = both("lineage", made["run_id"], "--json").json
    nodes = {(one["step"], *one["index"]): one["status"] for one in graph["nodes"] if one["kind"] == "step"}
    expected = {("sub.inner", *index) for index in NESTED} | {("total", index) for index in range(3)}
    assert {key for key in nodes if key[0] in ("sub.inner", "total")} == expected
    assert {nodes[key] for key in expected} == {"succeeded"}
    given = {(one["source"].partition("/")[2], one["target"].partition("?")[2]) for one in graph["edges"]}
    assert {("conf/output", "conf"), ("rows/output", "rows")} <= given
    taken = {one["target"].partition("/")[2] for one in graph["edges"] if one["source"] == f"{made['run_id']}?rows"}
    assert taken == {f"sub.inner/{i}.{j}" for i, j in NESTED}
    assert both("store", "verify").out.endswith("all is there, and whole\n")


def begun(project: Project, *words: str, code: int = 0, **env: str) -> list[str]:
    """What `counts` printed when it was replayed."""
    shown = project("replay", *words, code=code, TOKEN=TOKEN, **env).out.splitlines()
    return [line for line in shown if line.startswith("begins at")]


def test_a_replay_begins_with_the_checkpoint_that_the_attempt_began_with(both: Project) -> None:
    assert states(score(both, code=1, FAIL_AT="1"))["counts"] == "failed"
    assert begun(both, "latest", "counts", code=1, FAIL_AT="1") == ["begins at 0"]
    resumed = both("runs", "resume", "latest", "--json", TOKEN=TOKEN).json
    assert states(resumed)["counts"] == "succeeded"
    assert both("runs", "logs", "latest", "counts").out == "begins at 2\n"
    assert begun(both, "latest", "counts") == ["begins at 2"], "what the resumed run had saved"
    assert begun(both, resumed["resumes"], "counts") == ["begins at 0"]


def test_a_replay_of_a_hook_is_told_the_outcome_and_hides_secrets(both: Project) -> None:
    assert states(score(both, code=1, FAIL="22"))["bad"] == "succeeded"
    done = both("replay", "latest", "bad", TOKEN=TOKEN)
    assert "bad True ***" in done.out.splitlines()
    assert TOKEN not in done.out + done.err
    told = both("replay", "latest", "table", "--json", TOKEN=TOKEN)
    assert "the token is ***" in told.err
    assert TOKEN not in told.out + told.err
    assert told.json["outputs"] == []
    again = both("replay", "latest", "sub.inner", "--index", "2.2", "--json", code=1, FAIL="22")
    assert again.json["same_failure"] is True
    assert "step `good` was skipped" in both("replay", "latest", "good", code=2).err


def planned(project: Project, *words: str) -> dict[str, str]:
    """What `plan` says of each execution; of a step whose executions are not known, under its name alone."""
    found = project("plan", *TARGET, "--json", *words, TOKEN=TOKEN).json
    return {".".join([one["id"], *map(str, one["index"] or ())]): one["state"] for one in found["steps"]}


def test_a_plan_is_what_the_run_then_does(both: Project) -> None:
    before = planned(both)
    assert before["sub.inner.2.2"] == "run", "how long the artifact's lists are is known"
    assert {before["total"], before["report"], before["bad"], before["good"]} == {"open"}
    score(both)
    again = planned(both)
    made = states(score(both))
    assert again.keys() == made.keys()
    assert {step for step, state in again.items() if state == "cached"} == {
        step for step, state in made.items() if state == "cached"
    }
    assert (again["counts"], again["good"], again["bad"]) == ("run", "open", "open")
    both.replace("score.py", "@step(cache=False)\ndef counts", "@step\ndef counts")
    score(both)
    done = both("plan", *TARGET).out.splitlines()
    assert done[-4:] == [
        "bad (on_failure)   skipped    it runs in every run that does not succeed",
        "good (on_success)  would run  it runs in every run that succeeds",
        "",
        "nothing would run: 12 steps cached; hook `good` would run",
    ]
    both("run", "train.py", "-p", "n=2")
    newer = planned(both)
    assert (newer["table"], "sub.inner.2.0" in newer) == ("run", False), "`@latest` is another run's now"
    assert "good" not in planned(both, "--until", "report"), "a part of a pipeline has no hooks"


def test_a_plan_of_what_is_known_to_fail(both: Project) -> None:
    both.replace("score.py", "    counts(4)\n", "    counts(4)\n    inner.map(x=odd, y=[1, 2])\n")
    both.replace("score.py", "day: date = LogicalDate())", "day: date = LogicalDate(), odd: list[int] = [1])")
    found = planned(both)
    assert (found["inner"], found["bad"], found["good"]) == ("failed", "run", "skipped")
    made = states(score(both, code=1))
    assert (made["inner"], made["bad"], made["good"]) == ("failed", "succeeded", "skipped")


def test_a_resumed_run_keeps_the_artifacts_that_it_was_given(both: Project) -> None:
    old = score(both, code=1, FAIL="22")
    both("run", "train.py", "-p", "n=1")
    found = both("runs", "resume", old["run_id"], "--json", TOKEN=TOKEN).json
    assert (found["params"], found["status"]) == (old["params"], "succeeded")
    assert states(found)["sub.inner.2.2"] == "succeeded"
    assert [step for step, state in states(found).items() if state == "succeeded"] == [
        *("sub.inner.2.2", "total.0", "total.1", "total.2", "report", "good"),
    ], "what had failed, and what follows from it"


def test_a_run_is_resumed_after_its_parameters_became_artifacts_and_others(both: Project) -> None:
    both.replace("score.py", "rows: Artifact[list[list[int]]], ", "rows: str, ")
    both.replace("score.py", "    sums = total.map(xs=sub.map(row=rows))\n", "    sums = [inner(2, 2)]\n")
    old = score(both, code=1, FAIL="22")
    both.replace("score.py", "rows: str, ", "rows: Artifact[list[list[int]]], ")
    both.replace("score.py", "conf: Artifact[Conf], ", "conf: str, ")
    both.replace("score.py", "t = table(day, conf)", "t = table(day, late)")
    both.replace("score.py", "    sums = [inner(2, 2)]\n", "    sums = total.map(xs=rows)\n")
    both.replace(
        "score.py",
        "day: date = LogicalDate())",
        'day: date = LogicalDate(), then: date = LogicalDate(), late: Artifact[Conf] = "train/conf.output@latest")',
    )
    done = both("runs", "resume", old["run_id"], "--json", TOKEN=TOKEN)
    run = old["params"]["conf"].partition("/")[0]
    created = old["created"].partition("T")[0]
    assert done.json["params"] == {
        "conf": f"{run}/conf/output",
        "rows": f"{run}/rows/output",
        "day": "2026-01-31",
        "then": created,
        "late": f"{run}/conf/output",
    }
    assert states(done.json)["total.2"] == "succeeded"
    assert "parameter `rows` had type str in that run, and has type artifact" in done.err


NETWORK = """\
from pathlib import Path
from pipeglot import pipeline, serializer, step

class Network:
    def __init__(self, weights: list[float]) -> None:
        self.weights = weights

@serializer(Network, id="acme.network", version=1)
class NetworkFiles:
    def dump(self, value: Network, path: Path) -> None:
        path.write_text(" ".join(map(str, value.weights)))

    def load(self, path: Path) -> Network:
        return Network([float(word) for word in path.read_text().split()])

    def digest(self, value: Network) -> str:
        return ",".join(weight.hex() for weight in value.weights)

@step
def made(n: int) -> Network:
    return Network([n / 2] * n)

@step
def width(network: Network) -> int:
    return len(network.weights)

@pipeline
def nets(n: int = 2) -> None:
    width(made(n))
"""


def test_a_value_of_the_projects_own_is_replayed_and_compared(both: Project) -> None:
    both.write("nets.py", NETWORK)
    first, second = (both("run", "nets.py", "--json", "-p", f"n={n}").json["run_id"] for n in (2, 3))
    assert both("replay", first, "made", "--json").json["outputs"] == []
    assert both("replay", first, "width", "--json").json["compared"] == ["output"]
    told = both("runs", "diff", first, second, code=1).out
    assert "two `nets.Network` differ" in told
    one, other = (both("run", "train.py", "--json", "-p", f"n={n}").json["run_id"] for n in (2, 3))
    told = both("runs", "diff", one, other, code=1).out
    assert "  output: rate: 0.2 → 0.3 (+0.1, +50 %)" in told.splitlines()


KILLED = """\
import os, signal, time
from pipeglot import checkpoint, pipeline, step

@step(cache=False)
def item(x: int) -> int:
    with checkpoint() as c:
        at = int((c.dir / "at").read_text()) if c.restored else 0
        print("begins at", at)
        (c.dir / "at").write_text(str(at + 1))
        c.save()
        if x == 2 and at == 0 and "RUNNER" in os.environ:
            os.kill(int(os.environ["RUNNER"]), signal.SIGKILL)
            time.sleep(60)
    return x + at

@pipeline
def killed(n: int = 3) -> None:
    item.map(x=[1, 2, 3])
"""


def test_what_was_lost_or_cancelled_can_be_replayed_and_compared(project: Project) -> None:
    project.write("pipeglot.yaml", CONFIG)
    project.write("killed.py", KILLED)
    command = " ".join([*project.command("run", "killed.py"), "--json"])
    shell = ["sh", "-c", f"RUNNER=$$ exec {command}"]
    done = subprocess.run(shell, cwd=project.root, env=ENVIRONMENT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    lost = project("runs", "list", "--json").json[0]["run_id"]
    assert begun(project, lost, "item", "--index", "1") == ["begins at 0"], "its run is not closed yet"
    resumed = project("runs", "resume", lost, "--json").json
    assert (resumed["status"], resumed["steps"][1]["status"]) == ("succeeded", "succeeded")
    assert "begins at 1" in project("runs", "logs", resumed["run_id"], "item", "--index", "1").out
    assert begun(project, lost, "item", "--index", "1") == ["begins at 0"], "now it is"
    assert begun(project, resumed["run_id"], "item", "--index", "1") == ["begins at 1"]
    (told,) = project("runs", "diff", lost, resumed["run_id"], "--json", code=1).json["steps"]
    states = [cell["state"] for cell in told["cells"] if "state" in cell]
    assert {"before": "lost", "after": "succeeded"} in states
    assert project("store", "verify").out.endswith("all is there, and whole\n")
