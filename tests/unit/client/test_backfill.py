"""The moments of a span, and which of them a backfill runs."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeglot.client import engine_runs
from pipeglot.client.backfill.backfill import refuse_left
from pipeglot.client.backfill.moments import MOST, Span, moments, read_span
from pipeglot.client.backfill.plan import Reprocess, by_status, plan
from pipeglot.client.backfill.standing import Standing
from pipeglot.client.listing import RunSummary
from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.remote import BackfillRun
from pipeglot.core.errors import EngineError, UsageError
from pipeglot.core.ir import Param, Pipeline, ScalarType, Schedule
from tests.unit.client.scripted import AWAY, Scripted
from tests.unit.client.scripted import Run as ScriptedRun
from tests.unit.lineage.build import RUN

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def scheduled(schedule: Schedule | None = None, **params: Param) -> Pipeline:
    return Pipeline(name="daily", schedule=schedule, params=tuple(params.values()))


def texts(schedule: Schedule, first: str, last: str, every: float | None = None) -> list[str]:
    span = read_span(first, last, schedule, NOW)
    return [one.isoformat() for one in moments(scheduled(schedule), span, every)]


def test_a_cron_line_in_its_zone_with_a_change_of_the_clocks() -> None:
    found = texts(Schedule(cron="30 6 * * 6,0", timezone="Europe/Berlin"), "2026-03-21", "2026-03-29")
    assert found == [
        "2026-03-21T06:30:00+01:00",
        "2026-03-22T06:30:00+01:00",
        "2026-03-28T06:30:00+01:00",
        "2026-03-29T06:30:00+02:00",
    ]


def test_both_ends_count() -> None:
    hourly = Schedule(cron="0 * * * *")
    found = texts(hourly, "2026-01-01T01:00", "2026-01-01T03:00")
    assert [one[11:13] for one in found] == ["01", "02", "03"]
    assert len(texts(hourly, "2026-01-01", "2026-01-01")) == 24, "a day is a whole one"


def test_an_interval_counts_from_its_start_on_both_sides() -> None:
    schedule = Schedule(interval=6 * 3600.0, start="2026-01-10T01:00:00")
    assert texts(schedule, "2026-01-01", "2026-01-01")[:2] == ["2026-01-01T01:00:00+00:00", "2026-01-01T07:00:00+00:00"]
    assert texts(schedule, "2026-02-01T01:00", "2026-02-01T01:00") == ["2026-02-01T01:00:00+00:00"]


def test_every_day_keeps_its_time_and_every_hour_goes_on() -> None:
    nothing = Schedule(cron="0 0 1 1 *", timezone="Europe/Berlin")
    days = texts(nothing, "2026-10-24T03:00", "2026-10-26T03:00", 86400.0)
    assert days == ["2026-10-24T03:00:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"]
    hours = texts(nothing, "2026-10-25T00:00", "2026-10-25T04:00", 3600.0)
    assert len(hours) == len(set(hours)) == 6


def test_what_is_to_come_is_cut_off() -> None:
    span = read_span("2026-11-20", "2027-01-01", None, NOW)
    assert span.future
    assert span.last == NOW
    assert not read_span("2026-11-20", "2026-11-21", None, NOW).future


@given(
    hours=st.integers(0, 50_000),
    days=st.integers(0, 40),
    every=st.sampled_from([900.0, 3600.0, 86400.0, 7 * 86400.0, 36 * 3600.0]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_moments_are_in_the_span_in_order_and_so_far_apart(hours: int, days: int, every: float, zone: str) -> None:
    begin = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)).astimezone(ZoneInfo(zone))
    span = Span(begin, (begin.astimezone(dt.UTC) + dt.timedelta(days=days)).astimezone(ZoneInfo(zone)), False)
    found = [one.astimezone(dt.UTC) for one in moments(scheduled(), span, every)]
    assert found[0] == begin.astimezone(dt.UTC)
    assert found == sorted(set(found))
    assert found[-1] <= span.last.astimezone(dt.UTC)
    gaps = {(after - before).total_seconds() for before, after in itertools.pairwise(found)}
    assert all(abs(gap - every) <= (3600 if every % 86400 == 0 else 0) for gap in gaps)


@pytest.mark.parametrize(
    ("first", "last", "message", "hint"),
    [
        ("2026-01-02", "2026-01-01", "`--to 2026-01-01` is before `--from 2026-01-02`", "the earlier one first"),
        ("soon", "2026-01-01", "`--from soon` is no time", "`2026-11-01T06:00`"),
        ("2026-01-01", "2026-02-30", "`--to 2026-02-30` is no time", "`2026-11-01`"),
        ("0001-01-01T00:00:00+14:00", "2026-01-01", "`--from 0001-01-01T00:00:00+14:00` is no time", ""),
    ],
)
def test_a_span_that_is_none(first: str, last: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match="`--") as caught:
        read_span(first, last, None, NOW)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_without_a_clock_nothing_says_when() -> None:
    span = read_span("2026-01-01", "2026-01-02", None, NOW)
    with pytest.raises(UsageError, match="pipeline `daily` is not scheduled by the clock: nothing says") as caught:
        moments(scheduled(), span, None)
    assert caught.value.hint == "say it: `--every 1d`"
    with pytest.raises(UsageError, match="but when assets are new"):
        moments(scheduled(Schedule(assets=("s3://a",))), span, None)


def test_too_many_moments_are_refused() -> None:
    span = read_span("2020-01-01", "2026-01-02", None, NOW)
    with pytest.raises(UsageError, match=f"more than {MOST:,} moments") as caught:
        moments(scheduled(), span, 60.0)
    assert caught.value.hint.startswith("the last of the first 10,000 is 2020-01-07T22:39:00+00:00")


def test_cron_lines_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(UsageError, match="`cronsim`, which is not installed") as caught:
        texts(Schedule(cron="0 6 * * *"), "2026-01-01", "2026-01-02")
    assert "pip install 'pipeglot[backfill]'" in caught.value.hint


# --- what is due ------------------------------------------------------------------------------------------------------


def run(day: int, status: str, *, minute: int = 0, count: object = 3) -> RunSummary:
    return RunSummary(
        run_id=f"{status}{day}",
        pipeline="daily",
        stack="prod",
        backend="airflow",
        status=status,
        created=f"2026-02-01T00:{minute:02}:00+00:00",
        logical_date=f"2026-01-{day:02}T07:00:00+01:00",  # the same moments as those of the schedule
        finished=None,
        seconds=None,
        lineage_digest=None,
        resumes=None,
        params={"count": count, "day": f"2026-01-{day:02}"},
        tags={},
        pipeline_tags=(),
        metrics={},
    )


PARAMS = {
    "count": Param(name="count", type=ScalarType(name="int"), default=3),
    "day": Param(name="day", type=ScalarType(name="date"), logical_date=True),
}
RUNS = [
    run(1, "succeeded"),
    run(1, "failed", minute=1),
    run(2, "failed"),
    run(3, "running"),
    run(4, "lost"),
    run(5, "cancelled"),
    run(6, "succeeded", count=4),
]


@pytest.mark.parametrize(
    ("reprocess", "due"), [("none", [6, 7]), ("failed", [2, 4, 5, 6, 7]), ("all", [1, 2, 4, 5, 6, 7])]
)
def test_what_is_due(reprocess: Reprocess, due: list[int]) -> None:
    """A later failure takes nothing from a success; what runs is left alone; other parameters are another run."""
    pipeline = scheduled(Schedule(cron="0 6 * * *"), **PARAMS)
    when = moments(pipeline, read_span("2026-01-01", "2026-01-07", pipeline.schedule, NOW), None)
    found = plan(pipeline, when, RUNS, {}, reprocess, by_status)
    assert [number for number, one in enumerate(found, 1) if one.is_due] == due
    assert [one.before for one in found] == [
        "succeeded",
        "failed",
        "running",
        "failed",
        "failed",
        "nothing",
        "nothing",
    ]
    assert found[0].run_id == "succeeded1"


def test_the_parameters_that_are_given_count() -> None:
    pipeline = scheduled(Schedule(cron="0 6 * * *"), **PARAMS)
    when = moments(pipeline, read_span("2026-01-06", "2026-01-06", pipeline.schedule, NOW), None)
    assert [one.before for one in plan(pipeline, when, RUNS, {"count": "4"}, "none", by_status)] == ["succeeded"]


def test_an_hour_that_comes_twice_is_known_by_its_offset() -> None:
    """A time of a zone in such an hour is equal to no time with an offset."""
    pipeline = scheduled(Schedule(cron="0 * * * *", timezone="Europe/Berlin"))
    when = moments(pipeline, read_span("2026-10-25T01:00", "2026-10-25T03:00", pipeline.schedule, NOW), None)
    assert [one.isoformat()[11:] for one in when] == [
        "01:00:00+02:00",
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]
    done = [structs.replace(run(1, "succeeded"), logical_date=one.isoformat(), params={}) for one in when]
    assert [one.before for one in plan(pipeline, when, done, {}, "none", by_status)] == ["succeeded"] * 4


class Left:
    """What an orchestrator has of a backfill that was killed."""

    def runs(self, _: object) -> list[BackfillRun]:
        at = dt.datetime(2026, 1, 2, 5, tzinfo=dt.UTC)
        return [BackfillRun("backfill__2", at, "waiting", 0.0), BackfillRun("backfill__1", at, "succeeded", 1.0)]


def test_what_the_orchestrator_is_still_to_run_is_not_run_twice() -> None:
    stack = AirflowStack(name="prod", store="s3://a/b")
    due = [dt.datetime(2026, 1, 2, 6, tzinfo=BERLIN)]
    with pytest.raises(EngineError, match="is still to run 1 moment of these, as `backfill__2`") as caught:
        refuse_left(Left(), due, stack)  # type: ignore[arg-type]  # nothing else of it is asked
    assert "cancel the backfill on its pages" in caught.value.hint
    refuse_left(Left(), [due[0] + dt.timedelta(days=1)], stack)  # type: ignore[arg-type]


# --- what runs are worth ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "worth"),
    [
        ("lost", "running", "running"),
        ("lost", "waiting", "running"),
        ("lost", "gone", "failed"),
        ("lost", "succeeded", "failed"),
        ("lost", AWAY, "failed"),
        ("running", "failed", "failed"),
        ("running", "succeeded", "running"),
        ("running", "gone", "running"),
        ("running", AWAY, "running"),
    ],
)
def test_of_an_open_run_its_orchestrator_knows_more_than_silence_tells(
    status: str, said: str | Exception, worth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second run would be begun beside one that goes on, or none for one whose pod is gone."""
    made = ScriptedRun(tmp_path)
    monkeypatch.setattr(engine_runs, "remote_of", lambda *_: Scripted(said))
    told: list[str] = []
    judge = Standing(made.records, scheduled(), told.append)
    assert judge([structs.replace(run(1, status), run_id=RUN)]) == {RUN: worth}
    silent = "the orchestrator of stack `prod` cannot be asked; of 1 open run, only records tell"
    assert told == ([f"{silent}: {AWAY}"] if said is AWAY else [])


def test_what_has_ended_is_asked_nobody_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_runs, "remote_of", lambda *_: Scripted(AssertionError("it was asked")))
    over = [structs.replace(run(1, status), finished="2026-01-01T01:00:00+00:00") for status in ("lost", "failed")]
    over.append(structs.replace(run(2, "succeeded"), finished="2026-01-02T01:00:00+00:00"))
    found = Standing(ScriptedRun(tmp_path).records, scheduled(), pytest.fail)(over)
    assert found == {"lost1": "failed", "failed1": "failed", "succeeded2": "succeeded"}
