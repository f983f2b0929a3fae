"""A store in memory and the processes at it: each runs on its own thread, and only one of them at a time.

Before each request to the store a process waits for its turn. Which one is next, who is killed, who sleeps for long,
and whose request gets no answer though it was done, is drawn: so a seed tells all that happens.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pipeglot.core.errors import Pruned, RunClosed, StoreError
from pipeglot.core.store.naming import Entry

T = TypeVar("T")

PAGE = 3
"""Keys that a listing has seen at one time; meanwhile others go on."""

KILLED, LOST, ECHO = 0.002, 0.002, 0.05
"""How often a process dies at a request; has no answer, done or not; is told of its own success that it came second."""

IN_FLIGHT = dt.timedelta(hours=6)
"""No request to write is carried out so long after it was made."""

STUCK = 120.0
"""Seconds: nothing that is done between two requests takes so long."""

SKEWS = (0.0, 0.0, 0.0, 5000.0, -5000.0, 86_400.0, -86_400.0)
"""Seconds by which somebody's clock is wrong."""

WRITES = 10
"""So many times more often where something is written."""


class Killed(BaseException):
    """The process is no more: whatever it tries from now on raises this again."""


class Process(threading.Thread):
    """Something at work on the store. `known`: what is noted of it for the rules."""

    def __init__(self, world: World, what: str, work: Callable[[Memory], object]) -> None:
        super().__init__(name=what, daemon=True)
        self.world = world
        self.what = what
        self.work = work
        self.go = threading.Lock()
        self.go.acquire()
        self.dead = False
        self.over = False
        self.sleeps_until = 0
        self.skew = 0.0
        self.taken: dict[object, str] = {}
        """Of a run that resumes another: what had finished there when this one began."""

    def run(self) -> None:
        self.go.acquire()
        try:
            self.work(Memory(self.world, self))
        except Killed:
            self.world.stats[f"killed: {self.what}"] += 1
        except (StoreError, RunClosed, Pruned) as error:
            self.world.stats[f"{type(error).__name__}: {self.what}"] += 1
        except BaseException as error:  # noqa: BLE001  # of a thread: it is told at the end of the schedule
            self.world.wrong(f"{self.what} raises {error!r}", error)
        finally:
            self.over = True
            self.world.back.release()


class World:
    """All that there is."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.data: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        self.processes: list[Process] = []
        self.back = threading.Lock()
        self.back.acquire()
        self.stats: Counter[str] = Counter()
        self.errors: list[tuple[str, BaseException | None]] = []
        self.tick = 0
        self.now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self.calm = False
        """Whether nothing goes wrong any more."""
        self.on_put: list[Callable[[Process | None, str], None]] = []
        self.on_delete: list[Callable[[str, bytes | None], None]] = []
        self.at_work: Process | None = None

    def wrong(self, what: str, error: BaseException | None = None) -> None:
        self.errors.append((what, error))

    # --- processes ----------------------------------------------------------------------------------------------------

    def spawn(self, what: str, work: Callable[[Memory], object]) -> Process:
        made = Process(self, what, work)
        made.skew = self.random.choice(SKEWS)
        self.processes.append(made)
        self.stats[what] += 1
        made.start()
        return made

    def turn(self) -> bool:
        """One process goes on until its next request. False if none can."""
        self.tick += 1
        self.now += dt.timedelta(seconds=self.random.random())
        ready = [one for one in self.processes if self.calm or one.sleeps_until <= self.tick]
        if not ready:
            return False
        self.resume(self.random.choice(ready))
        return True

    def resume(self, process: Process) -> None:
        self.at_work = process
        process.go.release()
        assert self.back.acquire(timeout=STUCK), f"{process.what} waits for something that is no request"
        self.at_work = None
        if process.over:
            self.processes.remove(process)
            process.join()

    def clock(self) -> dt.datetime:
        return self.now + dt.timedelta(seconds=self.at_work.skew if self.at_work else 0.0)

    def seconds(self) -> float:
        """The true time."""
        return self.now.timestamp()

    def week(self) -> str:
        return self.clock().strftime("%G-W%V")

    def rush(self, process: Process, requests: int) -> None:
        """Somebody is so fast that all others stand still meanwhile."""
        for _ in range(requests):
            if process.over:
                return
            self.resume(process)

    def end(self) -> None:
        """Of what is still there."""
        for process in list(self.processes):
            process.dead = True
            while not process.over:
                self.resume(process)

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self, process: Process, do: Callable[[], T], *, writes: bool = False) -> T:
        """Wait for a turn, then do it, unless something happens to this process."""
        asked = self.now
        self.back.release()
        process.go.acquire()
        if writes and self.now - asked > IN_FLIGHT:  # what the protocol takes for granted
            process.dead = True
        if process.dead:
            raise Killed
        drawn = self.random.random() / (WRITES if writes else 1)
        if self.calm or drawn >= KILLED + LOST:
            return do()
        done = self.random.random() < 0.5
        if done:
            do()
        if drawn < KILLED:
            process.dead = True
            raise Killed
        self.stats["without an answer" if writes else "unread"] += 1
        raise StoreError("no answer")

    def put(self, process: Process | None, key: str, data: bytes) -> bool:
        if key in self.data:
            return False
        self.data[key] = data
        self.written[key] = self.now.timestamp()
        for told in self.on_put:
            told(process, key)
        if process is not None and not self.calm and self.random.random() < ECHO:
            self.stats["echo"] += 1
            return False
        return True

    def page(self, prefix: str, after: str) -> list[str]:
        return sorted(key for key in self.data if key.startswith(prefix) and key > after)[:PAGE]


class Memory:
    """The store as a process has it (`Store`); without one, as whoever knows everything."""

    trusted = True

    def __init__(self, world: World, process: Process | None = None) -> None:
        self.world = world
        self.process = process

    @property
    def uri(self) -> str:
        return "memory"

    @property
    def at_once(self) -> int:
        return 1

    def put(self, key: str, data: bytes | Path) -> bool:
        whole = data if isinstance(data, bytes) else data.read_bytes()
        return self._request(lambda: self.world.put(self.process, key, whole), writes=True)

    def get(self, key: str) -> bytes | None:
        return self._request(lambda: self.world.data.get(key))

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        return ((key, self.get(key)) for key in keys)

    def size(self, key: str) -> int | None:
        found = self.get(key)
        return None if found is None else len(found)

    def list(self, prefix: str) -> Iterator[str]:
        after = ""
        while page := self._request(lambda after=after: self.world.page(prefix, after)):  # type: ignore[misc]
            yield from page
            after = page[-1]

    def entries(self, prefix: str) -> Iterator[Entry]:
        for key in self.list(prefix):
            data = self.world.data.get(key)
            if data is not None:
                yield Entry(key, len(data), self.world.written[key])

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def delete(self, key: str) -> None:
        def do() -> None:
            data = self.world.data.pop(key, None)
            for told in self.world.on_delete:
                told(key, data)

        self._request(do, writes=True)

    def local(self, key: str) -> Path | None:
        data = self.get(key)
        if data is None:
            return None
        path = self.world.folder / hashlib.sha256(key.encode()).hexdigest()[:24]
        if not path.exists():
            path.write_bytes(data)
        return path

    def forget_copy(self, key: str) -> bool:
        return False

    def temp(self) -> Path:
        return self.world.folder / f"new-{self.world.random.getrandbits(64):016x}"

    def _request(self, do: Callable[[], T], *, writes: bool = False) -> T:
        return do() if self.process is None else self.world.request(self.process, do, writes=writes)
