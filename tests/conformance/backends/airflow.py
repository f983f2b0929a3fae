"""Airflow, as the suite sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeglot.core.task.joining import RESERVED
from tests.servers.airflow import Airflow


class OnAirflow:
    """An Airflow. Files are put where it looks for them, and it starts runs by its own API."""

    def __init__(self, server: Airflow) -> None:
        self.server = server

    def stack(self, store: Path) -> str:
        words = f"version: {self.server.version}, dags_folder: '{self.server.dags}', store: '{store}', trusted: true"
        return f"backend: airflow, {words}"

    def start(self, pipeline: str, params: Mapping[str, Any]) -> str:
        return self.server.trigger(pipeline, **params, **{RESERVED: {"cache": False}})

    def wait(self, pipeline: str, run: str) -> bool:
        return self.server.state(pipeline, run) == "success"
