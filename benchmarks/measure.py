"""Run the cases in rounds, in turn, so that a drift of the machine's speed meets all alike, and keep what each cost."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from benchmarks.accounting import end_strays, spent

SHORT = 0.5
"""Seconds: a command that takes less is run `TIMES_IF_SHORT` times in a round."""
TIMES_IF_SHORT = 5

_STRIDE = 1_000_000
_QUIET = 0.1
"""Of a core: a server that takes less has done what a command gave it to do."""
_PATIENCE = 10.0


class Cost(NamedTuple):
    """Seconds of a command: of the processors, and of the clock. `left`: how many processes it did not end."""

    cpu: float
    wall: float
    left: int = 0


Samples = dict[tuple[str, str], list[Cost]]
"""By row and column of the tables."""


class Case(NamedTuple):
    """A command whose cost goes into the tables.

    command: its words; `{start}` in them becomes a number. cached: that number is always the same one, which was
    computed with before; for others it is new each time, so that no value was seen before.
    """

    row: str
    column: str
    command: tuple[str, ...]
    cached: bool = False


class Server(NamedTuple):
    """What must run beside some cases: `start` gives the ids of its processes. What they use counts, too."""

    row: str
    column: str
    start: Callable[[], AbstractContextManager[Collection[int]]]


class Tool(NamedTuple):
    """Cases in one folder and environment. `warm_up` is run once, before anything is measured."""

    folder: Path
    env: Mapping[str, str]
    cases: tuple[Case, ...]
    warm_up: tuple[tuple[str, ...], ...] = ()
    server: Server | None = None


class CommandFailed(Exception):
    """A command of a case failed, so nothing was measured."""


def run_rounds(tools: list[Tool], rounds: int, tell: Callable[[str], object]) -> Samples:
    """Every case once in each round. Raises `CommandFailed`."""
    samples: Samples = {}
    numbers = itertools.count(_STRIDE, _STRIDE)
    known: dict[Case, int] = {}
    for number in range(rounds):
        for tool in tools:
            with _serving(tool.server, samples) as keep:
                if number == 0:
                    known |= _warm_up(tool, numbers, keep)
                for case in tool.cases:
                    tell(f"{number + 1}/{rounds} {case.column}: {case.row}")
                    for _ in range(TIMES_IF_SHORT):
                        start = known[case] if case.cached else next(numbers)
                        cost = measure(_filled(case.command, start), tool.folder, tool.env, keep)
                        samples.setdefault((case.row, case.column), []).append(cost)
                        if cost.wall > SHORT:
                            break
    return samples


def measure(command: list[str], folder: Path, env: Mapping[str, str], keep: Collection[int] = ()) -> Cost:
    """Run a command to its end, and what it leaves behind. `keep`: processes that stay, and whose CPU counts too."""
    before, began = spent(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=_environment(env), capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    left = end_strays(keep)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if keep:
        _wait_until_quiet()
    return Cost(spent() - before, wall, left)


def median(costs: list[Cost]) -> Cost:
    """Of each of its numbers."""
    return Cost(
        statistics.median(one.cpu for one in costs),
        statistics.median(one.wall for one in costs),
        max(one.left for one in costs),
    )


@contextmanager
def _serving(server: Server | None, samples: Samples) -> Iterator[Collection[int]]:
    """The server, if there is to be one; what its start costs is a sample, too."""
    if server is None:
        with nullcontext():
            yield ()
        return
    before, began = spent(), time.perf_counter()
    with server.start() as pids:
        samples.setdefault((server.row, server.column), []).append(Cost(spent() - before, time.perf_counter() - began))
        _wait_until_quiet()
        yield pids
    end_strays()


def _warm_up(tool: Tool, numbers: Iterator[int], keep: Collection[int]) -> dict[Case, int]:
    """Whatever happens only once: bytecode, databases, and what the cached cases find. Gives their numbers."""
    for command in tool.warm_up:
        measure(_filled(command, next(numbers)), tool.folder, tool.env, keep)
    known = {case: next(numbers) for case in tool.cases if case.cached}
    for case, start in known.items():
        measure(_filled(case.command, start), tool.folder, tool.env, keep)
    return known


def _wait_until_quiet() -> None:
    """Until the servers have worked off what they were given; their idle work goes on."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        before = spent()
        time.sleep(0.5)
        if spent() - before < 0.5 * _QUIET:
            return


def _filled(command: tuple[str, ...], start: int) -> list[str]:
    return [word.replace("{start}", str(start)) for word in command]


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**own, "NO_COLOR": "1", **env}


_UNWANTED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "VIRTUAL_ENV"}
"""With these, processes would start or print otherwise than a user's."""
