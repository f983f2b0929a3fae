"""Asks the cache about the cells that come next as well: in a bucket each answer takes its time, and many take no more.

A folder answers sooner than a thread is woken, so there each cell is asked about when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.records import Verdict
from pipeglot.core.run_step import Job
from pipeglot.core.store.waiting import together

Answer = Verdict | str
"""The committed verdict, or why the step has to run."""

Coming = Callable[[Container[Cell]], Iterable[Job]]
"""Gives the jobs that come next, without those that are known."""


class Ahead:
    """Answers that were got before they are needed. `reuse` asks the store at that URI; several threads call it."""

    def __init__(self, reuse: Callable[[Job], Answer], at_once: int, store: str) -> None:
        self._reuse = reuse
        self._at_once = at_once
        self._store = store
        self._known: dict[Cell, Answer] = {}
        self._computed: set[str] = set()

    def ask(self, job: Job, coming: Coming) -> Answer:
        """What the cache has for a job. If that is not known yet, it is asked about those that are coming, too."""
        found = self._known.pop(job.cell, None)
        if found is None:
            return self._ask_all(job, [*coming(self._known)])
        if isinstance(found, str) and job.key in self._computed:  # by an item that is equal, since we asked
            return self._reuse(job)
        return found

    def computed(self, key: str) -> None:
        """This run has put something under that key of the cache."""
        self._computed.add(key)

    def _ask_all(self, job: Job, others: list[Job]) -> Answer:
        if not others:
            return self._reuse(job)
        jobs = [job, *others]
        found, *more = together(self._reuse, jobs, self._at_once, self._store, f"looking for {len(jobs)} results")
        self._known.update(zip((other.cell for other in others), more, strict=True))
        return found
