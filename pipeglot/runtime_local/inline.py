"""`--inline`: a pool of one worker that is this very process, so that a debugger and `breakpoint()` work in steps.

It has the methods of `Pool` that a run uses. What only another process can do is not done: steps run one after another,
no timeout ends them, what they print is shown and not kept, one that crashes takes the run with it, and while one goes
on, the run gives no sign of life.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import nullcontext
from types import FrameType
from typing import Any

from pipeglot.core.context import Terminated
from pipeglot.core.sources import use_roots
from pipeglot.core.workers.messages import Hello, Run
from pipeglot.core.workers.pool import Ended, Report, Worker, readable
from pipeglot.core.workers.worker import StepRunner
from pipeglot.runtime_local.interrupts import SIGNALS

_DEBUGGERS = ("pdb", "bdb")


class InlinePool:
    """Runs what it is given when it is waited for."""

    def __init__(self) -> None:
        self.workers: dict[int, Worker] = {}
        self._order: tuple[Worker, Run] | None = None
        self._over: list[Report | Ended] = []
        self._watch = _Watch()
        self._runner: StepRunner | None = None
        self._folder: str | None = None

    def spawn(self, hello: Hello) -> Worker:
        """Make this process the worker: in the project's folder, with the project's code before all other."""
        if self._folder is None:
            self._folder = os.getcwd()
        os.chdir(hello.root)
        use_roots(hello.roots, hello.sources)
        self._runner = StepRunner(hello, self._watch, keep_logs=False)
        worker = Worker(os.getpid(), None)
        self.workers[worker.pid] = worker
        return worker

    def give(self, worker: Worker, order: Run) -> None:
        worker.busy = True
        self._order = worker, order

    def wait(self, seconds: float | None, wake: int) -> list[Report | Ended]:
        """Run what was given. If a signal stopped it, `wake` tells; the worker's end is told by the next call."""
        if self._over:
            found, self._over = self._over, []
            return found
        if self._order is None:
            readable([wake], seconds)
            return []
        (worker, order), self._order = self._order, None
        assert self._runner is not None, "an order follows a spawn"
        step = self._runner.plan.step(order.step)
        self._watch.cleans_up = step.trigger == "all_done" or step.id in self._runner.plan.hooks
        attached = os.isatty(0)  # somebody may want to debug it there
        try:
            with nullcontext() if attached else self._runner.runtime.secrets.hidden(step):
                return [Report(worker, self._runner.run(order))]
        except Terminated:
            self.retire(worker)
            self._over.append(Ended(worker, 0))
            return []

    def retire(self, worker: Worker) -> None:
        self.workers.pop(worker.pid, None)

    def signal(self, worker: Worker, number: int) -> None:  # noqa: ARG002  # there is nobody to send it to
        """The signal that the user sent has ended the step already."""
        worker.ending = True

    def close(self) -> None:
        self.workers.clear()
        if self._folder is not None:
            os.chdir(self._folder)
            self._folder = None


class _Watch:
    """While the user's function runs, a signal ends it; the run hears of it too. So does leaving a debugger by `q`.

    A clean-up step or a hook goes on after the first signal, as in a process of its own.
    """

    def __init__(self) -> None:
        self.cleans_up = False
        self._signals = 0
        self._terminated = False
        self._before: dict[int, Any] = {}

    def arm(self, *, timed: bool) -> None:
        """Nothing can end the step from outside, so no clock is set."""

    def calling(self) -> None:
        self._terminated = False
        if threading.current_thread() is threading.main_thread():  # elsewhere, Python takes no handlers
            heard = [number for number in SIGNALS if callable(signal.getsignal(number))]
            self._before = {number: signal.signal(number, self._on_signal) for number in heard}

    def called(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before and self._quit_debugger():
            self._tell(next(iter(self._before)))  # Ctrl-C, unless whoever started us has it ignored (`&` in a script)
        self._before = {}
        if self._terminated:
            raise Terminated

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._tell(number)
        if self._terminated:
            raise Terminated

    def _tell(self, number: int) -> None:
        """Let the run know, as if the signal had come outside the step."""
        handler = self._before.get(number)
        if handler is not None:
            handler(number, None)
            self._terminated = not self.cleans_up or self._signals > 1

    @staticmethod
    def _quit_debugger() -> bool:
        """Whether what the user's function raised comes from the debugger itself."""
        error = sys.exception()
        if error is None or not any(name in sys.modules for name in _DEBUGGERS):
            return False
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return trace is not None and trace.tb_frame.f_globals.get("__name__") in _DEBUGGERS
