"""A store with runs in it that hold every kind of record, and the commands that read it, in this process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeglot.cli.main import main
from tests.e2e.conftest import CONFIG, ENVIRONMENT

FLOW = '''\
"""Everything that leaves a record of its own kind."""

import time
from enum import Enum

from pipeglot import Retry, checkpoint, current_run, each, log_metrics, one_of, otherwise, pipeline, step, when


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@step
def numbers(n: int) -> list[int]:
    print("numbers")
    log_metrics({"count": n})
    return list(range(n))


@step(retry=Retry(2, delay="0s"))
def double(x: int) -> int:
    if current_run().attempt == 1:
        raise ValueError("not yet")
    return 2 * x


@step
def large(xs: list[int]) -> bytes:
    with checkpoint() as c:
        (c.dir / "state").write_text("x")
        c.save()
    return bytes(10_000 + len(xs))


@step
def fast(n: int) -> str:
    return "fast"


@step
def slow(n: int) -> str:
    return "slow"


@step
def last(how: str, data: bytes) -> str:
    return f"{how} {len(data)}"


@pipeline
def flow(n: int = 2, mode: Mode = Mode.FAST) -> None:
    data = large(double.map(each(numbers(n))))
    with when(mode == Mode.FAST):
        one = fast(n)
    with otherwise():
        other = slow(n)
    last(one_of(one, other), data)
'''


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Bench:
    """A project whose store may be changed at will. `first` and `others` are its runs."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.store = root / ".pipeglot/store"
        self._capfd = capfd
        markers = sorted(path.name for path in (self.store / "journal").iterdir())
        self.first, *self.others = [name.split("-")[1] for name in markers]

    def __call__(self, *words: str) -> Answer:
        """A command, in this process."""
        self._capfd.readouterr()
        path = list(sys.path)
        try:
            with contextlib.chdir(self.root):
                code = main(list(words))
        finally:
            sys.path[:] = path
            sys.modules.pop("flow", None)
        sys.stdout.flush()
        return Answer(code, *self._capfd.readouterr())

    def run(self, *words: str) -> Answer:
        """A command, in a process of its own."""
        command = [sys.executable, "-m", "pipeglot", *words]
        done = subprocess.run(
            command, cwd=self.root, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def key(self, kind: str) -> str:
        """Where the first run's record of a kind lies; of the others, some that it needs."""
        run = f"runs/{self.first}"
        places = {
            "start": f"{run}/start",
            "verdict": f"{run}/v/double/1/1",
            "attempt": f"{run}/f/double/1/1/*",
            "checkpoint": f"{run}/c/large/-/1",
            "cancel": f"{run}/cancel",
            "end": f"{run}/end/1",
            "cache": "cache/*",
            "ir": "ir/*",
            "blob": "blobs/*/*",
        }
        found = min(self.store.glob(places[kind]))
        return found.relative_to(self.store).as_posix()

    def other_key(self, kind: str) -> str:
        """A record of the same kind, of another run or cell."""
        key = self.key(kind)
        other = key.replace(self.first, self.others[0])
        if other == key:
            return max(self.store.glob(f"{key.split('/')[0]}/*")).relative_to(self.store).as_posix()
        if kind == "attempt":
            return min(self.store.glob(f"{other.rpartition('/')[0]}/*")).relative_to(self.store).as_posix()
        return other

    def read(self, key: str) -> bytes:
        return (self.store / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        path = self.store / key
        path.chmod(0o600)
        path.write_bytes(data)

    def body(self, key: str) -> Any:
        return json.loads(self.read(key).partition(b"\n")[2])

    def change(self, key: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Forge a record: change what it says, with a good checksum."""
        body = self.body(key)
        change(body)
        self.write(key, signed(json.dumps(body).encode()))

    def distrust(self) -> None:
        (self.root / "pipeglot.yaml").write_text(CONFIG.replace("store}", "store, trusted: false}"))


def signed(body: bytes, format: int = 1) -> bytes:  # noqa: A002  # what it is
    return b"pipeglot %d %s\n%s" % (format, hashlib.sha256(body).hexdigest().encode(), body)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs, of which the first was asked to stop when it was over."""
    root = tmp_path_factory.mktemp("made")
    (root / "flow.py").write_text(FLOW)
    (root / "pipeglot.yaml").write_text(CONFIG)
    for words in (["flow.py"], ["flow.py", "--no-cache"], ["flow.py", "-p", "n=3", "-p", "mode=SLOW"]):
        command = [sys.executable, "-m", "pipeglot", "run", *words]
        subprocess.run(command, cwd=root, env=ENVIRONMENT, capture_output=True, timeout=60, check=True)
    store = root / ".pipeglot/store"
    for start in store.glob("runs/*/start"):
        run = start.parent.name
        body = b'{"kind":"cancel","run":"%s","at":"2026-01-01T00:00:00+00:00"}' % run.encode()
        (start.parent / "cancel").write_bytes(signed(body))
    return root


@pytest.fixture
def bench(made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Bench:
    root = tmp_path / "project"
    shutil.copytree(made, root)
    (root / ".pipeglot/store").chmod(0o700)
    return Bench(root, capfd)
