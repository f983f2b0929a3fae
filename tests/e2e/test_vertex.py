"""`pipeglot run` on a Vertex AI that holds what it is asked against its published definition, and runs the containers.

A job is run by the rules of Vertex AI in an order that chance chooses; each of its containers is a process of its own.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project
from tests.oracle.kfp import Engine
from tests.servers.vertex import Vertex

SOURCE = """
from typing import NamedTuple
from pipeglot import Retry, current_run, each, one_of, otherwise, pipeline, step, when

@step
def numbers(count: int) -> list[int]:
    return list(range(count))

@step(retry=Retry(2))
def double(number: int) -> int:
    if number == 1 and current_run().attempt == 1:
        raise OSError("away")
    return 2 * number

@step
def total(of: list[int]) -> int:
    return sum(of)

@step
def good(total: int) -> str:
    return f"{total} is enough"

@step
def bad(total: int) -> str:
    return f"{total} is too little"

@step
def breaks(text: str) -> str:
    raise ValueError(text)

@step
def after(text: str) -> str:
    return text

@step
def clean_up() -> None:
    print("cleaned")

@pipeline
def sums(count: int = 3, bar: int = 5) -> None:
    all_of_it = total(double.map(each(numbers(count))))
    with when(all_of_it >= bar):
        text = good(all_of_it)
    with otherwise():
        other = bad(all_of_it)
    after(one_of(text, other))

@pipeline
def broken(text: str = "no '{' of it") -> None:
    found = after(breaks(text))
    clean_up.with_options(trigger="all_done").after(found)()
"""


class Processes(Engine):
    """Each container is a process, with the words of the spec."""

    def run_container(self, words: list[str]) -> int:
        env = {**ENVIRONMENT, "PIPEGLOT_CACHE": str(self.folder / "cache")}
        command = [sys.executable, "-m", "pipeglot.compilers.kfp.worker", *words]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, check=False).returncode


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[Vertex]:
    found = Vertex()
    threads: list[threading.Thread] = []

    def run(name: str) -> None:
        job = found.jobs[name]
        engine = Processes(job["pipelineSpec"], tmp_path, random.Random(name), "vertex")
        engine.run = name
        engine.given = engine.defaults() | job["runtimeConfig"]["parameterValues"]
        found.become(name, "RUNNING")
        is_good = engine.dag(job["pipelineSpec"]["root"], engine.given)
        found.become(name, "SUCCEEDED" if is_good else "FAILED")

    def begins(name: str) -> None:
        threads.append(threading.Thread(target=run, args=(name,)))
        threads[-1].start()

    found.begins = begins
    yield found
    for thread in threads:
        thread.join()
    found.close()


@pytest.fixture
def project(vertex: Vertex, tmp_path: Path) -> Project:
    found = Project(tmp_path / "project")
    found.write("f.py", SOURCE)
    where = f"project: my-project, location: europe-west4, pipeline_root: 'gs://ml/v', api_endpoint: '{vertex.url}'"
    cloud = (
        f"backend: vertex, store: '{tmp_path}/far', trusted: true, image: 'acme/steps:1', auth: {{token: '${{TOKEN}}'}}"
    )
    found.write(
        "pipeglot.yaml",
        f"stacks:\n  local: {{backend: local, store: '{tmp_path}/near'}}\n  cloud: {{{cloud}, {where}}}\n",
    )
    return found


def run(project: Project, pipeline: str, stack: str, *words: str, code: int = 0) -> dict[str, Any]:
    said = ["run", f"f.py:{pipeline}", "--stack", stack, "--json", *words]
    found: dict[str, Any] = json.loads(project(*said, code=code, TOKEN="secret").out)
    return found


@pytest.mark.parametrize(
    "words",
    [pytest.param((), id="taken"), pytest.param(("-p", "count=2"), id="not taken", marks=pytest.mark.whole)],
)
def test_a_run_gives_what_the_laptop_gives(vertex: Vertex, project: Project, words: tuple[str, ...]) -> None:
    far, near = (run(project, "sums", stack, *words) for stack in ("cloud", "local"))
    assert far["status"] == "succeeded"
    assert far["lineage_digest"] == near["lineage_digest"]
    states = [
        {(one["id"], *one["index"]): (one["status"], one["attempts"]) for one in of["steps"]} for of in (far, near)
    ]
    assert states[0] == states[1]
    assert states[0]["double", 1] == ("succeeded", 2)
    (job,) = vertex.jobs.values()
    assert job["displayName"] == "sums"
    assert run(project, "sums", "cloud", *words)["steps"][0]["cached"]


def test_a_failure_and_what_cleans_up_after_it(vertex: Vertex, project: Project) -> None:
    far, near = (run(project, "broken", stack, code=1) for stack in ("cloud", "local"))
    assert far["lineage_digest"] == near["lineage_digest"]
    assert {one["id"]: one["status"] for one in far["steps"]} == {
        "breaks": "failed",
        "after": "skipped",
        "clean_up": "succeeded",
    }
    assert far["steps"][0]["error"]["message"] == "no '{' of it"
    (job,) = vertex.jobs.values()
    assert job["state"] == "PIPELINE_STATE_FAILED"


def test_a_stranger_is_told_so(project: Project) -> None:
    found = project("run", "f.py:sums", "--stack", "cloud", code=None, TOKEN="another")
    assert found.code != 0
    assert (
        "the Vertex AI of stack `cloud` does not know us: Request had invalid authentication credentials." in found.err
    )
    assert "hint: look at `auth:` of the stack" in found.err
