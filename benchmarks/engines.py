"""What a task of pipeglot costs on a real engine, beside one that stores its result by hand.

The engine's sandbox runs both, in turn. CPU is that of all its processes, from the start of a run to its end: servers,
database and tasks, with all that these start.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from benchmarks.accounting import cpu_of
from benchmarks.machine import Neighbours, commit, this_machine
from benchmarks.measure import Cost
from benchmarks.table_text import show

ROOT = Path(__file__).parents[1]
PATIENCE = 1200.0
LOOK = 0.25
"""Seconds between two looks at a run; each is a request that the engine's server answers."""


class Engine(ABC):
    """A sandbox that is up, with a project whose stack it is."""

    name: ClassVar[str]
    title: ClassVar[str]
    flows: ClassVar[Path]
    """The pipelines."""
    cases: ClassVar[Mapping[str, str]]
    """What they are called in the table; the same by hand ends in `_by_hand`."""

    def __init__(self, version: str, home: Path, folder: Path) -> None:
        self.version = version
        self.home = home
        self.folder = folder
        self.pids: list[int] = []

    def up(self) -> None:
        compileall.compile_dir(ROOT / "pipeglot", quiet=2)  # as an installer does: tasks of a checkout may not write it
        (self.folder / "pipeglot.yaml").write_text("stacks:\n  local: {backend: local}\n")
        shutil.copy(self.flows, self.folder)
        view = json.loads(self.pipeglot("sandbox", "up", self.name, "--version", self.version, *self._home, "--json"))
        self.pids = [part["pid"] for part in view["services"]]
        self.prepare(view)

    @abstractmethod
    def prepare(self, view: Any) -> None:
        """Bring all pipelines there, ours and those by hand; `view` is what the sandbox says of itself."""

    @abstractmethod
    def start(self, flow: str, start: int) -> str:
        """Start a run of a pipeline with that parameter. Returns its id."""

    @abstractmethod
    def state(self, flow: str, run: str) -> bool | None:
        """Whether it has succeeded; None while it goes on."""

    def down(self) -> None:
        self.pipeglot("sandbox", "down", self.name, "--version", self.version, *self._home, "--purge")

    def run(self, flow: str, start: int) -> Cost:
        """One run; its parameter is new each time, so that nothing was computed before."""
        before, began = cpu_of(self.pids), time.monotonic()
        run = self.start(flow, start)
        while (good := self.state(flow, run)) is None:
            if time.monotonic() > began + PATIENCE:
                raise TimeoutError(f"`{flow}` does not end")
            time.sleep(LOOK)
        wall = time.monotonic() - began
        if not good:
            raise RuntimeError(f"run `{run}` of `{flow}` has failed: look into {self.home}")
        return Cost(cpu_of(self.pids) - before, wall)

    def idle(self, seconds: float = 10.0) -> float:
        """CPU seconds that it takes in a second in which nothing is to be done."""
        before, began = cpu_of(self.pids), time.monotonic()
        time.sleep(seconds)
        return (cpu_of(self.pids) - before) / (time.monotonic() - began)

    def pipeglot(self, *words: str) -> str:
        environment = {
            "PIPEGLOT_ENGINES": str(ROOT / ".cache/engines"),
            **os.environ,
            "PATH": f"{ROOT / '.cache/uv/bin'}:{os.environ.get('PATH', os.defpath)}",
        }
        done = subprocess.run(
            [sys.executable, "-m", "pipeglot", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pipeglot {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout

    @property
    def _home(self) -> tuple[str, str]:
        return "--home", str(self.home)


class Row(NamedTuple):
    """Medians of one case."""

    case: str
    ours: Cost
    by_hand: Cost

    def cells(self) -> list[str]:
        ours, by_hand = self.ours, self.by_hand
        return [
            self.case,
            f"{ours.cpu:.1f} s",
            f"{by_hand.cpu:.1f} s",
            f"{ours.cpu / by_hand.cpu:.2f}",
            f"{ours.wall:.1f} s",
            f"{by_hand.wall:.1f} s",
            f"{ours.wall / by_hand.wall:.2f}",
        ]


HEAD = ["", "CPU", "by hand", "ratio", "wall", "by hand", "ratio"]


def main(engine_type: type[Engine], versions: tuple[str, ...]) -> int:
    """As a command: measure, and print the table."""
    args = _arguments(engine_type, versions)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        engine = engine_type(args.version, args.home or Path(folder, "home"), Path(folder))
        try:
            engine.up()
            _measure(engine, args.rounds, [name for name in engine.cases if args.only in name])
        finally:
            if not args.keep:
                engine.down()
    return 0


def _measure(engine: Engine, rounds: int, cases: list[str]) -> None:
    neighbours, idle = Neighbours(), engine.idle()
    samples: dict[str, list[Cost]] = {}
    start = int(time.time()) % 10**6 * 10**5
    for number in range(rounds + 1):  # the first round warms up: bytecode, the bundle, the database
        for case in cases:
            for flow in (engine.cases[case], f"{engine.cases[case]}_by_hand"):
                cost = engine.run(flow, start)
                start += 1000
                print(f"{number}/{rounds} {flow}: {cost.cpu:.1f} s CPU, {cost.wall:.1f} s", file=sys.stderr)
                if number:
                    samples.setdefault(flow, []).append(cost)
    rows = [
        Row(case, _median(samples[engine.cases[case]]), _median(samples[f"{engine.cases[case]}_by_hand"]))
        for case in cases
    ]
    show(HEAD, [row.cells() for row in rows])
    machine, busy = this_machine(), neighbours.share()
    print(
        f"\n{machine.cores} cores of {machine.cpu}, {machine.system}, {engine.title} {engine.version}, pipeglot "
        f"{commit()}. Medians of {rounds} rounds. Idle, this {engine.title} takes {idle:.2f} s CPU a second."
        + (
            f" Meanwhile, others used {busy:.0%} of the processors, this {engine.title} among them."
            if busy is not None
            else ""
        )
    )


def _median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(one.cpu for one in costs), statistics.median(one.wall for one in costs))


def _arguments(engine_type: type[Engine], versions: tuple[str, ...]) -> argparse.Namespace:
    assert __doc__
    name = f"python -m benchmarks.{engine_type.name}"
    parser = argparse.ArgumentParser(prog=name, description=__doc__.partition("\n")[0])
    parser.add_argument("--version", choices=versions, default=versions[0], help=f"of {engine_type.title}")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5 if not given; one more warms up")
    parser.add_argument("--only", default="", metavar="WORD", help="cases with this in their name")
    parser.add_argument("--home", type=Path, metavar="DIR", help="the folder of the sandbox")
    parser.add_argument("--keep", action="store_true", help="leave the sandbox up, for the next time; needs `--home`")
    args = parser.parse_args()
    if args.keep and not args.home:
        parser.error("--keep needs --home")
    return args
