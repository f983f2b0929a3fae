"""Runs that are under way on a real Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance.live import Live, until
from tests.conformance.suite import STACK
from tests.servers.prefect import Prefect


class OnLive(Live):
    """A Prefect, whose runs nobody of ours follows. `more` its stack says."""

    def __init__(self, server: Prefect, folder: Path, *more: str) -> None:
        super().__init__(", ".join([server.words, *more]), folder)
        self.server = server

    def deploy(self, pipeline: str) -> None:
        self.project("deploy", f"flows_live.py:{pipeline}", "--stack", STACK)

    def schedule(self, pipeline: str) -> str:
        """Have its schedule start runs, whatever was paused before. Returns the deployment's id."""
        self.deploy(pipeline)
        found = str(self.deployment(pipeline)["id"])
        self.server.ask("POST", f"/deployments/{found}/resume_deployment", {})
        return found

    def pause(self, pipeline: str) -> None:
        self.server.ask("POST", f"/deployments/{self.deployment(pipeline)['id']}/pause_deployment", {})

    def start(self, pipeline: str, **params: Any) -> str:
        self.deploy(pipeline)
        return self.server.trigger(pipeline, STACK, **params)

    def ended(self, run: str) -> dict[str, dict[str, Any]]:
        """The tasks of a run that is over, once the server has heard of their ends: by events, some time later."""
        found: dict[str, dict[str, Any]] = until(lambda: self._ended(run))
        return found

    def _ended(self, run: str) -> dict[str, dict[str, Any]]:
        tasks = self.server.tasks(run)
        return tasks if all(one["end_time"] for one in tasks.values()) else {}

    def flow_process(self, run: str) -> int:
        """The process in which a flow runs. What it has started has its environment, too, and may have a lower number:
        the system's numbers begin anew at some point."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    found = (entry / "environ").read_bytes().split(b"\0")
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if f"PREFECT__FLOW_RUN_ID={run}".encode() in found and b"prefect.engine" in words:
                    return int(entry.name)
        raise AssertionError(f"nobody runs `{run}`")

    def deployment(self, pipeline: str) -> dict[str, Any]:
        """As the server has it."""
        status, found = self.server.ask("GET", f"/deployments/name/{pipeline}/{STACK}")
        assert status == 200, found
        return dict(found)
