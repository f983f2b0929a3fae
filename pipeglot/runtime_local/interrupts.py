"""Ctrl-C, SIGTERM and SIGHUP as events of the runner's loop."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

LAST_WORD = 0.8
"""Seconds that a request to the store has after a signal, or when a run is given up: the store may be the reason."""

TO_THE_END = 5.0
"""Seconds that each has in a run that is being cancelled."""

TOGETHER = 1.0
"""Seconds in which other signals than Ctrl-C count as one: supervisors send SIGTERM and SIGHUP at a time."""


class Interrupts:
    """While entered, counts the signals that ask the run to stop; `fd` becomes readable with each."""

    def __init__(self) -> None:
        self._count = 0
        self._last = -math.inf
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)
        if threading.current_thread() is threading.main_thread():  # elsewhere, Python takes no handlers
            heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]  # nohup
            self._before = {number: signal.signal(number, self._on_signal) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.fd)
        os.close(self._write)

    def left(self) -> float:
        """How many seconds a request to the store may take: once a signal has come, somebody waits for the end."""
        if self._count:
            return LAST_WORD
        return math.inf if self._last == -math.inf else TO_THE_END

    def take(self) -> int:
        """How many came since the last call."""
        count, self._count = self._count, 0
        if count:
            os.read(self.fd, 4096)
        return count

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if number != signal.SIGINT and now - self._last < TOGETHER:
            return
        self._last = now
        self._count += 1
        os.write(self._write, b"!")
