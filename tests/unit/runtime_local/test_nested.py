"""Maps in maps and branches in maps, on lists of every size: what the records tell is enough to derive the run."""

from __future__ import annotations

import shutil

import pytest

from pipeglot.core.ir import AnyNode, Branch, Compare, Map, OneOf
from pipeglot.core.lineage.view import read_view
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import Bench, work


def nested(maker: AnyNode, leaf: AnyNode) -> tuple[AnyNode, ...]:
    """A map over the lists that `maker` makes, a map over each of them, and what gathers both."""
    return (
        maker,
        mapped(
            "outer", out(maker.id), mapped("inner", item("outer"), leaf), work("row", "size", inputs={"x": out("leaf")})
        ),
        work("all", "size", inputs={"x": out("leaf")}),
    )


STRIP = work("leaf", "strip", inputs={"x": item("inner")})
SIZE = work("leaf", "size", inputs={"x": item("inner")})


@pytest.mark.parametrize(
    ("maker", "leaf"),
    [
        (work("lists", given={"lengths": [2, 0, 3]}), STRIP),
        (work("lists", given={"lengths": [2, 0, 3], "width": 3000}), STRIP),  # more than travels in a record
        (work("arrays", given={"lengths": [2, 0, 3]}), SIZE),  # no plain data: a list of references
    ],
)
def test_a_map_in_a_map(bench: Bench, maker: AnyNode, leaf: AnyNode) -> None:
    view = bench.run(*nested(maker, leaf))
    assert view.status == "succeeded"
    assert [one.index for one in view.steps if one.id == "leaf"] == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    assert [bench.value(view, "row", i) for i in range(3)] == [2, 0, 3]
    assert bench.value(view, "all") == 3
    shutil.rmtree(bench.folder / "store" / "blobs", ignore_errors=True)
    assert read_view(bench.ledger, bench.artifacts, view.run_id) == view, "the records alone tell what the run was"


def test_a_cached_list_has_its_outline_too(bench: Bench) -> None:
    maker = work("lists", given={"lengths": [2, 1], "width": 3000})
    bench.run(maker)  # nothing steps into its items here
    view = bench.run(*nested(maker, STRIP))
    assert bench.step(view, "lists").cached
    assert [one.index for one in view.steps if one.id == "leaf"] == [(0, 0), (0, 1), (1, 0)]


def test_a_damaged_list_in_the_cache_is_made_anew(bench: Bench) -> None:
    maker = work("lists", given={"lengths": [2, 1], "width": 3000})
    bench.run(maker)
    for blob in (bench.folder / "store" / "blobs").rglob("*"):
        if blob.is_file():
            size = blob.stat().st_size
            blob.unlink()
            blob.write_bytes(b"x" * size)
    view = bench.run(*nested(maker, STRIP))
    assert view.status == "succeeded"
    assert (bench.step(view, "lists").cached, bench.step(view, "lists").why) == (False, "the cached result is damaged")


def branches(n: int) -> tuple[AnyNode, ...]:
    when = Compare(op=">=", left=item("outer"), right=const(0.5))
    high, low = (work(name, "add", inputs={"x": item("outer")}) for name in ("high", "low"))
    return (
        work("scores", given={"n": n}),
        Map(
            id="outer",
            over={"x": out("scores")},
            body=(
                Branch(id="b", when=when, then=(high,), otherwise=(low,)),
                work("got", "add", inputs={"x": OneOf(options=(out("high"), out("low")))}),
            ),
        ),
        work("sum", "total", inputs={"xs": out("got")}),
    )


@pytest.mark.parametrize("n", [4, 300])  # 300 floats are more than travels in a record
def test_a_branch_in_a_map_on_the_items(bench: Bench, n: int) -> None:
    view = bench.run(*branches(n))
    assert view.status == "succeeded"
    taken = {one.id: one.index[0] for one in view.steps if one.status == "succeeded" and one.id in ("high", "low")}
    assert taken == {"high": n - 1, "low": n // 2 - 1}
    assert bench.value(view, "sum") == pytest.approx((n - 1) / 2)
    shutil.rmtree(bench.folder / "store" / "blobs", ignore_errors=True)
    assert read_view(bench.ledger, bench.artifacts, view.run_id) == view


def test_a_condition_on_items_that_are_no_plain_data_fails_for_each(bench: Bench) -> None:
    when = Compare(op="==", left=item("outer"), right=const(1))
    branch = Branch(id="b", when=when, then=(work("one"),))
    view = bench.run(work("arrays", given={"lengths": [1, 1]}), mapped("outer", out("arrays"), branch))
    assert bench.states(view) == {
        "arrays": "succeeded",
        "b[0]": "failed",
        "b[1]": "failed",
        "one[0]": "skipped",
        "one[1]": "skipped",
    }
    error = bench.step(view, "b", 0).error
    assert error is not None
    assert (error.cause, error.message) == (
        "condition",
        "the condition looks at a value that is no plain data, or a large one",
    )


def test_a_map_over_items_that_are_no_lists(bench: Bench) -> None:
    view = bench.run(*nested(work("numbers", given={"n": 2}), SIZE))
    error = bench.step(view, "leaf", 1).error
    assert error is not None
    assert (error.cause, error.message) == ("map", "`x` is no list, so a map cannot step through it")
