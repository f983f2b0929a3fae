"""In the environment of an Airflow: what the pods of a DAG file would be, held against the model of Kubernetes.

`python pods.py FILE` prints for each pod its task, and the pod as JSON. `python pods.py FILE PYTHON PARAMS` runs the
DAG, as Airflow itself does for tests, with a process of PYTHON in place of each pod. Nothing of pipeglot is imported.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from types import SimpleNamespace
from typing import Any

PARAMS = {
    "text": "{{ ti }} {% raw %} {# '$(ls)' $$(x) `id` \"quoted\"\n <&> ü \u2028 .json",
    "large": "x" * 50_000,
    "n": 2**70,
    "nan": float("nan"),
    "b": {"z": 1, "a": [None, True]},
}
WISHES = {"tags": {"a": "{{ b }}"}}
MOMENT = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def main(file: str, python: str = "", params: str = "") -> None:
    found = _bag(file)
    assert not found.import_errors, found.import_errors
    (dag,) = found.dags.values()
    operator = import_module("airflow.providers.cncf.kubernetes.operators.pod").KubernetesPodOperator
    if python:
        print(json.dumps(_run(dag, operator, python, json.loads(params))))
        return
    pods = {}
    for task in dag.tasks:
        kind = getattr(task, "operator_class", type(task))
        if kind is operator:
            pods[task.task_id] = _pod(dag, task)
    print(json.dumps({"tasks": [task.task_id for task in dag.tasks], "params": [PARAMS, WISHES], "pods": pods}))


def _bag(file: str) -> Any:
    try:
        return import_module("airflow.dag_processing.dagbag").DagBag(file)
    except ImportError:  # 2.x
        return import_module("airflow.models.dagbag").DagBag(file, include_examples=False)


def _pod(dag: Any, task: Any) -> dict[str, Any]:
    index = {"PIPEGLOT_INDEX": "[3]"}
    is_mapped = not hasattr(task, "build_pod_request_obj")
    one = task.unmap({**task.partial_kwargs, "env_vars": index}) if is_mapped else task
    if not is_mapped and one.env_vars:  # of an item of a mapped group: what it is resolved to is given by the scheduler
        one.env_vars, is_mapped = index, True
    one.render_template_fields(_context(dag, one, 3 if is_mapped else -1))
    made = one.build_pod_request_obj(None)
    client = import_module("kubernetes.client").ApiClient()
    plain: dict[str, Any] = client.sanitize_for_serialization(made)
    read = client.deserialize(SimpleNamespace(data=json.dumps(plain)), "V1Pod")
    assert client.sanitize_for_serialization(read) == plain, "the model knows all of it"
    return plain


def _run(dag: Any, operator: Any, python: str, params: Any) -> dict[str, Any]:
    def execute(self: Any, context: Any) -> Any:
        container = self.build_pod_request_obj(context).spec.containers[0]
        with tempfile.TemporaryDirectory() as folder:
            value = f"{folder}/return.json"
            words = [value if one == "/airflow/xcom/return.json" else one for one in container.args]
            told = {"PATH": os.defpath, **{one.name: one.value for one in container.env}}
            done = subprocess.run([python, *container.command[1:], *words], env=told, check=False)
            if done.returncode in self.skip_on_exit_code:
                raise import_module("airflow.exceptions").AirflowSkipException
            assert done.returncode == 0
            with open(value) if self.do_xcom_push else open(os.devnull) as file:
                return json.loads(file.read() or "null")

    operator.execute_sync = execute
    run = dag.test(run_conf=params)
    found: dict[str, list[str]] = {}
    for ti in run.get_task_instances():
        found.setdefault(ti.task_id, []).append(str(ti.state))
    return {"state": str(run.state), "tasks": found}


def _context(dag: Any, task: Any, number: int) -> dict[str, Any]:
    ti = SimpleNamespace(
        task_id=task.task_id, try_number=2, max_tries=2, map_index=number, hostname="", dag_id=dag.dag_id, task=task
    )
    run = SimpleNamespace(
        run_id="manual__{{ 1 }}",
        dag_id=dag.dag_id,
        run_type="manual",
        logical_date=MOMENT,
        run_after=MOMENT,
        data_interval_end=None,
        conf={"pipeglot": WISHES},
    )
    return {"ti": ti, "run_id": run.run_id, "params": PARAMS, "dag": dag, "dag_run": run, "task": task}


if __name__ == "__main__":
    main(*sys.argv[1:])
