"""Runs that an orchestrator drives: the live one behind a recorded run, and how such a run is ended."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from pipeglot.client.records import Found, Records
from pipeglot.compilers.remote import EngineStatus, EngineTask, Remote
from pipeglot.core.errors import ConfigError, EngineError
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.lease import is_silent, lease_of
from pipeglot.core.lineage.ledger import host, now
from pipeglot.core.lineage.records import Cancel, Start
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run
from pipeglot.core.task.chunks import chunks

Logs = Iterator[tuple[Cell, int, str, bool]]
"""An execution, its attempt, what it printed, and whether it still runs."""

LOOK_AGAIN = 1.0

SETTLE = 5.0
"""Seconds that a task has to be heard of, of a run that is over for its orchestrator."""

SETTLE_LONGEST = 40.0
"""The same, if a step that has begun gives signs of life: it has half a minute to end."""

MOST_LOGS = 20
"""So many tasks that recorded nothing have their logs brought; of a map, those of the others tell the same."""

LONGEST_LOG = 1 << 20
"""Characters, the last ones."""


def remote_of(records: Records, start: Start) -> Remote | None:
    """What talks to the orchestrator of a run; None if `pipeglot.yaml` does not tell where that is any more."""
    stack = records.workspace.config.stacks.get(start.stack)
    if stack is None or stack.backend != start.backend or not stack.is_live:
        return None
    from pipeglot.compilers.registry import live

    return live(stack)


class Word(NamedTuple):
    """What the orchestrator of a run says of it. status: None if it cannot be asked; then `why` may tell more."""

    status: EngineStatus | None
    remote: Remote | None = None
    why: str = ""


def ask_there(records: Records, start: Start) -> Word:
    """How far its orchestrator says that a run is. Its ledger knows only what its tasks have written."""
    try:
        remote = remote_of(records, start)
        if remote is None:
            return Word(None)
        return Word(remote.status(start.pipeline, start.engine.get("run", "")), remote)
    except (EngineError, ConfigError) as error:
        return Word(None, None, error.message)


def close_there(records: Records, start: Start, remote: Remote) -> None:
    """Close what the tasks of a run have left open that is over for its orchestrator: its word, and what it has of
    their logs. Raises `EngineError`."""
    state = _settled(records, start, time.monotonic() + SETTLE_LONGEST)
    logs = engine_logs(start, remote, state) if not state.finished else {}
    close(records.ledger, records.artifacts, start.run, logs)


def cancel_there(records: Records, start: Start, remote: Remote | None) -> None:
    """Ask for the end of a run: in the ledger, where its tasks look, and of the orchestrator. Raises `EngineError`."""
    records.ledger.cancel(Cancel(run=start.run, at=now().isoformat(), by=f"runs cancel on {host()}"))
    if remote is not None:
        remote.cancel(start.pipeline, start.engine.get("run", ""))


def await_end_there(records: Records, start: Start, remote: Remote, patience: float) -> str | None:
    """Wait until the orchestrator has ended a run that was cancelled, and close what its tasks left open.

    None if it takes longer.
    """
    deadline, run = time.monotonic() + patience, start.engine.get("run", "")
    while time.monotonic() < deadline:
        status = remote.status(start.pipeline, run)
        if status in ("succeeded", "failed", "gone"):
            found = _closed_once_silent(records, start, deadline - LOOK_AGAIN)
            if status == "succeeded" and found == "cancelled":
                remote.cancel(start.pipeline, run)  # what cleans up has made it a success
            return found
        time.sleep(LOOK_AGAIN)
    return None


def _closed_once_silent(records: Records, start: Start, deadline: float) -> str:
    _settled(records, start, deadline)
    return close(records.ledger, records.artifacts, start.run).status


def _settled(records: Records, start: Start, deadline: float) -> RunState:
    """An orchestrator calls a run over while its steps may still end: the ledger knows which have begun."""
    began = time.monotonic()
    while True:
        _, state = read_run(records.ledger, records.artifacts, start.run)
        beats = lease_of(records.ledger, start, state).beats.values()
        is_quiet = time.monotonic() - began > SETTLE and is_silent(beats, None, now())
        if state.finished or is_quiet or time.monotonic() > deadline:
            return state
        time.sleep(LOOK_AGAIN)


# --- tasks ------------------------------------------------------------------------------------------------------------


def numbered(tasks: Iterable[EngineTask], state: RunState) -> Iterator[tuple[Cell | None, EngineTask]]:
    """Each task with the cell that it runs; None of one that is no step, or of a place that is not known yet.

    One that runs several items, one after the other, is at the first of them that has not ended, or past the last.
    """
    items: dict[str, list[Index]] = {}
    for task in tasks:
        if task.step not in state.plan.places:
            yield None, task
        elif task.item:
            yield (task.step, task.item), task
        elif task.number < 0:
            yield (None if state.plan.scope(task.step) else (task.step, ())), task
        else:
            if not items:
                items = _items(state)
            yield _cell_of(task, items.get(task.step, []), state), task


def _cell_of(task: EngineTask, items: list[Index], state: RunState) -> Cell | None:
    """Its number is its place in a list of all items, or of their chunks if there are fewer tasks than items."""
    shared = chunks(items, task.among or max(1, len(items)))
    if task.number >= len(shared):
        return None
    cells = [(task.step, index) for index in shared[task.number]]
    return next((cell for cell in cells if cell not in state.entries), cells[-1])


def _items(state: RunState) -> dict[str, list[Index]]:
    """Of every step in maps its places, in the order of an orchestrator's list."""
    found: dict[str, list[Index]] = defaultdict(list)
    for step, index in {*state.entries, *state.expected}:
        found[step].append(index)
    return {step: sorted(indexes) for step, indexes in found.items()}


