"""Airflow, as the suite sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeglot.core.task.joining import RESERVED
from tests.servers.airflow import Airflow


class OnAirflow:
    """An Airflow. Files are put where it looks for them, and it starts runs by its own API."""

    def __init__(self, server: Airflow) -> None:
        self.server = server

    @property
    def words(self) -> str:
        return f"backend: airflow, version: {self.server.version}, dags_folder: '{self.server.dags}'"

    def start(self, pipeline: str, params: Mapping[str, Any], *, cache: bool = False) -> str:
        return self.server.trigger(pipeline, **params, **({} if cache else {RESERVED: {"cache": False}}))

    def wait(self, pipeline: str, run: str) -> bool:
        return self.server.state(pipeline, run) == "success"

    def cancel(self, pipeline: str, run: str) -> None:
        assert self.server.ask("PATCH", f"/dags/{pipeline}/dagRuns/{run}", {"state": "failed"})[0] == 200

    def again(self, pipeline: str, run: str, step: str) -> None:
        self.server.clear(pipeline, run, step)
