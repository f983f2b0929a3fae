"""What a run on Metaflow costs, beside a flow of the same shape written by hand: `make bench-metaflow`.

Both are `python FLOW.py run` in the same environment. CPU is that of the run's process and of all that it has started.
What a task of ours does beside Metaflow's own work is measured in its parts, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import Neighbours, commit, this_machine
from benchmarks.measure import Cost
from benchmarks.table_text import show
from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure

ROOT = Path(__file__).parents[2]
PROBE = Path(__file__).with_name("probe.py")
STEPS, ITEMS = 20, 50

OURS = f"""\
from pipeglot import each, pipeline, step


@step
def one(x: int) -> int:
    return x + 1


@step
def numbers(start: int) -> list[int]:
    return list(range(start, start + {ITEMS}))


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@pipeline
def chain(start: int = 0) -> None:
    x = start
    for number in range({STEPS}):
        x = one.with_options(name=f"one_{{number}}")(x)


@pipeline
def wide(start: int = 0) -> None:
    total(one.map(each(numbers(start))))
"""

HEAD = """\
from metaflow import FlowSpec, Parameter, step


class {name}(FlowSpec):
    first = Parameter("first", type=int, default=0)

"""
TAIL = """

if __name__ == "__main__":
    {name}()
"""
WIDE = f"""\
    @step
    def start(self):
        self.next(self.numbers)

    @step
    def numbers(self):
        self.items = list(range(self.first, self.first + {ITEMS}))
        self.next(self.one, foreach="items")

    @step
    def one(self):
        self.x = self.input + 1
        self.next(self.total)

    @step
    def total(self, inputs):
        self.sum = sum(one.x for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""

PARTS = ("the imports of pipeglot", "joining the run", "the records of the step", "the step's own process")


def main() -> int:
    """Measure, and print the tables."""
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metaflow.overhead", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5 if not given; one more warms up")
    rounds = parser.parse_args().rounds
    metaflow = find_engine("metaflow")
    engines = Path(os.environ.get("PIPEGLOT_ENGINES") or ROOT / ".cache/engines")
    python = ensure(metaflow.pins("2"), engines, print) / "bin/python"
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(python, Path(folder))
        rows = [
            bench.row(f"chain of {STEPS} steps", "chain", rounds),
            bench.row(f"map of {ITEMS} items", "wide", rounds),
        ]
        parts = bench.parts(rounds)
    show(["", "CPU", "by hand", "ratio", "wall", "by hand", "ratio", "more a task"], rows)
    print("\nCPU of a task beside what Metaflow does:\n")
    show(["", "ms"], [[name, f"{part * 1000:.0f}"] for name, part in zip(PARTS, parts, strict=True)])
    machine, busy = this_machine(), neighbours.share()
    print(
        f"\n{machine.cores} cores of {machine.cpu}, {machine.system}, {metaflow.title} {metaflow.releases['2'].exact}, "
        f"pipeglot {commit()}. Medians of {rounds} rounds."
        + (f" Meanwhile, others used {busy:.0%} of the processors." if busy is not None else "")
    )
    return 0


class Bench:
    """A folder with flows of ours and by hand, and the Python that runs them."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python = python
        self.folder = folder
        self.start = time.time_ns() % 10**6 * 10**6
        self.environment = {
            **os.environ,
            "METAFLOW_USER": "bench",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
            "PIPEGLOT_CACHE": str(folder / "cache"),
        }
        stack = f"backend: metaflow, store: '{folder}/store', trusted: true, python: '{python}'"
        (folder / "pipeglot.yaml").write_text(f"stacks:\n  mf: {{{stack}}}\n")
        (folder / "ours.py").write_text(OURS)
        for name in ("chain", "wide"):
            for word, more in (("deploy", ()), ("compile", ("--out", str(folder)))):
                self._pipeglot(word, f"ours.py:{name}", "--stack", "mf", *more)
            body = WIDE if name == "wide" else _chain()
            by_hand = HEAD.format(name=f"{name}_by_hand") + body + TAIL.format(name=f"{name}_by_hand")
            (folder / f"{name}_by_hand.py").write_text(by_hand)

    def row(self, title: str, name: str, rounds: int) -> list[str]:
        """A line of the table: medians of both, in turn."""
        ours, by_hand = [], []
        option = next(
            line.split('"')[1]
            for line in (self.folder / f"{name}.py").read_text().splitlines()
            if 'Parameter("' in line
        )
        for number in range(rounds + 1):  # the first one warms up
            self.start += 1000
            one = (
                self._run(f"{name}.py", f"--{option}={self.start}"),
                self._run(f"{name}_by_hand.py", f"--first={number}"),
            )
            print(f"{number}/{rounds} {name}: {one[0].cpu:.1f} s and {one[1].cpu:.1f} s CPU", file=sys.stderr)
            if number:
                ours.append(one[0])
                by_hand.append(one[1])
        tasks = (STEPS if name == "chain" else ITEMS + 2) + 2
        mine, theirs = _median(ours), _median(by_hand)
        return [
            title,
            *(f"{mine.cpu:.1f} s", f"{theirs.cpu:.1f} s", f"{mine.cpu / theirs.cpu:.2f}"),
            *(f"{mine.wall:.1f} s", f"{theirs.wall:.1f} s", f"{mine.wall / theirs.wall:.2f}"),
            f"{(mine.cpu - theirs.cpu) / tasks * 1000:.0f} ms",
        ]

    def parts(self, rounds: int) -> list[float]:
        """What each part of a task takes, in seconds of the processors."""
        text = (self.folder / "chain.py").read_text()
        namespace: dict[str, object] = {}
        exec(text[text.index("PIPELINE = ") : text.index("pipeglot = Worker")], namespace)  # noqa: S102  # our own text
        words = [str(self.python), str(PROBE), json.dumps(namespace["PIPELINE"])]
        found = []
        for _ in range(rounds):
            done = subprocess.run(words, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.PIPE)
            found.append(json.loads(done.stdout.splitlines()[-1]))
        return [statistics.median(one) for one in zip(*found, strict=True)]

    def _pipeglot(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "pipeglot", *words],
            cwd=self.folder,
            env={**self.environment, "PIPEGLOT_METAFLOW": str(self.folder / "kept")},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _run(self, file: str, *words: str) -> Cost:
        most = ("--max-workers", str(os.cpu_count() or 1))
        asked = [str(self.python), file, "--no-pylint", "--datastore", "local", "run", *most, *words]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(
            asked,
            cwd=self.folder,
            env=self.environment,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
        return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def _chain() -> str:
    steps = ["    @step\n    def start(self):\n        self.x = self.first\n        self.next(self.one_0)\n"]
    for number in range(STEPS):
        after = f"one_{number + 1}" if number < STEPS - 1 else "end"
        steps.append(
            f"    @step\n    def one_{number}(self):\n        self.x = self.x + 1\n        self.next(self.{after})\n"
        )
    return "\n".join([*steps, "    @step\n    def end(self):\n        pass\n"])


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(one.cpu for one in costs), statistics.median(one.wall for one in costs))


if __name__ == "__main__":
    sys.exit(main())
