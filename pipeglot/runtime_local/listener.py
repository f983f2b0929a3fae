"""What a run tells while it goes on: the display listens, and so may tests."""

from __future__ import annotations

from typing import Protocol

from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import RunView


class Listener(Protocol):
    """All methods are called from the runner's own thread, and must be quick."""

    def begun(self, start: Start, plan: Plan) -> None:
        """The run is recorded; no step has run."""

    def expanded(self, cells: list[Cell]) -> None:
        """Cells became ready: of a map, all its items at once."""

    def running(self, cell: Cell, attempt: int) -> None:
        """A worker took up a cell."""

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
        """An attempt failed; the next begins after `delay` seconds."""

    def settled(self, cell: Cell, entry: Entry) -> None:
        """A cell has come to its end: run, cached, failed, skipped or cancelled."""

    def cancelling(self, grace: float) -> None:
        """Somebody asked the run to stop; running steps have `grace` seconds."""

    def warned(self, text: str) -> None:
        """Something is not as it should be, and does not stop the run."""

    def waiting(self, told: str) -> None:
        """The store does not answer, or only with errors: what is waited for, in a line. Empty: it answers again."""

    def tick(self) -> None:
        """Called a few times a second while steps run."""

    def ended(self, view: RunView) -> None:
        """The run is over and sealed."""


class Silent:
    """Listens to nothing."""

    def begun(self, start: Start, plan: Plan) -> None:
        pass

    def expanded(self, cells: list[Cell]) -> None:
        pass

    def running(self, cell: Cell, attempt: int) -> None:
        pass

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
        pass

    def settled(self, cell: Cell, entry: Entry) -> None:
        pass

    def cancelling(self, grace: float) -> None:
        pass

    def warned(self, text: str) -> None:
        pass

    def waiting(self, told: str) -> None:
        pass

    def tick(self) -> None:
        pass

    def ended(self, view: RunView) -> None:
        pass
