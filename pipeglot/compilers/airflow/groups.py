"""Nested pipelines as task groups: which there are, and what stands in each."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pipeglot.compilers.airflow.tasks import Task

_LABEL = re.compile(r"[\w-]{1,200}")
"""What Airflow takes as the name of a group."""


@dataclass
class Group:
    """A task group. id: Airflow's, with those around it; the ids of its tasks begin with it, and Airflow adds that.

    over: the task that lists the items, if the group is there once for each.
    """

    id: str
    over: str = ""
    members: list[Member] = field(default_factory=list)

    def groups(self) -> Iterator[Group]:
        """All groups in it, in order, each before those inside."""
        for one in self.members:
            if isinstance(one, Group):
                yield one
                yield from one.groups()

    def tasks(self) -> Iterator[Task]:
        """All that it holds, in order."""
        for one in self.members:
            yield from one.tasks() if isinstance(one, Group) else (one,)


Member: TypeAlias = "Task | Group"


def around(id_: str, taken: Container[str]) -> list[str]:
    """The groups that something stands in by its id, outermost first.

    `taken` has the ids of tasks: a pipeline that is written by hand may have a step `a` beside a step `a.b`.
    """
    labels = id_.split(".")
    found: list[str] = []
    if "" in labels:
        return found
    for number, label in enumerate(labels[:-1], 1):
        name = ".".join(labels[:number])
        if name in taken or not _LABEL.fullmatch(label):
            break
        found.append(name)
    return found


def grouped(tasks: Iterable[Task]) -> Group:
    """All tasks in their groups, in one that has no name."""
    top = Group("")
    groups = {"": top}
    for task in tasks:
        inside = top
        for name in task.groups:
            if name not in groups:
                groups[name] = Group(name, task.over if name == task.mapped else "")
                inside.members.append(groups[name])
            inside = groups[name]
        inside.members.append(task)
    return top
