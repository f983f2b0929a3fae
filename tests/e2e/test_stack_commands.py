"""`pipeglot stack add`, `remove` and `check`, as a user drives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Project
from tests.servers.canned import Server

YAML = "# ours\nstacks:\n  local: {backend: local}  # here\n"


@pytest.fixture
def made(project: Project) -> Project:
    project.write("pipeglot.yaml", YAML)
    return project


# --- add, remove ------------------------------------------------------------------------------------------------------


def test_a_stack_comes_and_goes(made: Project, tmp_path: Path) -> None:
    words = ["version=2", "api_url=http://airflow:8080", "auth.user=007", "auth.password=${PASSWORD}", "strict=true"]
    options = [word for option in words for word in ("-o", option)]
    done = made("stack", "add", "prod", "--backend", "airflow", *options)
    assert done.out == "added the stack prod; `pipeglot stack check prod` looks whether all is there\n"
    assert (tmp_path / "pipeglot.yaml").read_text() == YAML + (
        "  prod:\n    backend: airflow\n    version: 2\n    api_url: http://airflow:8080\n"
        "    auth:\n      user: '007'\n      password: ${PASSWORD}\n    strict: true\n"
    )
    made("stack", "set", "prod")
    assert made("stack", "remove", "prod").out == "removed the stack prod; its store `.pipeglot/store` is as it was\n"
    assert (tmp_path / "pipeglot.yaml").read_text() == YAML
    assert "*  local" in made("stack", "list").out, "the choice is forgotten with its stack"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["local", "--backend", "local"], "there is a stack `local` already", "`pipeglot stack remove local` first"),
        (["x", "--backend", "airflo"], "there is no backend `airflo`", "did you mean `airflow`?"),
        (
            ["x", "--backend", "airflow", "-o", "dag_folder=a"],
            "have no setting `dag_folder`",
            "did you mean `dags_folder`?",
        ),
        (["x", "--backend", "airflow", "-o", "version"], "`-o version` has no `=`", "write `-o version=VALUE`"),
        (["x", "--backend", "airflow", "-o", "version=4"], "stack `x`: `version` must be 3 or 2", ""),
        (["x", "--backend", "airflow", "-o", "auth.password=hush"], "`password` names a variable", ""),
        (["x", "--backend", "airflow", "-o", "auth=a", "-o", "auth.user=b"], "`auth` is given a value of its own", ""),
        (["x", "--backend", "local", "-o", "store=s3://a:b@c/d"], "is a URI with credentials in it", "keep them out"),
        (["a b", "--backend", "local"], "`a b` cannot name a stack", ""),
    ],
)
def test_what_is_not_added(made: Project, tmp_path: Path, words: list[str], message: str, hint: str) -> None:
    done = made("stack", "add", *words, code=2)
    assert message in done.err
    assert hint in done.err
    assert (tmp_path / "pipeglot.yaml").read_text() == YAML


def test_what_is_not_removed(made: Project, tmp_path: Path) -> None:
    assert "there is no stack `prod` in `pipeglot.yaml`" in made("stack", "remove", "prod", code=2).err
    assert "`local` is the only stack of pipeglot.yaml" in made("stack", "remove", "local", code=2).err
    (tmp_path / "pipeglot.yaml").unlink()
    assert "there is no `pipeglot.yaml` here" in made("stack", "remove", "local", code=2).err


# --- check ------------------------------------------------------------------------------------------------------------


def test_a_local_stack(made: Project, tmp_path: Path) -> None:
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local, secrets: {A: 'env:SECRET_A', B: 'file:b.txt'}}\n")
    lines = made("stack", "check", code=2).out.splitlines()
    assert lines == [
        f"ok     store     `file://{tmp_path}/.pipeglot/store` can be read and written",
        "ok     trust     pickles are read from it",
        "wrong  secret A  the variable `SECRET_A` is not set",
        "                 hint: `export SECRET_A=…`",
        f"wrong  secret B  `{tmp_path}/b.txt` cannot be read",
        "                 hint: write it there, for this user to read",
    ]
    assert list((tmp_path / ".pipeglot/store").rglob("probe/*")) == [], "nothing is left of the probe"
    made.write("b.txt", "b")
    made("stack", "check", SECRET_A="a")


def test_a_store_that_cannot_be_written(made: Project) -> None:
    made.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: /proc/nowhere}\n")
    assert made("stack", "check", code=2).out.startswith("wrong  store  ")


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.answers = {
        "POST /auth/token": [(201, {"access_token": "t"})],
        "GET /api/v2/dags": [(200, {"dags": [], "total_entries": 0})],
        "GET /api/v2/version": [(200, {"version": "3.3.2"})],
        "GET /api/v2/dags/pooled": [(200, {"dag_id": "pooled"})],
        "GET /api/v2/pools": [(200, {"pools": [{"name": "default_pool"}], "total_entries": 1})],
        "GET /api/v2/config/section/core/option/max_map_length": [
            (200, {"sections": [{"name": "core", "options": [{"key": "max_map_length", "value": "16"}]}]})
        ],
    }
    yield found
    found.close()


@pytest.fixture
def far(project: Project, server: Server, tmp_path: Path) -> Project:
    (tmp_path / "dags").mkdir()
    fields = (
        f"store: '{tmp_path}/store', dags_folder: dags, api_url: '{server.url}', auth: {{user: a, password: '${{P}}'}}"
    )
    project.write("pipeglot.yaml", f"stacks:\n  prod: {{backend: airflow, {fields}}}\n")
    return project


def checked(project: Project, *words: str, code: int = 0) -> dict[str, tuple[bool, str, str]]:
    found = project("stack", "check", *words, "--json", code=code, P="p").json
    assert found["ok"] == (code == 0)
    return {one["what"]: (one["ok"], one["message"], one["hint"]) for one in found["checks"]}


def test_an_airflow_with_which_nothing_is_wrong(far: Project, server: Server) -> None:
    found = checked(far)
    assert found["api"] == (True, f"{server.url} answers, and lets us in", "")
    assert found["version"] == (True, "Airflow 3.3.2", "")
    assert found["maps"] == (True, "at most 16 items: `max_map_length` of its section `core`", "")


POOLED = """\
from pipeglot import pipeline, step

