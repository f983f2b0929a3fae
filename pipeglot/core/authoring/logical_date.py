"""`LogicalDate()`: the default of a pipeline's parameter that is the date for which a run stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt


class LogicalDateDefault:
    """Stands for a date that is known once there is a run."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LogicalDate()"


_DEFAULT = LogicalDateDefault()


def LogicalDate() -> dt.date:  # noqa: N802  # it reads as a type, for it stands where a type's value does
    """`def daily(day: date = LogicalDate())`: the day of the run's logical date, unless the run is given another.

    That is the day for which a schedule started the run, in the schedule's time zone; of a run by hand, the day on
    which it was started, in that zone too. A pipeline without a schedule counts its days in UTC.
    """
    return _DEFAULT  # type: ignore[return-value]  # to a checker it is the date
