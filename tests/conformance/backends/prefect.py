"""Prefect, as the suite sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeglot.compilers.prefect.names import WISHES
from tests.conformance.suite import STACK
from tests.servers.prefect import Prefect


class OnPrefect:
    """A Prefect. Deployments are made by its API, and so are runs."""

    def __init__(self, server: Prefect) -> None:
        self.server = server

    @property
    def words(self) -> str:
        return self.server.words

    def start(self, pipeline: str, params: Mapping[str, Any], *, cache: bool = False) -> str:
        labels = {} if cache else {WISHES: json.dumps({"cache": False})}
        return self.server.trigger(pipeline, STACK, labels=labels, **params)

    def wait(self, pipeline: str, run: str) -> bool:  # its id says all
        return self.server.state(run) == "COMPLETED"

    def cancel(self, pipeline: str, run: str) -> None:  # its id says all
        self._set(run, {"type": "CANCELLING"})

    def again(self, pipeline: str, run: str, step: str) -> None:  # it goes on where it has failed
        self._set(run, {"type": "SCHEDULED", "name": "AwaitingRetry"})

    def _set(self, run: str, state: dict[str, str]) -> None:
        assert self.server.ask("POST", f"/flow_runs/{run}/set_state", {"state": state})[0] == 201