def engine_logs(start: Start, remote: Remote, state: RunState) -> dict[Cell, str]:
    """What the orchestrator has of tasks that failed there and recorded nothing, by the cells that lack a verdict.

    A task of its own kind, such as one that lists the items of a map, is told where its step was to run.
    """
    logs: dict[Cell, str] = {}
    others: list[str] = []
    tasks = remote.tasks(start.pipeline, start.engine["run"], ("failed",))
    for cell, task in list(numbered(tasks, state)):
        if cell in state.entries or len(logs) + len(others) >= MOST_LOGS:
            continue
        text = engine_log(remote, start, task)
        if text and cell in state.expected:
            logs[cell] = text
        elif text and cell is None:
            others.append(f"task `{task.step}`:\n{text}")
    rest = "\n".join(others)
    left = [cell for cell in sorted(state.expected) if cell not in logs] if rest else []
    return logs | dict.fromkeys(left[:MOST_LOGS], rest)


def engine_log(remote: Remote, start: Start, task: EngineTask) -> str:
    """What the orchestrator has of the latest attempt of a task: its end, if that is very long."""
    return remote.log(start.pipeline, start.engine["run"], task)[-LONGEST_LOG:] if task.attempt else ""


def logs_there(records: Records, found: Found, wanted: Collection[Cell], known: Collection[tuple[Cell, int]]) -> Logs:
    """What the orchestrator of an open run has of the attempts that the ledger has no log of: running ones, and dead.

    `known`: those that it has. A task that is no step is told as one, if it failed.
    Raises `EngineError`, `ConfigError`.
    """
    remote = None if found.state.finished else remote_of(records, found.start)
    if remote is None:
        return
    tasks = remote.tasks(found.start.pipeline, found.start.engine["run"], ("running", "retrying", "failed"))
    for cell, task in numbered(list(tasks), found.state):
        if cell is None and task.state != "failed":
            continue
        place = cell or (task.step, ())
        if (cell is not None and cell not in wanted) or (place, task.attempt) in known:
            continue
        text = engine_log(remote, found.start, task)
        if text:
            yield place, task.attempt, text, task.state == "running"
