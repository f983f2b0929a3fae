"""Cron lines of six fields, seconds first, as KFP's schedules have them: when one is due."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

_MONTHS = {
    name: n
    for n, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)
}
DAYS = {name: n for n, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, DAYS),
)
_FARTHEST = dt.timedelta(days=366 * 5)


class Cron(NamedTuple):
    """The values of each field. either: whether both days are said: then one of them is enough."""

    fields: tuple[frozenset[int], ...]
    either: bool

    def after(self, moment: dt.datetime) -> dt.datetime | None:
        """The first time past a moment; None if there is none for years."""
        seconds, minutes, hours, _, months, _ = self.fields
        found, last = (moment + dt.timedelta(seconds=1)).replace(microsecond=0), moment + _FARTHEST
        while found < last:
            if found.month not in months or not self._is_day(found):
                found = (found + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0)
            elif found.hour not in hours:
                found = (found + dt.timedelta(hours=1)).replace(minute=0, second=0)
            elif found.minute not in minutes:
                found = (found + dt.timedelta(minutes=1)).replace(second=0)
            elif found.second not in seconds:
                found += dt.timedelta(seconds=1)
            else:
                return found
        return None

    def _is_day(self, moment: dt.datetime) -> bool:
        of_month, of_week = moment.day in self.fields[3], moment.isoweekday() % 7 in self.fields[5]
        return of_month or of_week if self.either else of_month and of_week


def read_cron(line: str) -> Cron:
    """Raises `ValueError`."""
    words = line.split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"expected exactly 6 fields, found {len(words)}: {line}")
    fields = tuple(_field(word, *known) for word, known in zip(words, _FIELDS, strict=True))
    return Cron(fields, not any(words[at].startswith(("*", "?")) for at in (3, 5)))


def _field(word: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if first in ("*", "?") and not dash:
            begin, end = low, high
        else:
            begin = _value(first, names)
            end = _value(last, names) if dash else high if step else begin
        if not low <= begin <= end <= high:
            raise ValueError(f"`{part}` is not from {low} to {high}")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, names: dict[str, int]) -> int:
    if text.upper() in names:
        return names[text.upper()]
    if not text.isdecimal():
        raise ValueError(f"`{text}` is no number")
    return int(text)
