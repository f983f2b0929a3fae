"""The rules of schedules."""

from __future__ import annotations

import pytest

from pipeglot.core.ir import (
    Schedule,
)
from tests.unit.validate.common import (
    told,
)

CRON = "write it as `0 6 * * *`: minute, hour, day of month, month, day of week"


@pytest.mark.parametrize(
    "cron",
    ["0 6 * * *", "*/15 0-6,12 1,15 JAN-mar MON", "0 0 31 12 7", "5-10/2 * * * sun-TUE", "59 23 * * 0"],
)
def test_cron_lines(cron: str) -> None:
    assert told(schedule=Schedule(cron=cron, timezone="Europe/Berlin")) == []


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("", "has 0 fields of 5"),
        ("* * * *", "has 4 fields of 5"),
        ("* * * * * *", "has 6 fields of 5"),
        ("*  * * * *", "has more than one space between its fields"),
        ("@daily", "is a nickname, which not every backend reads"),
        ("60 * * * *", "has `60` for the minute, which is from 0 to 59"),
        ("* 24 * * *", "has `24` for the hour, which is from 0 to 23"),
        ("* * 0 * *", "has `0` for the day of month, which is from 1 to 31"),
        ("* * * 13 *", "has `13` for the month, which is from 1 to 12"),
        ("* * * * FUN", "has `FUN` for the day of week, which is from 0 to 7"),
        ("* * * * FRI-MON", "has `FRI-MON` for the day of week, which is from 0 to 7"),
        ("*/0 * * * *", "has `*/0` for the minute, which is from 0 to 59"),
        ("5/10 * * * *", "has `5/10` for the minute, which is from 0 to 59"),
        ("1,,2 * * * *", "has `1,,2` for the minute, which is from 0 to 59"),
        ("٣ * * * *", "has `٣` for the minute, which is from 0 to 59"),
        ("L * * * *", "has `L` for the minute, which is from 0 to 59"),
    ],
)
def test_what_is_no_cron_line(cron: str, why: str) -> None:
    assert told(schedule=Schedule(cron=cron)) == [("schedule", f"schedule: the cron line `{cron}` {why}", CRON)]


@pytest.mark.parametrize(
    ("schedule", "message", "hint"),
    [
        (Schedule(), "it has neither a cron line nor an interval nor assets", "give it one of these"),
        (
            Schedule(cron="0 6 * * *", interval=5, start="2024-01-01"),
            "it has a cron line and an interval",
            "give it one of these",
        ),
        (Schedule(interval=5), "an interval needs a `start` to count from", "write it as `start: 2024-01-01T00:00:00`"),
        (
            Schedule(cron="0 6 * * *", catchup=True),
            "`catchup` needs a `start` to count from",
            "write it as `start: 2024-01-01T00:00:00`",
        ),
        (
            Schedule(cron="0 6 * * *", timezone="Mars/Olympus"),
            "there is no time zone `Mars/Olympus`",
            "write it as `Europe/Berlin`, or `UTC`",
        ),
        (
            Schedule(cron="0 6 * * *", timezone="../../etc/passwd"),
            "there is no time zone `../../etc/passwd`",
            "write it as `Europe/Berlin`, or `UTC`",
        ),
        (Schedule(cron="0 6 * * *", timezone=""), "there is no time zone ``", "write it as `Europe/Berlin`, or `UTC`"),
        (
            Schedule(cron="0 6 * * *", start="soon"),
            "its start, `soon`, is no ISO 8601 time",
            "write it as `start: 2024-01-01T00:00:00`",
        ),
        (
            Schedule(cron="0 6 * * *", start="2024-01-02", end="2024-01-01T23:00:00-01:00"),
            "it ends at `2024-01-01T23:00:00-01:00`, which is not after its start, `2024-01-02`",
            "",
        ),
    ],
)
def test_schedules(schedule: Schedule, message: str, hint: str) -> None:
    assert told(schedule=schedule) == [("schedule", f"schedule: {message}", hint)]


def test_an_interval_is_some_time() -> None:
    assert told(schedule=Schedule(interval=0, start="2024-01-01")) == [
        ("range", "schedule: `interval` must be more than 0, not 0", "")
    ]


def test_a_schedule_on_assets() -> None:
    assert told(schedule=Schedule(assets=("s3://a", "gs://b/c d".replace(" ", "%20")), timezone="Europe/Berlin")) == []


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("s3://bücher", "has letters that are not of ASCII, or spaces: write them as `%20`"),
        ("s3://a b", "has letters that are not of ASCII, or spaces: write them as `%20`"),
        ("s3://a\n", "has letters that are not of ASCII, or spaces: write them as `%20`"),
        ("s3://", "is no URI, as `s3://bucket/name`"),
        ("bucket/name", "is no URI, as `s3://bucket/name`"),
        ("AirFlow://x", "begins with `airflow:`, which Airflow keeps for itself"),
        ("db://me:secret@host/x", "has a user or a password in it"),
    ],
)
def test_what_is_no_asset(uri: str, why: str) -> None:
    (found,) = told(schedule=Schedule(assets=(uri,)))
    assert found[0] == "asset"
    assert found[1].endswith(why)
    assert found[1].startswith("schedule: the asset")


def test_assets_of_any_length() -> None:
    assert told(schedule=Schedule(assets=("s3://" + "x" * 1495,))) == []
    assert "has 1501 characters, and 1500 are the most" in told(schedule=Schedule(assets=("s3://" + "x" * 1496,)))[0][1]


def test_a_schedule_is_one_thing() -> None:
    assert told(schedule=Schedule()) == [
        ("schedule", "schedule: it has neither a cron line nor an interval nor assets", "give it one of these")
    ]
    assert told(schedule=Schedule(cron="0 6 * * *", assets=("s3://x",))) == [
        ("schedule", "schedule: it has a cron line and assets", "give it one of these")
    ]
    assert told(schedule=Schedule(assets=("s3://x",), start="2024-01-01", catchup=True)) == [
        ("schedule", "schedule: it has assets to wait for, and so no `start`, `end` or `catchup`", "")
    ]
    assert told(schedule=Schedule(assets=("s3://x", "s3://x"))) == [
        ("asset", "schedule: two of its assets are the same", "")
    ]
