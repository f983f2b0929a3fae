"""The pipelines of `flows.py` as a careful person writes them for Prefect, with results in a folder.

Each result is JSON in a file of its own, written beside its place and renamed, so that no reader ever sees half of one;
what travels through Prefect is the path. There is no cache, no record of the run but Prefect's, no digest of the code.
"""

import json
import os
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.runtime import flow_run, task_run

STORE = Path(os.environ["BY_HAND"])
WORDS = {"cache_policy": NO_CACHE, "persist_result": False}


def save(value):
    folder = STORE / str(flow_run.id)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task_run.id}.json"
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    temp.write_text(json.dumps(value))
    temp.replace(path)
    return str(path)


def load(path):
    return json.loads(Path(path).read_text())


@task(name="first", **WORDS)
def first(start):
    return save(start + 1)


@task(name="one", **WORDS)
def one(path):
    return save(load(path) + 1)


@flow(name="chain_by_hand", persist_result=False)
def chain_by_hand(start: int = 0):
    path = first.submit(start)
    found = [path]
    for _ in range(99):
        path = one.submit(path)
        found.append(path)
    wait(found)
    return found


@task(name="numbers", **WORDS)
def numbers(start):
    save(list(range(start, start + 100)))
    return list(range(start, start + 100))


@task(name="item", **WORDS)
def item(x):
    return save(x + 1)


@task(name="each", **WORDS)
def each(xs):
    found = [item.submit(x) for x in xs]
    wait(found)
    return [one.result() for one in found]


@task(name="total", **WORDS)
def total(paths):
    return save(sum(load(path) for path in paths))


@flow(name="wide_by_hand", persist_result=False)
def wide_by_hand(start: int = 0):
    xs = numbers.submit(start)
    paths = each.submit(xs)
    found = [xs, paths, total.submit(paths)]
    wait(found)
    return found
