"""Stop a run: ask its process through the ledger, and close it where there is no process any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from pipeglot.client.records import Records
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.ledger import host, now
from pipeglot.core.lineage.records import Cancel, Start
from pipeglot.core.lineage.view import is_alive

PATIENCE = 60.0
"""Seconds to wait for a run of another machine, of which nobody here can tell whether its process is there."""

LOOK_AGAIN = 0.2


class Cancellation(Struct, frozen=True, kw_only=True):
    """What became of a wish to stop a run.

    run_id: its id.
    pipeline: the pipeline's name.
    outcome: `over`: it had ended before. `stopped`: it has ended since. `closed`: its process was gone, so its open
        steps were recorded as lost or cancelled. `asked`: the request is recorded, and it has not ended yet.
    status: the run's, now.
    host: the machine that the run was started on.
    """

    run_id: str
    pipeline: str
    outcome: Literal["over", "stopped", "closed", "asked"]
    status: str
    host: str


def cancel(records: Records, run: str, *, wait: bool, force: bool, waiting: Callable[[str], None]) -> Cancellation:
    """Stop the run of this id. The request is in the ledger before anything else happens, so it is never lost.

    wait: until the run has ended; `waiting` is then called once, with the machine that it is on. force: close it
    though nobody can tell whether its process is gone, for its machine is.
    """
    ledger = records.ledger
    start = ledger.started(run)
    assert start is not None, "`Records.run_id` found it"
    ended = ledger.ended(run)
    if ended is not None:
        return _told(start, "over", ended.status)
    if force or _is_gone(start):
        return _told(start, "closed", close(ledger, records.artifacts, run).status)
    ledger.cancel(Cancel(run=run, at=now().isoformat(), by=f"runs cancel on {host()}"))
    if not wait:
        return _told(start, "asked", "running")
    waiting(_host(start))
    return _await_end(records, start)


def _await_end(records: Records, start: Start) -> Cancellation:
    deadline = time.monotonic() + PATIENCE if _host(start) != host() else None
    while deadline is None or time.monotonic() < deadline:
        gone = _is_gone(start)  # before the look at the ledger: it may end in between
        ended = records.ledger.ended(start.run)
        if ended is not None:
            return _told(start, "stopped", ended.status)
        if gone:
            return _told(start, "closed", close(records.ledger, records.artifacts, start.run).status)
        time.sleep(LOOK_AGAIN)
    return _told(start, "asked", "running")


def _is_gone(start: Start) -> bool:
    """Whether its process is certainly no more. Of another machine's nothing is known here."""
    return _host(start) == host() and not is_alive(start.engine)


def _host(start: Start) -> str:
    return start.engine.get("host", "")


def _told(start: Start, outcome: Literal["over", "stopped", "closed", "asked"], status: str) -> Cancellation:
    return Cancellation(run_id=start.run, pipeline=start.pipeline, outcome=outcome, status=status, host=_host(start))
