"""What one would write without a tool: a file for each step's result, and a record of it; kill -9 loses none of them.

    by_hand.py chain|wide|array START COUNT [--durable]

A step whose name and inputs were seen before is not computed again. With `--durable`, a power cut loses none either.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

FOLDER = "by-hand"


class Result(NamedTuple):
    """A value, and the hash of its bytes."""

    value: Any
    sha: str


class Steps:
    """Runs steps, or finds what they gave."""

    def __init__(self, folder: str, *, durable: bool) -> None:
        self.folder = folder
        self.durable = durable
        for name in ("values", "records"):
            os.makedirs(f"{folder}/{name}", exist_ok=True)

    def __call__(self, function: Callable[..., Any], *inputs: Any) -> Result:
        hashes = [one.sha if isinstance(one, Result) else repr(one) for one in inputs]
        key = hashlib.sha256(json.dumps([function.__name__, hashes]).encode()).hexdigest()
        record = f"{self.folder}/records/{key}"
        if os.path.exists(record):
            with open(record) as file:
                return self._load(json.load(file)["output"])
        value = function(*(one.value if isinstance(one, Result) else one for one in inputs))
        data = pickle.dumps(value, protocol=5)
        sha = hashlib.sha256(data).hexdigest()
        if not os.path.exists(f"{self.folder}/values/{sha}"):
            self._write(f"{self.folder}/values/{sha}", data)
        self._write(record, json.dumps({"step": function.__name__, "inputs": hashes, "output": sha}).encode())
        return Result(value, sha)

    def _load(self, sha: str) -> Result:
        with open(f"{self.folder}/values/{sha}", "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha:
            raise ValueError(f"values/{sha} is damaged")
        return Result(pickle.loads(data), sha)

    def _write(self, path: str, data: bytes) -> None:
        temp = f"{path}.{os.getpid()}"
        with open(temp, "wb") as file:
            file.write(data)
            if self.durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(temp, path)
        if self.durable:
            folder = os.open(os.path.dirname(path), os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)


def first(start: int) -> int:
    return start


def add(x: int) -> int:
    return x + 1


def numbers(start: int, items: int) -> list[int]:
    return list(range(start, start + items))


def total(*xs: int) -> int:
    return sum(xs)


def chain(run: Steps, start: int, steps: int) -> None:
    x = run(first, start)
    for _ in range(steps - 1):
        x = run(add, x)


def wide(run: Steps, start: int, items: int) -> None:
    listed = run(numbers, start, items)
    run(total, *(run(add, x) for x in listed.value))


def array(run: Steps, start: int, count: int) -> None:
    import numpy as np

    def make(start: int, count: int) -> Any:
        return np.arange(start, start + count, dtype=np.float64)

    def hand_on(array: Any) -> Any:
        return array

    def sum_up(array: Any) -> float:
        return float(array.sum())

    run(sum_up, run(hand_on, run(make, start, count)))


if __name__ == "__main__":
    pipeline = {"chain": chain, "wide": wide, "array": array}[sys.argv[1]]
    pipeline(Steps(FOLDER, durable="--durable" in sys.argv), int(sys.argv[2]), int(sys.argv[3]))
