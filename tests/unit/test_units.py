"""Durations and memory, as people write and read them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeglot.core.errors import UsageError
from pipeglot.core.units import memory, seconds, show_timedelta, timedelta_of


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10s", 10.0),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("3µs", 0.000003),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1d 2h", 93600.0),
        ("7d", 604800.0),
        ("1w", 604800.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("0.1s", 0.1),
        ("90", 90.0),
        ("0", 0.0),
        (" 2 hours 5 min ", 7500.0),
        ("PT2H", 7200.0),
        ("P1DT12H", 129600.0),
        ("P1W", 604800.0),
        ("PT0,5S", 0.5),
        (10, 10.0),
        (0.25, 0.25),
        (dt.timedelta(days=1, microseconds=1), 86400.000001),
    ],
)
def test_seconds(written: Any, expected: float) -> None:
    assert seconds(written) == expected


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "`` is no duration"),
        ("soon", "`soon` is no duration"),
        ("10 parsecs", "`10 parsecs` is no duration"),
        ("1y", "`1y` is no duration"),
        ("P1Y", "`P1Y` is no duration"),
        ("PT", "`PT` is no duration"),
        ("P1DT", "`P1DT` is no duration"),
        ("1e3", "`1e3` is no duration"),
        ("٣s", "`٣s` is no duration"),
        ("9" * 1000, f"`{'9' * 60}…` is no duration"),
        ("1m1h", "`1m1h` names a unit twice, or a smaller one before a larger one"),
        ("1h1h", "`1h1h` names a unit twice, or a smaller one before a larger one"),
        ("-1s", "`-1s` is negative"),
        (-1, "`-1` is negative"),
        (dt.timedelta(-1), "`datetime.timedelta(days=-1)` is negative"),
        (math.nan, "`nan` is not finite"),
        (math.inf, "`inf` is not finite"),
        (True, "`True` is no duration"),
        (None, "`None` is no duration"),
        (10**400, f"`1{'0' * 59}…` is too long"),
        ("\ud800\n", r"`\ud800\n` is no duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_examples(written: Any, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds(written)
    assert caught.value.message == why
    assert caught.value.hint == ('write a duration as `"10s"`, `"500ms"`, `"1h30m"`, `"7d"`, or as a number of seconds')


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("16Gi", 16 * 1024**3),
        ("500Mi", 500 * 1024**2),
        ("1 KiB", 1024),
        ("2G", 2 * 10**9),
        ("512MB", 512 * 10**6),
        ("3k", 3000),
        ("1.5Gi", 3 * 1024**3 // 2),
        ("0.3Gi", 322122548),  # never less than asked for
        ("1024", 1024),
        ("7B", 7),
        (5, 5),
        (1e9, 10**9),
        (0, 0),
    ],
)
def test_memory(written: Any, expected: int) -> None:
    assert memory(written) == expected
    assert type(memory(written)) is int


@pytest.mark.parametrize(
    ("written", "why", "hint"),
    [
        ("16gi", "`16gi` has the unknown unit `gi`", "did you mean `16Gi`? "),
        ("16gb", "`16gb` has the unknown unit `gb`", "did you mean `16GB`? "),
        ("500m", "`500m` has the unknown unit `m`", "did you mean `500M`? "),
        ("5 Zi", "`5 Zi` has the unknown unit `Zi`", ""),
        ("-1G", "`-1G` is negative", ""),
        (-1, "`-1` is negative", ""),
        ("much", "`much` is no amount of memory", ""),
        ("", "`` is no amount of memory", ""),
        ("1e3", "`1e3` is no amount of memory", ""),
        (1.5, "`1.5` is no whole number of bytes", ""),
        (math.nan, "`nan` is no whole number of bytes", ""),
        (math.inf, "`inf` is no whole number of bytes", ""),
        (True, "`True` is no amount of memory", ""),
        (None, "`None` is no amount of memory", ""),
    ],
)
def test_what_is_no_memory_is_refused_with_examples(written: Any, why: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        memory(written)
    assert caught.value.message == why
    assert caught.value.hint == (
        hint + 'write memory as `"16Gi"`, `"500Mi"`, `"2G"`, `"512MB"`, or as a number of bytes'
    )


@settings(deadline=None)
@given(st.timedeltas())
def test_a_timedelta_comes_back_exactly(value: dt.timedelta) -> None:
    assert timedelta_of(show_timedelta(value)) == value
    assert timedelta_of(value) == value


def test_timedeltas_may_be_negative_but_not_endless() -> None:
    assert timedelta_of("-1d12h") == -dt.timedelta(days=1, hours=12)
    assert show_timedelta(dt.timedelta(0)) == "0s"
    assert show_timedelta(-dt.timedelta(seconds=90)) == "-1m30s"
    with pytest.raises(UsageError, match=r"`9000000000w` is too long"):
        timedelta_of("9000000000w")


@settings(deadline=None)
@given(st.text() | st.floats() | st.integers() | st.binary())
def test_nothing_raises_anything_else(value: Any) -> None:
    for read in (seconds, memory, timedelta_of):
        try:
            read(value)
        except UsageError as error:
            str(error).encode()


def test_an_int_too_long_to_be_shown_is_refused_all_the_same() -> None:
    with pytest.raises(UsageError, match="`some int` is too long"):
        seconds(10**5000)


def test_a_value_whose_repr_fails_is_refused_all_the_same() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(UsageError, match="`some Odd` is no duration"):
        seconds(Odd())  # type: ignore[arg-type]
