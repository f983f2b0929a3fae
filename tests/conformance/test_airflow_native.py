"""On a real Airflow: its variables and connections as secrets, an asset that starts a run, an artifact by its name."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage import keys
from tests.conformance.results import Tally
from tests.conformance.suite import HERE
from tests.e2e.conftest import Project
from tests.servers.airflow import Airflow
from tests.servers.sandbox import PATIENCE

SECRETS = {"TOKEN": "airflow:pipeglot_token", "PASSWORD": "airflow:conn/pipeglot_db", "LACKS": "airflow:pipeglot_lacks"}


@pytest.fixture(params=["airflow3", pytest.param("airflow2", marks=pytest.mark.whole)])
def server(request: pytest.FixtureRequest) -> Airflow:
    found: Airflow = request.getfixturevalue(request.param)
    found.ask("POST", "/variables", {"key": "pipeglot_token", "value": "s3cret-token"})
    connection = {"connection_id": "pipeglot_db", "conn_type": "generic", "password": "pa55-word"}
    found.ask("POST", "/connections", connection)
    return found


@pytest.fixture
def project(server: Airflow, tmp_path: Path) -> Project:
    found = Project(tmp_path / "project")
    found.root.mkdir()
    shutil.copy(HERE / "native.py", found.root)
    where = f"version: {server.version}, dags_folder: '{server.dags}', store: '{tmp_path}/store', trusted: true"
    found.write("pipeglot.yaml", f"stacks:\n  far: {{backend: airflow, {where}, secrets: {json.dumps(SECRETS)}}}\n")
    return found


def shown(project: Project, pipeline: str, run: str) -> Any:
    return project("runs", "show", keys.run_id("far", pipeline, run), "--stack", "far", "--json").json


def run_of(server: Airflow, dag: str) -> dict[str, Any]:
    """The first run that Airflow has started by itself."""
    deadline = time.monotonic() + PATIENCE
    while not (runs := server.ask("GET", f"/dags/{dag}/dagRuns")[1]["dag_runs"]):
        assert time.monotonic() < deadline, f"no run of `{dag}`"
        time.sleep(0.5)
    return dict(runs[0])


def test_an_asset_starts_a_run_that_takes_the_artifact(server: Airflow, project: Project, tally: Tally) -> None:
    title = server.title
    with tally.of(title, "artifacts and secrets from pipeline to pipeline"), tally.of(title, "started by an asset"):
        an_asset_starts_a_run(server, project)


def an_asset_starts_a_run(server: Airflow, project: Project) -> None:
    for name in ("taker", "maker"):
        project("deploy", f"native.py:{name}", "--stack", "far")
    server.wait_for("taker")
    server.ask("PATCH", "/dags/taker", {"is_paused": False})
    made = server.trigger("maker", count=4)
    assert server.state("maker", made) == "success"
    first = shown(project, "maker", made)
    (artifact,) = first["steps"][0]["outputs"].values()
    taken = run_of(server, "taker")
    assert server.state("taker", taken["dag_run_id"]) == "success"
    second = shown(project, "taker", taken["dag_run_id"])
    assert second["params"]["made"] == artifact
    assert second["params"]["day"] == dt.datetime.now(dt.UTC).date().isoformat()
    told = project("artifact", "get", second["steps"][0]["outputs"]["output"], "--stack", "far", "--json").json["value"]
    assert told == f"25 on {dt.datetime.now(dt.UTC):%Y}"
    kind = "assets" if server.version == "3" else "datasets"
    events = server.ask("GET", f"/{kind}/events")[1][f"{kind[:-1]}_events"]
    assert [event["extra"].get("pipeglot") for event in events if event["extra"]] == [artifact]
    assert "s3cret" not in project("runs", "logs", first["run_id"], "make", "--stack", "far").out


def test_a_secret_that_it_does_not_have(server: Airflow, project: Project) -> None:
    project("deploy", "native.py:lacking", "--stack", "far")
    run = server.trigger("lacking")
    assert server.state("lacking", run) == "failed"
    (step,) = shown(project, "lacking", run)["steps"]
    assert step["error"]["message"] == "secret `LACKS`: this Airflow has no variable `pipeglot_lacks`"
