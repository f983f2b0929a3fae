"""The sandboxes of Airflow 3 and 2 are real ones: a DAG file is seen, triggered by REST, and succeeds with our code."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

import pipeglot
from pipeglot.compilers.sandboxes.processes import marked, table
from pipeglot.compilers.sandboxes.waiting import free_ports
from tests.servers.airflow import Airflow

DAG = '''\
"""A DAG by hand."""

from {module} import dag, task


@dag(dag_id="by_hand", schedule=None, start_date=None, params={{"year": 2013}}, tags=["hand"])
def by_hand():
    @task
    def look(params=None):
        import numpy
        import obstore
        import pandas
        import sklearn

        import pipeglot.core.run_step

        return {{"year": params["year"], "file": pipeglot.__file__, "sum": int(numpy.arange(4).sum())}}

    @task
    def add(found):
        return found["sum"] + found["year"]

    add(look())


by_hand()
'''


MODULES = {"3": "airflow.sdk", "2": "airflow.decorators"}


@pytest.fixture(params=["airflow3", pytest.param("airflow2", marks=pytest.mark.whole)])
def airflow(request: pytest.FixtureRequest) -> Airflow:
    found: Airflow = request.getfixturevalue(request.param)
    return found


def test_a_dag_by_hand(airflow: Airflow) -> None:
    airflow.write("by_hand.py", DAG.format(module=MODULES[airflow.version]))
    run = airflow.trigger("by_hand", year=2014)
    assert airflow.state("by_hand", run) == "success"
    assert "site-packages/pipeglot/__init__.py" in str(airflow.returned("by_hand", run, "look"))
    link = Path(airflow.view["environment"]).glob("lib/python3*/site-packages/pipeglot")
    assert [one.resolve() for one in link] == [Path(pipeglot.__file__ or "").resolve().parent]
    assert int(airflow.returned("by_hand", run, "add")) == 2020


@pytest.mark.whole  # a busy machine is slow
def test_a_changed_file_is_seen_at_once(airflow: Airflow) -> None:
    """Not after the 30 s in which an unchanged one is not looked at.

    What is written while Airflow still parses the version before it takes for seen, and finds it after the 30 s.
    """
    text = DAG.format(module=MODULES[airflow.version]).replace("by_hand", "changed")
    airflow.write("changed.py", text)
    airflow.wait_for("changed")
    seconds = []
    for tag in ("first", "second", "third"):
        time.sleep(3)
        begin = time.monotonic()
        airflow.write("changed.py", text.replace('"hand"', f'"{tag}"'))
        while tag not in [one["name"] for one in airflow.ask("GET", "/dags/changed")[1]["tags"]]:
            assert time.monotonic() < begin + 120
            time.sleep(0.2)
        seconds.append(time.monotonic() - begin)
        if seconds[-1] < 20:
            break
    assert seconds[-1] < 20, seconds


LONG = """\
from airflow.sdk import dag, task


@dag(dag_id="long", schedule=None)
def long():
    @task
    def wait():
        import os
        import time

        if os.fork() == 0:
            os.setsid()
        time.sleep(3600)

    wait()


long()
"""


@pytest.mark.whole
def test_a_crash_is_mended_and_nothing_is_left(tmp_path: Path) -> None:
    """In a sandbox of its own, for others work with theirs."""
    own = Airflow("3", tmp_path / "own")
    try:
        own.write("long.py", LONG)
        own.trigger("long")
        before = own.command("status", "--json")[0]
        for part in before["services"]:
            if part["name"] in ("postgres", "scheduler"):
                os.kill(part["pid"], signal.SIGKILL)
        while own.command("status", "--json")[0]["status"] != "broken":
            time.sleep(0.1)
        after = own.command("up", "airflow", "--json")
        assert (after["status"], after["url"]) == ("up", before["url"])
        again = own.command("up", "airflow", "--json")
        assert [part["pid"] for part in again["services"]] == [part["pid"] for part in after["services"]]
        run = own.trigger("long")
        while own.ask("GET", f"/dags/long/dagRuns/{run}/taskInstances")[1]["task_instances"][0]["state"] != "running":
            time.sleep(0.2)
    finally:
        (view,) = own.command("down", "airflow", "--json")
    assert (view["status"], view["services"], view["memory"]) == ("down", [], 0)
    assert marked(own.home, table().keys()) == set()
    state = json.loads((own.home / "sandbox.json").read_text())
    assert list(free_ports(3, tuple(state["ports"]))) == state["ports"]
