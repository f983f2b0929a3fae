"""Stop a run: ask its process through the ledger, and close it where there is no process any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from pipeglot.client.engine_runs import await_end_there, cancel_there, remote_of
from pipeglot.client.records import Records, found_in
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.lease import Lease
from pipeglot.core.lineage.ledger import host, now
from pipeglot.core.lineage.processes import is_there
from pipeglot.core.lineage.records import Cancel, Start

PATIENCE = 60.0
"""Seconds to wait for a run of another machine, of which nobody here can tell whether its process is there."""

ANSWER = 10.0
"""Seconds in which a run that was not heard of for long, by a clock that may be wrong, has to answer."""

LOOK_AGAIN = 0.2


class Cancellation(Struct, frozen=True, kw_only=True):
    """What became of a wish to stop a run.

    run_id: its id.
    pipeline: the pipeline's name.
    outcome: `over`: it had ended before. `stopped`: it has ended since. `closed`: its process was gone, or had not been
        heard of for long and gave no answer, so its open steps were recorded as lost or cancelled. `asked`: the request
        is recorded, and it has not ended yet.
    status: the run's, now.
    host: the machine that the run was started on.
    seen: when it was last heard of, of one that was closed for its silence: UTC, in ISO 8601; null for others.
    """

    run_id: str
    pipeline: str
    outcome: Literal["over", "stopped", "closed", "asked"]
    status: str
    host: str
    seen: str | None = None


def cancel(records: Records, run: str, *, wait: bool, force: bool, waiting: Callable[[str], None]) -> Cancellation:
    """Stop the run of this id. The request is in the ledger before anything else happens, so it is never lost.

    wait: until the run has ended; `waiting` is then called once, with the machine that it is on. force: close it
    though nobody can tell whether its process is gone, for its machine is.
    """
    ledger = records.ledger
    start = ledger.started(run)
    assert start is not None, "`Records.run_id` found it"
    ended = records.end(run)
    if ended is not None:
        return _told(start, "over", ended.status)
    if start.backend != "local" and not force:
        return _cancel_there(records, start, wait=wait, waiting=waiting)
    if force or is_there(start.engine) is False:
        return _told(start, "closed", close(ledger, records.artifacts, run).status)
    ledger.cancel(Cancel(run=run, at=now().isoformat(), by=f"runs cancel on {host()}"))
    if not wait:
        return _told(start, "asked", "running")
    waiting(_host(start))
    return _await_end(records, start)


def _cancel_there(records: Records, start: Start, *, wait: bool, waiting: Callable[[str], None]) -> Cancellation:
    remote = remote_of(records, start)
    cancel_there(records, start, remote)
    if not wait or remote is None:
        return _told(start, "asked", "running")
    waiting(f"stack {start.stack}")
    status = await_end_there(records, start, remote, PATIENCE)
    return _told(start, "stopped", status) if status else _told(start, "asked", "running")


def _await_end(records: Records, start: Start) -> Cancellation:
    there = is_there(start.engine)
    lease = _lease(records, start) if there is None else None
    silent = lease is not None and lease.status == "lost"
    found = _look(records, start, None if there else ANSWER if silent else PATIENCE)
    if found is None and silent and lease is not None and _lease(records, start).beats == lease.beats:
        status = close(records.ledger, records.artifacts, start.run).status
        return _told(start, "closed", status, lease.seen.isoformat() if lease.seen else None)
    if found is None and silent:  # it has answered: its steps have their time to end
        found = _look(records, start, PATIENCE - ANSWER)
    return found or _told(start, "asked", "running")


def _look(records: Records, start: Start, seconds: float | None) -> Cancellation | None:
    """Wait for its end, so long at most."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while deadline is None or time.monotonic() < deadline:
        gone = is_there(start.engine) is False  # before the look at the ledger: it may end in between
        ended = records.ledger.ended(start.run)
        if ended is not None:
            return _told(start, "stopped", ended.status)
        if gone:
            return _told(start, "closed", close(records.ledger, records.artifacts, start.run).status)
        time.sleep(LOOK_AGAIN)
    return None


def _lease(records: Records, start: Start) -> Lease:
    return found_in(records.ledger, records.artifacts, start.run).lease


def _host(start: Start) -> str:
    return start.engine.get("host", "")


def _told(
    start: Start, outcome: Literal["over", "stopped", "closed", "asked"], status: str, seen: str | None = None
) -> Cancellation:
    return Cancellation(
        run_id=start.run, pipeline=start.pipeline, outcome=outcome, status=status, host=_host(start), seen=seen
    )
