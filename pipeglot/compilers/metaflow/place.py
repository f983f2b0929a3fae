"""Where a step runs: below a task of Metaflow's, which may be told to end, or have lost the process that started it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeglot.core.task.places import Process, Told


class TaskPlace(Process):
    """The process of one task.

    ends: the file that tells all tasks of the run to end, but for those that clean up. grace: the seconds that a step
    has to end by itself then.
    """

    def __init__(self, ends: Path, grace: float) -> None:
        super().__init__()
        self.grace = grace
        self.was_told = False
        self._ends = ends

    @contextmanager
    def listening(self, *, cleans: bool) -> Iterator[Told]:
        parent = os.getppid()
        with super().listening(cleans=cleans) as told:

            def is_told() -> bool:
                if os.getppid() != parent:  # killed, and nobody is to believe that this task goes on
                    os.kill(os.getpid(), signal.SIGKILL)
                self.was_told = self.was_told or told() or (not cleans and self._ends.exists())
                return self.was_told

            yield is_told
