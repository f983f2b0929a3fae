"""The lease of a run: who drives it beats from time to time, and who reads it tells from that whether it goes on.

A run that was not heard of for long is *silent*, and shown as lost. Nothing is written for that: it may be a laptop
that sleeps, and goes on tomorrow. It is lost for good when somebody closes it (see `closing`). Where the process of a
run can be looked at, that is asked first: it answers at once.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from pipeglot.core.lineage import keys
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger, host, nonce, now
from pipeglot.core.lineage.processes import is_there
from pipeglot.core.lineage.records import Attempt, Beat, Start, Verdict
from pipeglot.core.lineage.state import RunState

OVERDUE = 3
"""A beat that is so many times later than it was announced is not late: it does not come."""

QUIET = 3600.0
"""Seconds without any record, where no step has beaten yet."""

QUIET_RUNNER = 180.0
"""The same of a run that one process drives: as soon as none of its steps ends for ten seconds, that one beats."""


class Schedule(NamedTuple):
    """When beats come, in seconds: the first at that age of a step, the next ones in growing intervals."""

    first: float = 10.0
    shortest: float = 60.0
    longest: float = 600.0

    def after(self, number: int) -> float:
        """From a beat of this number, counted from 1, to the next one."""
        return min(self.longest, self.shortest * 2.0 ** min(number - 1, 60))


# --- written ----------------------------------------------------------------------------------------------------------


class Pulse:
    """The beats of one slot of a cell, for the process that is at work on it. `due` is a time of `clock`."""

    def __init__(
        self,
        ledger: Ledger,
        run: str,
        cell: Cell,
        *,
        began: float,
        slot: int = 1,
        schedule: Schedule = Schedule(),  # noqa: B008  # a tuple
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.due = began + schedule.first
        self._ledger = ledger
        self._run = run
        self._cell = cell
        self._slot = slot
        self._schedule = schedule
        self._clock = clock
        self._nonce = nonce()
        self._number = 0

    def beat(self, *, attempt: int = 1, tail: str = "") -> None:
        """Beat now. If the store does not take it (`StoreError`), the next one is due after the shortest interval."""
        self.due = self._clock() + self._schedule.shortest
        number = self._number + 1
        step, index = self._cell
        self._ledger.beat(
            Beat(
                run=self._run,
                step=step,
                index=index,
                slot=self._slot,
                nonce=self._nonce,
                number=number,
                at=now().isoformat(),
                next=self._schedule.after(number),
                attempt=attempt,
                host=host(),
                tail=tail,
            )
        )
        self._number = number
        self.due = self._clock() + self._schedule.after(number)


# --- read -------------------------------------------------------------------------------------------------------------


class Lease(NamedTuple):
    """Whether a run that has no end goes on.

    status: `running`, or `lost`. seen: when it was last heard of; None if it says no time that can be read.
    certain: whether its process was looked at, so that no beat has to be believed. beats: the newest of each open cell.
    at: when this was found out.
    """

    status: Literal["running", "lost"]
    seen: dt.datetime | None = None
    certain: bool = False
    beats: Mapping[Cell, Beat] = MappingProxyType({})
    at: dt.datetime | None = None

    @property
    def quiet(self) -> float:
        """Seconds since it was last heard of."""
        return (self.at - self.seen).total_seconds() if self.at and self.seen else 0.0

    def of(self, cell: Cell) -> tuple[str, Beat | None]:
        """What to call an open cell, and its newest beat. One of many may be lost while the run goes on elsewhere."""
        beat = self.beats.get(cell)
        silent = not self.certain and beat is not None and self.at is not None and is_silent([beat], None, self.at)
        return ("lost" if silent else self.status), beat


GOES_ON = Lease("running")
"""What the process that drives a run knows of it; and a run that has ended needs no other."""


def lease_of(ledger: Ledger, start: Start, state: RunState, at: dt.datetime | None = None) -> Lease:
    """The lease of a run. `at` is the time, if not now. For an open one, one listing, and a look at each open cell."""
    if state.finished:
        return GOES_ON
    verdicts = [entry.verdict for entry in state.entries.values() if entry.verdict is not None]
    settled = {keys.slot_part(one.step, one.index, one.slot) for one in verdicts}
    heard = max(filter(None, map(ended_at, verdicts)), default=None)
    return read_lease(ledger, start, settled, heard, at)


def read_lease(
    ledger: Ledger, start: Start, settled: Collection[str], heard: dt.datetime | None, at: dt.datetime | None = None
) -> Lease:
    """The same from what is known of its verdicts: their slots, as `keys.slot_part` has them, and when the last was."""
    at = at or now()
    beats = _latest(ledger.beats(start.run, settled))
    heard = max(filter(None, [time_of(start.created), heard]), default=None)
    there = is_there(start.engine)
    gone = is_silent(beats.values(), heard, at, quiet_of(start)) if there is None else not there
    if gone and there is None:  # looked at last, for most runs have none
        tried = ledger.tried(start.run, settled)
        heard = max(filter(None, [heard, *map(ended_at, tried)]), default=None)
        gone = is_silent(_of_this_attempt(beats, tried), heard, at, quiet_of(start))
    seen = max(filter(None, [heard, *(time_of(beat.at) for beat in beats.values())]), default=None)
    return Lease("lost" if gone else "running", seen, there is not None, beats, at)


def _of_this_attempt(beats: Mapping[Cell, Beat], tried: Iterable[Attempt]) -> list[Beat]:
    """Without those of attempts that have failed since: between it and the next one nobody beats."""
    failed = {(one.step, one.index, one.slot, one.observed.attempt) for one in tried}
    return [one for one in beats.values() if (one.step, one.index, one.slot, one.attempt) not in failed]


def quiet_of(start: Start) -> float:
    """How long a run may say nothing before any of its steps has beaten. Inline, a step holds the beats up; and between
    the tasks of an engine there may be hours."""
    driven = start.backend == "local" and start.asked is not None and not start.asked.inline
    return QUIET_RUNNER if driven else QUIET


def is_silent(beats: Iterable[Beat], heard: dt.datetime | None, at: dt.datetime, quiet: float = QUIET) -> bool:
    """Whether all that is to come is overdue: pure, and by the clocks of those who wrote.

    beats: the newest of each open cell. heard: when anything else was recorded last. Once a step beats, whoever drives
    the run does: then other records are good for as long as a beat is, and not for so long (`quiet`) as before.
    """
    beats = list(beats)
    good = max((OVERDUE * beat.next for beat in beats), default=quiet)
    until = [(time_of(beat.at), OVERDUE * beat.next) for beat in beats] + [(heard, good)]
    return not any(since is not None and (at - since).total_seconds() <= lasts for since, lasts in until)


def _latest(beats: Iterable[Beat]) -> dict[Cell, Beat]:
    """Of each cell the newest, if several processes were at work on it."""
    told = [(moment, beat) for beat in beats if (moment := time_of(beat.at)) is not None]
    ordered = sorted(told, key=lambda pair: pair[0])
    return {(beat.step, beat.index): beat for _, beat in ordered}


def ended_at(verdict: Verdict | Attempt) -> dt.datetime | None:
    """When a verdict was put, as well as its record tells."""
    return time_after(verdict.observed.started, verdict.observed.seconds)


def time_after(started: str, seconds: float) -> dt.datetime | None:
    """So long after a time in ISO 8601; None if that is no time."""
    began = time_of(started)
    try:
        return began and began + dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # nobody's step takes that long
        return began


def time_of(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
