"""The pipelines of `flows.py` as a careful person writes them for Airflow, with results in a folder.

Each result is JSON in a file of its own, written beside its place and renamed, so that no reader ever sees half of one;
what travels through Airflow is the path. There is no cache, no record of the run but Airflow's, no digest of the code.
"""

import json
import os
from pathlib import Path

import pendulum

try:
    from airflow.sdk import Param, dag, get_current_context, task
except ImportError:  # 2.x
    from airflow.decorators import dag, task
    from airflow.models.param import Param
    from airflow.operators.python import get_current_context

STORE = Path("STORE")
WORDS = {"schedule": None, "start_date": pendulum.datetime(2024, 1, 1), "catchup": False}


def save(value):
    ti = get_current_context()["ti"]
    folder = STORE / ti.run_id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ti.task_id}.{ti.map_index}.json"
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    temp.write_text(json.dumps(value))
    temp.replace(path)
    return str(path)


def load(path):
    return json.loads(Path(path).read_text())


@task
def one(path):
    return save(load(path) + 1)


@dag(dag_id="chain_by_hand", params={"start": Param(0, type="integer")}, **WORDS)
def chain():
    @task
    def first():
        return save(get_current_context()["params"]["start"] + 1)

    path = first()
    for _ in range(19):
        path = one(path)


@dag(dag_id="wide_by_hand", params={"start": Param(0, type="integer")}, **WORDS)
def wide():
    @task
    def numbers():
        start = get_current_context()["params"]["start"]
        save(list(range(start, start + 100)))
        return list(range(start, start + 100))

    @task
    def item(x):
        return save(x + 1)

    @task
    def total(paths):
        return save(sum(load(path) for path in paths))

    total(item.expand(x=numbers()))


chain()
wide()
