"""A schedule in the words of `@schedule`: as Argo Workflows reads it, or as AWS EventBridge does."""

from __future__ import annotations

import re
from typing import Any

from pipeglot.core.ir import Schedule

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def schedule(found: Schedule, deploy_to: str) -> dict[str, Any]:
    """What the decorator is given."""
    assert found.cron is not None, "all other schedules are refused"
    if deploy_to == "argo-workflows":
        return {"cron": found.cron, "timezone": found.timezone}
    return {"cron": for_eventbridge(found.cron)}


def for_eventbridge(cron: str) -> str:
    """Six fields, of which one of the days is `?`; its Sunday is 1, so days of the week have their names.

    Raises `ValueError` for a line that asks for both days, of a month and of a week: cron means either of them.
    """
    minute, hour, day, month, weekday = cron.split()
    if day != "*" and weekday != "*":
        raise ValueError(cron)
    if weekday == "*":
        return f"{minute} {hour} {day} {month} ? *"
    return f"{minute} {hour} ? {month} {_named(weekday)} *"


def _named(weekday: str) -> str:
    """Days of the week by name; what stands after `/` counts days, and is a number."""
    return ",".join(
        re.sub(r"\d+", lambda found: _DAYS[int(found.group()) % 7], part.partition("/")[0])
        + "".join(part.partition("/")[1:])
        for part in weekday.split(",")
    )
