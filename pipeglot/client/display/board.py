"""What is known of a run while it goes on: one row for each step, with the items of a map folded into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry

Mood = Literal["waiting", "running", "retrying", "succeeded", "cached", "failed", "skipped", "cancelled"]

_WORST_FIRST: tuple[Mood, ...] = ("failed", "cancelled", "succeeded", "cached")


class Retrying(NamedTuple):
    """An attempt that failed, and when the next one begins."""

    attempt: int
    until: float


class Row:
    """A step: how many of its executions are where."""

    def __init__(
        self, step: str, scope: tuple[str, ...], attempts: int, known: set[Index], *, hook: bool = False
    ) -> None:
        self.step = step
        self.hook = hook
        self.scope = scope
        self.attempts = attempts
        self.known = known
        """The places in its maps that are known so far; steps of one map share the set."""
        self.running: dict[Cell, int] = {}
        self.retrying: dict[Cell, Retrying] = {}
        self.counts: dict[str, int] = {}
        self.seconds = 0.0
        self.tries = 1
        self.began: float | None = None
        self.ended: float | None = None

    @property
    def folded(self) -> bool:
        return bool(self.scope)

    @property
    def settled(self) -> int:
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        return max(len(self.known), self.settled)

    @property
    def shown(self) -> bool:
        """A hook is worth a line only once it runs: of two kinds, one never does."""
        return not self.hook or self.mood not in ("waiting", "skipped")

    @property
    def over(self) -> bool:
        """Whether all that is known of it has come to an end."""
        return not self.running and not self.retrying and self.settled > 0 and self.settled >= self.total

    @property
    def mood(self) -> Mood:
        """The one word for all of it."""
        if self.running:
            return "running"
        if self.retrying:
            return "retrying"
        if not self.counts:
            return "waiting"
        if self.scope and self.settled < self.total:
            return "running"
        return next((mood for mood in _WORST_FIRST if self.counts.get(mood)), "skipped")

    def elapsed(self, now: float) -> float:
        if self.began is None:
            return 0.0
        return (self.ended if self.over and self.ended is not None else now) - self.began


class Board:
    """Takes what the runner tells, keeps the rows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.rows: dict[str, Row] = {}
        self.began = clock()
        self.cancelling = False
        self.waiting = ""
        """What the store is waited for, if it is."""
        self.over = False
        self.notes: list[str] = []
        """What is to be known beside the steps."""
        self._known: dict[tuple[str, ...], set[Index]] = {}

    def begun(self, start: Start, plan: Plan) -> None:  # noqa: ARG002  # part of what a listener is told
        self.began = self.clock()
        for step in plan.steps():
            scope = plan.scope(step.id)
            known = self._known.setdefault(scope, set())
            attempts = step.retry.attempts if step.retry else 1
            self.rows[step.id] = Row(step.id, scope, attempts, known, hook=step.id in plan.hooks)

    def expanded(self, cells: list[Cell]) -> None:
        for step, index in cells:
            self.rows[step].known.add(index)

    def running(self, cell: Cell, attempt: int) -> None:
        row = self.rows[cell[0]]
        row.running[cell] = attempt
        row.retrying.pop(cell, None)
        row.tries = max(row.tries, attempt)
        if row.began is None:
            row.began = self.clock()

    def retrying(self, cell: Cell, attempt: int, delay: float) -> None:
        row = self.rows[cell[0]]
        row.running.pop(cell, None)
        row.retrying[cell] = Retrying(attempt - 1, self.clock() + delay)

    def settle(self, cell: Cell, entry: Entry) -> Row:
        """Take in the end of a cell. A branch has one only if its condition failed: then it gets a row."""
        step, index = cell
        row = self.rows.get(step) or self.rows.setdefault(step, Row(step, (), 1, set()))
        row.running.pop(cell, None)
        row.retrying.pop(cell, None)
        if len(index) == len(row.scope):
            row.known.add(index)
        mood = "cached" if is_cached(entry) else entry.status
        row.counts[mood] = row.counts.get(mood, 0) + 1
        row.seconds = entry.verdict.observed.seconds if entry.verdict else 0.0
        row.ended = self.clock()
        return row

    def moods(self) -> Iterator[Mood]:
        return (row.mood for row in self.rows.values())


def is_cached(entry: Entry) -> bool:
    return entry.verdict is not None and entry.verdict.observed.cached is not None


def failure_line(failure: Failure | None) -> str:
    """A failure in a few words."""
    if failure is None:
        return ""
    first = failure.message.strip().partition("\n")[0]
    return f"{failure.type}: {first}" if first else failure.type
