"""The runner's beats: how others know that a run goes on, and how it hears that others have closed it.

All is done by the runner's own process, so that no step can hold it up; of a run inline, between steps only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipeglot.core.errors import RunClosed, StoreError
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import Pulse, Schedule
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.log_tail import last_lines
from pipeglot.core.run_step import Job
from pipeglot.core.secret_values import Secrets
from pipeglot.core.suggest import SHORT_ID

PACE = 1.0
"""Seconds between two looks for what is due."""


class Beats:
    """Those of one run. `warn` is called once if the store does not take them."""

    def __init__(
        self, ledger: Ledger, run: str, secrets: Secrets, schedule: Schedule, warn: Callable[[str], None]
    ) -> None:
        self.ledger = ledger
        self.run = run
        self.secrets = secrets
        self.schedule = schedule
        self.pace = min(PACE, schedule.first / 2)
        self._warn = warn
        self._warned = False
        self._pulses: dict[Cell, Pulse] = {}
        self._awake = time.time()

    def look(self, busy: Iterable[tuple[Job, float]], waiting: Iterable[Cell]) -> None:
        """Beat for what is due. `busy`: what is run, and since when; `waiting`: what will be tried again.

        Raises `RunClosed` if the run has been closed meanwhile.
        """
        at_work = {job.cell: (job, began) for job, began in busy}
        now = time.monotonic()
        begun = {**dict.fromkeys(waiting, now), **{cell: began for cell, (_, began) in at_work.items()}}
        self._pulses = {cell: self._pulses.get(cell) or self._pulse(cell, since) for cell, since in begun.items()}
        due = [cell for cell, pulse in self._pulses.items() if pulse.due <= now]
        if due:
            self.refuse_closed()
        for cell in due:
            job = at_work[cell][0] if cell in at_work else None
            try:
                self._pulses[cell].beat(attempt=job.attempt if job else 1, tail=self._tail(job) if job else "")
            except StoreError as error:
                self._complain(error)
                return

    def answer(self) -> None:
        """Somebody has asked for something: the next look tells all that they are heard."""
        for pulse in self._pulses.values():
            pulse.due = 0.0

    def has_slept(self) -> bool:
        """Whether this process stood still since the last call, as with a laptop that was closed: beats are due."""
        before, self._awake = self._awake, time.time()
        if self._awake - before <= self.schedule.shortest:
            return False
        self.answer()
        return True

    def refuse_closed(self) -> None:
        """Raise `RunClosed` if the run has an end: nobody but its runner puts one, or who takes that for gone."""
        try:
            ended = self.ledger.ended(self.run)
        except StoreError as error:
            self._complain(error)
            return
        if ended is not None:
            raise closed(self.run, ended.status)

    def _pulse(self, cell: Cell, began: float) -> Pulse:
        return Pulse(self.ledger, self.run, cell, began=began, schedule=self.schedule)

    def _tail(self, job: Job) -> str:
        if job.log is None or not self.secrets.known(job.step):
            return ""
        return last_lines(job.log, self.secrets, job.step)

    def _complain(self, error: StoreError) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"no sign of life can be given, and the run may be shown as lost elsewhere: {error.message}")


def closed(run: str, status: str) -> RunClosed:
    """What to tell of a run that goes on though it was closed."""
    return RunClosed(
        f"run `{run[:SHORT_ID]}` was recorded as {status} by another process, for this one was not heard of:"
        " what it has done since then is not taken",
        hint=f"what had finished before is kept: `pipeglot runs resume {run[:SHORT_ID]}` goes on with it, unless"
        " another run does already (`pipeglot runs list`)",
    )
