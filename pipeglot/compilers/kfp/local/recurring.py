"""Schedules: when each is due, and the runs that it starts, by the arithmetic of KFP's own controller.

Source: `cron_schedule.go` and `periodic_schedule.go` of `backend/src/crd/controller/scheduledworkflow`, in KFP 2.17.0.
"""

from __future__ import annotations

import datetime as dt
import sys
import threading
from collections.abc import Callable

from pipeglot.compilers.kfp.local.cron import Cron, read_cron
from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.compilers.kfp.local.kept import Kept, Record, without

_LOOK = 0.5
_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
OWN = ("_last",)
"""What a record has that is the server's own: the time that was run for last, in seconds."""


class Recurring:
    """All schedules of a server; `start` starts a run of one, planned for a moment; `running` counts those that run."""

    def __init__(self, kept: Kept, start: Callable[[Record, str], object], running: Callable[[str], int]) -> None:
        self.kept = kept
        self._start = start
        self._running = running
        self._told: dict[str, str] = {}

    def begin(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_LOOK):
            self.look_at_all(dt.datetime.now(dt.UTC))

    def look_at_all(self, now: dt.datetime) -> None:
        """Start what is due. What is wrong with one schedule is told once, and the others go on."""
        for one in list(self.kept.records.values()):
            key = one["recurring_run_id"]
            try:
                self.look(one, now)
                self._told.pop(key, None)
            except Exception as error:  # noqa: BLE001  # a server goes on
                told = f"schedule {key}: {type(error).__name__}: {error}"
                if self._told.get(key) != told:
                    print(told, file=sys.stderr, flush=True)
                self._told[key] = told

    def look(self, recurring: Record, now: dt.datetime) -> None:
        """Start what is due of one, if it is still there."""
        key, seconds = recurring["recurring_run_id"], int(now.timestamp())
        with self.kept.lock:
            while self.kept.records.get(key) is recurring and recurring["mode"] == "ENABLE":
                due = next_due(recurring, seconds)
                if due is None or due > seconds or self._running(key) >= int(recurring["max_concurrency"]):
                    return
                self._start(recurring, _text(due))
                recurring["_last"] = due
                self.kept.keep(recurring)


def check_trigger(trigger: Record) -> None:
    """Raises `Refused`."""
    if len(trigger) != 1:
        raise Refused("trigger is to have a cron_schedule or a periodic_schedule")
    cron, periodic = trigger.get("cron_schedule") or {}, trigger.get("periodic_schedule") or {}
    try:
        if "cron_schedule" in trigger:
            read_cron(cron.get("cron", ""))
        elif int(periodic.get("interval_second", "0")) < 1:
            raise ValueError("interval_second is less than 1")
    except (ValueError, KeyError) as error:
        raise Refused(f"the schedule is invalid: {error}") from None


def next_due(recurring: Record, now: int) -> int | None:
    """The time that it runs for next, which may be past; None if it is over. All in seconds since 1970.

    Times count from the last one; before there is any, from the start of the schedule; without that, from when it was
    made. A start is no time of the schedule itself.
    """
    (schedule,) = recurring["trigger"].values()
    start, end = _seconds(schedule.get("start_time")), _seconds(schedule.get("end_time"))
    last = recurring.get("_last")
    if last is None:
        last = start if start is not None else _seconds(recurring["created_at"])
    assert last is not None, "it was made at some time"
    if "cron_schedule" in recurring["trigger"]:
        begin = max(last, start) if start is not None else last
        return _cron_due(read_cron(schedule["cron"]), begin, end, None if not recurring.get("no_catchup") else now)
    return _interval_due(
        int(schedule["interval_second"]), last, start, end, None if not recurring.get("no_catchup") else now
    )


def _cron_due(cron: Cron, begin: int, end: int | None, now: int | None) -> int | None:
    """`now`: if it does not catch up, the latest time until then is taken for all that have passed."""
    due = cron.after(_moment(begin))
    if due is None or (end is not None and due.timestamp() > end):
        return None
    if now is not None:
        until = _moment(now if end is None else min(now, end))
        if until - due > _DAY and (late := cron.after(until - _DAY)) is not None and late <= until:
            due = late
        while (following := cron.after(due)) is not None and following <= until:
            due = following
    return int(due.timestamp())


def _interval_due(every: int, last: int, start: int | None, end: int | None, now: int | None) -> int | None:
    """`now`: if it does not catch up, that very moment is taken for all times that have passed."""
    if start is not None and start > last:
        due = start
    else:
        due = last + every
        if end is not None and due > end:
            return None
    if now is not None and now >= due + every:
        return end if end is not None and end < now else now
    return due


def _moment(seconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(seconds=seconds)


def _seconds(text: str | None) -> int | None:
    return int(dt.datetime.fromisoformat(text).timestamp()) if text else None


def _text(seconds: int) -> str:
    return _moment(seconds).isoformat().replace("+00:00", "Z")


def told(recurring: Record) -> Record:
    """As the API tells of it."""
    return without(recurring, OWN)
