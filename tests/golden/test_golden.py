"""Emitted files, byte for byte: a change of them is seen, and read, by whoever changes the compiler.

`PIPEGLOT_UPDATE_GOLDEN=1 make test ARGS=tests/golden` writes them anew; then read the diff.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ENVIRONMENT

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

CASES = {
    "credit": (EXAMPLES / "credit", "credit.py"),
    "flights": (EXAMPLES / "flights", "flights.py"),
    "search": (EXAMPLES / "search", "search.py"),
    "rain_train": (EXAMPLES / "rain", "train.py"),
    "rain_score": (EXAMPLES / "rain", "score.py"),
    "shapes": (HERE / "cases", "shapes.py:shapes"),
    "follows": (HERE / "cases", "shapes.py:follows"),
    "forms": (HERE / "cases", "forms.py:forms"),
    "plain": (HERE / "cases", "forms.py:plain"),
    "graphs": (HERE / "graphs", "graphs.py:graphs"),
    "diamonds": (HERE / "graphs", "graphs.py:diamonds"),
}
"""The project of each case, and its target."""

STACKS = {
    "airflow3": '{backend: airflow, store: "s3://ml/prod", owner: ml-team, steps: {heavy: {queue: large}}}',
    "airflow2": '{backend: airflow, version: 2, store: "s3://ml/prod"}',
    "airflow3_python": '{backend: airflow, store: "s3://ml/prod", python: /opt/steps/bin/python}',
    "airflow2_python": '{backend: airflow, version: 2, store: "s3://ml/prod", python: "${STEPS}/bin/python", code: installed}',
    "airflow3_pod": '{backend: airflow, store: "s3://ml/prod", run: pod, image: "ghcr.io/acme/steps:1", namespace: ml, '
    "service_account: steps, code: image, steps: {heavy: {node_selector: {disk: ssd}}}}",
    "prefect": '{backend: prefect, store: "s3://ml/prod", work_pool: ml, max_workers: 4, concurrency_limit: 1, '
    "steps: {heavy: {tags: [large]}}}",
    "kfp": '{backend: kfp, store: "s3://ml/prod", image: "ghcr.io/acme/steps@sha256:1b2c3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e", '
    'secrets: {WAREHOUSE: "k8s:warehouse/password"}, steps: {heavy: {node_selector: {disk: ssd}}}}',
    "vertex": '{backend: vertex, store: "gs://ml/prod", image: "ghcr.io/acme/steps@sha256:1b2c3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e3d4e", project: acme, '
    'location: europe-west4, pipeline_root: "gs://ml/vertex", secrets: {WAREHOUSE: "env:WAREHOUSE"}}',
    "metaflow": '{backend: metaflow, store: "s3://ml/prod", max_workers: 4, deploy_to: argo-workflows, project: ml, datastore: s3, '
    'secrets: {WAREHOUSE: "env:WAREHOUSE"}, steps: {heavy: {kubernetes: {node_selector: "disk=ssd"}}}}',
    "metaflow_levels": '{backend: metaflow, store: "s3://ml/prod", layout: levels}',
    "metaflow_foreach": '{backend: metaflow, store: "s3://ml/prod", layout: foreach, deploy_to: step-functions, '
    'datastore: s3, image: "ghcr.io/acme/steps:1"}',
    "metaflow_native": '{backend: metaflow, store: "s3://ml/prod", layout: linear, on_failure: native}',
    "airflow2_pod": '{backend: airflow, version: 2, store: "s3://ml/prod", run: pod, image: "ghcr.io/acme/steps:1"}',
}
CONFIG = "stacks:\n  local: {backend: local}\n" + "".join(f"  {name}: {stack}\n" for name, stack in STACKS.items())


def compiled(case: str, stack: str, folder: Path, **environment: str) -> dict[str, str]:
    """The files of a case, or `refused.txt`, as a user gets them: by name."""
    source, target = CASES[case]
    shutil.copytree(source, folder / "project", ignore=shutil.ignore_patterns(".pipeglot", "__pycache__", "*.yaml"))
    (folder / "project/pipeglot.yaml").write_text(CONFIG)
    words = [sys.executable, "-m", "pipeglot", "compile", target, "--stack", stack, "--out", str(folder / "out")]
    done = subprocess.run(
        words, cwd=folder / "project", env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        assert done.returncode == 33, done.stderr
        return {"refused.txt": done.stderr}
    return {path.name: path.read_text() for path in sorted((folder / "out").iterdir()) if path.suffix != ".json"}


FORMS = {
    "python": ("shapes",),
    "pod": ("shapes", "flights"),
    "levels": ("graphs",),
    "foreach": ("graphs", "plain"),
    "native": ("graphs", "forms"),
}
"""The cases of stacks that emit files of another form."""
SPECS = ("kfp", "vertex")
"""Stacks that emit YAML."""
UNLIMITED = (*SPECS, "metaflow")
"""Stacks that hold nothing back but a map's items: what `shapes` has to show, `forms` shows there."""
GRAPHS = ("metaflow",)
"""Stacks whose engine takes only graphs of some shapes."""


def cases(stack: str) -> list[str]:
    left = ("forms", "plain") if stack not in UNLIMITED else ()
    left += ("graphs", "diamonds") if stack not in GRAPHS else ()
    found = [case for case in CASES if case not in left]
    return list(FORMS.get(stack.partition("_")[2], found))


@pytest.mark.parametrize(("case", "stack"), [(case, stack) for stack in STACKS for case in cases(stack)])
def test_files_are_what_they_were(case: str, stack: str, tmp_path: Path) -> None:
    found = compiled(case, stack, tmp_path)
    kept = HERE / stack / case
    if os.environ.get("PIPEGLOT_UPDATE_GOLDEN") == "1":
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for name, text in found.items():
            (kept / name).write_text(text)
    assert found == {path.name: path.read_text() for path in sorted(kept.iterdir())}


@pytest.mark.parametrize(("case", "stack"), [("shapes", "airflow3"), ("forms", "kfp"), ("graphs", "metaflow")])
def test_files_are_the_same_anywhere(case: str, stack: str, tmp_path: Path) -> None:
    first = compiled(case, stack, tmp_path / "1")
    odd = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "HOME": str(tmp_path)}
    assert compiled(case, stack, tmp_path / "2", **odd) == first


@pytest.mark.parametrize("stack", [stack for stack in STACKS if stack not in SPECS])
def test_emitted_files_are_clean_to_a_linter(stack: str) -> None:
    rules = (
        ["AIR", "E", "F", "I", "B", "UP"] if stack.startswith("airflow3") else ["E", "F", "I", "B", "UP"]
    )  # AIR3 is for 3
    files = [str(path) for path in sorted((HERE / stack).rglob("*.py"))]
    assert len(files) > (0 if "_" in stack else 3)
    check = ["check", "--isolated", "--preview", "--select", ",".join(rules), "--target-version", "py310"]
    for words in (check, ["format", "--check", "--isolated"]):
        done = subprocess.run(  # from another folder: to a user, pipeglot is no project of theirs
            [sys.executable, "-m", "ruff", *words, *files], cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
