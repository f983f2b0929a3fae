"""A pipeline's schedule as KFP has it: a recurring run, its cron line with seconds first, in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pipeglot.core.errors import Problem
from pipeglot.core.ir import Schedule

MOST_AT_ONCE = "10"
"""How many runs of a schedule KFP has at once: the most that it allows."""


def problem(schedule: Schedule | None, backend: str) -> Problem | None:
    """What of it KFP cannot have."""
    if schedule is None:
        return None
    if schedule.assets:
        return Problem(backend, "KFP starts no runs by assets", None, "give the pipeline a cron line or an interval")
    if schedule.cron is not None and schedule.timezone not in ("UTC", "Etc/UTC"):
        told = f"KFP's schedules are in UTC, and this one is in `{schedule.timezone}`"
        return Problem(backend, told, None, "write the cron line for UTC")
    if schedule.interval is not None and (schedule.interval < 1 or schedule.interval % 1):
        told = f"KFP's intervals are whole seconds, and this one is {schedule.interval:g} s"
        return Problem(backend, told, None, "give it an interval of whole seconds")
    return None


def trigger(schedule: Schedule) -> dict[str, Any]:
    """As the API takes it."""
    found: dict[str, Any] = {}
    for name, moment in (("start_time", schedule.start), ("end_time", schedule.end)):
        if moment is not None:
            found[name] = _utc(moment, schedule.timezone)
    if schedule.cron is not None:
        return {"cron_schedule": {**found, "cron": six_fields(schedule.cron)}}
    return {"periodic_schedule": {**found, "interval_second": str(int(schedule.interval or 0))}}


def six_fields(line: str) -> str:
    """With seconds before it; and Sunday is 0."""
    return f"0 {five_fields(line)}"


def five_fields(line: str) -> str:
    """With Sunday as 0, never 7: what both have written their schedulers with takes days from 0 to 6."""
    *others, days = line.split()
    return " ".join([*others, ",".join(_sunday(part) for part in days.split(","))])


_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def _sunday(part: str) -> str:
    span, slash, step = part.partition("/")
    first, _, last = span.partition("-")
    if first == "7":
        return "0"
    if last != "7":
        return part
    if not slash:
        return f"{first}-6,0"
    begin = _DAYS.index(first.upper()) if first.upper() in _DAYS else int(first)
    return ",".join(str(day % 7) for day in range(begin, 8, int(step)))


def _utc(moment: str, zone: str) -> str:
    from zoneinfo import ZoneInfo

    found = dt.datetime.fromisoformat(moment)
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone))
    return found.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two triggers say the same: a server may write the same time otherwise."""
    return _plain(one) == _plain(other)


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        kind: {name: _moment(value) if name.endswith("_time") else value for name, value in one.items() if value}
        for kind, one in found.items()
        if one
    }


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
