"""What people write after the flags of commands, and in Python: times, and names with values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from pipeglot.core.errors import ParamError, UsageError

TIME_HINT = "write how long ago, as `2d` or `90m`, a day, as `2026-11-01`, or a time, as `2026-11-01T06:00`"


def moment(text: str, named: str, now: dt.datetime) -> dt.datetime:
    """`2d` (so long ago), `2026-11-01` (its beginning here), or a time in ISO 8601. With a time zone.

    `named` is what messages call it, as `--since 2d`. Raises `UsageError`.
    """
    from pipeglot.core import units

    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d([T ].+)?", text):
            return now - units.timedelta_of(text)
        time = dt.datetime.fromisoformat(text)
        return time if time.tzinfo else time.astimezone()  # which no calendar has for its first and last day
    except (UsageError, OverflowError):
        raise UsageError(f"`{named}` is no time", hint=TIME_HINT) from None
    except ValueError as error:
        raise UsageError(f"`{named}`: {error}", hint=TIME_HINT) from None


def planned(text: str, flag: str, now: dt.datetime) -> dt.datetime:
    """The moment that a run is for: a day (its beginning) or a time in ISO 8601, in the zone of `now` if it names none.

    Raises `UsageError`.
    """
    hint = "write a day, as `2026-11-01`, or a time, as `2026-11-01T06:00`"
    try:
        time = dt.datetime.fromisoformat(text)
        found = time if time.tzinfo else time.replace(tzinfo=now.tzinfo)
        return found.astimezone(now.tzinfo)  # which no calendar has for its first and last day
    except (ValueError, OverflowError):
        raise UsageError(f"`{flag} {text[:60]}` is no time", hint=hint) from None


def microseconds(time: dt.datetime) -> int:
    """Since 1970."""
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def name_and_value(
    text: str, flag: str, hint: str, error: type[ParamError | UsageError] = UsageError
) -> tuple[str, str]:
    """`NAME=VALUE`, at the first `=`. Raises `error` if there is none, or nothing before it."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise error(f"`{flag} {text}`: there is no `=` after a name", hint=hint)
    return name, value


def params_of(given: Iterable[str]) -> dict[str, str]:
    """The texts of `-p KEY=VALUE` by key. Raises `ParamError`."""
    found: dict[str, str] = {}
    for text in given:
        key, value = name_and_value(text, "-p", "write `-p KEY=VALUE`, as `-p year=2013`", ParamError)
        if key in found:
            raise ParamError(
                f"parameter `{key}` is given twice: `{found[key]}` and `{value}`",
                hint=f"give it once; a list is one value, as `-p '{key}=[1, 2]'`",
            )
        found[key] = value
    return found


def tags_of(given: Iterable[str]) -> dict[str, str]:
    """The texts of `--tag K=V` by name. Raises `UsageError`."""
    found: dict[str, str] = {}
    for text in given:
        name, value = name_and_value(text, "--tag", "write `--tag K=V`, as `--tag team=risk`")
        if name in found:
            raise UsageError(
                f"tag `{name}` is given twice: `{found[name]}` and `{value}`", hint="a tag has one value: give it once"
            )
        found[name] = value
    return found
