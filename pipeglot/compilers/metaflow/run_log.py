"""What Metaflow prints of a run: which tasks there are, how far each one is, and what it has printed itself.

Every line of a task has the task and its process before it, wherever Metaflow's datastore is:
`2026-11-22 15:05:39.660 [1795359939283168/train/4 (pid 3168)] pipeglot: step train, item 3`.
"""

from __future__ import annotations

import re
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
_CLONED = "Cloning previously run task"


class Line(NamedTuple):
    """A line of it. task: its id there, "" of what Metaflow says of the whole run; step: its own name for it."""

    step: str
    task: str
    text: str


class Seen(NamedTuple):
    """A task, as far as it was seen. step: what it is a task of; if it has not said, as Metaflow names it."""

    task: str
    step: str
    item: Index = ()
    state: Literal["running", "failed", "succeeded"] = "running"
    attempt: int = 1


def lines(log: Path) -> Iterator[Line]:
    """What is there so far."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        found = _LINE.match(line)
        yield Line(found[2] or "", found[3] or "", found[4]) if found else Line("", "", line)


def tasks(log: Path) -> list[Seen]:
    """All tasks that have begun."""
    found: dict[str, Seen] = {}
    for line in lines(log):
        if line.task and not line.text.startswith(_CLONED):
            found[line.task] = _next(found.get(line.task), line)
    return list(found.values())


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
    for line in lines(log):
        if line.task != task:
            continue
        if line.text in _STARTS:
            found = []
        elif line.text not in _STATES and not line.text.startswith(STEP):
            found.append(f"{line.text}\n")
    return "".join(found)


def is_done(log: Path) -> bool:
    """Whether Metaflow says that the run has succeeded, which it says last."""
    return any(not line.task and line.text.startswith("Done!") for line in lines(log))


def last_words(log: Path, count: int = 12) -> str:
    """Its end, for people."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-count:])
