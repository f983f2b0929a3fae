"""The options of `runs list`, as people write them."""

from __future__ import annotations

import datetime as dt

import pytest

from pipeglot.client.listing import (
    MetricWish,
    parse_metric,
    parse_param,
    parse_sort,
    parse_status,
    parse_tag,
    parse_time,
)
from pipeglot.core.errors import UsageError

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def microseconds(*parts: int) -> int:
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp()) * 10**6  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2d", (2026, 11, 18, 12)),
        ("90m", (2026, 11, 20, 10, 30)),
        ("2026-11-01T06:00:00+02:00", (2026, 11, 1, 4)),
        ("2026-11-01 06:00+00:00", (2026, 11, 1, 6)),
        ("2026-11-01T06:00:00Z", (2026, 11, 1, 6)),
    ],
)
def test_times(text: str, time: tuple[int, ...]) -> None:
    assert parse_time(text, "--since", NOW) == microseconds(*time)


def test_a_day_begins_here() -> None:
    local = dt.datetime(2026, 11, 1).astimezone()
    assert parse_time("2026-11-01", "--since", NOW) == int(local.timestamp()) * 10**6


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-01T99", "9999999999w", "0001-01-01"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match=r"`--since .*`") as error:
        parse_time(text, "--since", NOW)
    assert error.value.hint.startswith("write how long ago, as `2d`")


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("n=2013", ('"2013"', "2013", "2013.0")),
        ("n=1.0", ('"1.0"', "1.0", "1")),
        ("n=1e-3", ('"1e-3"', "0.001")),
        ("n=abc", ('"abc"',)),
        ("n=", ('""',)),
        ("n=True", ('"True"', "true")),
        ("n=a=b", ('"a=b"',)),
        ('n={"b": 1, "a": [2]}', ('"{\\"b\\": 1, \\"a\\": [2]}"', '{"a":[2],"b":1}')),
    ],
)
def test_a_parameter_is_text_or_what_the_text_says(text: str, texts: tuple[str, ...]) -> None:
    assert parse_param(text) == ("n", texts)


def test_metrics_tags_and_orders() -> None:
    assert parse_metric("auc") == MetricWish("auc")
    assert parse_metric("best.auc >= 0.7") == MetricWish("best.auc", ">=", 0.7)
    assert parse_metric("n==3") == MetricWish("n", "=", 3.0)
    assert parse_metric("n!=-1e3") == MetricWish("n", "!=", -1000.0)
    assert parse_tag("ml") == ("ml", None)
    assert parse_tag("team=risk=x") == ("team", "risk=x")
    assert parse_sort("auc") == parse_sort("auc:desc") == ("auc", True)
    assert parse_sort("auc:asc") == ("auc", False)
    assert parse_status("lost") == "lost"


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_param, "year", "`--param year`: there is no `=` after a name"),
        (parse_tag, "=x", "`--tag =x` names no tag"),
        (parse_metric, ">3", "`--metric >3` is no metric"),
        (parse_metric, "auc>high", "`--metric auc>high`: `high` is no number"),
        (parse_sort, "auc:up", "`--sort auc:up` names no order"),
        (parse_status, "done", "`--status done`: no run is ever `done`"),
    ],
)
def test_what_means_nothing(parse: object, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)  # type: ignore[operator]
    assert error.value.message == message
    assert error.value.hint
