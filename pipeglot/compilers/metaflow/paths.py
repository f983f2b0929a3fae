"""How long Metaflow's own code looks at a flow: it walks each way through it, from each of its steps."""

from __future__ import annotations

from typing import NamedTuple

from pipeglot.compilers.metaflow.tasks import Task


class Ways(NamedTuple):
    """Of a flow.

    walks: how many ways lead from each step to each other, all together. moves: the steps that are looked at on the
    way. longest: the steps of the longest way from start to end.
    """

    walks: int
    moves: int
    longest: int


def ways(tasks: list[Task]) -> Ways:
    """Counted, not walked. A task comes before those that it goes on to."""
    walks: dict[Task, int] = {}
    lengths: dict[Task, int] = {}
    longest: dict[Task, int] = {}
    for task in reversed(tasks):
        walks[task] = 1 + sum(walks[one] for one in task.next)
        lengths[task] = sum(lengths[one] + walks[one] for one in task.next)
        longest[task] = 1 + max((longest[one] for one in task.next), default=0)
    joined = _at_joins(tasks)
    return Ways(sum(walks.values()), sum(lengths.values()) + joined, max(longest.values()))


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
