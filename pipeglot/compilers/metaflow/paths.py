"""How long Metaflow's own code looks at a flow: it walks each way through it, from each of its steps."""

from __future__ import annotations

from typing import NamedTuple

from pipeglot.compilers.metaflow.tasks import Task

MOST_SECONDS = 0.5
"""As long as it may take, on a machine of today: `check` then takes less than 2 s, of which 0.7 s are its imports."""

MOST_CHAINED = 500
"""Steps one after the other: of the longest way, each costs Metaflow a frame of Python's stack, which has 1,000."""

_WALK, _MOVE, _LOOK = 4e-7, 1.3e-8, 3e-7
"""Seconds for each way, for each step on each way, and for each step before a join on each way there. Measured with
Metaflow 2.19.39: chains of 500, blocks of 1,000, 14 diamonds one after the other, 300 steps with steps beside them."""


class Ways(NamedTuple):
    """Of a flow.

    number: how many ways lead from start to end. seconds: how long it takes to walk them all, from each step.
    longest: the steps of the longest one.
    """

    number: int
    seconds: float
    longest: int

    @property
    def is_fine(self) -> bool:
        return self.seconds <= MOST_SECONDS


def ways(tasks: list[Task]) -> Ways:
    """Counted, not walked. A task comes before those that it goes on to."""
    walks: dict[Task, int] = {}
    moves: dict[Task, int] = {}
    ends: dict[Task, int] = {}
    longest: dict[Task, int] = {}
    for task in reversed(tasks):
        walks[task] = 1 + sum(walks[one] for one in task.next)
        moves[task] = sum(moves[one] + walks[one] for one in task.next)
        ends[task] = sum(ends[one] for one in task.next) or 1
        longest[task] = 1 + max((longest[one] for one in task.next), default=0)
    seconds = _WALK * sum(walks.values()) + _MOVE * sum(moves.values()) + _LOOK * _at_joins(tasks)
    return Ways(ends[tasks[0]], seconds, longest[tasks[0]])


def _at_joins(tasks: list[Task]) -> int:
    """At a join, each way that comes there looks at all steps before it."""
    arrivals = dict.fromkeys(tasks, 0)
    before = dict.fromkeys(tasks, 0)
    arrivals[tasks[0]] = 1
    found = 0
    for task in tasks:
        if task.is_join:
            found += arrivals[task] * before[task]
        for one in task.next:
            arrivals[one] += arrivals[task]
            before[one] += 1
    return found
