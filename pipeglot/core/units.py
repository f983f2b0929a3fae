"""Durations and amounts of memory as people write them: `"1h30m"`, `"16Gi"`; and durations as people read them.

Plain numbers are seconds and bytes. Amounts are fractions until the end, so that `"0.1s"` is rounded once.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from fractions import Fraction
from typing import NoReturn

from pipeglot.core.errors import UsageError

_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_UNITS = {
    **dict.fromkeys(("w", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), "us"),
}
_BYTES: dict[str, int] = {
    "": 1,
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)},
    **{letter: 1000**power for power, letter in enumerate("KMGTPE", 1)},
    "k": 1000,
}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_LONGEST = 100
_DURATION_HINT = 'write a duration as `"10s"`, `"500ms"`, `"1h30m"`, `"7d"`, or as a number of seconds'
_MEMORY_HINT = 'write memory as `"16Gi"`, `"500Mi"`, `"2G"`, `"512MB"`, or as a number of bytes'


def seconds(value: str | float | dt.timedelta) -> float:
    """A duration in seconds: `"10s"`, `"1h30m"`, `"PT2H"`, a plain number, a `timedelta`. Raises `UsageError`."""
    exact = _microseconds(value)
    if exact < 0:
        _refuse_duration(value, "is negative")
    try:
        return float(exact / 1_000_000)
    except OverflowError:
        _refuse_duration(value, "is too long")


def timedelta_of(value: str | float | dt.timedelta) -> dt.timedelta:
    """A duration to the microsecond, which may have a sign: `"-1d"`. Raises `UsageError`."""
    try:
        return dt.timedelta(microseconds=round(_microseconds(value)))
    except OverflowError:
        _refuse_duration(value, "is too long")


def show_timedelta(value: dt.timedelta) -> str:
    """The exact text that `timedelta_of` reads back: `"1d2h"`, `"-90s"` as `"-1m30s"`, `"0s"`."""
    sign, value = ("-", -value) if value.days < 0 and value != dt.timedelta.min else ("", value)
    if value.days < 0:  # the one value that has no opposite
        return f"-{-value.days}d"
    minutes, whole = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    parts = [f"{count}{unit}" for count, unit in ((value.days, "d"), (hours, "h"), (minutes, "m")) if count]
    if whole or fraction or not parts:
        parts.append(f"{whole}{fraction}s")
    return sign + "".join(parts)


def memory(value: str | int) -> int:
    """An amount of memory in bytes: `"16Gi"` (1024³ each), `"2G"` (1000³ each), a plain number. Raises `UsageError`."""
    if isinstance(value, str):
        return _memory_text(value)
    number: object = value
    if isinstance(number, bool) or not isinstance(number, int | float):
        _refuse_memory(value, "is no amount of memory")
    if number < 0:
        _refuse_memory(value, "is negative")
    if isinstance(number, float) and not number.is_integer():  # nor are NaN and infinity
        _refuse_memory(value, "is no whole number of bytes")
    return int(number)


def _microseconds(value: object) -> Fraction:
    if isinstance(value, str):
        return _duration_text(value)
    if isinstance(value, dt.timedelta):
        return Fraction(value // dt.timedelta(microseconds=1))
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse_duration(value, "is no duration")
    if isinstance(value, float) and not math.isfinite(value):
        _refuse_duration(value, "is not finite")
    return Fraction(value) * 1_000_000


def _duration_text(text: str) -> Fraction:
    words = text.strip()
    sign = -1 if words.startswith("-") else 1
    body = words[1:].lstrip() if words.startswith("-") else words
    if len(body) > _LONGEST:
        _refuse_duration(text, "is no duration")
    if re.fullmatch(_NUMBER, body):
        return sign * Fraction(body) * 1_000_000
    found = _iso_parts(body) if body.startswith("P") else _word_parts(body)
    if not found:
        _refuse_duration(text, "is no duration")
    order = [list(_MICROSECONDS).index(unit) for _, unit in found]
    if order != sorted(set(order)):
        _refuse_duration(text, "names a unit twice, or a smaller one before a larger one")
    return sign * sum((amount * _MICROSECONDS[unit] for amount, unit in found), Fraction(0))


def _word_parts(body: str) -> list[tuple[Fraction, str]]:
    if not re.fullmatch(rf"(?:(?:{_NUMBER})\s*[a-zµμ]+\s*)+", body):
        return []
    parts = re.findall(rf"({_NUMBER})\s*([a-zµμ]+)", body)
    return [(Fraction(amount), _UNITS[unit]) for amount, unit in parts] if all(u in _UNITS for _, u in parts) else []


def _iso_parts(body: str) -> list[tuple[Fraction, str]]:
    """ISO 8601 without years and months, which have no fixed length."""
    number = r"(?:([0-9]+(?:[.,][0-9]+)?)%s)?"
    pattern = "P" + number % "W" + number % "D" + "(?:T" + number % "H" + number % "M" + number % "S" + ")?"
    match = re.fullmatch(pattern, body)
    if not match or body.endswith("T"):
        return []
    return [(Fraction(n.replace(",", ".")), unit) for n, unit in zip(match.groups(), "wdhms", strict=True) if n]


def _memory_text(text: str) -> int:
    match = re.fullmatch(rf"\s*(-?)({_NUMBER})\s*([A-Za-z]*)\s*", text) if len(text) <= _LONGEST else None
    if not match:
        _refuse_memory(text, "is no amount of memory")
    sign, amount, unit = match.groups()
    if sign:
        _refuse_memory(text, "is negative")
    factor: int | None = _BYTES.get(unit.removesuffix("B"))
    if factor is None:
        meant = _likely_unit(unit)
        _refuse_memory(text, f"has the unknown unit `{unit}`", f"did you mean `{amount}{meant}`? " if meant else "")
    return math.ceil(Fraction(amount) * factor)


def _likely_unit(unit: str) -> str:
    letters = unit.upper().replace("I", "i")
    return letters if letters.removesuffix("B") in _BYTES else ""


def _refuse_duration(value: object, why: str) -> NoReturn:
    raise UsageError(f"`{_shown(value)}` {why}", hint=_DURATION_HINT)


def _refuse_memory(value: object, why: str, before: str = "") -> NoReturn:
    raise UsageError(f"`{_shown(value)}` {why}", hint=before + _MEMORY_HINT)


def _shown(value: object) -> str:
    if isinstance(value, str):
        text = repr(value[:60])[1:-1]
        return text if len(value) <= 60 else f"{text}…"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # any object may be given, and its repr is its own; the refusal is what counts
        return f"some {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}…"
