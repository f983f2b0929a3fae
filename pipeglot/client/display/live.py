"""Live progress on a terminal: a line for each step, redrawn in place; what does not fit the screen is counted.

Drawn by rich, in the runner's own thread. rich is imported once a run has lasted a moment: a shorter one is shown when
it is over.
"""

from __future__ import annotations

import sys
from heapq import nsmallest
from typing import IO, Any

from pipeglot.client.display.board import Board, Row
from pipeglot.client.display.lines import Span, row_line
from pipeglot.client.display.redrawn import Redrawn
from pipeglot.client.text import duration, paint, safe_line

_STYLES = {"red": "bold red"}
_MOST_SHOWN_AT_END = 40


class Live(Redrawn):
    """Owns the lower lines of a terminal until `close`."""

    def __init__(self, board: Board, stream: IO[str]) -> None:
        super().__init__(board, after=0.25, between=0.1)
        self.stream = stream
        self._screen: Any = None
        self._console: Any = None
        self._closed = False

    def close(self) -> None:
        """Leave the last state on the screen, and the cursor below it."""
        if self._closed:
            return
        self._closed = True
        if self._screen is not None:
            self._screen.update(self._frame(), refresh=True)
            self._screen.stop()
            return
        for line in self._lines(_MOST_SHOWN_AT_END):
            self.stream.write("".join(paint(span.text, span.colour, self.stream) for span in line) + "\n")
        self.stream.flush()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        if self._screen is None:
            self._start()
        self._screen.update(self._frame(), refresh=True)

    def _start(self) -> None:
        """Import rich without the user's folders in the way: a `queue.py` of theirs would be found before Python's."""
        path = sys.path[:]
        sys.path.sort(key=lambda entry: not (entry.startswith(sys.base_prefix) or "-packages" in entry))
        try:
            from rich.console import Console
            from rich.live import Live as Screen
        finally:
            sys.path[:] = path
        self._console = Console(file=self.stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._screen = Screen(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._screen.start()

    def _frame(self) -> Any:
        from rich.text import Text

        text = Text(no_wrap=True, overflow="ellipsis", end="")
        height = self._console.size.height
        for number, line in enumerate(self._lines(max(3, height - 2))):
            text.append("\n" if number else "")
            for span in line:
                text.append(span.text, _STYLES.get(span.colour, span.colour))
        return text

    def _lines(self, most: int) -> list[list[Span]]:
        now = self.board.clock()
        rows = self.rows()
        shown, hidden = choose(rows, most)
        width = max((len(row.step) for row in shown), default=0)
        encoding = getattr(self.stream, "encoding", None)
        lines = [row_line(row, min(width, 40), now, encoding, over=self.board.over) for row in shown]
        if hidden:
            lines.append([Span(f"  … {_counted(hidden)}", "dim")])
        lines += [[Span(f"note: {safe_line(note, 500)}", "yellow")] for note in self.board.notes]
        if not self._closed:
            lines.append(self._foot(now))
        return lines

    def _foot(self, now: float) -> list[Span]:
        told = duration(now - self.board.began)
        if self.board.waiting:
            return [Span(f"{told}: {safe_line(self.board.waiting, 500)}", "yellow")]
        if self.board.cancelling:
            return [
                Span(f"cancelling, {told}: running steps may end what they do; Ctrl-C again ends them now", "yellow")
            ]
        return [Span(told, "dim")]


def choose(rows: list[Row], most: int) -> tuple[list[Row], list[Row]]:
    """The rows that fit on a screen, and the others. What goes on or failed comes first, then what ended last."""
    if len(rows) <= most:
        return rows, []
    rank = {
        "running": 0,
        "retrying": 0,
        "failed": 1,
        "cancelled": 1,
        "succeeded": 2,
        "cached": 2,
        "waiting": 3,
        "skipped": 4,
    }
    ranked = ((rank[row.mood], -(row.ended or 0.0), number, row.step) for number, row in enumerate(rows))
    kept = {step for *_, step in nsmallest(most - 1, ranked)}
    return [row for row in rows if row.step in kept], [row for row in rows if row.step not in kept]


def _counted(rows: list[Row]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.mood] = counts.get(row.mood, 0) + 1
    return "and " + ", ".join(f"{count} {mood}" for mood, count in counts.items())
