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

    def start(self, pipeline: str, params: Mapping[str, Any]) -> str:
        labels = {WISHES: json.dumps({"cache": False})}
        return self.server.trigger(pipeline, STACK, labels=labels, **params)

    def wait(self, pipeline: str, run: str) -> bool:  # its id says all
        return self.server.state(run) == "COMPLETED"
