"""When a deployed pipeline runs: `Cron` and `Interval`."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from pipeglot.core import ir
from pipeglot.core.authoring.settings import Checks, Setting

_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Schedule(Setting):
    """What `Cron` and `Interval` share."""

    __slots__ = ()
    spec: ir.Schedule


class Cron(Schedule):
    """A cron line of five fields, in a time zone: `Cron("0 6 * * *", timezone="Europe/Paris")`.

    `start` and `end` bound it; `catchup=True` (which needs a `start`) runs the times that were missed.
    """

    __slots__ = ()

    def __init__(
        self,
        expr: str,
        *,
        timezone: str = "UTC",
        start: str | dt.date | None = None,
        end: str | dt.date | None = None,
        catchup: bool = False,
    ) -> None:
        checks = Checks("Cron")
        line = _cron(checks, expr)
        times = _times(checks, timezone, start, end, catchup=catchup)
        self._freeze(ir.Schedule(cron=line, **times) if checks.done() else ir.Schedule())


class Interval(Schedule):
    """Every so often from `start` on: `Interval("6h", start="2024-01-01")`."""

    __slots__ = ()

    def __init__(
        self,
        every: str | float | dt.timedelta,
        *,
        start: str | dt.date,
        timezone: str = "UTC",
        end: str | dt.date | None = None,
        catchup: bool = False,
    ) -> None:
        from pipeglot.core.units import seconds

        checks = Checks("Interval")
        length = checks.convert("every", every, seconds)
        if length == 0:
            checks.refuse("`every` is no time at all", 'write `Interval("6h", start=…)`')
        times = _times(checks, timezone, start, end, catchup=catchup)
        self._freeze(ir.Schedule(interval=length, **times) if checks.done() else ir.Schedule())


def _times(checks: Checks, timezone: object, start: object, end: object, *, catchup: bool) -> dict[str, Any]:
    first: dt.datetime | None = checks.convert("start", start, _moment)
    last: dt.datetime | None = checks.convert("end", end, _moment)
    if checks.flag("catchup", catchup) and start is None:
        checks.refuse(
            "`catchup=True` needs a `start`: what was missed is counted from there", 'add `start="2024-01-01"`'
        )
    zone = checks.convert("timezone", timezone, _zone)
    if (
        first
        and last
        and zone
        and last.replace(tzinfo=last.tzinfo or zone) <= first.replace(tzinfo=first.tzinfo or zone)
    ):
        checks.refuse(f"`end={last.isoformat()}` is not after `start={first.isoformat()}`")
    return {
        "timezone": timezone,
        "start": first and first.isoformat(),
        "end": last and last.isoformat(),
        "catchup": catchup,
    }


def _moment(value: object) -> dt.datetime:
    """A date is its first moment. Without an offset, it is a time of the schedule's zone."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"`{value}` is no date or time: write it as `2024-01-31` or `2024-01-31T06:00`") from None
    if not isinstance(value, dt.date):
        raise TypeError(f"`{value!r}` is no date or time")
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001  # its zone is the schedule's
    offset = value.utcoffset()
    return value if offset is None else value.replace(tzinfo=dt.timezone(offset))


def _zone(value: object) -> dt.tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  # it raises whatever a file system may
        raise ValueError(f"`{value}` is no time zone: write one as `Europe/Paris`") from None


def _cron(checks: Checks, expr: object) -> str | None:
    if type(expr) is not str:
        checks.refuse(f"`{expr!r}` is no cron line", 'write `Cron("0 6 * * *")`')
        return None
    fields = expr.split()
    if len(fields) != len(_FIELDS):
        alias = _ALIASES.get(expr.strip().lower())
        hint = (
            f'write `Cron("{alias}")`' if alias else "they are minute, hour, day of the month, month, day of the week"
        )
        checks.refuse(f"`{expr}` has {len(fields)} field{'s' * (len(fields) != 1)}, and a cron line has five", hint)
        return None
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _is_part(part.lower(), low, high, names):
                checks.refuse(
                    f"`{part}` in `{expr}` is no {name}", f"it is a number from {low} to {high}, `*`, `a-b` or `*/n`"
                )
    return " ".join(fields)


def _is_part(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    found = re.fullmatch(r"(\*|[a-z]{3}|[0-9]{1,2})(?:-([a-z]{3}|[0-9]{1,2}))?(?:/([0-9]{1,2}))?", part)
    if not found:
        return False
    first, last, every = found.groups()
    if every is not None and not 1 <= int(every) <= high:
        return False
    if first == "*":
        return last is None
    ends = [_number(end, low, names) for end in (first, last) if end is not None]
    return all(low <= end <= high for end in ends) and ends == sorted(ends) and (every is None or last is not None)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.isdigit():
        return int(text)
    return names.index(text) + low if text in names else -1
