"""Measure whole processes, children included, by the operating system's own accounting."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of a command: of the processors, and of the clock."""

    cpu: float
    wall: float


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command and its children to the end. Raises if it fails."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=env | {"NO_COLOR": "1"})
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began)


def medians(cases: dict[str, list[str]], folder: Path, runs: int) -> dict[str, Cost]:
    """The median costs of commands that are run in turn, so that a drift of the machine's speed meets all alike."""
    samples: dict[str, list[Cost]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, command in cases.items():
            samples[name].append(cost(command, folder))
    return {
        name: Cost(statistics.median(one.cpu for one in found), statistics.median(one.wall for one in found))
        for name, found in samples.items()
    }
