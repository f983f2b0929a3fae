"""Metaflow, as the suite sees it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from pipeglot.compilers.metaflow.deployer import MetaflowDeployer
from pipeglot.compilers.metaflow.flows import Flows
from pipeglot.core.task.joining import RESERVED
from tests.conformance.suite import STACK
from tests.servers.metaflow import Metaflow
from tests.servers.sandbox import PATIENCE

AT_ONCE = max(2, os.cpu_count() or 1)
"""Runs: each has a process for every task, and all together would only be in each other's way."""

SHARED = "max_map_length: 20"
"""Each task is a process, of which `make test` may not have too many."""


class OnMetaflow:
    """Metaflow's own runner. Runs are started as `pipeglot run` starts them, and nobody follows them."""

    def __init__(self, server: Metaflow) -> None:
        self.server = server
        self.remote = MetaflowDeployer(server.model(STACK))
        self._started: list[tuple[str, str]] = []
        self._again: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def words(self) -> str:
        return f"{self.server.words}, {SHARED}"

    def start(self, pipeline: str, params: Mapping[str, Any], *, cache: bool = False) -> str:
        self._wait(AT_ONCE - 1)
        own = {} if cache else {RESERVED: {"cache": False}}
        run = self.remote.start(pipeline, f"{pipeline} of the suite {time.time_ns()}", {**params, **own}).id
        self._started.append((pipeline, run))
        return run

    def wait(self, pipeline: str, run: str) -> bool:
        if run in self._again:
            return self._again.pop(run).wait(PATIENCE) == 0
        deadline = time.monotonic() + PATIENCE
        while (status := self.remote.status(pipeline, run)) == "running":
            assert time.monotonic() < deadline, f"`{run}` of `{pipeline}` does not end"
            time.sleep(0.2)
        return status == "succeeded"

    def cancel(self, pipeline: str, run: str) -> None:
        self.remote.cancel(pipeline, run)

    def again(self, pipeline: str, run: str, step: str) -> None:
        """By Metaflow's own command, from the step that has failed."""
        flow = Flows(self.remote.interpreter.kept, STACK).newest(pipeline)
        assert flow is not None
        self._again[run] = self.server.flow(flow, "resume", step, "--origin-run-id", run)

    def _wait(self, most: int) -> None:
        """Until no more runs than these are under way."""
        while len(under_way := [one for one in self._started if self.remote.status(*one) == "running"]) > most:
            self._started = under_way
            time.sleep(0.2)
