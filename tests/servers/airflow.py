"""A real Airflow, and its API."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.servers.sandbox import PATIENCE, Server, shared

SETTINGS = ("-o", "core.max_map_length=16")
"""Lists that are longer than Airflow maps over are quickly made then."""


class Airflow(Server):
    """A sandbox that is up, and its API."""

    def __init__(self, version: str, home: Path) -> None:
        super().__init__("airflow", version, home, *SETTINGS)
        self._token = ""
        self.dags = Path(self.view["folders"]["dags"])

    def stack(self, store: Path) -> str:
        """What a stack of `pipeglot.yaml` says, with which runs are started and followed."""
        auth = f"{{user: admin, password_file: '{self.view['password_file']}'}}"
        where = f"dags_folder: '{self.dags}', api_url: '{self.view['url']}', auth: {auth}"
        return f"backend: airflow, version: {self.version}, store: '{store}', trusted: true, {where}"

    # --- the API ------------------------------------------------------------------------------------------------------

    @property
    def api(self) -> str:
        return "/api/v2" if self.version == "3" else "/api/v1"

    @property
    def services(self) -> tuple[str, ...]:
        """What it consists of."""
        own = ("api-server", "scheduler", "dag-processor") if self.version == "3" else ("webserver", "scheduler")
        return ("postgres", *own, "triggerer")

    def stranger(self) -> int:
        """What somebody without a password is told."""
        return self.send("GET", f"{self.api}/pools", None, {})[0]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status, and the answer."""
        return self.send(method, f"{self.api}{path}", body, {"Authorization": self._authorization()})

    def write(self, name: str, text: str) -> None:
        """Put a DAG file there, whole or not at all."""
        temp = self.dags / f".{name}.new"
        temp.write_text(text, encoding="utf-8")
        temp.replace(self.dags / name)

    def trigger(self, dag: str, **params: Any) -> str:
        """Wait until the DAG is there, and start a run of it. Returns the run's id."""
        self.wait_for(dag)
        assert self.ask("PATCH", f"/dags/{dag}", {"is_paused": False})[0] == 200
        body = {"conf": params} | ({"logical_date": None} if self.version == "3" else {})
        status, made = self.ask("POST", f"/dags/{dag}/dagRuns", body)
        assert status == 200, made
        return str(made["dag_run_id"])

    def wait_for(self, dag: str) -> None:
        """Until it is there. A file that cannot be imported is told."""
        deadline = time.monotonic() + PATIENCE
        while self.ask("GET", f"/dags/{dag}")[0] != 200:
            errors = self.ask("GET", "/importErrors")[1]["import_errors"]
            assert not errors, errors
            assert time.monotonic() < deadline, f"`{dag}` was not seen"
            time.sleep(0.5)

    def state(self, dag: str, run: str) -> str:
        """The state in which the run ended."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.ask("GET", f"/dags/{dag}/dagRuns/{run}")[1]["state"]) not in ("success", "failed"):
            assert time.monotonic() < deadline, f"`{dag}` is {state}"
            time.sleep(0.5)
        return str(state)

    def returned(self, dag: str, run: str, task: str) -> Any:
        """What a task returned."""
        return self.ask("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value")[1]["value"]

    def log(self, dag: str, run: str, task: str) -> str:
        """What a task printed in its first try."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1"
        return json.dumps(self.ask("GET", path)[1])

    def clear(self, dag: str, run: str, task: str) -> None:
        """Have a task run again, and all that comes after it, as its page offers."""
        body = {
            "dag_run_id": run,
            "task_ids": [task],
            "include_downstream": True,
            "only_failed": False,
            "reset_dag_runs": True,
            "dry_run": False,
        }
        status, found = self.ask("POST", f"/dags/{dag}/clearTaskInstances", body)
        assert status == 200, found
        while self.ask("GET", f"/dags/{dag}/dagRuns/{run}")[1]["state"] in ("success", "failed"):
            time.sleep(0.2)

    def _authorization(self) -> str:
        if self.version == "2":
            return f"Basic {b64encode(f'admin:{self.password}'.encode()).decode()}"
        if not self._token:
            status, found = self.send("POST", "/auth/token", {"username": "admin", "password": self.password}, {})
            assert status == 201, found
            self._token = f"Bearer {found['access_token']}"
        return self._token


def shared_airflow(version: str, base: Path, who: str) -> AbstractContextManager[Airflow]:
    """One for all processes of a test run."""
    return shared(lambda home: Airflow(version, home), f"airflow-{version}", base, who)
