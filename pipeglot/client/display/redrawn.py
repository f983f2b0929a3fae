"""Progress that is drawn anew in place, a few times a second: what a terminal and a notebook share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pipeglot.client.display.board import Board, Row
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import RunView

SHARE = 0.05
"""Of the runner's time, at most so much goes into drawing: with ten thousand steps one drawing takes long."""


class Redrawn(ABC):
    """Keeps the board up to what a run tells. `draw` and `close` are the medium's own.

    after: seconds after which a run is worth watching. between: seconds between two drawings, at least.
    """

    def __init__(self, board: Board, *, after: float, between: float) -> None:
        self.board = board
        self.after = after
        self.between = between
        self._drawn = 0.0
        self._took = 0.0

    @abstractmethod
    def draw(self) -> None:
        """Show the board as it is now."""

    @abstractmethod
    def close(self) -> None:
        """Leave the medium as it is to stay."""

    def rows(self) -> list[Row]:
        """What is worth a line."""
        return [row for row in self.board.rows.values() if row.shown]

    # --- what the runner tells ----------------------------------------------------------------------------------------

    def begun(self, start: Start, plan: Plan) -> None:
        self.board.begun(start, plan)

    def expanded(self, cells: list[Cell]) -> None:
        self.board.expanded(cells)

    def running(self, cell: Cell, attempt: int) -> None:
        self.board.running(cell, attempt)

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:  # noqa: ARG002
        self.board.retrying(cell, attempt, delay)

    def settled(self, cell: Cell, entry: Entry) -> None:
        self.board.settle(cell, entry)

    def cancelling(self, grace: float) -> None:  # noqa: ARG002  # the screen says it without a number
        self.board.cancelling = True
        self._draw_now()

    def warned(self, text: str) -> None:
        self.board.notes.append(text)

    def waiting(self, told: str) -> None:
        self.board.waiting = told
        self._draw_now()

    def tick(self) -> None:
        now = self.board.clock()
        if now - self.board.began >= self.after and now - self._drawn >= max(self.between, self._took / SHARE):
            self._draw_now()

    def ended(self, view: RunView) -> None:  # noqa: ARG002  # part of what a listener is told
        self.board.over = True
        self.close()

    def _draw_now(self) -> None:
        began = self.board.clock()
        self.draw()
        self._drawn = self.board.clock()
        self._took = self._drawn - began
