"""Every flow that we write passes Metaflow's own check, and in a moment; and its names are what we take them for."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.names import FLOW, OPTIONS
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.sandboxes.environment import ensure
from pipeglot.core.ir import Pipeline
from tests.oracle.generate import pipelines
from tests.servers.sandbox import ENVIRONMENT
from tests.unit.lineage.build import step

LINT = Path(__file__).parent / "by_hand/metaflow_lint.py"
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("metaflow*/*/*.py"))
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"layout": "levels"},
    {"layout": "foreach"},
    {"layout": "linear", "on_failure": "carry"},
    {"deploy_to": "step-functions"},
)


@pytest.fixture(scope="module")
def python() -> Path:
    return ensure(find_engine("metaflow").pins("2"), Path(ENVIRONMENT["PIPEGLOT_ENGINES"]), print) / "bin/python"


def call(python: Path, *words: object) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "USERNAME": "test", "METAFLOW_HOME": "/nonexistent"}
    return subprocess.run([python, "-B", *map(str, words)], env=env, capture_output=True, text=True, check=False)


def told(python: Path, files: list[Path]) -> list[tuple[str, float]]:
    """What stands against each, and the seconds that it takes to find out."""
    done = call(python, LINT, "files", *files)
    assert done.returncode == 0, done.stderr
    return [(said, seconds) for said, seconds in json.loads(done.stdout)]


def written(made: Pipeline, file: Path, **stack: Any) -> Path:
    source = Source(made, "made.py", "0" * 64)
    (flow, _) = MetaflowCompiler().compile(source, MetaflowStack(name="far", store="s3://ml/prod", **stack))
    file.write_text(flow.text)
    return file


def of_steps(needs: list[list[int]]) -> Pipeline:
    """A step for each list of those that it comes after."""
    return Pipeline(
        name="p", nodes=tuple(step(f"s{n}", after=tuple(f"s{one}" for one in ones)) for n, ones in enumerate(needs))
    )


def diamonds(count: int) -> Pipeline:
    needs: list[list[int]] = [[]]
    for _ in range(count):
        top = len(needs) - 1
        needs += [[top], [top], [top + 1, top + 2]]
    return of_steps(needs)


def test_names_that_metaflow_keeps(python: Path) -> None:
    found = json.loads(call(python, LINT, "names").stdout)
    assert {*found["flow"], "name"} == FLOW
    assert {*found["options"]} == OPTIONS


def test_golden_files(python: Path) -> None:
    assert len(GOLDEN) > 10
    assert [said for said, _ in told(python, GOLDEN)] == [""] * len(GOLDEN)


def test_generated_pipelines(python: Path, tmp_path: Path) -> None:
    """200 of all forms, and 100 of steps alone, which may come after any others; in each layout."""
    files: list[Path] = []

    @given(made=pipelines(size=24))
    @settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=200, database=None)
    def write(made: Pipeline) -> None:
        files.append(written(made, tmp_path / f"{len(files)}.py", **LAYOUTS[len(files) % len(LAYOUTS)]))

    @given(seed=st.integers(0, 2**32), size=st.integers(2, 60), share=st.floats(0.01, 0.5))
    @settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=100, database=None)
    def write_steps(seed: int, size: int, share: float) -> None:
        chance = random.Random(seed)
        made = of_steps([[one for one in range(n) if chance.random() < share] for n in range(size)])
        files.append(written(made, tmp_path / f"{len(files)}.py", **LAYOUTS[len(files) % 4]))

    write()
    write_steps()
    assert len(files) >= 300
    found = told(python, files)
    assert [said for said, _ in found] == [""] * len(files)
    assert max(seconds for _, seconds in found) < 5


@pytest.mark.parametrize("count", [12, 13, 14, 16, 20, 40])
def test_diamonds_one_after_the_other_are_checked_in_a_moment(python: Path, tmp_path: Path, count: int) -> None:
    """Of 20, Metaflow's own code would walk a million ways, for a minute."""
    file = written(diamonds(count), tmp_path / "p.py")
    begun = os.times().children_user
    done = call(python, file, "--no-pylint", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.times().children_user - begun < 5


def test_a_long_chain(python: Path, tmp_path: Path) -> None:
    file = written(of_steps([[n - 1] if n else [] for n in range(498)]), tmp_path / "p.py")
    done = call(python, file, "--no-pylint", "check")
    assert done.returncode == 0, done.stdout + done.stderr
