"""Which runs are chosen to go: by age, count, tag and pipeline, and never one that another may need."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.core.lineage import records
from pipeglot.core.lineage.gc.retention import Asked, Retention, choose
from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.records import Start

DAY = 86_400.0
NOW = 1000 * DAY


def seen(name: str, age: float, status: str = "succeeded", pipeline: str = "p", **told: Any) -> tuple[Seen, str]:
    """A run that was last written to so many days ago. made: the cells that have a result. ir: the steps that there
    are, each returning one thing, and after `=` the artifacts that its parameters name."""
    at = "2026-01-01T00:00:00+00:00"
    start = Start(
        run=name,
        pipeline=pipeline,
        stack="s",
        backend="local",
        ir=told.get("ir", ""),
        params={},
        created=at,
        logical_date=at,
        resumes=told.get("resumes"),
        tags=told.get("tags", {}),
        asked=records.Asked(until=told["until"]) if "until" in told else None,
    )
    cells = frozenset(told.get("made", "").split())
    return Seen(name, start, NOW - age * DAY, status != "open", 0, bool(told.get("gone")), 0, cells), status


def steps_of(ir: str) -> frozenset[tuple[str, str]]:
    return frozenset((step, "output") for step in ir.partition("=")[0].split())


def chosen(*runs: tuple[Seen, str], deployed: tuple[str, ...] = (), **wanted: Any) -> list[str]:
    statuses = {one.run: status for one, status in runs}
    asked = Asked(
        status=lambda one: statuses[one.run],
        words=lambda ir: ("ml",) if ir == "tagged" else (),
        names=lambda ir: tuple(ir.partition("=")[2].split()),
        outputs=steps_of,
        made=lambda one: {(cell, "output") for cell in one.cells},
    )
    known = {one.run: one for one, _ in runs}
    return choose(known, list(known), Retention(**wanted), NOW, asked, deployed)


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


# --- the newest of each output ----------------------------------------------------------------------------------------


def test_a_run_that_was_cut_is_no_last_success() -> None:
    """It has no artifact of the steps that were left out, and `@latest` means those of the run before."""
    full = seen("full", 300, ir="a b", made="a/- b/-")
    cuts = [seen(f"cut{age}", age, ir="a", made="a/-", until=("a",)) for age in (200, 100)]
    assert chosen(seen("older", 400, ir="a b", made="a/- b/-"), full, *cuts, older_than=DAY) == ["older", "cut200"]
    assert chosen(full, *cuts, keep_last=1) == ["cut200"]
    assert chosen(full, *cuts, keep_last=0) == ["full", "cut200", "cut100"]


def test_a_run_that_took_another_branch_leaves_the_last_that_took_this_one() -> None:
    runs = [seen(f"r{age}", age, ir="a x y", made=f"a/- {way}/-") for age, way in ((9, "x"), (8, "x"), (7, "y"))]
    runs += [seen(f"r{age}", age, ir="a x y", made="a/-") for age in (6, 5)]
    assert chosen(*runs, older_than=2 * DAY) == ["r9", "r6"]


def test_of_a_map_each_item_is_kept_that_a_name_means() -> None:
    long, short = "each/0 each/1 each/2", "each/0"
    runs = [seen(f"r{age}", age, ir="each", made=made) for age, made in ((9, long), (8, long), (7, short), (6, short))]
    assert chosen(*runs, older_than=2 * DAY) == ["r9", "r7"], "`each[2]@latest` is of r8"


def test_what_the_last_whole_run_has_no_step_for_is_named_by_nobody() -> None:
    renamed = (seen("old", 9, ir="a", made="a/-"), seen("new", 8, ir="b", made="b/-"))
    assert chosen(*renamed, older_than=2 * DAY) == ["old"]
    cut = (seen("old", 9, ir="a", made="a/-"), seen("new", 8, ir="b", made="b/-", until=("b",)))
    assert chosen(*cut, older_than=2 * DAY) == []


def test_a_failed_run_has_the_newest_of_nothing() -> None:
    runs = (seen("good", 9, ir="a b", made="a/- b/-"), seen("bad", 8, "failed", ir="a b", made="a/- b/-"))
    assert chosen(*runs, older_than=2 * DAY) == ["bad"]


# --- artifacts that pipelines name ------------------------------------------------------------------------------------

TRAINED = (
    seen("aaa", 9, pipeline="train", ir="fit", made="fit/-", tags={"stage": "prod"}),
    seen("bbb", 8, pipeline="train", ir="fit", made="fit/-"),
    seen("ccc", 7, pipeline="train", ir="fit", made="fit/-"),
)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("train/fit:stage=prod", ["bbb", "ccc"]),
        ("train/fit:stage=test", ["aaa", "bbb", "ccc"]),
        ("train/fit@latest", ["aaa", "bbb"]),
        ("train/fit@bb", ["aaa", "ccc"]),
        ("bbb/fit/output", ["aaa", "ccc"]),
        ("other/fit@latest", ["aaa", "bbb", "ccc"]),
        ("no name", ["aaa", "bbb", "ccc"]),
    ],
)
def test_what_a_deployed_or_a_kept_pipeline_names_stays(name: str, gone: list[str]) -> None:
    score = f"step={name}"
    assert chosen(*TRAINED, keep_last=0) == ["aaa", "bbb", "ccc"]
    assert chosen(*TRAINED, keep_last=0, deployed=(score,)) == gone
    user = seen("user", 0.5, pipeline="score", ir=score)
    assert chosen(*TRAINED, user, keep_last=0) == gone, "that one is of today, and stays"
    old = seen("user", 5, pipeline="score", ir=score)
    assert chosen(*TRAINED, old, keep_last=0) == ["aaa", "bbb", "ccc", "user"], "it goes too, and needs nothing"


def test_what_is_kept_for_a_name_has_names_too() -> None:
    raw = (seen("raw1", 9, pipeline="raw", ir="get", made="get/-"), seen("raw2", 8, pipeline="raw", ir="get"))
    fit = seen("fit1", 7, pipeline="train", ir="fit=raw1/get/output", made="fit/-")
    assert chosen(*raw, fit, keep_last=0, deployed=("step=train/fit@latest",)) == ["raw2"]


# --- which pipelines, and which runs ----------------------------------------------------------------------------------


def test_each_pipeline_has_its_own_count() -> None:
    runs = (seen("a", 9), seen("b", 8, pipeline="q"), seen("c", 7), seen("d", 6, pipeline="q"))
    assert chosen(*runs, keep_last=1) == ["a", "b"]
    assert chosen(*runs, keep_last=1, pipelines=("q",)) == ["b"]


def test_tags() -> None:
    runs = (seen("a", 9, tags={"keep": "yes"}), seen("b", 8, tags={"keep": "no"}), seen("c", 7, ir="tagged"))
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
