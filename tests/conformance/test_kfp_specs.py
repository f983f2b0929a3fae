"""Every spec that the suite can make, for Kubeflow and Vertex AI: KFP's own SDK loads it, and reads all that it says.

The pipelines of all cases, those of live tests, the examples and the goldens, and pipelines out of nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp.compiler import spec_text
from pipeglot.compilers.sandboxes.environment import ensure
from pipeglot.core.ir import Pipeline
from tests.conformance.emitting import pipelines as names
from tests.e2e.conftest import ENVIRONMENT
from tests.oracle.generate import pipelines
from tests.servers import sandbox
from tests.unit.compilers.kfp_specs import KFP, VERTEX, parsed

LOADS = sandbox.ROOT / "requirements/engines/kfp_loads.py"
GOLDEN = sorted(path for backend in ("kfp", "vertex") for path in sandbox.ROOT.glob(f"tests/golden/{backend}/*/*.yaml"))
KUBERNETES: dict[str, Any] = json.loads(Path(__file__).with_name("kfp_kubernetes.json").read_text())["messages"]

REFUSED = {
    "settings": "kfp vertex",  # a pool, and a limit of all
    "pooled": "kfp vertex",
    "after_all": "kfp vertex",  # schedules by assets
    "after_both": "kfp vertex",
    "taker": "kfp vertex",
    "nightly": "kfp vertex",  # in a time zone; and for the past
    "refilled": "kfp",
    "filled": "kfp",
    "minutely": "kfp",
    "hourly": "vertex",  # intervals; and for the past
    "ticking": "vertex",
    "nightly_utc": "vertex",
    "past": "vertex",
}
"""What is refused, and for whom: all others are emitted."""


@pytest.fixture(scope="module")
def python() -> Path:
    return ensure(find_engine("kfp").pins("2"), Path(sandbox.ENVIRONMENT["PIPEGLOT_ENGINES"]), print) / "bin/python"


def loaded(python: Path, files: list[Path]) -> None:
    """KFP loads these files, in one process of its own: it takes seconds to begin."""
    words = [python, LOADS, *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_kfp_loads_every_spec_of_the_suite(python: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.conformance.emitting", str(tmp_path)]
    done = subprocess.run(words, cwd=sandbox.ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused: dict[str, list[str]] = json.loads(done.stdout)
    assert set(refused) == {f"{name} for {stack}" for name, stacks in REFUSED.items() for stack in stacks.split()}
    assert all(refused.values())
    files = sorted(tmp_path.glob("specs/*.yaml"))
    assert len(files) == 2 * len([*names()]) - len(refused)
    loaded(python, [*GOLDEN, *files])
    assert len(GOLDEN) > 10
    assert sum(_platform(file) for file in (*GOLDEN, *files)) > 2


def _platform(file: Path) -> bool:
    """Whether it has a second document; then what Kubernetes is told is what it may be told."""
    spec, *others = yaml.load_all(file.read_text(), yaml.CSafeLoader)
    for other in others:
        executors = other["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert {*executors} <= {*spec["deploymentSpec"]["executors"]}
        for one in executors.values():
            _check("<KubernetesExecutorConfig>", one)
    return bool(others)


def _check(kind: str, value: Any) -> None:
    if kind.startswith("<"):
        known = KUBERNETES[kind[1:-1]]
        assert {*value} <= {*known}
        for name, one in value.items():
            _check(known[name], one)
    elif kind.startswith("list "):
        assert isinstance(value, list)
        for one in value:
            _check(kind[5:], one)
    elif kind.startswith("mapping "):
        for one in value.values():
            _check(kind[8:], one)
    else:
        assert type(value).__name__ == kind


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.whole)])
def test_kfp_loads_pipelines_out_of_nothing(python: Path, tmp_path: Path, count: int) -> None:
    files: list[Path] = []

    @given(made=pipelines())
    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=count, database=None
    )
    def emit(made: Pipeline) -> None:
        for stack in (KFP, VERTEX):
            text = spec_text(Source(made, "made.py", "0" * 64), stack)
            parsed(yaml.load(text, yaml.CSafeLoader))
            files.append(tmp_path / f"{len(files)}.yaml")
            files[-1].write_text(text)

    emit()
    loaded(python, files)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("taskInfo", "taskinfo", 'no field named "taskinfo"'),
        ("maxRetryCount: 2", "maxRetryCount: many", "Failed to parse maxRetryCount field"),
        ("image:", "imag:", 'no field named "imag"'),
        ("enableCache: false", "enableCache: 7", "enableCache"),
    ],
)
def test_a_spec_with_a_mistake_is_found(python: Path, tmp_path: Path, old: str, new: str, told: str) -> None:
    text = (sandbox.ROOT / "tests/golden/kfp/credit/credit.yaml").read_text()
    assert old in text
    (tmp_path / "bad.yaml").write_text(text.replace(old, new))
    done = subprocess.run([python, LOADS, tmp_path / "bad.yaml"], capture_output=True, text=True, check=True)
    (found,) = json.loads(done.stdout).values()
    assert told in found
