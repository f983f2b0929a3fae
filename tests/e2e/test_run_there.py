"""`pipeglot run` on a stack whose Airflow answers as a test says; real ones are in tests/conformance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FLOW, HELPER, Project
from tests.servers.canned import Server


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.answers = {
        "POST /auth/token": [(201, {"access_token": "t"})],
        "GET /api/v2/importErrors": [(200, {"import_errors": [], "total_entries": 0})],
    }
    yield found
    found.close()


class Far:
    """A project, its stack, and the server of it."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.server = server
        self.folder = folder
        self.project = Project(folder)
        self.project.write("flow.py", FLOW)
        self.project.write("helper.py", HELPER)
        (folder / "dags").mkdir()
        self.configure("dags_folder: dags, ")

    def configure(self, more: str) -> None:
        fields = (
            f"store: '{self.folder}/store', {more}api_url: '{self.server.url}', auth: {{user: a, password: '${{P}}'}}"
        )
        self.project.write("pipeglot.yaml", f"stacks:\n  prod: {{backend: airflow, {fields}}}\n")

    def __call__(self, *words: str, code: int = 0) -> Any:
        return self.project(*words, code=code, P="p")

    def live(self) -> None:
        """The server has read what is deployed now."""
        version = self("deploy", "flow.py", "--no-wait", "--json").json["version"]
        found = {"is_paused": False, "tags": [{"name": f"pipeglot:{version}"}]}
        self.server.answers["GET /api/v2/dags/flow"] = [(200, found)]
        made = {"logical_date": None, "run_after": "2026-11-22T01:02:03Z", "run_type": "manual"}
        self.server.answers["POST /api/v2/dags/flow/dagRuns"] = [(200, made)]


@pytest.fixture
def far(tmp_path: Path, server: Server) -> Far:
    return Far(tmp_path, server)


def test_a_run_that_nobody_waits_for_is_known_from_its_start(far: Far) -> None:
    far.live()
    done = far("run", "flow.py", "-p", "count=2", "--tag", "a=b", "--no-wait", "--json")
    assert (done.json["status"], done.json["params"]) == ("running", {"bar": 10, "count": 2})
    sent = next(body for method, _, body, _ in far.server.asked if method == "POST" and "conf" in (body or {}))
    assert sent["conf"] == {"bar": 10, "count": 2, "pipeglot": {"tags": {"a": "b"}, "target": "flow.py:flow"}}
    (listed,) = far("runs", "list", "--json").json
    assert (listed["run_id"], listed["tags"]) == (done.json["run_id"], {"a": "b"})
    shown = far("runs", "show", "latest").out
    assert f"airflow run  {sent['dag_run_id']}\n" in shown
    assert f"there        {far.server.url}/dags/flow/runs/{sent['dag_run_id']}\n" in shown


def test_a_schedule_that_is_paused_is_told(far: Far) -> None:
    schedule = '@pipeline(schedule=Cron("0 6 * * *", start="2024-01-01", catchup=True))\n'
    text = (
        FLOW.replace("@pipeline\n", schedule)
        .replace("import each", "import Cron, each")
        .replace("count: int,", "count: int = 2,")
    )
    assert schedule in text
    far.project.write("flow.py", text)
    far.live()
    far.server.answers["GET /api/v2/dags/flow"][0][1]["is_paused"] = True
    far.server.answers["PATCH /api/v2/dags/flow"] = [(200, {})]
    done = far("deploy", "flow.py")
    assert "note: `flow` is paused there, so its schedule starts nothing until somebody unpauses it\n" in done.err
    done = far("run", "flow.py", "--no-wait")
    woken = "note: `flow` is paused there: this run wakes it, and its schedule begins, with all runs since its start\n"
    assert woken in done.err


def test_a_server_that_is_started_anew_just_now_is_asked_again(far: Far) -> None:
    far.live()
    far.server.answers["GET /api/v2/dags/flow"] = [(503, "busy")] * 4 + far.server.answers["GET /api/v2/dags/flow"]
    assert far("deploy", "flow.py", "--json").json["live"] is True


def test_a_run_that_is_followed_to_its_end(far: Far) -> None:
    """Nothing records: what Airflow has is brought, and the run counts as lost."""
    far.live()
    log = {"event": "No module named pipeglot", "level": "info"}
    far.server.default = (200, {"state": "failed", "task_instances": [TASK], "total_entries": 1, **log})
    done = far("run", "flow.py", code=1)
    assert "step numbers was lost: its task ended and recorded nothing\n\n  | No module named pipeglot\n" in done.err
    assert "flow was lost after " in done.err
    assert far("runs", "logs", "latest", "numbers").out == "No module named pipeglot\n"


TASK = {"task_id": "numbers", "map_index": -1, "state": "failed", "try_number": 1}


def test_without_a_folder_what_is_there_must_be_what_is_here(far: Far) -> None:
    far.configure("")
    far.server.answers["GET /api/v2/dags/flow"] = [(200, {"is_paused": False, "tags": []})]
    done = far("run", "flow.py", code=1)
    assert done.err.startswith(
        "error: `flow` is not there as it is here, and the stack does not say where its files lie  [engine]\n"
    )
    assert "hint: commit what `pipeglot compile TARGET --out DIR` writes, and wait until it is there" in done.err


def test_parameters_that_airflow_refuses(far: Far) -> None:
    far.live()
    far.server.answers["POST /api/v2/dags/flow/dagRuns"] = [(400, {"detail": "3 is greater than 2"})]
    done = far("run", "flow.py", code=1)
    assert "the Airflow of stack `prod` refuses the parameters: 3 is greater than 2" in done.err
    assert far("runs", "list", "--json").json == []


@pytest.mark.parametrize("words", [["--until", "numbers"], ["--inline"]])
def test_what_only_a_run_here_can_do(far: Far, words: list[str]) -> None:
    done = far("run", "flow.py", *words, code=33)
    assert f"`{words[0]}`: stack `prod` runs the whole of a deployed pipeline" in done.err
