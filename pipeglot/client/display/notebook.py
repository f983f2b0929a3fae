"""Progress in a notebook: lines that are updated in place, and go when the run is over, for the run itself is shown."""

from __future__ import annotations

import html
import importlib
from typing import Any

from pipeglot.client.display.board import Board
from pipeglot.client.display.lines import row_line
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import RunView

AFTER = 0.5
"""Seconds after which a run is worth watching."""

BETWEEN = 0.5
"""Each update is a message to a browser, maybe far away."""

MOST_LINES = 30
_COLOURS = {"red": "#d1242f", "green": "#1a7f37", "yellow": "#9a6700", "cyan": "#0969da"}
_STYLE = "margin:0;line-height:1.4;white-space:pre;overflow-x:auto"


class Notebook:
    """Owns one display of the cell that runs."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._handle: Any = None
        self._drawn = 0.0

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
        self._draw()

    def tick(self) -> None:
        now = self.board.clock()
        if now - self.board.began >= AFTER and now - self._drawn >= BETWEEN:
            self._draw()

    def ended(self, view: RunView) -> None:  # noqa: ARG002  # part of what a listener is told
        self.board.over = True
        self.close()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/html": "", "text/plain": ""}, raw=True)
            self._handle = None

    def _draw(self) -> None:
        self._drawn = self.board.clock()
        bundle = {"text/html": self._html(), "text/plain": self._text()}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    # --- lines --------------------------------------------------------------------------------------------------------

    def _lines(self) -> list[list[tuple[str, str]]]:
        """Those that are under way first, if there are too many."""
        rows = list(self.board.rows.values())
        if len(rows) > MOST_LINES:
            order = {"running": 0, "retrying": 0, "failed": 1, "waiting": 3}
            chosen = sorted(rows, key=lambda row: order.get(row.mood, 2))[:MOST_LINES]
            shown = [row for row in rows if row in chosen]
        else:
            shown = rows
        width = max((len(row.step) for row in shown), default=0)
        now = self.board.clock()
        lines = [[(span.text, span.colour) for span in row_line(row, width, now, "utf-8")] for row in shown]
        if len(rows) > len(shown):
            lines.append([(f"… and {len(rows) - len(shown)} more steps", "dim")])
        if self.board.cancelling:
            lines.append([("cancelling: waiting for running steps to end", "yellow")])
        return lines

    def _text(self) -> str:
        return "\n".join("".join(text for text, _ in line) for line in self._lines())

    def _html(self) -> str:
        lines = ["".join(_span(text, colour) for text, colour in line) for line in self._lines()]
        return f'<pre style="{_STYLE}">{chr(10).join(lines)}</pre>'


def _span(text: str, colour: str) -> str:
    shown = html.escape(text)
    if colour == "dim":
        return f'<span style="opacity:.6">{shown}</span>'
    return f'<span style="color:{_COLOURS[colour]}">{shown}</span>' if colour in _COLOURS else shown
