"""Runs that are under way on a real engine, and what they share with the laptop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeglot.core.lineage import keys
from tests.conformance.backends import Engine
from tests.conformance.suite import HERE, STACK
from tests.e2e.conftest import Project
from tests.servers.sandbox import PATIENCE


class Live:
    """A project that one engine and the laptop share, with one store for both. `words` say what its stack is, but for
    the store."""

    def __init__(self, words: str, folder: Path) -> None:
        self.folder = folder
        self.project = Project(folder / "project")
        self.project.patience = PATIENCE
        self.project.root.mkdir()
        shutil.copy(HERE / "flows_live.py", self.project.root)
        self.store = folder / "store"
        store = f"store: '{self.store}', trusted: true"
        self.project.write(
            "pipeglot.yaml", f"stacks:\n  local: {{backend: local, {store}}}\n  {STACK}: {{{words}, {store}}}\n"
        )

    def all_good(self, pipeline: str, count: int) -> list[dict[str, Any]]:
        """All runs of a pipeline, once so many are there and have succeeded."""
        found = self.listed(pipeline)
        return found if [run["status"] for run in found] == ["succeeded"] * count else []

    def shown(self, pipeline: str, engine_run: str) -> dict[str, Any]:
        run = keys.run_id(STACK, pipeline, engine_run)
        found: dict[str, Any] = self.project("runs", "show", run, "--stack", STACK, "--json").json
        return found

    def listed(self, pipeline: str) -> list[dict[str, Any]]:
        words = ("runs", "list", "--pipeline", pipeline, "--stack", STACK, "-n", "0", "--json")
        found: list[dict[str, Any]] = self.project(*words).json
        return sorted(found, key=lambda run: str(run["logical_date"]))

    def local_digest(self, pipeline: str, *words: str) -> str:
        """Of a run here that computes everything."""
        done = self.project("run", f"flows_live.py:{pipeline}", "--stack", "local", "--no-cache", "--json", *words)
        return str(done.json["lineage_digest"])

    def local(self, pipeline: str, *words: str) -> dict[str, Any]:
        """A run here that takes what is in the cache."""
        found: dict[str, Any] = self.project(
            "run", f"flows_live.py:{pipeline}", "--stack", "local", "--json", *words
        ).json
        return found

    def marks(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


class OnEngine(Live):
    """Any engine, as the suite drives it."""

    def __init__(self, engine: Engine, server: Any, folder: Path) -> None:
        self.backend = engine.drive(server)
        super().__init__(self.backend.words, folder)

    @property
    def title(self) -> str:
        return str(self.backend.server.title)

    def start(self, pipeline: str, **params: Any) -> str:
        """The engine's id of a run of what is here now."""
        self.project("deploy", f"flows_live.py:{pipeline}", "--stack", STACK)
        return str(self.backend.start(pipeline, params, cache=True))

    def run(self, pipeline: str, **params: Any) -> dict[str, Any]:
        """What is recorded of a run, once it is over."""
        run = self.start(pipeline, **params)
        self.backend.wait(pipeline, run)
        return self.shown(pipeline, run)


def until(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What it says as soon as it says something."""
    deadline = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < deadline, "it has not come"
        time.sleep(0.3)
    return found


def states(run: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {one["id"]: (one["status"], one["attempts"]) for one in run["steps"]}


def written(path: Path) -> str:
    """What a file says; "" if it says nothing yet."""
    return path.read_text() if path.exists() else ""


def is_alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def ancestor(pid: int, generations: int) -> int:
    for _ in range(generations):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid
