"""Progress as plain lines, for logs and pipes: one when a step is over, one for a whole map, and every failure."""

from __future__ import annotations

from typing import IO

from pipeglot.client.display.board import Board, Row, failure_line, is_cached
from pipeglot.client.text import cell_name, duration, safe_line
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import RunView

MOST_LINES = 200
"""After so many steps, only failures have lines of their own."""

MOST_ITEMS = 10
"""So many failures and retries of one map have lines."""

SIGN_OF_LIFE = 60.0
"""Seconds without a line, after which one tells what is running: a CI system may take silence for death."""


class Plain:
    """Writes to a stream that nobody's cursor is on."""

    def __init__(self, board: Board, stream: IO[str]) -> None:
        self.board = board
        self.stream = stream
        self._folded: dict[str, Row] = {}
        self._maybe_over: dict[str, Row] = {}
        """The steps in maps of which an execution ended since the last tick."""
        self._items: dict[str, int] = {}
        self._lines = 0
        self._last = board.clock()

    # --- what the runner tells ----------------------------------------------------------------------------------------

    def begun(self, start: Start, plan: Plan) -> None:
        self.board.begun(start, plan)
        self._folded = {row.step: row for row in self.board.rows.values() if row.folded}

    def expanded(self, cells: list[Cell]) -> None:
        self.board.expanded(cells)

    def running(self, cell: Cell, attempt: int) -> None:
        self.board.running(cell, attempt)

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
        self.board.retrying(cell, attempt, delay)
        of = self.board.rows[cell[0]].attempts
        told = f"attempt {attempt - 1} of {of} failed ({failure_line(failure)}), the next in {duration(delay)}"
        self._item(cell, told)

    def settled(self, cell: Cell, entry: Entry) -> None:
        row = self.board.settle(cell, entry)
        if row.step in self._folded:
            self._maybe_over[row.step] = row
        if not row.shown:
            return
        if not row.folded:
            name = f"hook {row.step}" if row.hook else row.step
            self._count(f"{name}: {_single(row, entry)}", important=entry.status == "failed")
        elif entry.status == "failed":
            self._item(cell, f"failed ({failure_line(entry.failure)})")

    def cancelling(self, grace: float) -> None:
        self._write(f"cancelling: running steps have {duration(grace)} to end")

    def warned(self, text: str) -> None:
        self._write(f"note: {text}")

    def waiting(self, told: str) -> None:
        if told:
            self._write(told)

    def tick(self) -> None:
        for step, row in self._maybe_over.items():
            if len(row.scope) == 1 and row.over:
                self._fold(self._folded.pop(step))
        self._maybe_over.clear()
        if self.board.clock() - self._last > SIGN_OF_LIFE:
            self._sign_of_life()

    def ended(self, view: RunView) -> None:  # noqa: ARG002  # part of what a listener is told
        for row in self._folded.values():
            self._fold(row)
        self._folded.clear()

    def close(self) -> None:
        self.stream.flush()

    # --- lines --------------------------------------------------------------------------------------------------------

    def _fold(self, row: Row) -> None:
        self._count(f"{row.step}: {_map(row)}", important=row.mood == "failed")

    def _item(self, cell: Cell, told: str) -> None:
        step, index = cell
        count = self._items[step] = self._items.get(step, 0) + 1
        if count <= MOST_ITEMS:
            self._write(f"{cell_name(step, index)}: {told}")
        elif count == MOST_ITEMS + 1:
            self._write(f"{step}: … and more; its other failures and retries are not listed here")

    def _count(self, line: str, *, important: bool) -> None:
        self._lines += 1
        if important or self._lines <= MOST_LINES:
            self._write(line)
        elif self._lines == MOST_LINES + 1:
            self._write("… from here on only failures are listed")

    def _sign_of_life(self) -> None:
        busy = [row for row in self.board.rows.values() if row.running or row.retrying]
        told = [f"{row.step} {row.settled}/{row.total}" if row.folded else row.step for row in busy]
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""
        self._write(f"… after {duration(self.board.clock() - self.board.began)}: {', '.join(told[:5])}{more}")

    def _write(self, line: str) -> None:
        self._last = self.board.clock()
        self.stream.write(f"{safe_line(line, 500)}\n")
        self.stream.flush()


def _single(row: Row, entry: Entry) -> str:
    if is_cached(entry):
        return "cached"
    tries = f" (attempt {row.tries} of {row.attempts})" if row.tries > 1 else ""
    match entry.status:
        case "succeeded":
            return f"succeeded in {duration(row.seconds)}{tries}"
        case "failed":
            return f"failed{tries}: {failure_line(entry.failure)}"
        case status:
            return status


def _map(row: Row) -> str:
    if not row.total:
        return "no items"
    if row.total == 1 and row.counts.get("skipped"):
        return "skipped"
    counts = row.counts
    good = counts.get("succeeded", 0) + counts.get("cached", 0)
    parts = [f"{good} of {row.total} succeeded"]
    parts += [f"{counts[name]} {name}" for name in ("cached", "failed", "cancelled", "skipped") if counts.get(name)]
    lasted = f" in {duration(row.elapsed(0.0))}" if row.began is not None and row.ended is not None else ""
    return ", ".join(parts) + lasted
