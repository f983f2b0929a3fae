"""Runs that have no end yet: whether they go on, here or on an orchestrator, and their end if they do not."""

from __future__ import annotations

from collections.abc import Callable

from pipeglot.client.engine_runs import Word, ask_there, close_there
from pipeglot.client.records import Found, Records
from pipeglot.client.text import SHORT_ID, when
from pipeglot.compilers.remote import Remote
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.records import Start


def over(records: Records, found: Found, tell: Callable[[str], object]) -> Found:
    """The run, once nothing of it goes on. One whose process is gone, or whose orchestrator calls it over, is closed.

    An orchestrator that can be asked knows better than silence: what it still runs is none to go on with.
    Raises `UsageError` if it still runs.
    """
    if found.state.finished:
        return found
    start = found.start
    word = ask_there(records, start) if start.backend != "local" else Word(None)
    if word.status in ("waiting", "running") and word.remote is not None:
        raise _runs_there(found, word.status, word.remote)
    if word.status in ("succeeded", "failed") and word.remote is not None:
        tell(f"{_there(start)} calls it {word.status}: what its tasks left open is closed")
        close_there(records, start, word.remote)
        return records.run(start.run)
    if found.status == "running":
        raise _still_running(start, word.why)
    if word.why:
        tell(f"{_there(start)} cannot be asked whether it runs: {word.why}")
    close(records.ledger, records.artifacts, start.run)
    return found


def _there(start: Start) -> str:
    return f"the orchestrator of stack `{start.stack}`"


def _runs_there(found: Found, status: str, remote: Remote) -> UsageError:
    start, run = found.start, found.start.run[:SHORT_ID]
    seen = found.lease.seen
    silent = f"; it was last heard of at {when(seen.isoformat())}" if found.status == "lost" and seen else ""
    forced = f"; if nothing of it runs any more: `pipeglot runs cancel --force {run}`" if silent else ""
    return UsageError(
        f"run `{run}` is not over: {_there(start)} says that it is {status}{silent}",
        hint=f"wait for it, or stop it: `pipeglot runs cancel {run}`{forced}\n"
        f"it is at {remote.url(start.pipeline, start.engine.get('run', ''))}",
    )


def _still_running(start: Start, why: str) -> UsageError:
    run = start.run[:SHORT_ID]
    host = start.engine.get("host") or f"stack {start.stack}"
    asked = f"; {_there(start)} cannot be asked: {why}" if why else ""
    return UsageError(
        f"run `{run}` is still running, on `{host}`{asked}",
        hint=f"wait for it, or stop it: `pipeglot runs cancel {run}`",
    )
