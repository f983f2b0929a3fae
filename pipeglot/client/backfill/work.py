"""Do the runs of a backfill: each in a process of its own, some at once, and all the others if one fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NamedTuple

from msgspec import Struct

LOOK = 0.02
"""Seconds between two looks at the runs that are at work."""

Status = Literal["succeeded", "failed", "cancelled", "refused"]

_STATUS: Mapping[int, Status] = {
    0: "succeeded",
    130: "cancelled",
    -signal.SIGINT: "cancelled",  # it came before the run had begun
    -signal.SIGTERM: "cancelled",
    2: "refused",  # nothing was run, nor would be for another moment
    33: "refused",
}
"""By exit code; all others have failed."""


class Done(Struct, frozen=True, kw_only=True):
    """What became of the run for a moment.

    logical_date: the moment, in ISO 8601.
    status: `succeeded`, `failed`, `cancelled`; or `refused`, if it was not begun.
    run_id: the run; null if there is none.
    seconds: how long it took.
    message: why it did not succeed; empty if it did.
    """

    logical_date: str
    status: Status
    run_id: str | None
    seconds: float
    message: str = ""


class Began(NamedTuple):
    """A run that is at work."""

    moment: str
    process: subprocess.Popen[bytes]
    at: float
    out: Path
    err: Path


class Work:
    """Runs for moments, at most so many at once.

    command: that which makes one run, as for `subprocess`, given a moment. tell: hears of each run that is over.
    """

    def __init__(self, command: Callable[[str], Sequence[str]], most: int, tell: Callable[[Done], None]) -> None:
        self.command = command
        self.most = most
        self.tell = tell
        self.done: list[Done] = []
        self._at_work: list[Began] = []
        self._signals = 0

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has asked to stop, or nothing can be run."""
        return self._signals > 0 or any(one.status == "refused" for one in self.done)

    def do(self, moments: Sequence[str]) -> list[Done]:
        """All moments in their order, to the end. After a signal, those at work end as they do, and no more begin."""
        left = list(reversed(moments))
        with tempfile.TemporaryDirectory(prefix="pipeglot-backfill-") as folder, self._heard():
            while self._at_work or (left and not self.is_stopped):
                while left and len(self._at_work) < self.most and not self.is_stopped:
                    self._at_work.append(self._begin(left.pop(), Path(folder), len(left)))
                for one in self._over():
                    self.done.append(one)
                    self.tell(one)
                time.sleep(LOOK)
        return self.done

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Each signal goes on to the runs once: they have process groups of their own, which no terminal signals."""
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        self._signals += 1
        for one in self._at_work:
            if one.process.poll() is None:
                os.kill(one.process.pid, number)

    def _begin(self, moment: str, folder: Path, number: int) -> Began:
        out, err = folder / f"{number}.json", folder / f"{number}.txt"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                self.command(moment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0
            )
        return Began(moment, process, time.monotonic(), out, err)

    def _over(self) -> Iterator[Done]:
        for one in list(self._at_work):
            if one.process.poll() is not None:
                self._at_work.remove(one)
                yield _result(one)
                one.out.unlink()
                one.err.unlink()


def backfill_command(words: Sequence[str]) -> list[str]:
    """A command of ours in a process of its own, in the same Python."""
    return [sys.executable, "-m", "pipeglot", *words]


def _result(began: Began) -> Done:
    code, seconds = began.process.returncode, round(time.monotonic() - began.at, 3)
    view = _json(began.out.read_bytes())
    run = view.get("run_id")
    status: Status = _STATUS.get(code, "failed")
    message = "" if status == "succeeded" else _why(view, began.err.read_bytes(), code)
    return Done(logical_date=began.moment, status=status, run_id=run, seconds=seconds, message=message)


def first_error(view: Mapping[str, Any]) -> str:
    """Of a run as JSON shows it, the first step that failed, in a line; empty if none did."""
    for step in view.get("steps", ()):
        if error := step.get("error"):
            return f"{step['id']}: {error['type']}: {error['message'].partition(chr(10))[0]}"
    return ""


def _json(data: bytes) -> dict[str, Any]:
    """What a command printed; nothing if it was killed before."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(view: dict[str, Any], err: bytes, code: int) -> str:
    """In a line: the first step that failed, or the command's own words."""
    if told := first_error(view):
        return told
    if error := view.get("error"):
        return str(error.get("message") or error)
    lines = err.decode("utf-8", "replace").strip().splitlines()
    if code < 0:
        return f"its process was killed by signal {-code}"
    return lines[-1] if lines else f"it ended with exit code {code}"
