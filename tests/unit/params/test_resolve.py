"""The parameters of a run."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Any

import pytest

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import Param, Schedule
from tests.unit.params import kinds


def param(name: str, annotation: Any, **default: Any) -> Param:
    return Param(name=name, type=params.type_of(annotation, owner=name), **default)


FLIGHTS = (
    param("year", int),
    param("bar", float, default=0.7),
    param("day", dt.date | None, default=None),
    param("window", kinds.Window, default={"first": {"~d": "2024-01-31"}}),
    param("mode", kinds.Mode, default="FAST"),
)


def refusal(given: dict[str, Any], texts: dict[str, str]) -> ParamError:
    with pytest.raises(ParamError) as caught:
        params.resolve(FLIGHTS, given, texts=texts)
    return caught.value


def test_defaults_are_filled_in_and_the_order_is_that_of_the_declaration() -> None:
    found = params.resolve(FLIGHTS, {"mode": kinds.Mode.SLOW, "year": 2013.0}, texts={"day": "2024-02-29"})
    assert found == {
        "year": 2013,
        "bar": 0.7,
        "day": {"~d": "2024-02-29"},
        "window": {"first": {"~d": "2024-01-31"}, "days": 7},
        "mode": "SLOW",
    }
    assert list(found) == [param.name for param in FLIGHTS]
    assert params.resolve((), {}) == {}


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = refusal({"bar": "high", "mod": 1, "day": dt.date(2024, 1, 1)}, {"day": "2024-01-01", "window": "{}"})
    assert error.message == (
        "parameter `year` (int) is missing: it has no default\n"
        "parameter `bar` must be float, not 'high'\n"
        "parameter `day` is given twice, as a value and as text\n"
        "parameter `window`: `Window` needs `first` (its fields: `first`, `days`)\n"
        "there is no parameter `mod`; did you mean `mode`?\n"
        "the parameters are: `year` (int), `bar` (float), `day` (date | None), `window` (Window), "
        "`mode` (Mode (FAST | SLOW))"
    )


def test_hints_are_told_once() -> None:
    error = refusal({"year": 1}, {"day": "soon", "window": '{"first": "soon"}'})
    assert error.hint == "write it as `2013-01-31`"
    assert error.code == "param"
    assert error.exit_code == 2


def test_names_from_anywhere_are_harmless() -> None:
    error = refusal({"year": 1, "\x1b[31m\n\ud800": 1, "y" * 10**6: 2, 3: 4}, {})  # type: ignore[dict-item]
    assert r"there is no parameter `\x1b[31m\n\ud800`" in error.message
    assert len(error.message) < 600
    str(error).encode()


def test_very_many_wrong_names_are_not_all_told() -> None:
    error = refusal({"year": "x", **{f"n{i}": i for i in range(10_000)}}, {})
    assert "… and 1 more" in error.message
    assert len(error.message.splitlines()) == 32


def test_a_default_that_does_not_fit_is_told_too() -> None:
    wrong = Param(name="year", type=params.type_of(int, owner="it"), default="2013")
    with pytest.raises(ParamError, match="parameter `year` must be int, not '2013'"):
        params.resolve([wrong], {})
    assert params.resolve([wrong], {"year": 2013}) == {"year": 2013}


def test_importing_params_is_cheap() -> None:
    code = (
        "import sys, pipeglot.core.params as p\n"
        "loaded = {'yaml', 'pydantic', 'dataclasses', 'difflib', 'fractions', 'zoneinfo'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the logical date -------------------------------------------------------------------------------------------------

DAILY = (Param(name="day", type=params.type_of(dt.date, owner="day"), logical_date=True), param("year", int, default=1))
LATE = dt.datetime(2024, 1, 31, 23, 30, tzinfo=dt.UTC)


def test_the_logical_date_fills_in_what_is_not_given() -> None:
    assert params.resolve(DAILY, {}, logical_date=LATE) == {"day": {"~d": "2024-01-31"}, "year": 1}
    assert params.resolve(DAILY, {"day": dt.date(2020, 2, 29)}, logical_date=LATE)["day"] == {"~d": "2020-02-29"}
    assert params.resolve(DAILY, {}, texts={"day": "2020-02-29"}, logical_date=LATE)["day"] == {"~d": "2020-02-29"}


def test_its_day_is_counted_in_the_zone_of_the_schedule() -> None:
    days = {
        zone: params.moment_in_zone(LATE, Schedule(cron="0 6 * * *", timezone=zone))
        for zone in ("UTC", "Asia/Tokyo", "America/New_York")
    }
    assert {zone: moment.day for zone, moment in days.items()} == {"UTC": 31, "Asia/Tokyo": 1, "America/New_York": 31}
    assert set(days.values()) == {LATE}
    tokyo = dt.timezone(dt.timedelta(hours=9))
    assert params.moment_in_zone(LATE.astimezone(tokyo), None).date() == dt.date(2024, 1, 31)


def test_without_a_logical_date_it_must_be_given() -> None:
    with pytest.raises(ParamError, match=r"parameter `day` \(date\) is missing"):
        params.resolve(DAILY, {})
    with pytest.raises(ValueError, match="a logical date has a UTC offset"):
        params.resolve(DAILY, {}, logical_date=LATE.replace(tzinfo=None))
