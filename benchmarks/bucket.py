"""A large value into S3 and back: through pipeglot's store, and by `obstore` alone. `make bench-bucket` tells.

Alone, it is put in parts and read as a stream, by the client's defaults; *hashed*, its sha256 is taken before it is
put and while it is read, which is what it takes to know that the bytes are the same. Each transfer is a process of its
own, warmed up before its clock begins, and no root: root gets a copy of its own of a stored file. The server is
SeaweedFS on this machine, a new one in each round, with its data in memory where that is possible: the disk is the
client's. The ways take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import obstore
from obstore.store import S3Store

from benchmarks.machine import Neighbours, commit, this_machine
from benchmarks.table_text import show
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store import open_store
from tests.servers.seaweed import BUCKET, Seaweed

OURS, ALONE, HASHED = WAYS = ("pipeglot", "obstore", "hashed")
ROWS = {
    ("save", "file"): "a file saved",
    ("load", "file"): "a file loaded",
    ("save", "array"): "an array saved",
    ("load", "array"): "an array loaded",
}
BOTH = {"file": "a file, there and back", "array": "an array, there and back"}
NOBODY = 65534
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own below it
WARM = 20_000_000
"""Bytes of what is saved and loaded first: more than goes in one request."""

MB = 1_000_000
PIECE = 8 << 20


class Spent(NamedTuple):
    """Of one transfer: seconds of the clock and of CPU, and by how many MB memory grew beyond what was there before."""

    wall: float
    cpu: float
    memory: float


# --- a transfer, in a process of its own ------------------------------------------------------------------------------


class Ours:
    """As a step's inputs and outputs go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        store = open_store(f"s3://{BUCKET}/store", copies=folder / f"copies-{os.getpid()}-{os.geteuid()}")
        self.artifacts = Artifacts(store)

    def save(self, name: str, value: Any) -> None:
        ref = self.artifacts.save(value, name="value", opaque_id=str)
        (self.folder / f"{name}.ref").write_bytes(msgspec.json.encode(ref))

    def load(self, name: str, kind: str) -> Any:
        ref = msgspec.json.decode((self.folder / f"{name}.ref").read_bytes(), type=Ref)
        found = self.artifacts.load(ref, scratch=self.folder / f"scratch-{os.getpid()}-{os.geteuid()}")
        assert isinstance(found, Path if kind == "file" else np.ndarray)
        return found


class Alone:
    """By the client, as its documentation does it."""

    def __init__(self, folder: Path, *, hashed: bool) -> None:
        self.folder = folder
        self.hashed = hashed
        self.store = S3Store(BUCKET, client_options={"allow_http": True, "timeout": "120s"})

    def save(self, name: str, value: Any) -> None:
        if isinstance(value, Path):
            if self.hashed:
                with value.open("rb") as file:
                    hashlib.file_digest(file, "sha256").hexdigest()
            obstore.put(self.store, self._key(name), value)
            return
        data = memoryview(value).cast("B")
        if self.hashed:
            hashlib.sha256(data).hexdigest()
        obstore.put(self.store, self._key(name), data)

    def load(self, name: str, kind: str) -> Any:
        """Into a file, which an array is mapped from: 1 GB is not to be held in memory."""
        path, found = self.folder / f"loaded-{os.getpid()}-{os.geteuid()}", hashlib.sha256()
        with path.open("wb", buffering=0) as file:
            for chunk in obstore.get(self.store, self._key(name)).stream(min_chunk_size=PIECE):
                file.write(chunk)
                if self.hashed:
                    found.update(chunk)
        return path if kind == "file" else np.memmap(path, dtype="f8", mode="c")

    def _key(self, name: str) -> str:
        return f"alone/{name}-{self.hashed}"


def transfer(way: str, do: str, kind: str, folder: Path) -> Spent:
    """Do it, and tell what it took. What is loaded is read once, as whoever asked for it does."""
    by = Ours(folder) if way == OURS else Alone(folder, hashed=way == HASHED)
    warm = folder / "warm"
    by.save(f"warm-{way}", warm)
    by.load(f"warm-{way}", "file")
    np.asarray(np.memmap(warm, dtype="f8")).sum()
    if not os.geteuid():
        os.seteuid(NOBODY)
        by = Ours(folder) if way == OURS else by
    value: Any = folder / "data"
    if do == "save" and kind == "array":
        value = np.fromfile(value, dtype="f8")
    before = _memory()
    began, cpu = time.monotonic(), time.process_time()
    if do == "save":
        by.save(f"{way}-{kind}", value)
        memory = _memory()
    else:
        found = by.load(f"{way}-{kind}", kind)
        memory = _memory()
        _read(found)
    return Spent(time.monotonic() - began, time.process_time() - cpu, memory - before)


