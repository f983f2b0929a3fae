"""A pipeline's schedule as KFP has it: a recurring run, its cron line with seconds first, in UTC.

KFP counts from the last run of a recurring run, and before the first one from its start. A recurring run cannot be
changed, so each deploy of something new makes one that knows of no run: where it is to begin, its start has to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pipeglot.compilers.kfp.local.cron import DAYS, read_cron
from pipeglot.core.errors import Problem
from pipeglot.core.ir import Schedule

MOST_AT_ONCE = "10"
"""How many runs of a schedule KFP has at once: the most that it allows."""

_ZONES = ("UTC", "Etc/UTC")
_ANY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def problem(schedule: Schedule) -> Problem | None:
    """What of it KFP cannot have."""
    if schedule.cron is not None and schedule.timezone not in _ZONES:
        told = f"the pipeline is scheduled in `{schedule.timezone}`, and Kubeflow's recurring runs have no time zone"
        return Problem("kfp", told, None, 'say it in UTC: `Cron("…", timezone="UTC")`')
    if schedule.interval is not None and (schedule.interval < 1 or schedule.interval % 1):
        told = f"Kubeflow's intervals are whole seconds, and this one is {schedule.interval:g} s"
        return Problem("kfp", told, None, "give it an interval of whole seconds")
    if schedule.cron is not None:
        try:
            due = read_cron(six_fields(schedule.cron)).after(_ANY)
        except ValueError as error:
            told = f"Kubeflow cannot read the cron line `{schedule.cron}`: {error}"
            return Problem("kfp", told, None, "write it with `*`, numbers, names of months and days, `,`, `-` and `/`")
        if due is None:  # Kubeflow's controller would look for its time for ever, and start no other schedule
            return Problem("kfp", f"the cron line `{schedule.cron}` names a day that never is", None, "")
    return None


def trigger(schedule: Schedule, now: dt.datetime, last: dt.datetime | None) -> dict[str, Any]:
    """As the API takes it, for one that is made now. `last`: the newest time that was run for before, if any."""
    found: dict[str, Any] = {}
    for name, moment in (("start_time", _start(schedule, now, last)), ("end_time", _moment(schedule.end, schedule))):
        if moment is not None:
            found[name] = text(moment)
    if schedule.cron is not None:
        return {"cron_schedule": {**found, "cron": six_fields(schedule.cron)}}
    return {"periodic_schedule": {**found, "interval_second": str(int(schedule.interval or 0))}}


def _start(schedule: Schedule, now: dt.datetime, last: dt.datetime | None) -> dt.datetime | None:
    """From where KFP is to count: it starts nothing at this moment itself."""
    asked = _moment(schedule.start, schedule)
    if asked is None or asked > now:
        return asked
    if schedule.catchup:
        return asked if last is None else max(asked, last)
    if schedule.interval is None:  # without a start, KFP counts from when it was made
        return None
    step = dt.timedelta(seconds=int(schedule.interval))
    return asked + (now - asked) // step * step


def start_of(found: Mapping[str, Any]) -> dt.datetime | None:
    """From where a trigger counts, if it says."""
    for one in found.values():
        if one and one.get("start_time"):
            return dt.datetime.fromisoformat(one["start_time"])
    return None


def told(schedule: Schedule) -> str:
    """What it says, for people, and to know whether a recurring run is of the same schedule."""
    words = [
        schedule.cron if schedule.cron is not None else f"every {schedule.interval:g} s",
        f"in {schedule.timezone}",
    ]
    words += [f"{word} {moment}" for word, moment in (("from", schedule.start), ("until", schedule.end)) if moment]
    return " ".join([*words, *(["with all runs that were missed"] if schedule.catchup else [])])


def six_fields(line: str) -> str:
    """With seconds before it; and Sunday is 0."""
    return f"0 {five_fields(line)}"


def five_fields(line: str) -> str:
    """With Sunday as 0, never 7: what both have written their schedulers with takes days from 0 to 6."""
    *others, days = line.split()
    return " ".join([*others, ",".join(_sunday(part) for part in days.split(","))])


_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def _sunday(part: str) -> str:
    """A part of the days of the week, in which no day is 7."""
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    if "7" not in (first, last):
        return part
    if not dash:
        return "0"
    days = range(_day(first), _day(last) + 1, int(step or 1))
    return ",".join(str(day % 7) for day in days) or part


def _day(name: str) -> int:
    return DAYS[name.upper()] if name.upper() in DAYS else int(name)


def _moment(told: str | None, schedule: Schedule) -> dt.datetime | None:
    return None if told is None else in_utc(told, schedule.timezone)


def in_utc(moment: str, zone: str) -> dt.datetime:
    """A time of a schedule: without an offset, it is one of its zone."""
    from zoneinfo import ZoneInfo

    found = dt.datetime.fromisoformat(moment)
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone))
    return found.astimezone(dt.UTC)


def text(moment: dt.datetime) -> str:
    """A time as APIs take it."""
    return moment.isoformat().replace("+00:00", "Z")
