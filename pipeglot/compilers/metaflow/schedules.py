"""A schedule in the words of `@schedule`: as Argo Workflows reads it, or as AWS EventBridge does.

A Sunday is 0 or 7 in a cron line. Argo knows no 7, and AWS counts from 1: so days are told anew where that matters.
"""

from __future__ import annotations

import re
from typing import Any

from pipeglot.core.ir import Schedule

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def schedule(found: Schedule, deploy_to: str) -> dict[str, Any]:
    """What the decorator is given."""
    assert found.cron is not None, "all other schedules are refused"
    if deploy_to == "argo-workflows":
        return {"cron": for_argo(found.cron), "timezone": found.timezone}
    return {"cron": for_eventbridge(found.cron)}


def for_argo(cron: str) -> str:
    """Five fields, as they are; but without a seventh day of the week."""
    *others, weekday = cron.split()
    if "7" in re.split(r"/\d+|[,-]", weekday):
        days = _weekdays(weekday)
        weekday = ",".join(map(str, sorted(days))) if len(days) < len(_DAYS) else "0-6"
    return " ".join([*others, weekday])


def for_eventbridge(cron: str) -> str:
    """Six fields, of which one of the days is `?`; days of the week have their names.

    Raises `ValueError` for a line that asks for both days, of a month and of a week: cron means either of them.
    """
    minute, hour, day, month, weekday = cron.upper().split()
    if day != "*" and weekday != "*":
        raise ValueError(cron)
    if len(_weekdays(weekday)) == len(_DAYS):
        return f"{minute} {hour} {day} {month} ? *"
    return f"{minute} {hour} ? {month} {_named(weekday)} *"


def _named(weekday: str) -> str:
    """Days of the week by name: ranges as they are, if they stay ranges."""
    if "7" in weekday or "/" in weekday:
        return ",".join(_DAYS[day] for day in sorted(_weekdays(weekday)))
    return re.sub(r"\d", lambda found: _DAYS[int(found.group())], weekday)


def _weekdays(weekday: str) -> set[int]:
    """The days that it names; Sunday is 0."""
    found: set[int] = set()
    for part in weekday.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0-6" if span == "*" else span).partition("-")
        days = range(_day(first), _day(last or first) + 1, int(step or 1))
        found |= {day % len(_DAYS) for day in days}
    return found


def _day(text: str) -> int:
    return int(text) if text.isdecimal() else _DAYS.index(text.upper())