@step(pool="gpu")
def one() -> int:
    return 1

@pipeline
def pooled() -> None:
    one()
"""


def test_what_a_pipeline_needs_and_it_lacks(far: Project, server: Server) -> None:
    far.write("pooled.py", POOLED)
    hint = "`airflow pools set gpu 1 ''` makes it; or name another in `steps:` of the stack"
    message = "`one` runs in pool `gpu`, which the Airflow of stack `prod` does not have"
    assert checked(far, "--target", "pooled.py", code=2)["pipeline pooled"] == (False, message, hint)
    far("deploy", "pooled.py", "--no-wait", P="p")
    found = checked(far, code=2)
    assert found["pipeline pooled"] == (False, message, hint), "what is deployed is looked at, too"
    assert found["dags_folder"] == (True, "it has read what lies there: `pooled`", "")


def test_a_schedule_that_is_paused(far: Project, server: Server) -> None:
    far.write(
        "nightly.py", POOLED.replace("pooled", "nightly").replace("@pipeline", '@pipeline(schedule=Cron("0 6 * * *"))')
    )
    far.replace("nightly.py", "import pipeline", "import Cron, pipeline")
    far.replace("nightly.py", '(pool="gpu")', "")
    far("deploy", "nightly.py", "--no-wait", P="p")
    server.answers["GET /api/v2/dags/nightly"] = [(200, {"is_paused": True, "tags": []})]
    told = (False, "it is paused: its schedule starts nothing", "`airflow dags unpause nightly`, or its page")
    assert checked(far, code=2)["pipeline nightly"] == told


def test_a_folder_that_it_does_not_read(far: Project, server: Server) -> None:
    far.write("pooled.py", POOLED)
    far("deploy", "pooled.py", "--no-wait", P="p")
    server.answers["GET /api/v2/dags/pooled"] = [(404, {"detail": "The Dag was not found"})]
    assert checked(far, code=2)["dags_folder"] == (
        False,
        "it does not know `pooled`, which lies in `dags_folder`",
        "does it read another folder? `pipeglot deploy` tells if it cannot read a file",
    )


@pytest.mark.parametrize(
    ("version", "ok", "message", "hint"),
    [
        ("2.11.2", False, "it is Airflow 2.11.2", "say `version: 2`"),
        ("3.9.0", True, "Airflow 3.9.0, newer than 3.3, the last one that pipeglot was tried on", ""),
        ("unknown", False, "it calls itself `unknown`, which is no version of Airflow's", ""),
    ],
)
def test_versions(far: Project, server: Server, version: str, ok: bool, message: str, hint: str) -> None:
    server.answers["GET /api/v2/version"] = [(200, {"version": version})]
    assert checked(far, code=0 if ok else 2)["version"] == (ok, message, hint)


def test_an_old_airflow(far: Project, server: Server, tmp_path: Path) -> None:
    far.replace("pipeglot.yaml", "backend: airflow,", "backend: airflow, version: 2,")
    server.answers |= {"GET /api/v1/dags": [(200, {"dags": []})], "GET /api/v1/version": [(200, {"version": "2.7.3"})]}
    assert checked(far, code=2)["version"] == (
        False,
        "Airflow 2.7.3 is older than what DAG files are written for",
        "the oldest that pipeglot knows is 2.10",
    )


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"POST /auth/token": [(401, {"detail": "Invalid credentials"})]}, "does not know us: Invalid credentials"),
        ({"GET /api/v2/dags": [(403, {"detail": "Forbidden"})]}, "does not let us `GET /dags`: Forbidden"),
        ({"GET /api/v2/dags": [(200, "<html><title>Log in</title>")]}, "gives a page: the page `Log in`"),
    ],
)
def test_one_that_does_not_let_us_in(far: Project, server: Server, answers: dict[str, Any], message: str) -> None:
    server.answers |= answers
    ok, told, hint = checked(far, code=2)["api"]
    assert not ok
    assert message in told
    assert hint
