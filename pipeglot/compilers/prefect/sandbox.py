"""A real Prefect on this machine: a server on PostgreSQL, and a worker that starts a process for each run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pipeglot.compilers.rest import basic
from pipeglot.compilers.sandboxes.asking import ask
from pipeglot.compilers.sandboxes.engine import Engine, Release
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.postgres import is_ready, start_postgres, uri
from pipeglot.compilers.sandboxes.records import State
from pipeglot.compilers.sandboxes.running import PASSWORD
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.compilers.sandboxes.waiting import LOCALHOST
from pipeglot.core.errors import UsageError

_HERE = Path(__file__).parent
_USER = "admin"
_POOL = "sandbox"
_QUICK = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    "PREFECT_TASK_RUN_TAG_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
}
"""What somebody who waits wants more often than a cluster has time for."""

_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_CLI_PROMPT": "false"}


class Prefect(Engine):
    """Prefect 3."""

    name = "prefect"
    title = "Prefect"
    user = _USER
    ports = 2
    releases: ClassVar[Mapping[str, Release]] = MappingProxyType(
        {"3": Release("3", "3.9.1", _HERE / "sandbox_v3.txt", ("3.11", "3.12", "3.13"))}
    )

    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:  # noqa: ARG002  # there is one
        needed = _settings((0, 0))
        for name in settings:
            if not name.startswith("PREFECT_"):
                raise UsageError(
                    f"`{name}` names no setting of Prefect", hint="as a variable: `-o PREFECT_LOGGING_LEVEL=DEBUG`"
                )
            if name in needed:
                raise UsageError(f"`{name}` is what the sandbox needs for itself", hint="leave it out")

    def url(self, ports: tuple[int, ...]) -> str:
        return f"http://{LOCALHOST}:{ports[0]}"

    def folders(self, home: Home) -> dict[str, str]:
        return {"prefect_home": str(home.folder("prefect")), "logs": str(home.folder("logs"))}

    def start(self, run: Starting) -> None:
        home, ports = run.home, run.state.ports
        own = {**_QUICK, **run.state.settings, **_settings(ports), "PREFECT_HOME": run.state.folders["prefect_home"]}
        key = f"{_USER}:{home.secret(PASSWORD)}"
        own |= {"PREFECT_API_AUTH_STRING": key, "PREFECT_SERVER_API_AUTH_STRING": key}
        environment = run.environment(own, without="PREFECT_")
        database = {"PREFECT_API_DATABASE_CONNECTION_URL": uri(home, ports[1], "postgresql+asyncpg")}
        start_postgres(run, ports[1])
        run.wait("PostgreSQL", lambda: "" if is_ready(ports[1]) else "it takes no connections", "postgres")
        run.tell("starting server, worker")
        program = str(run.bin / "prefect")
        run.serve("server", [program, "server", "start"], environment | database)
        run.wait("the server", lambda: _attempt(lambda: _ask(run.state, home, "GET", "/health")), "server")
        most = max(4, 2 * (os.cpu_count() or 1))  # each run imports Prefect first: all at once, none would get far
        words = ["worker", "start", "--pool", _POOL, "--type", "process", "--name", "sandbox", "--limit", str(most)]
        run.serve("worker", [program, *words], environment)
        run.wait(f"{self.title} {run.state.release}", lambda: self.trouble(run.state, home), "worker")

    def trouble(self, state: State, home: Home) -> str:
        return _attempt(lambda: _look(state, home))

    def stack(self, state: State, home: Home) -> dict[str, Any]:
        return {
            "backend": self.name,
            "api_url": f"{state.url}/api",
            "auth": {"user": state.user, "password_file": str(home.path / PASSWORD)},
            "work_pool": _POOL,
        }


def _settings(ports: tuple[int, ...]) -> dict[str, str]:
    """Of server and worker alike."""
    return {
        "PREFECT_API_URL": f"http://{LOCALHOST}:{ports[0]}/api",
        "PREFECT_SERVER_API_HOST": LOCALHOST,
        "PREFECT_SERVER_API_PORT": str(ports[0]),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        **_QUIET,
    }


def _attempt(look: Any) -> str:
    import http.client

    try:
        return look() or ""
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"it does not answer as it should: {type(error).__name__}: {error}"


def _look(state: State, home: Home) -> str:
    """The database answers, and the worker has told since the start that it lives."""
    found = _ask(state, home, "POST", f"/work_pools/{_POOL}/workers/filter", {})
    if not any(one["status"] == "ONLINE" for one in found):
        return "the worker is not there"
    return ""


def _ask(state: State, home: Home, method: str, path: str, body: Any = None) -> Any:
    found = ask(state.ports[0], method, f"/api{path}", body, {"Authorization": basic(_USER, home.secret(PASSWORD))})
    return "" if path == "/health" else found
