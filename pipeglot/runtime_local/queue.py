"""Which ready cell runs next: by priority and then by the pipeline's order, within the limits of steps and pools."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from pipeglot.core.ir import Step
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.plan import Plan


class Ready(NamedTuple):
    """A cell that may run; its order in the heap is that of the fields."""

    urgency: int
    place: int
    at: Index
    step: str
    attempt: int

    @property
    def cell(self) -> Cell:
        return (self.step, self.at)


class ReadyQueue:
    """Ready cells. One whose step or pool is at its limit waits aside until there is room."""

    def __init__(self, plan: Plan, pools: Mapping[str, int]) -> None:
        self._plan = plan
        self._pools = pools
        self._heap: list[Ready] = []
        self._aside: defaultdict[str, list[Ready]] = defaultdict(list)
        self._running: defaultdict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._heap)

    def some(self, most: int) -> list[Ready]:
        """Cells that come soon, in no strict order; limits are not looked at."""
        return self._heap[:most]

    def push(self, cell: Cell, attempt: int = 1) -> None:
        step, index = cell
        heapq.heappush(self._heap, Ready(-self._plan.step(step).priority, self._plan.order[step], index, step, attempt))

    def pop(self) -> Ready | None:
        """The next cell within its limits, or None. It counts against them until `release`."""
        while self._heap:
            ready = heapq.heappop(self._heap)
            limits = self._limits(self._plan.step(ready.step))
            full = next((name for name, size in limits.items() if self._running[name] >= size), None)
            if full is None:
                for name in limits:
                    self._running[name] += 1
                return ready
            heapq.heappush(self._aside[full], ready)
            for name in limits:
                self._wake(name, limits[name])  # the room that this one cannot use is another's
        return None

    def release(self, step: str) -> None:
        """A cell of this step runs no more."""
        for name, size in self._limits(self._plan.step(step)).items():
            self._running[name] -= 1
            self._wake(name, size)

    def clear(self) -> list[Ready]:
        """Take out every cell that waits."""
        found = [*self._heap, *(ready for waiting in self._aside.values() for ready in waiting)]
        self._heap.clear()
        self._aside.clear()
        return found

    def _wake(self, name: str, size: int) -> None:
        if self._aside[name] and self._running[name] < size:
            heapq.heappush(self._heap, heapq.heappop(self._aside[name]))

    def _limits(self, step: Step) -> dict[str, int]:
        limits = {}
        if step.max_parallel is not None:
            limits[f"step {step.id}"] = step.max_parallel
        if step.pool is not None:
            limits[f"pool {step.pool}"] = self._pools[step.pool]
        return limits
