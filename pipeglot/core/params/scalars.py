"""Scalar values: the one Python value for all the ways in which people and engines write the same.

`Place` goes along with every value that is read: where it stands, and how strictly to read it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeglot.core import plain
from pipeglot.core.errors import ParamError, UsageError
from pipeglot.core.ir import ParamType, ScalarType
from pipeglot.core.params.describing import describe, shown, ticked

EXACT = 2**53
"""Below this, a float is as exact as an int."""

ANY = ScalarType(name="any")


class Place(NamedTuple):
    """Where a value stands, for messages, and how strictly to read it.

    `portable`: only what every engine's JSON can carry. `complete`: import the classes of records, so that they fill in
    defaults and check.
    """

    path: str
    portable: bool = True
    complete: bool = True

    def part(self, suffix: str) -> Place:
        return Place(self.path + suffix, self.portable, self.complete)

    def refuse(self, kind: ParamType, value: object, why: str = "", hint: str = "") -> ParamError:
        """The error for a value that is not of its type."""
        reason = f": {why}" if why else ""
        return ParamError(
            f"parameter {ticked(self.path)} must be {describe(kind)}, not {shown(value)}{reason}", hint=hint
        )


def read_scalar(kind: ScalarType, value: object, place: Place) -> Any:
    """The canonical value. Raises `ParamError`."""
    return _READERS[kind.name](kind, value, place)


def from_numpy(value: Any) -> Any:
    """A Python number or text, of a NumPy scalar of that kind."""
    dtype = getattr(value, "dtype", None)
    return value.item() if getattr(dtype, "kind", "") in "biufU" and getattr(value, "ndim", 1) == 0 else value


def _any(_kind: ScalarType, value: object, place: Place) -> Any:
    return read_json(value, place) if place.portable else value


def read_json(value: object, place: Place, depth: int = 0) -> Any:
    """What JSON can say, and nothing else. Raises `ParamError`."""
    if type(value).__module__ == "numpy":
        value = from_numpy(value)
    if value is None or isinstance(value, bool):
        return value
    if type(value) in (str, int, float):
        return _finite(value, place) if type(value) is float else value
    if depth >= plain.MAX_DEPTH:
        raise ParamError(f"parameter {ticked(place.path[:60])} is nested more than {plain.MAX_DEPTH} levels deep")
    if type(value) is list:
        return [read_json(item, place.part(f"[{i}]"), depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {key: read_json(item, place.part(f"[{shown(key)}]"), depth + 1) for key, item in value.items()}
    why = "its keys must be str" if isinstance(value, dict) else f"a {type(value).__qualname__} is not among them"
    raise ParamError(
        f"parameter {ticked(place.path)} must be a JSON value, not {shown(value)}: {why}",
        hint="annotate it in the pipeline with the type that it has, as `day: date`",
    )


def _bool(kind: ScalarType, value: object, place: Place) -> bool:
    if isinstance(value, bool):
        return value
    raise place.refuse(kind, value)


def _int(kind: ScalarType, value: object, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(kind, value)
    if isinstance(value, int):
        return int.__int__(value)
    if abs(value) < EXACT and value.is_integer():  # some engines have no whole numbers
        return int(value)
    raise place.refuse(kind, value, "beyond 2**53 a float is not exact" if value.is_integer() else "")


def _float(kind: ScalarType, value: object, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(kind, value)
    try:
        number = float(value)
    except OverflowError:
        raise place.refuse(kind, value, "it is too large") from None
    return _finite(number, place) if place.portable else number


def _finite(value: Any, place: Place) -> Any:
    if math.isfinite(value):
        return value
    hint = "not every engine can pass others; use `float | None`"
    raise ParamError(f"parameter {ticked(place.path)} must be a finite number, not {shown(value)}", hint=hint)


def _str(kind: ScalarType, value: object, place: Place) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    raise place.refuse(kind, value)


def _date(kind: ScalarType, value: object, place: Place) -> dt.date:
    if isinstance(value, str):
        day: dt.date = _from_iso(kind, value, place, dt.date, "2013-01-31")
        return day
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.date(value.year, value.month, value.day)
    raise place.refuse(kind, value, "pass `.date()` of it" if isinstance(value, dt.datetime) else "")


def _datetime(kind: ScalarType, value: object, place: Place) -> dt.datetime:
    """Exact to the microsecond, and with its offset: `+02:00` and `Z` stay what they are, a zone becomes its offset."""
    given = _from_iso(kind, value, place, dt.datetime, "2013-01-31T06:00:00Z") if isinstance(value, str) else value
    if not isinstance(given, dt.datetime) or given != given:  # pandas' NaT is a datetime
        raise place.refuse(kind, value)
    offset = given.utcoffset()
    if offset is None:
        hint = "add one, as in `2013-01-31T06:00:00+01:00`, or `Z` for UTC"
        raise place.refuse(kind, value, "it has no UTC offset", hint)
    if offset.microseconds:  # Python itself does not always read those back
        raise place.refuse(kind, value, "its UTC offset has a fraction of a second")
    if getattr(given, "nanosecond", 0):
        raise place.refuse(kind, value, "it has nanoseconds")
    clock = (given.hour, given.minute, given.second, given.microsecond)
    return dt.datetime(given.year, given.month, given.day, *clock, tzinfo=dt.timezone(offset))


def _from_iso(kind: ScalarType, text: str, place: Place, cls: Any, example: str) -> Any:
    try:
        return cls.fromisoformat(text)
    except ValueError:
        raise place.refuse(kind, text, hint=f"write it as `{example}`") from None


def _timedelta(kind: ScalarType, value: object, place: Place) -> dt.timedelta:
    if isinstance(value, dt.timedelta) and value == value:
        if getattr(value, "nanoseconds", 0):
            raise place.refuse(kind, value, "it has nanoseconds")
        return dt.timedelta(value.days, value.seconds, value.microseconds)
    from pipeglot.core import units

    try:
        return units.timedelta_of(value)  # type: ignore[arg-type]  # it refuses what is of no such type
    except UsageError as error:
        raise place.refuse(kind, value, hint=error.hint) from None


_READERS: dict[str, Callable[[ScalarType, Any, Place], Any]] = {
    "any": _any,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "date": _date,
    "datetime": _datetime,
    "timedelta": _timedelta,
}
