"""The parameters of one run: what was given, defaults for the rest, and all that is wrong at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import UNSET

from pipeglot.core.errors import ParamError
from pipeglot.core.ir import Param, Schedule
from pipeglot.core.params.describing import describe, ticked
from pipeglot.core.params.objects import read_plain
from pipeglot.core.params.texts import parse
from pipeglot.core.params.values import normalise
from pipeglot.core.suggest import close

_NOTHING: Mapping[str, str] = MappingProxyType({})
_MOST_PROBLEMS = 30


def resolve(
    params: Sequence[Param],
    given: Mapping[str, Any],
    *,
    texts: Mapping[str, str] = _NOTHING,
    logical_date: dt.datetime | None = None,
) -> dict[str, Any]:
    """The wire form of every parameter, in the order of their declaration.

    `given` are Python values or an engine's JSON, `texts` come from a command line. `logical_date` is the run's, in the
    zone in which its days are counted (`moment_in_zone`): its day is the value of a parameter that defaults to it.
    Raises one `ParamError` with every parameter that is missing, unknown or of the wrong type.
    """
    if logical_date is not None and logical_date.utcoffset() is None:
        raise ValueError("a logical date has a UTC offset")
    problems: list[ParamError] = []
    values: dict[str, Any] = {}
    for param in params:
        try:
            values[param.name] = _value(param, given, texts, logical_date)
        except ParamError as error:
            problems.append(error)
    unknown = [name for name in {**given, **texts} if name not in {param.name for param in params}]
    problems += [ParamError(_unknown(name, params)) for name in unknown[:_MOST_PROBLEMS]]
    if problems:
        raise _all_at_once(problems, params if unknown else ())
    return values


def moment_in_zone(moment: dt.datetime, schedule: Schedule | None) -> dt.datetime:
    """The same moment as the clocks of a schedule's zone show it; without a schedule, in UTC."""
    if schedule is None or schedule.timezone == "UTC":
        return moment.astimezone(dt.UTC)
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(schedule.timezone))


def _value(param: Param, given: Mapping[str, Any], texts: Mapping[str, str], logical_date: dt.datetime | None) -> Any:
    if param.name in given and param.name in texts:
        raise ParamError(f"parameter {ticked(param.name)} is given twice, as a value and as text")
    if param.name in texts:
        return parse(param.type, texts[param.name], name=param.name)
    if param.name in given:
        return normalise(param.type, given[param.name], name=param.name)
    if param.logical_date and logical_date is not None:
        return normalise(param.type, logical_date.date(), name=param.name)
    if param.default is UNSET:
        raise ParamError(
            f"parameter {ticked(param.name)} ({describe(param.type)}) is missing: it has no default",
            hint=f"on a command line, give it as `-p {param.name}=…`",
        )
    return normalise(param.type, read_plain(param.default, param.name), name=param.name)


def _unknown(name: object, params: Sequence[Param]) -> str:
    found = close(name, [param.name for param in params])
    return f"there is no parameter {ticked(name)}{f'; did you mean {ticked(found)}?' if found else ''}"


def _all_at_once(problems: list[ParamError], known: Sequence[Param]) -> ParamError:
    lines = [problem.message for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"… and {len(problems) - _MOST_PROBLEMS} more")
    if known:
        listed = ", ".join(f"{ticked(param.name)} ({describe(param.type)})" for param in known)
        lines.append(f"the parameters are: {listed}")
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    return ParamError("\n".join(lines), hint="; ".join(hints))
