"""DAG files whose steps run in pods: Airflow reads them, and what its operator makes is a pod as Kubernetes knows it.

No cluster is there: the pods are made and not started.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure
from pipeglot.core.task.main import read_call
from tests.e2e.conftest import ENVIRONMENT
from tests.servers.sandbox import ROOT

GOLDEN = ROOT / "tests/golden"
SCRIPT = ROOT / "tests/servers/pods.py"

CONFIG = """
stacks:
  local: {backend: local}
  prod:
    backend: airflow
    version: %s
    store: "s3://ml/{{ ti }}/$(x)"
    run: pod
    secrets: {TOKEN: "k8s:warehouse/password", OTHER: "env:OTHER"}
    default_args:
      {labels: {team: ml}, startup_timeout_seconds: 600, image_pull_policy: Always, env_from: [{secretRef: {name: s3}}]}
    steps: {fit: {node_selector: {gpu: A100}, tolerations: [{key: gpu, operator: Exists}]}}
"""
PIPELINE = '''
from pipeglot import Resources, pipeline, step


@step(image="ghcr.io/acme/fit:2", secrets=["TOKEN", "OTHER"], resources=Resources(cpu=0.5, memory="16Gi", gpu=1))
def fit(text: str) -> str:
    """Fits {{ ti }} "well"."""
    return text


@pipeline
def one(text: str = "{{ ti }} $(x)") -> None:
    fit(text)
'''

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: x}}]
contexts: [{name: d, context: {cluster: c, user: u}}]
current-context: d
"""


def made(version: int, file: Path, home: Path, *run: str) -> Any:
    """What Airflow makes of a DAG file: its tasks, and their pods. With `run`, what becomes of its tasks."""
    (home / "kubeconfig").write_text(KUBECONFIG)
    engine = ensure(find_engine("airflow").pins(str(version)), ROOT / ".cache/engines", print)
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "KUBECONFIG": str(home / "kubeconfig"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "240",  # a first import, on a busy machine
        "AIRFLOW__CORE__MAX_MAP_LENGTH": "4",
    }
    if version == 2:  # its sandbox goes without the provider: `make test` puts it there
        environment["PYTHONPATH"] = str(ROOT / ".cache/pods-2")
    if run:
        _there([str(engine / "bin/airflow"), "db", "migrate"], environment)
    return json.loads(_there([str(engine / "bin/python"), "-BP", str(SCRIPT), str(file), *run], environment))


def _there(words: list[str], environment: dict[str, str]) -> str:
    """The last line that it prints."""
    done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("case", ["shapes", "flights"])
@pytest.mark.parametrize("version", [3, 2])
def test_the_pods_of_emitted_files(version: int, case: str, tmp_path: Path) -> None:
    found = made(version, GOLDEN / f"airflow{version}_pod/{case}/{case}.py", tmp_path)
    params, wishes = found["params"]
    assert len(found["pods"]) > 10
    for task, pod in found["pods"].items():
        base, *beside = pod["spec"]["containers"]
        document, *words = base["args"]
        call = read_call(document)
        assert base["image"] == "ghcr.io/acme/steps:1"
        assert base["command"] == ["python", "-m", "pipeglot.core.run_step"]
        assert "$" not in document, "Kubernetes would take it for a variable"
        assert repr(call.run.params) == repr({**params, "pipeglot": wishes})  # `repr`: a NaN is not itself
        assert call.run.id == "manual__{{ 1 }}"
        assert (call.attempt, call.engine["round"], call.engine["task"]) == (2, "2", task)
        answers = call.do in ("items", "choose")
        assert [one["name"] for one in beside] == (["airflow-xcom-sidecar"] if answers else [])
        if "map_index" in call.engine:
            assert base["env"] == [{"name": "PIPEGLOT_INDEX", "value": "[3]"}]
            assert words == ["--index", "PIPEGLOT_INDEX"]
        else:
            assert words == (["--value", "/airflow/xcom/return.json"] if answers else [])
    if case == "shapes":
        assert found["pods"]["total"]["spec"]["containers"][0]["resources"] == {
            "requests": {"cpu": "2", "memory": "4Gi"}
        }
        assert [task for task in found["tasks"] if task not in found["pods"]] == ["when_1"]


@pytest.mark.parametrize("version", [3, 2])
def test_what_a_step_asks_of_its_pod(version: int, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(PIPELINE)
    (tmp_path / "pipeglot.yaml").write_text(CONFIG % version)
    words = [sys.executable, "-m", "pipeglot", "compile", "one.py", "--stack", "prod", "--out", "out"]
    subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    pod = made(version, tmp_path / "out/one.py", tmp_path)["pods"]["fit"]
    (base,) = pod["spec"]["containers"]
    assert base["image"] == "ghcr.io/acme/fit:2"
    assert base["imagePullPolicy"] == "Always"
    assert base["resources"] == {"requests": {"cpu": "500m", "memory": "16Gi"}, "limits": {"nvidia.com/gpu": "1"}}
    secret = {"secretKeyRef": {"name": "warehouse", "key": "password"}}
    assert base["env"] == [{"name": "TOKEN", "valueFrom": secret}]
    assert base["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert pod["spec"]["nodeSelector"] == {"gpu": "A100"}
    assert pod["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["metadata"]["labels"]["team"] == "ml"
    deployed = read_call(base["args"][0]).pipeline
    assert deployed.secrets == {"TOKEN": "env:TOKEN", "OTHER": "env:OTHER"}
    assert deployed.store == "s3://ml/{{ ti }}/$(x)"


SHAPES = """
stacks:
  local: {backend: local, pools: {gpu: 2}, store: %(store)s/local}
  prod: {backend: airflow, version: %(version)s, store: %(store)s/there, run: pod, image: "steps:1", trusted: true}
"""


@pytest.mark.parametrize("version", [3, pytest.param(2, marks=pytest.mark.whole)])
def test_a_run_whose_pods_are_processes_here(version: int, tmp_path: Path) -> None:
    def pipeglot(*words: str) -> str:
        command = [sys.executable, "-m", "pipeglot", *words]
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "shapes.py").write_text((GOLDEN / "cases/shapes.py").read_text())
    (tmp_path / "pipeglot.yaml").write_text(SHAPES % {"version": version, "store": tmp_path / "store"})
    (tmp_path / "dags").mkdir()
    pipeglot("deploy", "shapes.py:shapes", "--stack", "prod")
    pipeglot("compile", "shapes.py:shapes", "--stack", "prod", "--out", "dags")
    params = {"count": 6, "day": "2024-05-01"}
    found = made(version, tmp_path / "dags/shapes.py", tmp_path, sys.executable, json.dumps(params))
    assert found["state"] == "success"
    skipped = [task for task, states in found["tasks"].items() if "skipped" in states]
    assert sorted(skipped) == ["alarm", "small"]
    for task in ("double", "inner.double", "inner.double_2"):
        assert found["tasks"][task] == ["success"] * 3, "6 items, and Airflow maps over 4"
    pipeglot("run", "shapes.py:shapes", "-p", "count=6", "-p", "day=2024-05-01")
    here = pipeglot("lineage", "latest", "--digest")
    pipeglot("stack", "set", "prod")
    assert pipeglot("lineage", "latest", "--digest") == here
