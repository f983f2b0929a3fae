"""Schedules: when each is due, and the runs that it starts."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

from pipeglot.compilers.kfp.local.cron import read_cron
from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.compilers.kfp.local.kept import Kept, Record, without

_LOOK = 0.5
_LONG = dt.timedelta(days=1)
OWN = ("_last",)
"""What a record has that is the server's own."""


class Recurring:
    """All schedules of a server; `start` starts a run of one, planned for a moment; `running` counts those that run."""

    def __init__(self, kept: Kept, start: Callable[[Record, str], object], running: Callable[[str], int]) -> None:
        self.kept = kept
        self._start = start
        self._running = running

    def begin(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_LOOK):
            for one in list(self.kept.records.values()):
                self.look(one, dt.datetime.now(dt.UTC))

    def look(self, recurring: Record, now: dt.datetime) -> None:
        """Start what is due. Without catching up, only the latest of the times that have passed."""
        if recurring["mode"] != "ENABLE":
            return
        last = dt.datetime.fromisoformat(recurring["_last"])
        if recurring.get("no_catchup"):
            last = _skipped(recurring["trigger"], last, now)
        due = next_time(recurring["trigger"], last)
        while due is not None and due <= now and self._running(recurring["recurring_run_id"]) < _most(recurring):
            following = next_time(recurring["trigger"], due)
            if not recurring.get("no_catchup") or following is None or following > now:
                self._start(recurring, due.isoformat().replace("+00:00", "Z"))
                recurring["_last"] = due.isoformat()
                self.kept.keep(recurring)
            due = following


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


def first_moment(recurring: Record, now: dt.datetime) -> str:
    """Past which its times count."""
    (schedule,) = recurring["trigger"].values()
    start = dt.datetime.fromisoformat(schedule["start_time"]) if schedule.get("start_time") else now
    if recurring.get("no_catchup") and start < now and "cron_schedule" in recurring["trigger"]:
        start = now
    return start.astimezone(dt.UTC).isoformat()


def next_time(trigger: Record, last: dt.datetime) -> dt.datetime | None:
    (schedule,) = trigger.values()
    if "cron_schedule" in trigger:
        found = read_cron(schedule["cron"]).after(last)
    else:
        found = last + dt.timedelta(seconds=int(schedule["interval_second"]))
    ends = schedule.get("end_time")
    return None if found is None or (ends and found > dt.datetime.fromisoformat(ends)) else found


def _skipped(trigger: Record, last: dt.datetime, now: dt.datetime) -> dt.datetime:
    """The time past which to look for the latest that was due: what is long past is not."""
    (schedule,) = trigger.values()
    if "cron_schedule" in trigger:
        return max(last, now - _LONG)
    step = dt.timedelta(seconds=int(schedule["interval_second"]))
    return last + max(0, (now - last) // step - 1) * step


def told(recurring: Record) -> Record:
    """As the API tells of it."""
    return without(recurring, OWN)


def _most(recurring: Record) -> int:
    return int(recurring["max_concurrency"])
