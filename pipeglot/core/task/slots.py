"""Who may work now, where an engine runs all that is ready at once: the most urgent ones, in the order they came."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

_TICK = 0.5


@dataclass(order=True)
class _Ticket:
    """Of a step that waits. Those of a higher priority come first."""

    urgency: int
    number: int
    step: str = field(compare=False)
    called: threading.Event = field(default_factory=threading.Event, compare=False)


class Slots:
    """So many at once in all, and of single steps no more than `limits` says."""

    def __init__(self, most: int, limits: Mapping[str, int]) -> None:
        self._free = most
        self._limits = limits
        self._at_work: Counter[str] = Counter()
        self._waiting: list[_Ticket] = []
        self._number = 0
        self._lock = threading.Lock()

    @contextmanager
    def one(self, step: str, priority: int, told: Callable[[], bool]) -> Iterator[None]:
        """Wait for a slot. Who is told to end waits no more, and goes on to hear of it without one."""
        ticket = self._join(step, priority)
        while not ticket.called.wait(_TICK):
            if told() and self._leave(ticket):
                break
        try:
            yield
        finally:
            if ticket.called.is_set():
                self._give_back(step)

    def _join(self, step: str, priority: int) -> _Ticket:
        with self._lock:
            self._number += 1
            ticket = _Ticket(-priority, self._number, step)
            bisect.insort(self._waiting, ticket)
            self._call()
        return ticket

    def _leave(self, ticket: _Ticket) -> bool:
        with self._lock:
            if ticket.called.is_set():
                return False
            self._waiting.remove(ticket)
            return True

    def _give_back(self, step: str) -> None:
        with self._lock:
            self._free += 1
            self._at_work[step] -= 1
            self._call()

    def _call(self) -> None:
        """All that may begin."""
        for ticket in list(self._waiting):
            if not self._free:
                return
            if self._at_work[ticket.step] >= self._limits.get(ticket.step, self._at_work[ticket.step] + 1):
                continue
            self._free -= 1
            self._at_work[ticket.step] += 1
            self._waiting.remove(ticket)
            ticket.called.set()
