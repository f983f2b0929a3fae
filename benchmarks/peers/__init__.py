"""The tools that pipeglot is measured beside, each in an environment and with settings of its own, and no telemetry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Tool
from benchmarks.peers.dagster import dagster_tool
from benchmarks.peers.metaflow import metaflow_tool
from benchmarks.peers.place import Place
from benchmarks.peers.prefect import prefect_tool
from benchmarks.peers.zenml import zenml_tool

ENVIRONMENTS = Path(__file__).parents[2] / ".cache" / "peers"


class Peer(NamedTuple):
    """A tool: `name` is its column, `package` its distribution and the folder of its environment."""

    name: str
    package: str
    make: Callable[[Place], Tool]

    @property
    def environment(self) -> Path:
        return ENVIRONMENTS / self.package

    def tool(self, folder: Path) -> Tool:
        """Its cases, in a folder that becomes its home as well."""
        return self.make(Place.made(folder, self.environment, self.name))


PEERS = (
    Peer("Prefect", "prefect", prefect_tool),
    Peer("Dagster", "dagster", dagster_tool),
    Peer("ZenML", "zenml", zenml_tool),
    Peer("Metaflow", "metaflow", metaflow_tool),
)
