"""Run the cases in rounds, in turn, so that a drift of the machine's speed meets all alike, and keep what each cost."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.accounting import descendants, end_strays, spent

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
    """Cases in one folder and environment. warm_up: commands that are run once, before anything is measured."""

    folder: Path
    env: Mapping[str, str]
    cases: tuple[Case, ...]
    warm_up: tuple[tuple[str, ...], ...] = ()
    server: Server | None = None


class CommandFailed(Exception):
    """A command failed, or there is none, so nothing was measured."""


class Measured(NamedTuple):
    """What cases cost. `failed` are those that could not be run to their ends, with what they said."""

    samples: Samples
    failed: dict[Case, str]


def run_rounds(tools: list[Tool], rounds: int, tell: Callable[[str], object]) -> Measured:
    """Every case once in each round, or a few times if it is short; but not again once it has failed."""
    measuring = _Measuring(tell)
    for number in range(rounds):
        for tool in tools:
            try:
                measuring.round(tool, f"{number + 1}/{rounds}")
            except CommandFailed as error:  # what all its cases need
                measuring.failed |= dict.fromkeys(tool.cases, str(error))
    samples = measuring.samples
    for case in measuring.failed:
        samples.pop((case.row, case.column), None)
    return Measured(samples, measuring.failed)


class _Measuring:
    """What was found so far. `numbers` are those that no command had; `known` those that a cached case always has."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell = tell
        self.samples: Samples = {}
        self.failed: dict[Case, str] = {}
        self.numbers = itertools.count(_STRIDE, _STRIDE)
        self.known: dict[Case, int] = {}
        self._warm: set[Path] = set()

    def round(self, tool: Tool, which: str) -> None:
        """All cases of a tool, beside its server. Raises `CommandFailed` if that does not start."""
        with _serving(tool.server, self.samples) as keep:
            self._warm_up(tool, keep)
            for case in tool.cases:
                if case in self.failed:
                    continue
                self.tell(f"{which} {case.column}: {case.row}")
                try:
                    self._measure(case, tool, keep)
                except CommandFailed as error:
                    self.failed[case] = str(error)

    def _measure(self, case: Case, tool: Tool, keep: Collection[int]) -> None:
        costs = self.samples.setdefault((case.row, case.column), [])
        for _ in range(TIMES_IF_SHORT):
            start = self.known[case] if case.cached else next(self.numbers)
            costs.append(measure(_filled(case.command, start), tool.folder, tool.env, keep))
            if costs[-1].wall > SHORT:
                return

    def _warm_up(self, tool: Tool, keep: Collection[int]) -> None:
        """Whatever happens only once: bytecode, databases, and what the cached cases find."""
        if tool.folder in self._warm:
            return
        self.tell(f"{tool.cases[0].column}: warming up, and what the cached cases find")
        self._warm.add(tool.folder)
        for command in tool.warm_up:
            measure(_filled(command, next(self.numbers)), tool.folder, tool.env, keep)
        for case in tool.cases:
            if case.cached:
                self.known[case] = next(self.numbers)
                measure(_filled(case.command, self.known[case]), tool.folder, tool.env, keep)


def measure(command: list[str], folder: Path, env: Mapping[str, str], keep: Collection[int] = ()) -> Cost:
    """Run a command to its end, and what it leaves behind. `keep`: processes that stay, and whose CPU counts too.

    Others that are there already are left alone.
    """
    there = {*keep, *descendants(os.getpid())}
    before, began = spent(), time.perf_counter()
    with tempfile.TemporaryFile() as output:  # no pipe, which a daemon would hold open
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
        wall = time.perf_counter() - began
        left = end_strays(there)
        if done.returncode:
            raise CommandFailed(f"{' '.join(command)}\n{_tail(output)}")
    if keep:
        _wait_until_quiet()
    return Cost(spent() - before, wall, left)


def _tail(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - 4000))
    return output.read().decode(errors="replace")


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
        yield ()
        return
    there = descendants(os.getpid())
    before, began = spent(), time.perf_counter()
    with server.start() as pids:
        samples.setdefault((server.row, server.column), []).append(Cost(spent() - before, time.perf_counter() - began))
        _wait_until_quiet()
        yield pids
    end_strays(there)


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
