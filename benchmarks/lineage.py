"""Lineage over a million edges: ten runs of a mesh, each going on from the last, as `pipeglot lineage` sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import CommandFailed, Samples, measure
from benchmarks.ours import make_project
from benchmarks.rows import BY_HAND, CLOSURE, NEAR, OURS, REINDEX

_RUNS = 10
_EDGES = 1_000_000
_LAST = "latest/last/output"


def measure_lineage(folder: Path, rounds: int, tell: Callable[[str], object]) -> Samples:
    """Make the runs, then ask. They take most of the time, and are not measured. Raises `CommandFailed`."""
    make_project(folder)
    pipeglot = [sys.executable, "-m", "pipeglot"]
    for number in range(_RUNS):
        tell(f"{OURS}: run {number + 1} of {_RUNS}, for lineage")
        given = ["mesh.py:mesh_on", "-p", f"before={_LAST}"] if number else ["mesh.py:mesh", "-p", "start=1"]
        measure([*pipeglot, "run", *given], folder, {})
    tell(f"{OURS}: {REINDEX}")
    samples: Samples = {(REINDEX, OURS): [measure([*pipeglot, "store", "reindex"], folder, {})]}
    node = _make_by_hand([*pipeglot, "lineage", _LAST, "--up", "--json"], folder)
    commands = {
        (CLOSURE, OURS): [*pipeglot, "lineage", _LAST, "--up", "--json"],
        (CLOSURE, BY_HAND): [sys.executable, "closure_by_hand.py", "graph.sqlite", node],
        (NEAR, OURS): [*pipeglot, "lineage", _LAST, "--up", "--depth", "2", "--json"],
    }
    for number in range(rounds):
        for place, command in commands.items():
            tell(f"{number + 1}/{rounds} {place[1]}: {place[0]}")
            samples.setdefault(place, []).append(measure(command, folder, {}))
    return samples


def _make_by_hand(lineage: list[str], folder: Path) -> str:
    """The same graph in a database of its own. Gives the name of the node that all of it leads to."""
    with (folder / "graph.json").open("wb") as file:
        subprocess.run(lineage, cwd=folder, stdout=file, check=True)
    measure([sys.executable, "closure_by_hand.py", "graph.sqlite", "graph.json"], folder, {})
    graph = json.loads((folder / "graph.json").read_bytes())
    if graph["truncated"] or len(graph["edges"]) < _EDGES:
        raise CommandFailed(f"the closure has {len(graph['edges'])} edges, and is to have {_EDGES:,}")
    return str(graph["of"])
