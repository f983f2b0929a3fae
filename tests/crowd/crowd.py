"""32 processes of several backends at one store, some of which are killed, beside readers who index and verify it.

All run the same pipelines with the same few parameters, so that they race for the same entries of the cache.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeglot.core import wire
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Start
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store import open_store
from tests.crowd import told
from tests.crowd.faults import Faults
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.crowd import FACTORS, Crowd

AT_ONCE = 32
ROOT = Path(__file__).parents[2]
LAPTOP, TASKS = "local", "tasks"
"""Two stacks: runs of the local runner, and of an engine whose tasks are processes, each started by itself."""

STEPS = ("numbers", "times", "large", "total")
FLOW = """\
import os
import time

from pipeglot import Retry, each, pipeline, step

import helper

def rest() -> None:
    time.sleep(os.urandom(1)[0] / 1000)

@step(retry=Retry(20))
def numbers(n: int, salt: int) -> list[int]:
    rest()
    return [salt + i for i in range(n)]

@step(retry=Retry(20))
def times(x: int) -> int:
    rest()
    print("times", x)
    return helper.FACTOR * x

@step(retry=Retry(20))
def large(xs: list[int]) -> bytes:
    rest()
    return bytes(x % 256 for x in xs) * 3000

@step(retry=Retry(20))
def total(xs: list[int], data: bytes) -> int:
    rest()
    return sum(xs) + len(data)

@pipeline
def flow(n: int, salt: int) -> None:
    xs = times.map(each(numbers(n, salt)))
    total(xs, large(xs))
"""


class Asked(NamedTuple):
    """A run, as it is to be: from which checkout, with which parameters."""

    checkout: str
    n: int
    salt: int

    @property
    def words(self) -> tuple[str, ...]:
        """Of the command that starts it."""
        return ("-p", f"n={self.n}", "-p", f"salt={self.salt}", "--tag", f"from={self.checkout}")

    def value(self, step: str, index: tuple[int, ...]) -> Any:
        """What a step gives in it."""
        xs = [FACTORS[self.checkout] * (self.salt + i) for i in range(self.n)]
        data = bytes(x % 256 for x in xs) * 3000
        values = {"numbers": [self.salt + i for i in range(self.n)], "large": data, "total": sum(xs) + len(data)}
        return xs[index[0]] if index else values[step]


def asked_of(start: Start) -> Asked:
    return Asked(start.tags["from"], start.params["n"], start.params["salt"])


class Told(NamedTuple):
    """A process was told that a cell has succeeded; `at`: when, by this machine's clock."""

    run: str
    step: str
    place: tuple[int, ...]
    at: float


