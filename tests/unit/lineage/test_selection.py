"""Parts of a pipeline: what a step needs, what depends on it, and the pipeline cut down."""

from __future__ import annotations

import pytest

from pipeglot.core.errors import NotFound, UsageError
from pipeglot.core.ir import Branch, Map, Not, Pipeline
from pipeglot.core.lineage.plan import Plan, inner_steps
from pipeglot.core.lineage.selection import direct_needs, downstream, only, upstream
from pipeglot.core.validate import validate
from tests.unit.lineage.build import above, item, mapped, one_of, out, pipeline, step

MADE = pipeline(
    step("numbers"),
    step("apart"),
    Map(
        id="m",
        over={"x": out("numbers")},
        body=(step("double", x=item("m")), step("check", x=out("double")), step("log", x=item("m"))),
    ),
    step("total", xs=out("double")),
    Branch(id="b", when=above("total", 3), then=(step("large", x=out("apart")),), otherwise=(step("small"),)),
    step("tell", x=one_of("large", "small")),
    step("tidy", after=("tell",), trigger="all_done"),
)
ALL = {found.id for node in MADE.nodes for found in inner_steps(node)}


def test_a_step_needs_its_inputs_and_what_decides_on_the_maps_and_branches_around_it() -> None:
    needs = direct_needs(Plan(MADE))
    assert needs["check"] == {"double", "numbers"}
    assert needs["large"] == {"apart", "total"}
    assert needs["small"] == {"total"}
    assert needs["tell"] == {"large", "small"}
    assert needs["tidy"] == {"tell"}
    assert needs["numbers"] == set()


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        (["numbers"], {"numbers"}),
        (["check"], {"check", "double", "numbers"}),
        (["small"], {"small", "total", "double", "numbers"}),
        (["apart", "total"], {"apart", "total", "double", "numbers"}),
        (["tidy"], ALL - {"check", "log"}),
    ],
)
def test_upstream(steps: list[str], found: set[str]) -> None:
    assert upstream(Plan(MADE), steps) == found


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        (["tidy"], {"tidy"}),
        (["total"], {"total", "large", "small", "tell", "tidy"}),
        (["apart"], {"apart", "large", "tell", "tidy"}),
        (["numbers"], ALL - {"apart"}),
    ],
)
def test_downstream(steps: list[str], found: set[str]) -> None:
    assert downstream(Plan(MADE), steps) == found


def test_a_long_chain() -> None:
    nodes = [step("s0")] + [step(f"s{i}", x=out(f"s{i - 1}")) for i in range(1, 5000)]
    plan = Plan(pipeline(*nodes))
    assert len(upstream(plan, ["s4999"])) == len(downstream(plan, ["s0"])) == 5000


@pytest.mark.parametrize("wanted", [["check"], ["small"], ["large"], ["log"], ["tidy"], ["apart"]])
def test_what_is_left_is_a_valid_pipeline_of_these_steps_in_their_places(wanted: list[str]) -> None:
    keep = upstream(Plan(MADE), wanted)
    cut = only(MADE, keep)
    assert {found.id for node in cut.nodes for found in inner_steps(node)} == keep
    assert validate(cut) == []
    assert Plan(cut).scope(wanted[0]) == Plan(MADE).scope(wanted[0])


def test_of_a_branch_with_its_second_arm_only_the_condition_is_turned_round() -> None:
    cut = only(MADE, upstream(Plan(MADE), ["small"]))
    branch = next(node for node in cut.nodes if isinstance(node, Branch))
    assert branch.when == Not(term=above("total", 3))
    assert [found.id for found in inner_steps(branch)] == ["small"]


def test_hooks_are_those_of_the_whole_pipeline() -> None:
    made = Pipeline(name="p", nodes=(step("a"), step("b")), on_success=(step("tell"),), on_failure=(step("cry"),))
    cut = only(made, {"a"})
    assert (cut.on_success, cut.on_failure) == ((), ())
    for part in (upstream, downstream):
        with pytest.raises(
            UsageError, match="`tell` is a hook of pipeline `p`: it runs when all else is over"
        ) as caught:
            part(Plan(made), ["a", "tell"])
        assert caught.value.hint == "its steps are: `a`, `b`"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("totl", "did you mean `total`?"),
        (
            "xyz",
            "its steps are: `numbers`, `apart`, `double`, `check`, `log`, `total`, `large`, `small`, `tell`, `tidy`",
        ),
        ("b", "its steps are: `numbers`"),
    ],
)
def test_an_unknown_step(name: str, hint: str) -> None:
    for select in (upstream, downstream):
        with pytest.raises(NotFound) as found:
            select(Plan(MADE), [name])
        assert found.value.message == f"pipeline `p` has no step `{name}`"
        assert found.value.hint.startswith(hint)


def test_many_steps_are_not_all_listed() -> None:
    plan = Plan(pipeline(*(step(f"step_{i}") for i in range(20)), mapped("m", out("step_1"))))
    with pytest.raises(NotFound) as found:
        upstream(plan, ["other"])
    assert found.value.hint.endswith("`step_11`, …")
