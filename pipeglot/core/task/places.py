"""Where the attempts of a task run take place: in a process that an engine made for one task, or in a thread of it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from pipeglot.core.errors import PipeglotError
from pipeglot.core.task.attempt import TICK, Bench
from pipeglot.core.task.folders import new_folder
from pipeglot.core.workers.messages import Hello
from pipeglot.core.workers.pool import Nursery

Told = Callable[[], bool]
"""Whether the engine wants an end of it."""


class ToldToEnd(Exception):  # it is no error
    """Before there was a bench."""


class Place(Protocol):
    """What an engine's process is to the attempts in it.

    grace: the seconds that a step has to end by itself when it is told to; then it is made to. ends_alone: whether it
    was told to end, and its run goes on: then an attempt there is none that was cancelled, but one whose process died.
    """

    grace: float
    ends_alone: bool

    def bench(self, hello: Callable[[], Hello], base: Path, *, cleans: bool) -> AbstractContextManager[Bench]:
        """One that nobody else is at meanwhile. `cleans`: for a step that runs after the end of a run, too.

        Raises `ToldToEnd`.
        """

    def together(self) -> AbstractContextManager[None]:
        """Within it, what is run of one step in this thread shares a worker, which imports the step's code once."""

    def listening(self, *, cleans: bool) -> AbstractContextManager[Told]:
        """Within it, one hears whether there is to be an end."""

    def show(self, text: str) -> None:
        """What a step has printed."""

    def close(self) -> None:
        """End what is there, and remove it."""


class Process:
    """The process of one task, which hears of its end by signals: engines that cancel kill it a few seconds later."""

    grace = 3.0
    ends_alone = False

    def __init__(self) -> None:
        self.signals: list[int] = []
        """Those that came while somebody was listening, the latest time."""
        self._bench: Bench | None = None
        self._keeps = False

    @contextmanager
    def together(self) -> Iterator[None]:
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            self.close()

    @contextmanager
    def bench(self, hello: Callable[[], Hello], base: Path, *, cleans: bool) -> Iterator[Bench]:  # noqa: ARG002
        self._bench = self._bench or Bench(hello(), new_folder(base))
        try:
            yield self._bench
        finally:
            if not self._keeps:
                self.close()

    @contextmanager
    def listening(self, *, cleans: bool) -> Iterator[Told]:  # noqa: ARG002  # it is this very task that is told
        told = self.signals = []

        def note(number: int, _frame: FrameType | None) -> None:
            told.append(number)

        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                before[number] = signal.signal(number, note)
            except ValueError:  # not in the main thread: nobody tells a part of a process
                break
        try:
            yield lambda: bool(told)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def show(self, text: str) -> None:
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()

    def close(self) -> None:
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()


class Threads:
    """A process in which an engine runs the tasks of a run as threads: benches, each for one of them at a time.

    show: what becomes of the text that a step prints, in the thread of its task. A worker that has run a step is there
    for the next one, so its modules are imported once. After `close` there are no more.
    """

    ends_alone = False

    def __init__(self, show: Callable[[str], None], grace: float) -> None:
        self.grace = grace
        self._closed = False
        self._hello: Hello | None = None
        self._making = threading.Lock()
        self._idle: list[Bench] = []
        self._told = threading.Event()
        self._nursery: Nursery | None = None
        self._lock = threading.Lock()
        self.show = show

    def tell(self) -> None:
        """That there is to be an end: of what runs now, and of what has not begun; but not of what cleans up."""
        self._told.set()

    def is_told(self, *, cleans: bool) -> bool:
        """Whether a step is to end."""
        return self._told.is_set() and not cleans

    @contextmanager
    def bench(self, hello: Callable[[], Hello], base: Path, *, cleans: bool) -> Iterator[Bench]:
        if self.is_told(cleans=cleans):
            raise ToldToEnd
        bench = self._idle_one() or self._new(hello, base)
        try:
            yield bench
        except BaseException:
            bench.close()
            raise
        self._give_back(bench)

    def _idle_one(self) -> Bench | None:
        while True:
            with self._lock:
                bench = self._idle.pop() if self._idle else None
            if bench is None or bench.is_good():
                return bench
            bench.close()

    def _give_back(self, bench: Bench) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(bench)
                return
        bench.close()

    def _new(self, hello: Callable[[], Hello], base: Path) -> Bench:
        """What a bench needs is brought once; if what makes them has died, there is another one."""
        with self._making:
            if self._closed:
                raise ToldToEnd
            self._hello = self._hello or hello()
            try:
                return self._of_nursery(self._hello, base)
            except PipeglotError:
                self._forget_nursery()
                return self._of_nursery(self._hello, base)

    def _of_nursery(self, hello: Hello, base: Path) -> Bench:
        self._nursery = self._nursery or Nursery()
        return Bench(hello, new_folder(base), self._nursery)

    def _forget_nursery(self) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            nursery.close()

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()  # benches are kept anyway

    @contextmanager
    def listening(self, *, cleans: bool) -> Iterator[Told]:
        yield lambda: self.is_told(cleans=cleans)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        with ThreadPoolExecutor(max(1, len(idle))) as pool:  # a worker may take its time with what it has for its exit
            list(pool.map(Bench.close, idle))
        with self._making:
            self._forget_nursery()


def sleep(place: Place, seconds: float, said: str, *, cleans: bool) -> bool:
    """Whether it was told to end meanwhile. `said` is shown first."""
    until = time.monotonic() + seconds
    with place.listening(cleans=cleans) as told:
        place.show(said)
        while not told() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK))
        return told()
