"""`python -m tests.e2e.crowd [ROUNDS] [STORE]`: 16 processes run pipelines on one store, two checkouts of unlike code.

Meanwhile others list, show, draw, verify, index anew and remove the index. It prints what was done; STORE is the URI of
a bucket, whose credentials are in the environment.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store import open_store
from tests.e2e.conftest import ENVIRONMENT

AT_ONCE = 16
PARAMS = (2, 3, 4)
FACTORS = {"one": 2, "two": 3}
"""What is unlike in the code of the checkouts."""

FLOW = """\
from pipeglot import each, pipeline, step

import helper

@step
def numbers(n: int) -> list[int]:
    return list(range(n))

@step
def times(x: int) -> int:
    return helper.FACTOR * x

@step
def large(xs: list[int]) -> bytes:
    return bytes(xs) * 1500

@step
def total(xs: list[int], data: bytes) -> int:
    print("adding", xs)
    return sum(xs) + len(data)

@pipeline
def flow(n: int) -> None:
    xs = times.map(each(numbers(n)))
    total(xs, large(xs))

@pipeline
def other(n: int) -> None:
    times.map(each(numbers(n)))
"""


def expected(checkout: str, n: int) -> int:
    return sum(FACTORS[checkout] * x for x in range(n)) + 1500 * n


class Wanted(NamedTuple):
    """A run that a process was told to make."""

    checkout: str
    pipeline: str
    n: int


def wanted(rounds: int) -> list[Wanted]:
    """Some the same, some different."""
    kinds = [Wanted(one, name, n) for one in FACTORS for name in ("flow", "other") for n in PARAMS]
    return [kinds[number % len(kinds)] for number in range(rounds * AT_ONCE)]


class Crowd:
    """Two checkouts, one store, and what went wrong."""

    def __init__(self, folder: Path, store: str = "") -> None:
        self.folder = folder
        self.uri = store or str(folder / "store")
        self.wrong: list[str] = []
        self.done: Counter[str] = Counter()
        self.made: dict[str, Wanted] = {}
        self._over = threading.Event()
        for name, factor in FACTORS.items():
            root = folder / name
            root.mkdir()
            (root / "flow.py").write_text(FLOW)
            (root / "helper.py").write_text(f"FACTOR = {factor}\n")
            (root / "pipeglot.yaml").write_text(
                f"stacks:\n  local: {{backend: local, store: {json.dumps(self.uri)}, max_parallel: 2}}\n"
            )

    # --- those at work ------------------------------------------------------------------------------------------------

    def work(self, rounds: int) -> None:
        """Returns when all have run, and nobody reads any more."""
        readers = [
            threading.Thread(target=self._guarded, args=(one,)) for one in (self._lists, self._looks, self._houses)
        ]
        todo = iter(wanted(rounds))
        runners = [
            threading.Thread(target=self._guarded, args=(self._runs, todo, lock))
            for lock in [threading.Lock()] * AT_ONCE
        ]
        for thread in [*readers, *runners]:
            thread.start()
        for thread in runners:
            thread.join()
        self._over.set()
        for thread in readers:
            thread.join()

    def _thread(self, work: Any, *args: Any) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(work, *args))

    def _guarded(self, work: Any, *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001  # of a thread: told at the end
            self.wrong.append(f"{work.__name__}: {error!r}")

    def call(self, checkout: str, *words: str) -> str:
        """What a command prints; one that fails, or has something to complain of, is wrong."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeglot", *words, "-C", str(self.folder / checkout)],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        self.done[words[0] if words[0] == "run" else " ".join(words[:2])] += 1
        if done.returncode or "error" in done.stderr or "left out" in done.stderr:
            self.wrong.append(f"{words}: exit {done.returncode}: {done.stderr}{done.stdout[-300:]}")
        return done.stdout

    def _runs(self, todo: Iterator[Wanted], lock: threading.Lock) -> None:
        while True:
            with lock:
                one = next(todo, None)
            if one is None:
                return
            words = [f"flow.py:{one.pipeline}", "-p", f"n={one.n}", "--json", "--tag", f"from={one.checkout}"]
            made = json.loads(self.call(one.checkout, "run", *words))
            self.made[made["run_id"]] = one
            if made["status"] != "succeeded":
                self.wrong.append(f"{one}: {made}")

    # --- those beside -------------------------------------------------------------------------------------------------

    def _lists(self) -> None:
        """No run that was listed once is ever missing, whoever makes the index anew meanwhile."""
        seen: set[str] = set()
        while not self._over.is_set():
            for checkout in FACTORS:
                found = {one["run_id"] for one in self.rows(checkout)}
                if seen - found:
                    self.wrong.append(f"missing in the list: {seen - found}")
                seen |= found

    def _looks(self) -> None:
        self._first_run()
        while not self._over.is_set():
            for words in (("runs", "show", "latest"), ("lineage", "latest"), ("runs", "logs", "latest")):
                self.call("two", *words)

    def _houses(self) -> None:
        self._first_run()
        while not self._over.is_set():
            self.call("one", "store", "verify")
            self.call("one", "store", "reindex")
            shutil.rmtree(self.folder / "one/.pipeglot/index", ignore_errors=True)
            self.call("one", "runs", "list")

    def _first_run(self) -> None:
        while not self.made and not self._over.is_set():
            time.sleep(0.02)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def rows(self, checkout: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call(checkout, "runs", "list", "-n", "0", "--json"))
        return found

    def check(self) -> None:
        """All runs are there, with the right values, in an index of whatever age."""
        before = {checkout: self.rows(checkout) for checkout in FACTORS}
        self.call("one", "store", "reindex")
        shutil.rmtree(self.folder / "two/.pipeglot/index", ignore_errors=True)
        after = {checkout: self.rows(checkout) for checkout in FACTORS}
        if not before["one"] == before["two"] == after["one"] == after["two"]:
            self.wrong.append("rows differ after a new index")
        listed = {one["run_id"]: one["status"] for one in after["one"]}
        if listed != dict.fromkeys(self.made, "succeeded"):
            self.wrong.append(f"{len(listed)} runs are listed, and {len(self.made)} were made: {listed}")
        if not self.call("one", "store", "verify").endswith("all is there, and whole\n"):
            self.wrong.append("the store is not whole")
        self._values()

    def _values(self) -> None:
        """No result is of the other checkout's code, neither in value nor by its origin."""
        store = open_store(self.uri)
        ledger, artifacts = Ledger(store), Artifacts(store)
        for run, made in self.made.items():
            _, state = read_run(ledger, artifacts, run)
            for (step, index), entry in state.ordered():
                assert entry.verdict is not None
                seen = entry.verdict.observed
                if step == "times" and artifacts.load(seen.refs["output"]) != FACTORS[made.checkout] * index[0]:
                    self.wrong.append(f"{made} {run}: {step} {index} is of other code")
                if step == "total" and artifacts.load(seen.refs["output"]) != expected(made.checkout, made.n):
                    self.wrong.append(f"{made} {run}: {step} has a wrong value")
                self.done["steps cached" if seen.cached else "steps run"] += 1
                if seen.cached and step != "numbers" and self.made[seen.cached.run].checkout != made.checkout:
                    self.wrong.append(f"{made} {run}: {step} was taken from the other checkout")


def main(words: Sequence[str]) -> int:
    began = time.monotonic()
    rounds, store = int(words[0]) if words else 10, words[1] if len(words) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        crowd = Crowd(Path(folder), store)
        crowd.work(rounds)
        crowd.check()
    print(
        f"{time.monotonic() - began:.0f} s: "
        + ", ".join(f"{count} {what}" for what, count in sorted(crowd.done.items()))
    )
    print(f"{len(crowd.wrong)} wrong", *crowd.wrong[:10], sep="\n")
    return 1 if crowd.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
