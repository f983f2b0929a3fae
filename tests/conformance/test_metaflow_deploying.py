"""What Metaflow's own deployers make of our flows, as far as it is seen without a cluster: the JSON they would send."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conformance.test_examples import EXAMPLES
from tests.e2e.conftest import Project
from tests.servers.metaflow import Metaflow
from tests.servers.moto import Moto
from tests.servers.sandbox import PATIENCE, ROOT

pytestmark = pytest.mark.whole

FLOW = """\
from pipeglot import Cron, Resources, Retry, each, otherwise, pipeline, step, when


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(retry=Retry(3), resources=Resources(cpu=2, memory="6GB"))
def heavy(x: int) -> int:
    return 2 * x


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@pipeline(schedule=Cron("30 1 * * *"))
def asking(count: int = 3) -> None:
    found = total(heavy.map(each(numbers(count))))
    with when(found > 1):
        total.with_options(name="more")([found])
    with otherwise():
        total.with_options(name="less")([found])
"""

THERE = ("argo-workflows", "step-functions")
REFUSED = {("rain/score.py", "step-functions")}
"""Its schedule is in a zone, and Step Functions knows UTC only."""


class Deploying(NamedTuple):
    """A project with a stack for each deployer, and what Metaflow is told of AWS."""

    project: Project
    python: str
    moto: Moto

    def json(self, target: str, there: str) -> Any:
        """What would be sent."""
        name = target.partition(":")[2] or Path(target).stem
        self.project("compile", target, "--stack", there, "--out", f"out-{there}")
        (flow,) = self.project.root.joinpath(f"out-{there}").glob(f"{name}.py" if ":" in target else "*.py")
        words = [self.python, str(flow), "--no-pylint", "--datastore", "s3", there, "create", "--only-json"]
        done = subprocess.run(
            words,
            cwd=self.project.root,
            env={**os.environ, **self.moto.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        shutil.rmtree(flow.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def moto(metaflow: Metaflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    server = Moto(metaflow.interpreter, tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()


@pytest.fixture
def deploying(metaflow: Metaflow, moto: Moto, tmp_path: Path) -> Deploying:
    project = Project(tmp_path)
    shared = "backend: metaflow, store: 's3://ml/prod', datastore: s3, image: 'acme/all:1'"
    stacks = "".join(f"  {there}: {{{shared}, deploy_to: {there}}}\n" for there in THERE)
    project.write("pipeglot.yaml", f"stacks:\n{stacks}")
    project.write("flow.py", FLOW)
    return Deploying(project, metaflow.interpreter, moto)


def test_argo_workflows(deploying: Deploying) -> None:
    found = deploying.json("flow.py:asking", "argo-workflows")
    templates = {one["name"]: one for one in found["spec"]["templates"] if "container" in one}
    assert {"start", "numbers", "heavy", "total", "more", "less", "end"} <= templates.keys()
    assert {one["container"]["image"] for one in templates.values()} == {"acme/all:1"}, "those between steps too"
    heavy = templates["heavy"]
    assert heavy["retryStrategy"]["limit"] == 2
    asked = heavy["container"]["resources"]["requests"]
    assert (float(asked["cpu"]), float(asked["memory"].removesuffix("M"))) == (2, 6000)
    assert not templates["total"].get("retryStrategy")
    assert all("asking.py" in json.dumps(one) for name, one in templates.items() if name in FLOW), "each runs the file"


def test_step_functions(deploying: Deploying) -> None:
    found = deploying.json("flow.py:asking", "step-functions")
    states = found["States"]
    assert states["start"]["Next"] == "numbers"
    heavy = states["*heavy"]["Iterator"]["States"]["heavy"]["Parameters"]
    assert heavy["RetryStrategy"] == {"Attempts": 3}
    asked = {one["Type"]: float(one["Value"]) for one in heavy["ContainerOverrides"]["ResourceRequirements"]}
    assert (asked["VCPU"], asked["MEMORY"]) == (2, 6000)
    assert not any(one["Type"] == "Choice" for one in states.values()), "it knows no switch"


@pytest.mark.whole
@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(deploying: Deploying, example: str, there: str) -> None:
    shutil.copytree(
        ROOT / "examples" / example,
        deploying.project.root,
        ignore=shutil.ignore_patterns(".pipeglot", "__pycache__", "pipeglot.yaml"),
        dirs_exist_ok=True,
    )
    for asked in EXAMPLES[example]:
        if (f"{example}/{asked[0]}", there) in REFUSED:
            deploying.project("check", asked[0], "--stack", there, code=33)
        else:
            assert deploying.json(asked[0], there)
