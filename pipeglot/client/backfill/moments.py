"""The moments of a span of time that a pipeline runs for: those of its schedule, or every so often."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pipeglot.client.written import planned
from pipeglot.core.errors import UsageError
from pipeglot.core.ir import Pipeline, Schedule
from pipeglot.core.params import moment_in_zone

MOST = 10_000
"""Moments of one backfill."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d|\d{8}")


class Span(NamedTuple):
    """From `first` to `last`, both of it, in the zone of the schedule. `future`: whether it was cut where now is."""

    first: dt.datetime
    last: dt.datetime
    future: bool


def read_span(first: str, last: str, schedule: Schedule | None, now: dt.datetime) -> Span:
    """A span as people write it: a day that ends it is a whole one. Raises `UsageError`."""
    here = moment_in_zone(now, schedule)
    begin, end = planned(first, "--from", here), planned(last, "--to", here)
    if _DAY.fullmatch(last):
        end = (end.replace(tzinfo=None) + dt.timedelta(days=1, microseconds=-1)).replace(tzinfo=end.tzinfo)
    if end < begin:
        raise UsageError(f"`--to {last}` is before `--from {first}`", hint="give the earlier one first")
    return Span(begin, min(end, here), end > here)


def moments(pipeline: Pipeline, span: Span, every: float | None) -> list[dt.datetime]:
    """All moments in a span, the earliest first; `every` so many seconds from its beginning, if said.

    Raises `UsageError` if nothing says when, or if there are too many.
    """
    found = list(islice(_moments(pipeline, span, every), MOST + 1))
    if len(found) > MOST:
        raise UsageError(
            f"there are more than {MOST:,} moments from {span.first.isoformat()} on",
            hint=f"the last of the first {MOST:,} is {found[-2].isoformat()}: fill in a shorter span at a time",
        )
    return found


def _moments(pipeline: Pipeline, span: Span, every: float | None) -> Iterator[dt.datetime]:
    schedule = pipeline.schedule
    if every is not None:
        yield from _steps(span.first, every, span)
    elif schedule is None or (schedule.cron is None and schedule.interval is None):
        how = "by the clock" if schedule is None else "by the clock, but when assets are new"
        raise UsageError(
            f"pipeline `{pipeline.name}` is not scheduled {how}: nothing says which moments it lacks",
            hint="say it: `--every 1d`",
        )
    elif schedule.cron is not None:
        yield from _cron(schedule.cron, span)
    else:
        assert schedule.interval is not None
        assert schedule.start is not None, "the rules of a schedule ask for one"
        start = dt.datetime.fromisoformat(schedule.start)
        zoned = start if start.tzinfo else start.replace(tzinfo=span.first.tzinfo)
        yield from _steps(zoned, schedule.interval, span)


def _cron(line: str, span: Span) -> Iterator[dt.datetime]:
    try:
        from cronsim import CronSim
    except ImportError:
        raise UsageError(
            "the moments of a cron line are counted by the package `cronsim`, which is not installed",
            hint="install it: `pip install 'pipeglot[backfill]'`; or say `--every 1d`",
        ) from None
    for moment in CronSim(line, span.first - dt.timedelta(seconds=1)):
        if moment > span.last:
            return
        yield moment


def _steps(start: dt.datetime, seconds: float, span: Span) -> Iterator[dt.datetime]:
    """Whole days keep the time of day when the clocks are changed; all else is counted in time that has passed."""
    step = dt.timedelta(seconds=seconds)
    if step % dt.timedelta(days=1):
        origin, first, last = (one.astimezone(dt.UTC) for one in (start, span.first, span.last))
    else:
        origin, first, last = (one.replace(tzinfo=None) for one in (start.astimezone(span.first.tzinfo), *span[:2]))
    number = math.ceil((first - origin) / step)
    while (moment := origin + number * step) <= last:
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=span.first.tzinfo)
        yield zoned.astimezone(span.first.tzinfo)
        number += 1
