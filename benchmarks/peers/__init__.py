"""The tools that pipeglot is measured beside, each in an environment and with settings of its own, and no telemetry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Tool
from benchmarks.peers.dagster import dagster_tool
from benchmarks.peers.metaflow import metaflow_tool
from benchmarks.peers.place import Place
from benchmarks.peers.prefect import prefect_alone, prefect_beside_server
from benchmarks.peers.zenml import zenml_tool

ENVIRONMENTS = Path(__file__).parents[2] / ".cache" / "peers"


class Peer(NamedTuple):
    """A tool: `name` is its column, `package` its distribution and the folder of its environment.

    make: what makes its cases, each in a folder of its own.
    """

    name: str
    package: str
    make: tuple[Callable[[Place], Tool], ...]

    @property
    def environment(self) -> Path:
        return ENVIRONMENTS / self.package

    def tools(self, folder: Path) -> list[Tool]:
        """Its cases, in folders that become its homes as well."""
        places = [
            Place.made(folder / f"{self.package}-{n}", self.environment, self.name) for n in range(len(self.make))
        ]
        return [make(place) for make, place in zip(self.make, places, strict=True)]


PEERS = (
    Peer("Prefect", "prefect", (prefect_alone, prefect_beside_server)),
    Peer("Dagster", "dagster", (dagster_tool,)),
    Peer("ZenML", "zenml", (zenml_tool,)),
    Peer("Metaflow", "metaflow", (metaflow_tool,)),
)
