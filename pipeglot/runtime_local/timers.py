"""What the runner has to do later. A timer that is not needed any more is forgotten, not kept until its time comes."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable

_FEW = 64  # so many forgotten ones may lie around


class Timer:
    """Something to do at a time."""

    __slots__ = ("action", "at", "number")

    def __init__(self, at: float, number: int, action: Callable[[], None]) -> None:
        self.at = at
        self.number = number
        self.action: Callable[[], None] | None = action

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.number) < (other.at, other.number)


class Timers:
    """Timers in the order in which they fire; those of one time fire in the order in which they were made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._count = itertools.count()
        self._dead = 0

    def __len__(self) -> int:
        """How many are kept, forgotten ones included."""
        return len(self._heap)

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(self._clock() + seconds, next(self._count), action)
        heapq.heappush(self._heap, timer)
        return timer

    def cancel(self, timers: Iterable[Timer]) -> None:
        """Forget them. What they would have done, and all that it holds, is let go of at once."""
        for timer in timers:
            self._dead += timer.action is not None
            timer.action = None
        if self._dead > max(_FEW, len(self._heap) // 2):
            self._heap = [timer for timer in self._heap if timer.action is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def fire(self) -> None:
        """Do all whose time has come."""
        while self._heap and self._heap[0].at <= self._clock():
            action, self._heap[0].action = self._heap[0].action, None
            heapq.heappop(self._heap)
            if action is None:
                self._dead -= 1
            else:
                action()

    def until_next(self) -> float:
        """Seconds; infinite if there is nothing to do."""
        while self._heap and self._heap[0].action is None:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0].at - self._clock() if self._heap else float("inf")
