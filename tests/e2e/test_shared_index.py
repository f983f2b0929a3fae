"""A shared index as a user meets it: two checkouts of one store, servers that go, and what is said then."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Project
from tests.servers.postgres import Postgres
from tests.servers.process import free_ports

FLOW = """\
from pipeglot import pipeline, step

@step
def double(n: int) -> int:
    return 2 * n

@pipeline
def flow(n: int = 1) -> None:
    double(n)
"""
CONFIG = """\
stacks:
  local: {backend: local, store: %s, metadata: '${PIPEGLOT_METADATA}', trusted: true}
"""


class Team:
    """Two checkouts with one store and one index."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.postgres = postgres
        self.database = postgres.database()
        self.uri = postgres.uri(self.database)
        self.env: dict[str, Any] = {"PIPEGLOT_METADATA": self.uri}
        self.here, self.there = Project(folder / "here"), Project(folder / "there")
        for one in (self.here, self.there):
            one.write("flow.py", FLOW)
            one.write("pipeglot.yaml", CONFIG % (folder / "store"))

    def run(self, project: Project, *words: str) -> str:
        return str(project("run", "flow.py", "--json", *words, **self.env).json["run_id"])

    def listed(self, project: Project) -> list[str]:
        return [one["run_id"] for one in project("runs", "list", "--json", **self.env).json]

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return self.postgres.run(statement, self.database)


@pytest.fixture
def team(tmp_path: Path, postgres: Postgres) -> Team:
    return Team(tmp_path, postgres)


def test_two_checkouts_and_one_index(team: Team) -> None:
    assert team.listed(team.here) == []
    assert team.sql("SELECT to_regclass('pipeglot.runs')") == [(None,)], "a store without a run is not worth an index"
    first = team.run(team.here)
    assert team.listed(team.here) == [first]
    second = team.run(team.there, "-p", "n=2", "--tag", "by=there")
    assert team.listed(team.there) == [second, first]
    assert team.listed(team.here) == [second, first]
    graph = team.there("lineage", f"{first}/double/output", "--json", **team.env).json
    assert {node["kind"] for node in graph["nodes"]} == {"artifact", "step", "param"}
    assert not list(team.here.root.glob(".pipeglot/index/*")), "there is none of its own"
    (line,) = [
        one for one in team.here("stack", "check", "--json", **team.env).json["checks"] if one["what"] == "metadata"
    ]
    place = f"postgresql://127.0.0.1:{team.postgres.port}/{team.database}"
    assert line["message"].startswith(f"`{place}` has 2 runs of this store, as of ")
    assert team.here("store", "reindex", **team.env).out == f"indexed 2 runs, 2 executions in `{place}`\n"


def test_an_index_that_is_dropped(team: Team) -> None:
    first = team.run(team.here)
    team.listed(team.here)
    team.sql("DROP TABLE pipeglot.nodes")
    team.run(team.there)
    done = team.here("runs", "list", "--json", **team.env)
    assert len(done.json) == 2
    assert done.err == (
        'note: the index was made anew from the store: it was damaged, or removed (relation "nodes" does not exist)\n'
    )
    assert first in team.listed(team.there)


def test_what_is_new_for_who_may_only_read(team: Team) -> None:
    first = team.run(team.here)
    team.listed(team.here)
    team.sql(f"CREATE USER reader_{team.database} PASSWORD 'r'")
    team.sql(f"GRANT USAGE ON SCHEMA pipeglot TO reader_{team.database}")
    team.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA pipeglot TO reader_{team.database}")
    team.env = {"PIPEGLOT_METADATA": team.postgres.uri(team.database, f"reader_{team.database}", "r")}
    done = team.there("runs", "list", "--json", **team.env)
    assert ([one["run_id"] for one in done.json], done.err) == ([first], "")
    second = team.run(team.there)
    done = team.there("runs", "list", "--json", **team.env)
    assert [one["run_id"] for one in done.json] == [second, first]
    assert done.err == (
        "note: the shared index is not used: this user may only read it, and it lacks what is new in the store; "
        "the index of this checkout answers\n"
    )
    checks = team.there("stack", "check", "--json", **team.env).json["checks"]
    said = [one["message"] for one in checks if one["what"] == "metadata"]
    assert said[0].endswith("; it lacks 1 run, until somebody asks it")
    assert said[1] == "this user may only read it: what is new, others have to put in"


def test_a_server_that_is_not_there(team: Team) -> None:
    (port,) = free_ports(1)
    run = team.run(team.here)
    uri = f"postgresql://me:hidden-password@127.0.0.1:{port}/d"
    done = team.here("runs", "list", "--json", PIPEGLOT_METADATA=uri)
    assert [one["run_id"] for one in done.json] == [run]
    assert done.err == (
        f'note: the shared index is not used: connection to server at "127.0.0.1", port {port} failed: '
        "Connection refused; the index of this checkout answers\n"
    )
    (line,) = [
        one
        for one in team.here("stack", "check", "--json", code=2, PIPEGLOT_METADATA=uri).json["checks"]
        if one["what"] == "metadata"
    ]
    assert (line["ok"], line["message"]) == (
        False,
        f'it cannot be used: connection to server at "127.0.0.1", port {port} failed: Connection refused',
    )


def test_what_is_wrong_here_is_an_error(team: Team) -> None:
    team.run(team.here)
    done = team.here("runs", "list", code=2)
    assert "stack `local`: `metadata`: the environment variable `PIPEGLOT_METADATA` is not set" in done.err
    done = team.here("runs", "list", code=2, PIPEGLOT_METADATA="mysql://me:hidden-password@h/d")
    assert "the stack's `metadata` is no URI of a PostgreSQL database" in done.err
    assert "hidden-password" not in done.err
    team.here.write("pipeglot.yaml", "stacks:\n  local: {backend: local, metadata: 'postgresql://me:pw@h/d'}\n")
    done = team.here("runs", "list", code=2)
    assert "`stacks.local.metadata` is a URI with credentials in it" in done.err
    team.here.write("pipeglot.yaml", "stacks:\n  local: {backend: local, metadata: lineage.db}\n")
    done = team.here("runs", "list", code=2)
    assert (
        "`metadata` must be the URI of a PostgreSQL database, as `${PIPEGLOT_METADATA}`: "
        "it begins with `postgresql://`, or is a variable as a whole" in done.err
    )


@pytest.mark.parametrize("backend", ["airflow", "prefect", "kfp"])
def test_nothing_that_is_compiled_knows_of_it(project: Project, backend: str) -> None:
    project.write("flow.py", FLOW)
    texts = []
    for more in ("", ", metadata: '${PIPEGLOT_METADATA}'"):
        version = {"airflow": ", version: 3", "kfp": ", image: 'python:3.12'"}.get(backend, "")
        project.write("pipeglot.yaml", f"stacks:\n  it: {{backend: {backend}, store: 's3://b/s'{version}{more}}}\n")
        project("compile", "flow.py", "--out", "out")
        texts.append({path.name: path.read_bytes() for path in (project.root / "out").rglob("*") if path.is_file()})
        shutil.rmtree(project.root / "out")
    assert texts[0] == texts[1]
    assert texts[0]
