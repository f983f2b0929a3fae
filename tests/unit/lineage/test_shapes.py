"""What the records keep of stored lists, hooks and artifact parameters, derived from verdicts alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.outline import MAX_OUTLINE
from pipeglot.core.ir import (
    ArtifactType,
    Branch,
    Compare,
    ListOf,
    OneOf,
    Param,
    ParamRef,
    Pipeline,
    Truth,
)
from pipeglot.core.lineage.arguments import LISTED, Gathered, Saved, hashes
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Look, Outline, Ref
from pipeglot.core.lineage.state import RunState
from pipeglot.core.store import open_store
from tests.unit.lineage.build import (
    Failed,
    const,
    drive,
    item,
    mapped,
    out,
    pipeline,
    ref,
    step,
    verdict,
)


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(open_store(str(tmp_path / "store")))


def save(artifacts: Artifacts, value: object) -> Ref:
    return artifacts.save(value, name="value", opaque_id=lambda: plain.digest("opaque"))


# --- what a pipeline asks of its lists --------------------------------------------------------------------------------

LENGTHS, VALUES = Look(lengths=True), Look(values=True)


def on(source: Any) -> Branch:
    return Branch(id="if", when=Truth(value=source), then=(step("then"),))


def test_a_pipeline_that_looks_into_no_items_asks_for_nothing() -> None:
    plan = Plan(pipeline(step("xs"), mapped("m", out("xs")), mapped("n", out("m")), on(out("xs"))))
    assert [plan.looks(name) for name in ("xs", "m", "n")] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("body", "look"),
    [
        ((mapped("n", item("m")),), LENGTHS),
        ((on(item("m")),), VALUES),
        ((mapped("n", item("m")), on(item("m"))), Look(lengths=True, values=True)),
        ((mapped("n", item("m"), mapped("o", item("n"))),), Look(lengths=True, items=LENGTHS)),
        ((mapped("n", item("m"), on(item("n"))),), Look(lengths=True, items=VALUES)),
    ],
)
def test_what_is_asked_of_the_items_of_a_list(body: Any, look: Look) -> None:
    assert Plan(pipeline(step("xs"), mapped("m", out("xs"), *body))).looks("xs") == {"output": look}


def test_each_item_of_a_map_is_asked_for_what_is_asked_of_the_items_of_their_list() -> None:
    outer = mapped("o", out("m"), mapped("n", item("o"), mapped("l", item("n"))))
    plan = Plan(pipeline(step("xs"), mapped("m", out("xs")), outer))
    assert (plan.looks("xs"), plan.looks("m")) == ({}, {"output": LENGTHS})


def test_every_option_every_listed_source_and_a_parameter_are_asked() -> None:
    over = ListOf(items=(out("a"), OneOf(options=(out("b", "left"), out("c"))), ParamRef(name="p")))
    plan = Plan(pipeline(step("a"), step("b"), step("c"), mapped("m", over, mapped("n", item("m"), on(item("n"))))))
    found = [plan.looks(name) for name in "abc"]
    assert found == [{"output": VALUES}, {"left": VALUES}, {"output": VALUES}]
    assert plan.looks_of_params() == {"p": VALUES}


# --- outlines ---------------------------------------------------------------------------------------------------------

BIG = "x" * 5000


def test_the_outline_of_a_plain_list(artifacts: Artifacts) -> None:
    value = [[1, 2], (3,), "text", None, BIG, {"a": 1}, [[], [BIG]]]
    look = Look(lengths=True, values=True, items=Look(lengths=True))
    found = artifacts.outlined(save(artifacts, value), look).outline
    assert found == Outline(
        lengths=[2, 1, None, None, None, None, 2],
        values=[([1, 2],), ({"~t": [3]},), ("text",), (None,), None, ({"a": 1},), None],
        items=[
            Outline(lengths=[None, None]),
            Outline(lengths=[None]),
            None,
            None,
            None,
            None,
            Outline(lengths=[0, 1]),
        ],
    )


def test_the_outline_of_a_list_of_references(artifacts: Artifacts) -> None:
    array = np.arange(3)
    value = [array, 1, [2, 3], [array], [BIG, [4]]]
    look = Look(lengths=True, values=True, items=Look(lengths=True, values=True))
    found = artifacts.outlined(save(artifacts, value), look).outline
    assert found == Outline(
        lengths=[None, None, 2, 1, 2],
        values=[None, (1,), ([2, 3],), None, None],
        items=[
            None,
            None,
            Outline(lengths=[None, None], values=[(2,), (3,)]),
            Outline(lengths=[None], values=[None]),
            Outline(lengths=[None, 1], values=[None, ([4],)]),
        ],
    )


def test_an_outline_goes_through_a_record(artifacts: Artifacts) -> None:
    made = artifacts.outlined(save(artifacts, [[1], "a", BIG]), Look(lengths=True, values=True))
    assert msgspec.json.decode(msgspec.json.encode(made), type=Ref) == made


@pytest.mark.parametrize("value", [[1, 2], 3, "x" * 5000, b"y" * 5000])
def test_what_needs_no_outline_has_none(artifacts: Artifacts, value: object) -> None:
    made = save(artifacts, value)
    assert artifacts.outlined(made, Look(values=True)) == made
    old = structs.replace(made, outline=Outline())
    assert artifacts.outlined(old, None) == made, "one that another pipeline asked for goes"


def test_an_item_takes_no_outline_along(artifacts: Artifacts) -> None:
    made = artifacts.outlined(save(artifacts, [[BIG], [BIG]]), LENGTHS)
    assert made.outline is not None
    assert artifacts.item(made, 0).outline is None


def test_ten_thousand_lengths_are_a_small_record_and_a_million_are_none(artifacts: Artifacts) -> None:
    small = artifacts.outlined(save(artifacts, [[0] * 3] * 10_000), LENGTHS)
    assert len(msgspec.json.encode(small)) < 32_000
    large = artifacts.outlined(save(artifacts, [""] * 500_000), VALUES)
    assert large.outline is None
    assert large.length == 500_000
    assert len(msgspec.json.encode([("",)] * 500_000)) > MAX_OUTLINE


def test_all_readers_derive_the_same_from_any_order_of_records(artifacts: Artifacts) -> None:
    """A map in a map in a map with a branch, over a list that travels in no record."""
    value = [[[1.0, 0.0], []], [], [[0.5]], [[BIG]]]
    branch = Branch(id="b", when=Compare(op=">", left=item("l"), right=const(0.4)), then=(step("hot"),))
    made = pipeline(
        step("xs"), mapped("m", out("xs"), mapped("n", item("m"), mapped("l", item("n"), branch), step("row")))
    )
    look = Plan(made).looks("xs")["output"]
    xs = structs.replace(verdict(("xs", ())), status="succeeded")
    refs = {"output": artifacts.outlined(save(artifacts, value), look)}
    xs = structs.replace(xs, observed=structs.replace(xs.observed, refs=refs))
    blind = Artifacts(open_store("/nonexistent/store"))
    seen: set[str | None] = set()
    cells: dict[Cell, str] = {}
    for seed in range(10):
        state = RunState(made, {}, blind)
        state.take_ready()
        state.apply(xs)
        verdicts = drive(state, lambda *_: 1, random.Random(seed).choice)
        assert state.finished
        reader = RunState(made, {}, blind)
        reader.apply_all(random.Random(seed).sample([*verdicts, xs], len(verdicts) + 1))
        assert reader.ordered() == state.ordered()
        seen.add(lineage_digest(reader))
        cells = {cell: entry.status for cell, entry in reader.entries.items()}
    assert len(seen) == 1
    assert {cell[1] for cell, status in cells.items() if cell[0] == "hot" and status == "succeeded"} == {
        (0, 0, 0),
        (2, 0, 0),
    }
    assert (cells["hot", (0, 0, 1)], cells["b", (3, 0, 0)]) == ("skipped", "failed"), "a text is no number"
    assert {cell[1] for cell in cells if cell[0] == "row"} == {(0, 0), (0, 1), (2, 0), (3, 0)}


def test_a_list_too_large_for_the_records_fails_what_needs_its_items(artifacts: Artifacts) -> None:
    """As when its outline was too large: the list is in the store, but that is not asked."""
    given = save(artifacts, [[1, 2], [BIG]])
    inner = mapped("n", item("m"), step("leaf", x=item("n")))
    state = derive(with_artifact(mapped("m", ParamRef(name="a"), inner, on(item("m")))), artifacts, "R/s/o", given)
    assert {cell: entry.status for cell, entry in state.ordered()} == {
        ("leaf", (0,)): "failed",
        ("leaf", (1,)): "failed",
        ("if", (0,)): "failed",
        ("if", (1,)): "failed",
        ("then", (0,)): "skipped",
        ("then", (1,)): "skipped",
    }
    leaf, condition = state.entries["leaf", (0,)].failure, state.entries["if", (0,)].failure
    assert leaf is not None
    assert (leaf.cause, leaf.message, leaf.hint) == (
        "map",
        "`x` is an item of a list too large for the run's records, so a map cannot tell how long it is",
        "let a step flatten the lists into one, and map over that",
    )
    assert condition is not None
    assert condition.cause == "condition"


# --- hashes of long lists ---------------------------------------------------------------------------------------------


def test_a_long_list_of_arguments_has_one_hash() -> None:
    short, long = (Gathered(tuple(Saved(ref(i)) for i in range(n))) for n in (LISTED, LISTED + 1))
    assert hashes(short) == [ref(i).value for i in range(LISTED)]
    one = hashes(long)
    assert isinstance(one, str)
    assert one == plain.digest(["list", [ref(i).value for i in range(LISTED + 1)]])
    assert hashes(Gathered(tuple(reversed(long.items)))) != one, "in item order"
    assert isinstance(hashes(Gathered((short, short))), str), "lists in it count"
    assert hashes(Gathered((long, long))) == [one, one]


# --- hooks ------------------------------------------------------------------------------------------------------------


def hooked(*nodes: Any) -> Pipeline:
    return Pipeline(name="p", nodes=nodes, on_failure=(step("sad"),), on_success=(step("glad"), step("proud")))


@pytest.mark.parametrize(
    ("ending", "status", "runs"),
    [
        ("succeeded", "succeeded", ["glad", "proud"]),
        ("failed", "failed", ["sad"]),
        ("cancelled", "cancelled", ["sad"]),
        ("lost", "lost", ["sad"]),
    ],
)
def test_hooks_wait_for_all_else_and_for_the_outcome(
    artifacts: Artifacts, ending: str, status: str, runs: list[str]
) -> None:
    state = RunState(hooked(step("a"), step("b")), {}, artifacts)
    assert sorted(state.take_ready()) == [("a", ()), ("b", ())]
    state.apply(verdict(("a", ())))
    assert (state.take_ready(), state.outcome, state.finished) == ([], "running", False)
    state.apply(verdict(("b", ()), status=ending))
    assert [name for name, _ in state.take_ready()] == runs
    assert (state.outcome, state.status, state.finished) == (status, "running", False)
    for name in runs:
        state.apply(verdict((name, ()), status="failed"))
    assert (state.status, state.finished) == (status, True)
    assert [cell[0] for cell, _ in state.ordered()] == ["a", "b", "sad", "glad", "proud"]
    assert {state.entries[name, ()].status for name in {"sad", "glad", "proud"} - set(runs)} == {"skipped"}


def test_hooks_change_no_digest_and_the_order_of_records_does_not_matter(artifacts: Artifacts) -> None:
    nodes = (step("a"), mapped("m", const([1, 2])))
    bare = RunState(pipeline(*nodes), {}, artifacts)
    drive(bare, lambda *_: 1, lambda ready: ready[0])
    state = RunState(hooked(*nodes), {}, artifacts)
    verdicts = drive(state, lambda name, _: Failed if name == "glad" else 1, lambda ready: ready[-1])
    assert state.status == "succeeded"
    assert lineage_digest(state) == lineage_digest(bare)
    for seed in range(10):
        reader = RunState(hooked(*nodes), {}, artifacts)
        reader.apply_all(random.Random(seed).sample(verdicts, len(verdicts)))
        assert reader.ordered() == state.ordered()


def test_a_run_that_was_killed_in_a_hook_is_not_over(artifacts: Artifacts) -> None:
    state = RunState(hooked(step("a")), {}, artifacts)
    state.apply_all([verdict(("a", ())), verdict(("glad", ()))])
    assert (state.status, state.outcome, state.expected) == ("running", "succeeded", {("proud", ())})
    assert lineage_digest(state) is None


def test_an_empty_pipeline_runs_its_hooks(artifacts: Artifacts) -> None:
    state = RunState(hooked(), {}, artifacts)
    assert sorted(state.take_ready()) == [("glad", ()), ("proud", ())]


# --- artifact parameters ----------------------------------------------------------------------------------------------


def with_artifact(*nodes: Any) -> Pipeline:
    return Pipeline(name="p", params=(Param(name="a", type=ArtifactType()),), nodes=nodes)


def derive(made: Pipeline, artifacts: Artifacts, text: str, given: Ref) -> RunState:
    state = RunState(made, {"a": text}, artifacts, named={"a": given})
    drive(state, lambda *_: 1, lambda ready: ready[0])
    return state


def test_an_artifact_parameter_is_its_value_and_not_its_id(artifacts: Artifacts) -> None:
    made = with_artifact(step("use", x=ParamRef(name="a")))
    one, same, other = (
        derive(made, artifacts, text, ref(value)) for text, value in (("R/s/o", 5), ("Q/s/o", 5), ("R/s/o", 6))
    )
    assert one.arguments.of_step("use", ()) == {"x": Saved(ref(5))}
    assert lineage_digest(one) == lineage_digest(same)
    assert lineage_digest(one) != lineage_digest(other)


@pytest.mark.parametrize("value", [[[1, 2], [], [3]], [[1, 2], [], [BIG]], [[np.arange(1), 2], [], [3]]])
def test_a_map_in_a_map_over_an_artifact_parameter(artifacts: Artifacts, value: list[Any]) -> None:
    made = with_artifact(mapped("m", ParamRef(name="a"), mapped("n", item("m"))))
    given = artifacts.outlined(save(artifacts, value), Plan(made).looks_of_params()["a"])
    state = derive(made, Artifacts(open_store("/nonexistent/store")), "R/s/o", given)
    assert [cell for cell, _ in state.ordered()] == [("n", (0, 0)), ("n", (0, 1)), ("n", (2, 0))]


def test_a_condition_on_an_artifact_parameter(artifacts: Artifacts) -> None:
    branch = Branch(id="b", when=Compare(op=">", left=ParamRef(name="a"), right=const(1)), then=(step("then"),))
    assert derive(with_artifact(branch), artifacts, "R/s/o", ref(2)).entries["then", ()].status == "succeeded"
    assert derive(with_artifact(branch), artifacts, "R/s/o", ref(b"2")).entries["b", ()].status == "failed"
