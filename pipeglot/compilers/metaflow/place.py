"""Where a step runs: below a task of Metaflow's, which may be told to end, or have lost the process that started it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeglot.core.task.places import Process, Told

HURRY = 3.0
"""Seconds that a step has to end by itself where whoever ends its task may kill it soon: Metaflow does after 5 s."""


class TaskPlace(Process):
    """The process of one task.

    ends: the file that tells all tasks of the run to end, but for those that clean up. grace: the seconds that a step
    has to end by itself then. was_told: whether it was that file. was_signalled: whether it was a signal, to this task
    or by Ctrl-C to all of them: Metaflow itself sends none before it kills.
    """

    def __init__(self, ends: Path, grace: float) -> None:
        super().__init__()
        self.grace = self._grace = grace
        self.was_told = False
        self.was_signalled = False
        self._ends = ends

    @contextmanager
    def listening(self, *, cleans: bool) -> Iterator[Told]:
        parent = os.getppid()
        self.ends_alone = self.was_signalled = False
        with super().listening(cleans=cleans) as told:

            def is_told() -> bool:
                if os.getppid() != parent:  # killed, and nobody is to believe that this task goes on
                    os.kill(os.getpid(), signal.SIGKILL)
                self.was_told = self.was_told or (not cleans and self._ends.exists())
                self.was_signalled = told()
                self.ends_alone = not self.was_told and signal.SIGTERM in self.signals  # Ctrl-C is for the run
                self.grace = min(self._grace, HURRY) if self.was_signalled else self._grace
                return self.was_told or self.was_signalled

            yield is_told
