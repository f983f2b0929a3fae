"""When a deployed pipeline runs: `Cron`, `Interval` and `Assets`."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pipeglot.core import ir
from pipeglot.core.authoring.settings import Checks, Setting, to_seconds

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
    """What `Cron`, `Interval` and `Assets` share."""

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
        times = _times(checks, start, end, catchup=catchup)
        line = _cron(checks, expr)
        self._freeze(_checked(checks, ir.Schedule(cron=line, timezone=timezone, **times)))


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
        checks = Checks("Interval")
        times = _times(checks, start, end, catchup=catchup)
        length = to_seconds(checks, "every", every)
        self._freeze(_checked(checks, ir.Schedule(interval=length, timezone=timezone, **times)))


class Assets(Schedule):
    """Whenever all of these assets are new, as other pipelines (`@step(asset=…)`) and whatever else make them:
    `Assets("s3://warehouse/clean", "s3://warehouse/prices")`.

    `timezone` is that of the run's logical date.
    """

    __slots__ = ()

    def __init__(self, first: str, *more: str, timezone: str = "UTC") -> None:
        checks = Checks("Assets")
        uris = tuple(checks.text("asset", uri) or "" for uri in (first, *more))
        spec = ir.Schedule() if checks.mistakes else ir.Schedule(assets=uris, timezone=timezone)
        self._freeze(_checked(checks, spec))


def _checked(checks: Checks, spec: ir.Schedule) -> ir.Schedule:
    """By the rules that the IR's schedules keep however they are written."""
    if not checks.mistakes:
        from pipeglot.core.validate.report import Report
        from pipeglot.core.validate.schedules import check_schedule

        report = Report()
        check_schedule(report, spec)
        for problem in report.problems:
            checks.refuse(problem.message.removeprefix("schedule: "), problem.hint)
    return spec if checks.done() else ir.Schedule()


def _cron(checks: Checks, expr: object) -> str:
    alias = _ALIASES.get(str(expr).strip().lower())
    if type(expr) is not str or alias:
        checks.refuse(f"`{expr}` is no cron line of five fields", f'write `Cron("{alias or "0 6 * * *"}")`')
        return ""
    return " ".join(expr.split())


def _times(checks: Checks, start: object, end: object, *, catchup: object) -> dict[str, Any]:
    first, last = checks.convert("start", start, _moment), checks.convert("end", end, _moment)
    return {"start": first, "end": last, "catchup": checks.flag("catchup", catchup)}


def _moment(value: object) -> str:
    """A date is its first moment. Without an offset, it is a time of the schedule's zone."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"`{value}` is no date or time: write it as `2024-01-31` or `2024-01-31T06:00`") from None
    if not isinstance(value, dt.date):
        raise TypeError(f"`{value!r}` is no date or time")
    if not isinstance(value, dt.datetime):
        return f"{value.isoformat()}T00:00:00"
    offset = value.utcoffset()
    return (value if offset is None else value.replace(tzinfo=dt.timezone(offset))).isoformat()
