"""Which runs are chosen to go: by age, count, tag and pipeline, and never one that another may need."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.core.lineage.gc.retention import Asked, Retention, choose
from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.records import Start

DAY = 86_400.0
NOW = 1000 * DAY


def seen(name: str, age: float, status: str = "succeeded", pipeline: str = "p", **told: Any) -> tuple[Seen, str]:
    """A run that was last written to so many days ago."""
    at = "2026-01-01T00:00:00+00:00"
    start = Start(
        run=name,
        pipeline=pipeline,
        stack="s",
        backend="local",
        ir="a" * 64,
        params={},
        created=at,
        logical_date=at,
        resumes=told.get("resumes"),
        tags=told.get("tags", {}),
    )
    return Seen(name, start, NOW - age * DAY, status != "open", 0, bool(told.get("gone")), 0), status


def chosen(*runs: tuple[Seen, str], **wanted: Any) -> list[str]:
    statuses = {one.run: status for one, status in runs}
    asked = Asked(lambda one: statuses[one.run], lambda start: ("ml",) if start.pipeline == "tagged" else ())
    known = {one.run: one for one, _ in runs}
    return choose(known, list(known), Retention(**wanted), NOW, asked)


THREE = (seen("a", 300), seen("b", 200), seen("c", 100))


def test_nothing_goes_if_nothing_is_asked_for() -> None:
    assert chosen(*THREE) == []


def test_by_age() -> None:
    assert chosen(*THREE, older_than=150 * DAY) == ["a", "b"]
    assert chosen(*THREE, older_than=50 * DAY) == ["a", "b"], "the latest that succeeded stays"
    assert chosen(*THREE, older_than=50 * DAY, keep_last=0) == ["a", "b", "c"]


def test_by_count() -> None:
    assert chosen(*THREE, keep_last=2) == ["a"]
    assert chosen(*THREE, keep_last=2, older_than=400 * DAY) == []
    assert chosen(*THREE, keep_last=2, older_than=50 * DAY) == ["a"]


def test_the_last_success_stays_though_failures_came_after_it() -> None:
    runs = (seen("good", 9), *(seen(f"bad{age}", age, "failed") for age in (8, 7, 6, 5)))
    assert chosen(*runs, keep_last=2) == ["bad8", "bad7"]


def test_each_pipeline_has_its_own_count() -> None:
    runs = (seen("a", 9), seen("b", 8, pipeline="q"), seen("c", 7), seen("d", 6, pipeline="q"))
    assert chosen(*runs, keep_last=1) == ["a", "b"]
    assert chosen(*runs, keep_last=1, pipelines=("q",)) == ["b"]


def test_tags() -> None:
    runs = (seen("a", 9, tags={"keep": "yes"}), seen("b", 8, tags={"keep": "no"}), seen("c", 7, pipeline="tagged"))
    last = seen("d", 6)
    assert chosen(*runs, last, keep_last=0, keep_tags=(("keep", "yes"),)) == ["b", "c", "d"]
    assert chosen(*runs, last, keep_last=0, keep_tags=(("keep", None),)) == ["c", "d"]
    assert chosen(*runs, last, keep_last=0, keep_tags=(("keep", "no"), ("ml", None))) == ["a", "d"]


@pytest.mark.parametrize("age", [0.0, 0.5, 1.0, -5.0])
def test_a_run_of_the_last_day_never_goes(age: float) -> None:
    assert chosen(seen("a", age), seen("b", age), keep_last=0) == []


def test_an_open_run_and_one_that_is_pruned_already() -> None:
    assert chosen(seen("a", 300, "open"), seen("b", 200, gone=True), keep_last=0) == []


def test_what_a_run_that_may_go_on_has_resumed_stays() -> None:
    chain = (seen("a", 300, "failed"), seen("b", 200, "failed", resumes="a"))
    assert chosen(*chain, seen("c", 100, "open", resumes="b"), older_than=50 * DAY) == []
    assert chosen(*chain, seen("c", 10, "failed", resumes="b"), older_than=50 * DAY) == []
    assert chosen(*chain, seen("c", 10, resumes="b"), older_than=50 * DAY) == ["a", "b"], "it has all that it needs"
    assert chosen(*chain, seen("c", 100, "failed", resumes="b"), older_than=50 * DAY) == ["a", "b", "c"]


def test_a_forged_circle_ends() -> None:
    runs = (seen("a", 300, "failed", resumes="b"), seen("b", 200, "open", resumes="a"))
    assert chosen(*runs, keep_last=0) == []


def test_a_run_whose_start_cannot_be_read_stays() -> None:
    one, status = seen("a", 300)
    assert chosen((one._replace(start=None), status), keep_last=0) == []
