"""A real Airflow on this machine: API server, scheduler, DAG processor, triggerer; LocalExecutor on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pipeglot.compilers.airflow.sandbox_settings import PASSWORDS, USER, needed, render, settings_of, split
from pipeglot.compilers.rest import basic
from pipeglot.compilers.sandboxes.asking import ask
from pipeglot.compilers.sandboxes.engine import Engine, Release
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.postgres import is_ready, start_postgres
from pipeglot.compilers.sandboxes.records import State
from pipeglot.compilers.sandboxes.running import PASSWORD
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.compilers.sandboxes.waiting import LOCALHOST
from pipeglot.core.errors import UsageError

_HERE = Path(__file__).parent
_CONFIG = "airflow.cfg"
_MIGRATED = "migrated"
"""The release whose tables the database has."""

_PARTS = {
    "3": {
        "api-server": ["api-server"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    },
    "2": {
        "webserver": ["webserver"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    },
}
"""What is started, and how. A server for the logs would listen on every address: they are read as files."""

_ADD_USER = """\
import sys
from airflow.__main__ import main

words = "users create --role Admin --firstname Sandbox --lastname Admin --email admin@localhost --username"
sys.argv = ["airflow", *words.split(), sys.argv[1], f"--password={sys.stdin.readline().strip()}"]
main()
"""
"""Airflow's own command, but the password does not stand in a list of processes."""


class Airflow(Engine):
    """Airflow 3, and 2 for those who have not moved yet."""

    name = "airflow"
    title = "Airflow"
    user = USER
    ports = 3
    releases: ClassVar[Mapping[str, Release]] = MappingProxyType(
        {
            "3": Release("3", "3.3.2", _HERE / "sandbox_v3.txt", ("3.11", "3.12", "3.13")),
            "2": Release("2", "2.11.2", _HERE / "sandbox_v2.txt", ("3.11", "3.12")),
        }
    )

    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:
        for section, keys in split(settings).items():
            for key in keys:
                if (section, key) in needed(version):
                    raise UsageError(f"`{section}.{key}` is what the sandbox needs for itself", hint="leave it out")

    def url(self, ports: tuple[int, ...]) -> str:
        return f"http://{LOCALHOST}:{ports[0]}"

    def folders(self, home: Home) -> dict[str, str]:
        names = {"dags": "dags", "logs": "logs", "task_logs": "logs/tasks", "parse_logs": "logs/parsing"}
        return {"airflow_home": str(home.path), **{name: str(home.folder(path)) for name, path in names.items()}}

    # --- starting -----------------------------------------------------------------------------------------------------

    def start(self, run: Starting) -> None:
        version, home, ports = run.state.version, run.home, run.state.ports
        password = home.secret(PASSWORD)
        if version == "3":
            home.write(PASSWORDS, json.dumps({USER: password}))
        settings = settings_of(version, home, run.state.folders, ports, run.state.settings)
        home.write(_CONFIG, render(settings))
        for note in home.path.glob("airflow-*.pid"):  # of processes that were killed: none runs now
            note.unlink()
        environment = run.environment({"AIRFLOW_HOME": str(home.path)}, without="AIRFLOW_")
        start_postgres(run, ports[1])
        run.wait("PostgreSQL", lambda: "" if is_ready(ports[1]) else "it takes no connections", "postgres")
        if not self._is_migrated(run):
            self._migrate(run, environment, password)
        run.tell(f"starting {', '.join(_PARTS[version])}")
        for name, words in _PARTS[version].items():
            run.serve(name, [str(run.bin / "airflow"), *words], environment)
        title = f"{self.title} {run.state.release}"
        run.wait(title, lambda: self.trouble(run.state, home), next(iter(_PARTS[version])))

    def _is_migrated(self, run: Starting) -> bool:
        try:
            return (run.home.path / _MIGRATED).read_text(encoding="utf-8") == run.state.release
        except OSError:
            return False

    def _migrate(self, run: Starting, environment: dict[str, str], password: str) -> None:
        run.tell("making the tables")
        airflow = str(run.bin / "airflow")
        run.call("make the tables", [airflow, "db", "migrate"], environment)
        if run.state.version == "2":
            words = [str(run.bin / "python"), "-P", "-c", _ADD_USER, USER]
            run.call("add the user", words, environment, given=f"{password}\n")
        run.home.write(_MIGRATED, run.state.release)

    # --- how it is ----------------------------------------------------------------------------------------------------

    def trouble(self, state: State, home: Home) -> str:
        try:
            return next(self._troubles(state, home), "")
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            return f"it does not answer as it should: {type(error).__name__}: {error}"

    def _troubles(self, state: State, home: Home) -> Iterator[str]:
        """Every part has told since the start that it lives, and the user may log in."""
        modern = state.version == "3"
        health = ask(state.ports[0], "GET", "/api/v2/monitor/health" if modern else "/health")
        if health["metadatabase"]["status"] != "healthy":
            yield "the database is not healthy"
        for part in ("scheduler", "triggerer", *(("dag_processor",) if modern else ())):
            told = health[part]
            beat = told[f"latest_{part}_heartbeat"]
            if told["status"] != "healthy" or beat is None or not _is_later(beat, state.started):
                yield f"the {part.replace('_', ' ')} is not healthy"
        _log_in(state, home.secret(PASSWORD))

    def stack(self, state: State, home: Home) -> dict[str, Any]:
        return {
            "backend": self.name,
            "version": int(state.version),
            "dags_folder": state.folders["dags"],
            "api_url": state.url,
            "auth": {"user": state.user, "password_file": str(home.path / PASSWORD)},
        }


def _log_in(state: State, password: str) -> None:
    """Raises `ValueError` if the password is none."""
    if state.version == "3":
        ask(state.ports[0], "POST", "/auth/token", {"username": state.user, "password": password})
        return
    ask(state.ports[0], "GET", "/api/v1/pools", headers={"Authorization": basic(state.user, password)})


def _is_later(told: str, than: str) -> bool:
    time = dt.datetime.fromisoformat(told)
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)) >= dt.datetime.fromisoformat(than)