class Storm(Crowd):
    """The crowd of `tests/e2e/crowd.py`, larger, and in bad weather.

    env: what a bucket's clients read. quick: see `Faults`. most: items of a map.
    """

    def __init__(
        self, folder: Path, store: str, seed: int, env: dict[str, str], *, quick: float = 4.0, most: int = 5
    ) -> None:
        super().__init__(folder, store)
        self.seed = seed
        self.most = most
        self.env = {**ENVIRONMENT, **env, "TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "cache")}
        self.faults = Faults(seed, quick)
        self.told: list[Told] = []
        self.lines: list[dict[str, Any]] = []
        """Of the records that processes were told are there: see `told.py`."""
        self.stacks = {LAPTOP: {"backend": "local", "store": self.uri, "trusted": True, "max_parallel": 2}}
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()
        (folder / "tmp").mkdir()
        self.write()
        self.deployed = {checkout: self._deploy(checkout) for checkout in FACTORS}

    def write(self) -> None:
        """The files of the checkouts."""
        for checkout in FACTORS:
            (self.folder / checkout / "flow.py").write_text(FLOW)
            (self.folder / checkout / "pipeglot.yaml").write_text(json.dumps({"stacks": self.stacks}))

    def _deploy(self, checkout: str) -> dict[str, Any]:
        """As an emitted file says it; the code is installed."""
        ir = wire.load(self.call(checkout, "compile", "flow.py", "--ir").encode(), source=checkout)
        sha = Ledger(open_store(self.uri)).put_ir(ir)
        return {"pipeline": "flow", "ir": sha, "stack": TASKS, "backend": "engine", "store": self.uri, "trusted": True}

    # --- those at work ------------------------------------------------------------------------------------------------

    def storm(
        self,
        goes_on: Callable[[int], bool],
        others: Iterable[Callable[[], None]] = (),
        until_over: Iterable[Callable[[], None]] = (),
    ) -> None:
        """All hands work as long as `goes_on`, which is told how many runs have begun, and `others` with them.

        until_over: what goes on beside until all of these have ended.
        """
        beside = [self._thread(one) for one in (self._lists, self._houses, *until_over)]
        hands = [self._thread(self._hand, number, goes_on) for number in range(AT_ONCE)]
        hands += [self._thread(one) for one in others]
        for thread in [*beside, *hands]:
            thread.start()
        for thread in hands:
            thread.join()
        self._over.set()
        for thread in beside:
            thread.join()

    def _hand(self, number: int, goes_on: Callable[[int], bool]) -> None:
        """Half of them are laptops; each of the others is an engine that starts a task at a time."""
        draw = random.Random(f"{self.seed} {number}")
        while goes_on(begun := next(self._numbers)):
            asked = self.asked(draw, begun)
            if number % 2:
                self._on_laptop(draw, asked)
            else:
                self._in_tasks(draw, asked, begun)

    def asked(self, draw: random.Random, begun: int) -> Asked:
        """Of those that begin at about the same time, many ask for the same."""
        return Asked(draw.choice(list(FACTORS)), draw.randint(2, self.most), begun // AT_ONCE * 100)

    # --- on a laptop --------------------------------------------------------------------------------------------------

    def _on_laptop(self, draw: random.Random, asked: Asked) -> None:
        """A run; one whose process was killed may be gone on with by another process."""
        run, is_over = self._command(asked.checkout, "run", "flow.py", *asked.words)
        while run and not is_over and draw.random() < 0.7:
            resumed, is_over = self._command(asked.checkout, "runs", "resume", run)
            self.done["by a laptop: runs resume"] += 1
            run = resumed or run

    def _command(self, checkout: str, *words: str) -> tuple[str, bool]:
        """The run that it has begun, if it came so far, and whether it has come to its end."""
        path = self.folder / f"told-{next(self._numbers)}"
        command = [sys.executable, "-m", "tests.crowd.told", str(path), *words, "--json"]
        process = self._start(command, "-C", str(self.folder / checkout))
        was_hit = self.faults.watch(process, "a runner")
        out, err = process.communicate()
        lines = told.read(path)
        with self._lock:
            self.lines += lines
            self.told += [
                Told(one["run"], one["step"], tuple(one["index"]), one["at"])
                for one in lines
                if one.get("status") == "succeeded"
            ]
        self.done["by a laptop"] += 1
        if process.returncode == 0 and json.loads(out)["status"] != "succeeded":
            self.wrong.append(f"exit 0: {out}")
        if (process.returncode and not was_hit) or "Traceback" in err or "this is a bug" in err:
            self.wrong.append(f"{words}: exit {process.returncode}: {err[-2000:]}")
        started = [one["run"] for one in lines if "step" not in one and "end" not in one]
        return (started[0] if started else ""), process.returncode == 0

    def _start(self, command: list[str], *more: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *more],
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # --- in tasks -----------------------------------------------------------------------------------------------------

    def _in_tasks(self, draw: random.Random, asked: Asked, number: int) -> None:
        """Task by task, each as often as it must; an engine may not know how often that was, or start one twice."""
        counts = draw.random() < 0.7
        run = {
            "id": f"{self.seed}-{number}",
            "params": {"n": asked.n, "salt": asked.salt, "pipeglot": {"tags": {"from": asked.checkout}}},
        }
        for step, index in self._cells(asked):
            call = {"pipeline": self.deployed[asked.checkout], "run": run, "node": step, "index": index}
            if not self._task(draw, asked.checkout, call, counts=counts):
                return
        self.done["runs in tasks"] += 1

    @staticmethod
    def _cells(asked: Asked) -> Iterator[tuple[str, tuple[int, ...]]]:
        for step in STEPS:
            yield from ((step, (i,)) for i in range(asked.n)) if step == "times" else [(step, ())]

    def _task(self, draw: random.Random, checkout: str, call: dict[str, Any], *, counts: bool) -> bool:
        """Until one succeeds; an engine gives up at some time."""
        for attempt in range(1, 30):
            document = json.dumps({**call, "attempt": attempt if counts else None})
            twice = draw.random() < 0.1
            processes = [self._start_task(checkout, document) for _ in range(1 + twice)]
            if twice:
                self.faults.note("task started twice at once")
            ended = [self._ended(process, path) for process, path in processes]
            if any(ended):
                return True
        self.wrong.append(f"a task does not end well: {call}")
        return False

    def _start_task(self, checkout: str, document: str) -> tuple[subprocess.Popen[str], Path]:
        path = self.folder / f"result-{next(self._numbers)}"
        command = [sys.executable, "-m", "pipeglot.core.run_step", document, "--result", str(path)]
        return self._start(command, cwd=self.folder / checkout), path

    def _ended(self, process: subprocess.Popen[str], path: Path) -> bool:
        """Whether the engine was told that the step has succeeded."""
        was_hit = self.faults.watch(process, "a task")
        _, err = process.communicate()
        at, code = time.time(), process.returncode
        self.done["tasks"] += 1
        if "this is a bug" in err or (code not in (0, -9) and not was_hit and not _is_expected(err)):
            self.wrong.append(f"a task: exit {code}: {err[-2000:]}")
        if code:
            return False
        run, step, *index, _ = json.loads(path.read_bytes())["value"]["output"].split("/")
        place = tuple(int(one) for part in index for one in part.split("."))
        with self._lock:
            self.told.append(Told(run, step, place, at))
        path.unlink()
        return True

    # --- those beside -------------------------------------------------------------------------------------------------

    def call(self, checkout: str, *words: str) -> str:
        """A command that nobody kills. What is new of a run that somebody was just killed in is no error."""
        process = self._start([*self.command(*words), "-C", str(self.folder / checkout)])
        out, err = process.communicate()
        self.done[" ".join(words[:2])] += 1
        if process.returncode or "left out" in err:
            self.wrong.append(f"{words}: exit {process.returncode}: {err[-2000:]}{out[-500:]}")
        return out

    @staticmethod
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "pipeglot", *words]

    def json(self, checkout: str, *words: str) -> Any:
        return json.loads(self.call(checkout, *words, "--json") or "{}")

    def rows(self, checkout: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json(checkout, "runs", "list", "-n", "0") or []
        return found

    def _first_run(self) -> None:
        while not self.told and not self._over.is_set():
            time.sleep(0.02)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[tuple[Start, Any]]:
        """All that have begun, as their records tell them."""
        store = open_store(self.uri, trusted=True)
        ledger, artifacts = Ledger(store), Artifacts(store)
        for run in ledger.runs():
            if ledger.started(run) is not None:
                yield read_run(ledger, artifacts, run)


def _is_expected(err: str) -> bool:
    """Of two tasks that an engine starts at once, the one that comes late is told that it is old."""
    return "this task is an old one that came back" in err
