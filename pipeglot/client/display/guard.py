"""Between the runner and a display: a closed terminal or a bug in a display must not end a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import RunView
from pipeglot.runtime_local.listener import Listener


class Display(Listener, Protocol):
    """A listener with something on a screen to put away."""

    def close(self) -> None:
        """Leave the screen in order. May be called twice."""


class Guard:
    """Passes everything on, until the display fails once; from then on it is silent."""

    def __init__(self, display: Display) -> None:
        self.display: Display | None = display

    def begun(self, start: Start, plan: Plan) -> None:
        self._tell(lambda display: display.begun(start, plan))

    def expanded(self, cells: list[Cell]) -> None:
        self._tell(lambda display: display.expanded(cells))

    def running(self, cell: Cell, attempt: int) -> None:
        self._tell(lambda display: display.running(cell, attempt))

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
        self._tell(lambda display: display.retrying(cell, attempt, failure, delay))

    def settled(self, cell: Cell, entry: Entry) -> None:
        self._tell(lambda display: display.settled(cell, entry))

    def cancelling(self, grace: float) -> None:
        self._tell(lambda display: display.cancelling(grace))

    def warned(self, text: str) -> None:
        self._tell(lambda display: display.warned(text))

    def waiting(self, told: str) -> None:
        self._tell(lambda display: display.waiting(told))

    def tick(self) -> None:
        self._tell(lambda display: display.tick())

    def ended(self, view: RunView) -> None:
        self._tell(lambda display: display.ended(view))

    def close(self) -> None:
        self._tell(lambda display: display.close())

    def _tell(self, call: Callable[[Display], None]) -> None:
        if self.display is None:
            return
        try:
            call(self.display)
        except Exception:
            if os.environ.get("PIPEGLOT_DEBUG"):
                raise
            self.display = None
