"""What a step prints goes to a file: Python's own output, C's, that of child processes, and logging."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeglot.core.redact import Redactor

_LAST_WORDS = 1.0
"""Seconds that what was printed has to get through."""


@contextmanager
def captured(log: Path | None) -> Iterator[None]:
    """Send file descriptors 1 and 2 to the end of `log` for a while; None leaves them as they are.

    Of the whole process: for a worker that runs one step at a time. A child process that outlives the step keeps
    writing to the file, and to nothing that comes after.
    """
    if log is None:
        yield
        return
    _flush()
    saved = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for number, copy in zip((1, 2), saved, strict=True):
            with suppress(OSError):  # a step that closed every descriptor has closed this one too
                os.dup2(copy, number)
                os.close(copy)


@contextmanager
def cleaned(redactor: Redactor) -> Iterator[None]:
    """What this process and its children print goes through `redactor` for a while, and then where it went before."""
    _flush()
    numbers = [number for number in (1, 2) if _is_open(number)]
    together = len(numbers) == 2 and os.path.sameopenfile(1, 2)  # one terminal, say: the order is kept
    groups = [tuple(numbers)] if together else [(number,) for number in numbers]
    pumps = [_Pump(redactor, group) for group in groups]
    try:
        yield
    finally:
        _flush()
        for pump in pumps:
            pump.end()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:  # whoever started us has closed it
        return False
    return True


class _Pump:
    """Takes what is written to some descriptors, and writes it cleaned to where they led."""

    def __init__(self, redactor: Redactor, numbers: tuple[int, ...]) -> None:
        from threading import Thread

        self.redactor = redactor
        self.numbers = numbers
        self.target = os.dup(numbers[0])
        self.source, write = os.pipe()
        for number in numbers:
            os.dup2(write, number)
        os.close(write)
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.redactor.live(self.source, self.target)
        except OSError:  # nobody reads it any more
            pass
        finally:
            os.close(self.source)

    def end(self) -> None:
        for number in self.numbers:
            os.dup2(self.target, number)
        self.thread.join(_LAST_WORDS)
        if not self.thread.is_alive():  # else a child process that was left behind goes on printing
            os.close(self.target)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (ValueError, OSError, AttributeError):  # closed or replaced by user code: nothing of ours is in it
            continue


@contextmanager
def logging_shown() -> Iterator[None]:
    """Send log records from INFO up to stderr, if logging is in use and the user has set up no handler.

    Without one, Python shows warnings only, and a step's `logger.info(…)` would be lost.
    """
    logging: Any = sys.modules.get("logging")
    if logging is None or logging.root.handlers:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = logging.root.level
    logging.root.addHandler(handler)
    if level == logging.WARNING:  # Python's default: the user has not chosen a level
        logging.root.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        logging.root.setLevel(level)