def _read(found: Any) -> None:
    if isinstance(found, Path):
        with found.open("rb", buffering=0) as file:
            while file.read(PIECE):
                pass
    else:
        found.sum()


def _memory() -> float:
    """The most that this process ever had, in MB."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / (MB if sys.platform == "darwin" else MB / 1024)


# --- all of them ------------------------------------------------------------------------------------------------------


def main() -> int:
    """Measure, and print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bucket", description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=1000, metavar="MB", help="1,000 if not given")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="3 if not given")
    parser.add_argument("--transfer", nargs=4, metavar=("WAY", "DO", "KIND", "FOLDER"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.transfer:
        way, do, kind, folder = words.transfer
        print(msgspec.json.encode(transfer(way, do, kind, Path(folder))).decode())
        return 0
    neighbours = Neighbours()
    rounds = [_round(words.size, number) for number in range(words.rounds)]
    rows = [_row(title, [one[case] for one in rounds]) for case, title in ROWS.items()]
    rows += [
        _row(title, [_both(one["save", kind], one["load", kind]) for one in rounds]) for kind, title in BOTH.items()
    ]
    show(HEAD, rows)
    busy = neighbours.share()
    machine = this_machine()
    print(
        f"\n{words.size:,} MB. {machine.cores} cores of {machine.cpu}, {machine.system}, "
        f"obstore {obstore.__version__}, pipeglot {commit()}. Medians of {words.rounds} rounds, ratios of each round."
        + (f" Meanwhile, others used {busy:.0%} of the processors, the server among them." if busy is not None else "")
    )
    return 0


HEAD = ["", "wall", "obstore", "speed", "hashed", "speed", "CPU", "obstore", "hashed", "memory", "obstore"]


def _round(size: int, number: int) -> dict[tuple[str, str], dict[str, Spent]]:
    """All transfers, on a server of their own."""
    folder = Path(tempfile.mkdtemp(prefix="bench-bucket-"))
    folder.chmod(0o777)
    there = Path(tempfile.mkdtemp(prefix="bench-bucket-", dir=MEMORY if MEMORY.is_dir() else None))
    server = None
    try:
        _write(folder / "data", size * MB)
        _write(folder / "warm", WARM)
        server = Seaweed(there)
        environment = {**os.environ, **server.environment()}
        found: dict[tuple[str, str], dict[str, Spent]] = {}
        for case in ROWS:
            turn = number % len(WAYS)
            found[case] = {way: _transferred(way, *case, folder, environment) for way in WAYS[turn:] + WAYS[:turn]}
        return found
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)
        shutil.rmtree(there)


def _write(path: Path, size: int) -> None:
    draw = np.random.default_rng()
    with path.open("wb") as file:
        for at in range(0, size, PIECE):
            draw.random(min(PIECE, size - at) // 8).tofile(file)
    path.chmod(0o444)


def _transferred(way: str, do: str, kind: str, folder: Path, environment: dict[str, str]) -> Spent:
    words = [sys.executable, "-m", "benchmarks.bucket", "--transfer", way, do, kind, str(folder)]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True, umask=0)
    found = msgspec.json.decode(done.stdout, type=Spent)
    for path in (*folder.glob("copies-*"), *folder.glob("scratch-*"), *folder.glob("loaded-*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{way} {do} {kind}: {found.wall:.1f} s, {found.cpu:.1f} s CPU, {found.memory:.0f} MB", file=sys.stderr)
    return found


def _both(there: dict[str, Spent], back: dict[str, Spent]) -> dict[str, Spent]:
    return {
        way: Spent(
            there[way].wall + back[way].wall, there[way].cpu + back[way].cpu, max(there[way].memory, back[way].memory)
        )
        for way in WAYS
    }


def _row(title: str, rounds: list[dict[str, Spent]]) -> list[str]:
    def middle(way: str, of: Callable[[Spent], float]) -> float:
        return statistics.median(of(one[way]) for one in rounds)

    def speed(way: str) -> str:
        return f"{statistics.median(one[way].wall / one[OURS].wall for one in rounds):.0%}"

    walls = {way: f"{middle(way, lambda one: one.wall):.1f} s" for way in WAYS}
    cpus = [f"{middle(way, lambda one: one.cpu):.1f} s" for way in WAYS]
    memory = [f"{middle(way, lambda one: one.memory):.0f} MB" for way in (OURS, ALONE)]
    return [title, walls[OURS], walls[ALONE], speed(ALONE), walls[HASHED], speed(HASHED), *cpus, *memory]


if __name__ == "__main__":
    sys.exit(main())
