"""What Metaflow prints of a run: which tasks there are, how far each one is, and what it has printed itself.

Every line of a task has the task and its process before it, wherever Metaflow's datastore is:
`2026-11-22 15:05:39.660 [1795359939283168/train/4 (pid 3168)] pipeglot: step train, item 3`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pipeglot.core.lineage.keys import Index

STEP = "pipeglot: step "
"""Before the name of a step, and the item that it runs for: what its worker prints first."""

_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ (?:\[([^\]/]+)/([^\]/]+)/([^\] ]+)(?: \(pid \d+\))?\] )?(.*)")
_STEP = re.compile(re.escape(STEP) + r"(\S+?)(?:, item ([\d.]+))?")

_STARTS = ("Task is starting.", "Task is starting (retry).")
_STATES: dict[str, Literal["succeeded", "failed"]] = {
    "Task finished successfully.": "succeeded",
    "Task failed.": "failed",
    "[KILLED BY ORCHESTRATOR]": "failed",
}
_DONE = "Done!"
_CLONED = "Cloning previously run task"


class Line(NamedTuple):
    """A line of it. task: its id there, "" of what Metaflow says of the whole run; step: its own name for it. stamped:
    whether it is Metaflow's at all, and not of a program that writes there, too."""

    step: str
    task: str
    text: str
    stamped: bool = True


class Seen(NamedTuple):
    """A task, as far as it was seen. step: what it is a task of; if it has not said, as Metaflow names it."""

    task: str
    step: str
    item: Index = ()
    state: Literal["running", "failed", "succeeded"] = "running"
    attempt: int = 1


class RunLog:
    """What a log says of the run and its tasks. It is read on from where it was read to before."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._at = 0
        self._tasks: dict[str, Seen] = {}
        self._is_done = False

    def tasks(self) -> list[Seen]:
        """All tasks that have begun."""
        with self._lock:
            self._read_on()
            return list(self._tasks.values())

    def is_done(self) -> bool:
        """Whether Metaflow says that the run has succeeded, which it says last."""
        with self._lock:
            self._read_on()
            return self._is_done

    def _read_on(self) -> None:
        """As far as there are whole lines."""
        data = _bytes(self._log, self._at)
        data = data[: data.rfind(b"\n") + 1]
        self._at += len(data)
        for line in _lines(data):
            if line.task and not line.text.startswith(_CLONED):
                self._tasks[line.task] = _next(self._tasks.get(line.task), line)
            elif line.stamped and not line.task and line.text.startswith(_DONE):
                self._is_done = True


def _bytes(log: Path, at: int = 0) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(at)
            return file.read()
    except FileNotFoundError:
        return b""


def _lines(data: bytes) -> Iterator[Line]:
    """A line ends where Metaflow ends it: what a step prints may have other ends of lines in it."""
    for line in data.decode(errors="replace").removesuffix("\n").split("\n"):
        found = _LINE.fullmatch(line)
        yield Line(found[2] or "", found[3] or "", found[4]) if found else Line("", "", line, stamped=False)


def _next(before: Seen | None, line: Line) -> Seen:
    if before is None:
        return Seen(line.task, line.step)
    if line.text in _STARTS:
        return before._replace(state="running", attempt=before.attempt + 1)
    if line.text in _STATES:
        return before._replace(state=_STATES[line.text])
    told = _STEP.fullmatch(line.text)
    if told is None:
        return before
    return before._replace(step=told[1], item=tuple(map(int, told[2].split("."))) if told[2] else ())


def printed(log: Path, task: str) -> str:
    """What the latest attempt of a task has printed."""
    found: list[str] = []
    for line in _lines(_bytes(log)):
        if line.task != task:
            continue
        if line.text in _STARTS:
            found = []
        elif line.text not in _STATES and not line.text.startswith(STEP):
            found.append(f"{line.text}\n")
    return "".join(found)


def last_words(log: Path, count: int = 12) -> str:
    """Its end, for people."""
    return "\n".join(_bytes(log).decode(errors="replace").rstrip().split("\n")[-count:])
