"""The rules of a schedule. A cron line has five fields, as all backends read it."""

from __future__ import annotations

import datetime as dt
import re

from pipeglot.core.ir import Schedule
from pipeglot.core.params.describing import ticked
from pipeglot.core.validate.assets import asset_problem
from pipeglot.core.validate.report import Report

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: i for i, name in enumerate(_DAYS)}),
)
_WHO = "schedule"
_HINT = "write it as `0 6 * * *`: minute, hour, day of month, month, day of week"


def check_schedule(report: Report, schedule: Schedule) -> None:
    said = {"a cron line": schedule.cron, "an interval": schedule.interval, "assets": schedule.assets or None}
    given = [what for what, value in said.items() if value is not None]
    if not given:
        report.add("schedule", _WHO, "it has neither a cron line nor an interval nor assets", "give it one of these")
    elif len(given) > 1:
        report.add("schedule", _WHO, f"it has {' and '.join(given)}", "give it one of these")
    if schedule.assets:
        _check_assets(report, schedule)
    report.more_than(_WHO, "interval", schedule.interval, 0)
    if schedule.cron is not None:
        why = cron_problem(schedule.cron)
        if why:
            report.add("schedule", _WHO, f"the cron line {ticked(schedule.cron)} {why}", _HINT)
    zone = _zone(report, schedule.timezone)
    start = _moment(report, "start", schedule.start, zone)
    end = _moment(report, "end", schedule.end, zone)
    if start is not None and end is not None and end <= start:
        report.add("schedule", _WHO, f"it ends at `{schedule.end}`, which is not after its start, `{schedule.start}`")
    if schedule.start is None and (schedule.interval is not None or schedule.catchup):
        what = "an interval" if schedule.interval is not None else "`catchup`"
        report.add(
            "schedule", _WHO, f"{what} needs a `start` to count from", "write it as `start: 2024-01-01T00:00:00`"
        )


def _check_assets(report: Report, schedule: Schedule) -> None:
    for uri in schedule.assets:
        if why := asset_problem(uri):
            report.add("asset", _WHO, f"the asset {ticked(uri)} {why}")
    if len(set(schedule.assets)) < len(schedule.assets):
        report.add("asset", _WHO, "two of its assets are the same")
    if schedule.start is not None or schedule.end is not None or schedule.catchup:
        report.add("schedule", _WHO, "it has assets to wait for, and so no `start`, `end` or `catchup`")


def cron_problem(line: str) -> str:
    """Why it is no cron line of five fields; empty if it is one."""
    if line.startswith("@"):
        return "is a nickname, which not every backend reads"
    fields = line.split()
    if len(fields) != 5:
        return f"has {len(fields)} fields of 5"
    if line != " ".join(fields):
        return "has more than one space between its fields"
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, low, high, names) for part in text.split(",")):
            return f"has {ticked(text)} for the {name}, which is from {low} to {high}"
    return ""


def _is_part(part: str, low: int, high: int, names: dict[str, int]) -> bool:
    match = re.fullmatch(r"(?:(\*)|([0-9]{1,2}|[A-Za-z]{3})(?:-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,2}))?", part)
    if not match:
        return False
    star, first, last, step = match.groups()
    if step is not None and (not 1 <= int(step) <= high or not (star or last)):
        return False
    numbers = [_number(text, names) for text in (first, last) if text is not None]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


def _number(text: str, names: dict[str, int]) -> int:
    return int(text) if text.isdigit() else names.get(text.upper(), -1)


def _zone(report: Report, name: str) -> dt.tzinfo | None:
    if name == "UTC":
        return dt.UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except Exception:  # noqa: BLE001  # a wrong name is a KeyError, ValueError, IsADirectoryError and more
        report.add("schedule", _WHO, f"there is no time zone {ticked(name)}", "write it as `Europe/Berlin`, or `UTC`")
        return None


def _moment(report: Report, what: str, text: str | None, zone: dt.tzinfo | None) -> dt.datetime | None:
    """The moment that an ISO 8601 text names, in the schedule's zone if it names none."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        hint = f"write it as `{what}: 2024-01-01T00:00:00`"
        report.add("schedule", _WHO, f"its {what}, {ticked(text)}, is no ISO 8601 time", hint)
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone or dt.UTC)
