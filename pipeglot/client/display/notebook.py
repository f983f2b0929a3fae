"""Progress in a notebook: lines that are updated in place, and go when the run is over, for the run itself is shown."""

from __future__ import annotations

import html
import importlib
from heapq import nsmallest
from typing import Any

from pipeglot.client.display.board import Board
from pipeglot.client.display.lines import row_line
from pipeglot.client.display.redrawn import Redrawn

MOST_LINES = 30
_COLOURS = {"red": "#d1242f", "green": "#1a7f37", "yellow": "#9a6700", "cyan": "#0969da"}
_STYLE = "margin:0;line-height:1.4;white-space:pre;overflow-x:auto"


class Notebook(Redrawn):
    """Owns one display of the cell that runs."""

    def __init__(self, board: Board) -> None:
        super().__init__(board, after=0.5, between=0.5)  # each drawing is a message to a browser, maybe far away
        self._handle: Any = None

    def close(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/html": "", "text/plain": ""}, raw=True)
            self._handle = None

    def draw(self) -> None:
        bundle = {"text/html": self._html(), "text/plain": self._text()}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    # --- lines --------------------------------------------------------------------------------------------------------

    def _lines(self) -> list[list[tuple[str, str]]]:
        """Those that are under way first, if there are too many."""
        rows = self.rows()
        if len(rows) > MOST_LINES:
            order = {"running": 0, "retrying": 0, "failed": 1, "waiting": 3}
            ranked = ((order.get(row.mood, 2), number) for number, row in enumerate(rows))
            shown = [rows[number] for number in sorted(number for _, number in nsmallest(MOST_LINES, ranked))]
        else:
            shown = rows
        width = max((len(row.step) for row in shown), default=0)
        now = self.board.clock()
        lines = [[(span.text, span.colour) for span in row_line(row, width, now, "utf-8")] for row in shown]
        if len(rows) > len(shown):
            lines.append([(f"… and {len(rows) - len(shown)} more steps", "dim")])
        lines += [[(f"note: {note}", "yellow")] for note in self.board.notes]
        if self.board.cancelling:
            lines.append([("cancelling: waiting for running steps to end", "yellow")])
        if self.board.waiting:
            lines.append([(self.board.waiting, "yellow")])
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
