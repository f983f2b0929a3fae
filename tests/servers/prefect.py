"""A real Prefect, and its API."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeglot.compilers.rest import basic
from tests.servers.sandbox import PATIENCE, Server, shared

OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Prefect(Server):
    """A sandbox that is up, and its API."""

    services = ("postgres", "server", "worker")
    """What it consists of."""

    def __init__(self, home: Path) -> None:
        super().__init__("prefect", "3", home)

    @property
    def words(self) -> str:
        """What a stack of `pipeglot.yaml` says of it."""
        auth = f"{{user: admin, password_file: '{self.view['password_file']}'}}"
        return f"backend: prefect, api_url: '{self.view['url']}/api', auth: {auth}, work_pool: sandbox"

    def stack(self, store: Path) -> str:
        """What a stack says with which runs are started and followed."""
        return f"{self.words}, store: '{store}', trusted: true"

    def stranger(self) -> int:
        """What somebody without a password is told."""
        return self.send("POST", "/api/flows/filter", {}, {})[0]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status, and the answer."""
        return self.send(method, f"/api{path}", body, {"Authorization": basic("admin", self.password)})

    def trigger(self, flow: str, deployment: str, *, labels: dict[str, str] | None = None, **params: Any) -> str:
        """Start a run of a deployment. Returns its id."""
        status, found = self.ask("GET", f"/deployments/name/{flow}/{deployment}")
        assert status == 200, found
        body = {"parameters": params, "labels": labels or {}}
        status, made = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
        assert status == 201, made
        return str(made["id"])

    def state(self, run: str) -> str:
        """The state in which the run ended."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.ask("GET", f"/flow_runs/{run}")[1]["state_type"]) not in OVER:
            assert time.monotonic() < deadline, f"`{run}` is {state}"
            time.sleep(0.5)
        return str(state)

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """Its task runs, by name."""
        asked = {"flow_runs": {"id": {"any_": [run]}}, "limit": 200}
        return {one["name"]: one for one in self.ask("POST", "/task_runs/filter", asked)[1]}


def shared_prefect(base: Path, who: str) -> AbstractContextManager[Prefect]:
    """One for all processes of a test run."""
    return shared(Prefect, "prefect-3", base, who)
