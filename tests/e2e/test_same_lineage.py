"""Equal runs have equal lineage digests, whatever is around them; unequal ones have not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.project import Project

FLOW = """
from typing import NamedTuple
import numpy as np
import pandas as pd
from pipeglot import each, one_of, otherwise, pipeline, step, when
from lib.maths import scale

class Model(NamedTuple):
    weights: np.ndarray
    score: float
    about: dict[str, object]

@step
def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(rows) / 3, "y": [f"r{i}" for i in range(rows)]})

@step
def fit(data: pd.DataFrame, power: int) -> Model:
    return Model(data["x"].to_numpy() ** power, scale(float(data["x"].sum() ** power)), {"p": power, "s": {1, 2}})

@step
def best(models: list[Model]) -> Model:
    return max(models, key=lambda model: model.score)

@step
def opaque(model: Model) -> object:
    return complex(model.score, 1)

@step
def high(score: float) -> str:
    return "high"

@step
def low(score: float) -> str:
    return "low"

@step
def say(word: str) -> None:
    print(word)

@pipeline
def flow(rows: int = 5) -> None:
    models = fit.map(table(rows), each([1, 2, 3]))
    winner = best(models)
    opaque(winner)
    with when(winner.score > 10.0):
        good = high(winner.score)
    with otherwise():
        bad = low(winner.score)
    say(one_of(good, bad))
"""
MATHS = "FACTOR = 2.0\n\ndef scale(x: float) -> float:\n    return x * FACTOR\n"


def project(folder: Path) -> Project:
    made = Project(folder, flow=FLOW, lib__maths=MATHS)
    made.write("lib/__init__.py", "")
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store}\n")
    return made


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = project(tmp_path_factory.mktemp("first")).run("flow.py", "--no-cache")["lineage_digest"]
    assert isinstance(found, str)
    assert found.startswith("sha256:")
    return found


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "USER": "somebody", "LOGNAME": "somebody", "HOME": "/nonexistent"},
        {"LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONOPTIMIZE": "1"},
    ],
)
def test_the_environment_does_not_change_it(tmp_path: Path, digest: str, env: dict[str, str]) -> None:
    found = project(tmp_path / "elsewhere").run("flow.py", "--no-cache", cwd=None, **env)
    assert found["lineage_digest"] == digest


@pytest.mark.parametrize("target", ["flow.py:flow", "flow:flow", "./flow.py"])
def test_the_form_of_the_target_does_not_change_it(tmp_path: Path, digest: str, target: str) -> None:
    assert project(tmp_path).run(target, "--no-cache")["lineage_digest"] == digest


def test_the_working_directory_does_not_change_it(tmp_path: Path, digest: str) -> None:
    made = project(tmp_path / "p")
    assert made.run(str(made.folder / "flow.py"), "--no-cache", cwd=tmp_path)["lineage_digest"] == digest
    assert made.run("../flow.py", "--no-cache", cwd=made.folder / "lib")["lineage_digest"] == digest


def test_the_order_of_imports_does_not_change_it(tmp_path: Path, digest: str) -> None:
    made = project(tmp_path)
    made.edit("flow.py", "from lib.maths import scale\n", "")
    made.edit(
        "flow.py", "from typing import NamedTuple\n", "from lib.maths import scale\nfrom typing import NamedTuple\n"
    )
    assert made.run("flow.py", "--no-cache")["lineage_digest"] == digest


def test_an_ir_file_gives_the_same(tmp_path: Path, digest: str) -> None:
    made = project(tmp_path)
    done = made.call("compile", "flow.py", "--ir")
    assert done.returncode == 0, done.stderr
    made.write("flow.pipeglot.json", done.stdout)
    assert made.run("flow.pipeglot.json", "--no-cache")["lineage_digest"] == digest


def test_another_parameter_changes_it(tmp_path: Path, digest: str) -> None:
    assert project(tmp_path).run("flow.py", "-p", "rows=6")["lineage_digest"] != digest


def test_a_cached_run_has_the_same_lineage(tmp_path: Path, digest: str) -> None:
    made = project(tmp_path)
    views = [made.run("flow.py") for _ in range(2)]
    assert [view["lineage_digest"] for view in views] == [digest, digest]
    assert all(step["cached"] for step in views[1]["steps"] if step["status"] == "succeeded")


def test_runs_show_prints_the_same_object(tmp_path: Path) -> None:
    made = project(tmp_path)
    view = made.run("flow.py")
    shown = made.call("runs", "show", str(view["run_id"]), "--json")
    import json

    assert json.loads(shown.stdout) == view


def test_a_pipeline_named_from_src_has_the_names_of_the_package(tmp_path: Path) -> None:
    made = Project(tmp_path, src__pkg__flow=FLOW.replace("from lib.maths", "from pkg.maths"), src__pkg__maths=MATHS)
    made.write("src/pkg/__init__.py", "")
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store}\n")
    by_file = made.run("src/pkg/flow.py", "--no-cache")
    by_module = made.run("pkg.flow:flow", "--no-cache")
    assert by_file["lineage_digest"] == by_module["lineage_digest"]


def test_importing_pipeglot_imports_nothing_heavy() -> None:
    code = (
        "import pipeglot, sys; print(*[m for m in ('msgspec', 'yaml', 'rich', 'typing', 'json') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["typing"] or done.stdout.split() == []
