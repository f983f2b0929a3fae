"""What becomes of every cell of a run, derived from verdicts alone."""

from __future__ import annotations

import datetime as dt
import enum
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import StepError
from pipeglot.core.ir import AnyNode, Branch, Compare, IsIn, ParamRef, Pipeline
from pipeglot.core.lineage.conditions import evaluate
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.state import RunState
from pipeglot.core.store import open_store
from tests.unit.lineage.build import (
    Failed,
    above,
    const,
    drive,
    item,
    mapped,
    one_of,
    out,
    pipeline,
    step,
)

Answer = Callable[[str, Index], Any]


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(open_store(str(tmp_path / "store")))


def outcome(artifacts: Artifacts, nodes: tuple[AnyNode, ...], answer: Answer) -> tuple[str, dict[str, str]]:
    """The run's status and each cell's, as `train[0.1]`: the same in twenty orders, and for a reader of the records."""
    made = pipeline(*nodes)
    found = {(_outcome(made, artifacts, answer, seed)) for seed in range(20)}
    assert len(found) == 1, "the order in which steps end must not matter"
    status, cells, _ = found.pop()
    return status, dict(cells)


def _outcome(made: Pipeline, artifacts: Artifacts, answer: Answer, seed: int) -> tuple[Any, ...]:
    state = RunState(made, {}, artifacts)
    rng = random.Random(seed)
    verdicts = drive(state, answer, rng.choice)
    assert state.finished
    reader = RunState(made, {}, artifacts)
    reader.apply_all(rng.sample(verdicts, len(verdicts)))
    assert reader.ordered() == state.ordered()
    assert lineage_digest(reader) == lineage_digest(state)
    cells = tuple((_name(*cell), entry.status) for cell, entry in state.ordered())
    return state.status, cells, lineage_digest(state)


def _name(step_id: str, index: Index) -> str:
    return f"{step_id}[{'.'.join(map(str, index))}]" if index else step_id


def values(**by_step: Any) -> Answer:
    """Answers by step name; a list's place by the last index under `name_`; 1 for all others."""

    def answer(step_id: str, index: Index) -> Any:
        items = by_step.get(f"{step_id}_")
        return items[index[-1]] if items is not None else by_step.get(step_id, 1)

    return answer


def test_a_failure_skips_what_depends_on_it_and_nothing_else(artifacts: Artifacts) -> None:
    nodes = (step("a"), step("b"), step("c", x=out("a")), step("d", after=("c",)), step("e", x=out("b")))
    assert outcome(artifacts, nodes, values(a=Failed)) == (
        "failed",
        {"a": "failed", "b": "succeeded", "c": "skipped", "d": "skipped", "e": "succeeded"},
    )


@pytest.mark.parametrize("width", [0, 1, 3])
def test_a_map_has_an_entry_an_item_and_its_consumer_runs(artifacts: Artifacts, width: int) -> None:
    nodes = (step("xs"), mapped("m", out("xs")), step("all", x=out("m")))
    status, cells = outcome(artifacts, nodes, values(xs=list(range(width))))
    assert status == "succeeded"
    assert list(cells) == ["xs", *[f"m[{i}]" for i in range(width)], "all"]


def test_a_failed_item_leaves_the_others_and_skips_the_consumer_of_the_list(artifacts: Artifacts) -> None:
    nodes = (step("xs"), mapped("m", out("xs")), step("all", x=out("m")))
    assert outcome(artifacts, nodes, values(xs=[0, 1, 2], m_=[1, Failed, 1])) == (
        "failed",
        {"xs": "succeeded", "m[0]": "succeeded", "m[1]": "failed", "m[2]": "succeeded", "all": "skipped"},
    )


def test_a_map_over_the_results_of_a_map(artifacts: Artifacts) -> None:
    nodes = (mapped("m", const([1, 2])), mapped("n", out("m")))
    _, cells = outcome(artifacts, nodes, values())
    assert list(cells) == ["m[0]", "m[1]", "n[0]", "n[1]"]


def test_a_map_within_a_map_and_what_gathers_both_levels(artifacts: Artifacts) -> None:
    inner = mapped("in", item("out"), step("leaf", x=item("in")))
    nodes = (mapped("out", const([[1, 2], [], [3]]), inner, step("sum", x=out("leaf"))), step("all", x=out("leaf")))
    status, cells = outcome(artifacts, nodes, values())
    assert status == "succeeded"
    assert set(cells) == {"leaf[0.0]", "leaf[0.1]", "leaf[2.0]", "sum[0]", "sum[1]", "sum[2]", "all"}


def test_a_map_whose_list_never_came_is_one_skipped_entry(artifacts: Artifacts) -> None:
    nodes = (step("xs"), mapped("m", out("xs")), step("all", x=out("m")))
    assert outcome(artifacts, nodes, values(xs=Failed))[1] == {"xs": "failed", "m": "skipped", "all": "skipped"}


def test_a_map_over_something_that_is_no_list_fails_and_says_so(artifacts: Artifacts) -> None:
    made = pipeline(step("xs"), mapped("m", out("xs")))
    state = RunState(made, {}, artifacts)
    drive(state, values(xs=7), lambda ready: ready[0])
    failure = state.entries["m", ()].failure
    assert failure is not None
    assert failure.message == "`x` is no list, so a map cannot step through it"
    assert state.status == "failed"


def test_the_arm_not_taken_is_skipped_with_all_in_it(artifacts: Artifacts) -> None:
    late = step("late", trigger="all_done", after=("good",))
    branch = Branch(
        id="when_1", when=above("auc", 0.5), then=(step("good"), mapped("m", const([1]))), otherwise=(step("bad"), late)
    )
    nodes = (step("auc"), branch, step("publish", x=one_of("good", "bad")), step("needs_m", x=out("m")))
    assert outcome(artifacts, nodes, values(auc=0.7))[1] == {
        "auc": "succeeded",
        "good": "succeeded",
        "m[0]": "succeeded",
        "bad": "skipped",
        "late": "skipped",
        "publish": "succeeded",
        "needs_m": "succeeded",
    }
    status, cells = outcome(artifacts, nodes, values(auc=0.1))
    assert status == "succeeded"
    assert cells["m"] == cells["needs_m"] == cells["good"] == "skipped"
    assert cells["bad"] == cells["publish"] == cells["late"] == "succeeded"


def test_one_of_is_skipped_if_none_came_to_be(artifacts: Artifacts) -> None:
    branch = Branch(id="when_1", when=above("auc", 0.5), then=(step("good"),), otherwise=(step("bad"),))
    nodes = (step("auc"), branch, step("publish", x=one_of("good", "bad")))
    assert outcome(artifacts, nodes, values(auc=0.7, good=Failed))[1]["publish"] == "skipped"


def test_one_of_an_empty_map_in_the_arm_not_taken_is_the_other_arm(artifacts: Artifacts) -> None:
    branch = Branch(id="when_1", when=above("auc", 0.5), then=(mapped("m", const([])),), otherwise=(step("bad"),))
    made = pipeline(step("auc"), branch, step("publish", x=one_of("m", "bad")))
    state = RunState(made, {}, artifacts)
    drive(state, values(auc=0.1, bad="other"), lambda ready: ready[0])
    arg = state.arguments.of_step("publish", ())["x"]
    assert arg.ref.inline == "other"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the condition compares `None`"),
        (float("nan"), "the condition compares a NaN, which is neither more nor less than anything"),
        ("high", "the condition compares `'high'` (str) with `0.5` (float)"),
        (True, "the condition compares `True` (bool) with `0.5` (float)"),
    ],
)
def test_a_condition_without_an_answer_is_a_failed_entry_of_its_own(
    artifacts: Artifacts, value: object, message: str
) -> None:
    branch = Branch(id="when_1", when=above("auc", 0.5), then=(step("good"),))
    state = RunState(pipeline(step("auc"), branch), {}, artifacts)
    drive(state, values(auc=value), lambda ready: ready[0])
    failure = state.entries["when_1", ()].failure
    assert failure is not None
    assert failure.message == message
    assert state.entries["good", ()].status == "skipped"
    assert state.status == "failed"


def test_a_clean_up_step_runs_whatever_happened_before_it(artifacts: Artifacts) -> None:
    nodes = (step("a"), step("b", x=out("a")), step("tidy", trigger="all_done", after=("b",)))
    assert outcome(artifacts, nodes, values(a=Failed))[1] == {"a": "failed", "b": "skipped", "tidy": "succeeded"}
    assert outcome(artifacts, nodes, values(tidy=Failed))[0] == "failed"


def test_ten_thousand_steps_in_a_chain_need_no_recursion(artifacts: Artifacts) -> None:
    nodes = [step("s0")] + [step(f"s{i}", x=out(f"s{i - 1}")) for i in range(1, 10_000)]
    state = RunState(pipeline(*nodes), {}, artifacts)
    drive(state, values(s5=Failed), lambda ready: ready[0])
    assert state.finished
    assert sum(entry.status == "skipped" for entry in state.entries.values()) == 9_994


def test_a_second_verdict_of_a_cell_changes_nothing(artifacts: Artifacts) -> None:
    from tests.unit.lineage.build import verdict

    state = RunState(pipeline(step("a")), {}, artifacts)
    state.apply(verdict(("a", ()), 1))
    state.apply(verdict(("a", ()), status="failed"))
    assert state.status == "succeeded"


class Mode(enum.StrEnum):
    FAST = "fast"


@pytest.mark.parametrize(
    ("left", "op", "right", "answer"),
    [
        (1, "==", 1.0, True),
        (2, "<", 2.5, True),
        (Mode.FAST, "==", "fast", True),
        ("a", "!=", "b", True),
        (dt.date(2026, 1, 1), "<", dt.date(2026, 1, 2), True),
        (True, "==", False, False),
    ],
)
def test_values_of_one_family_compare(left: object, op: Any, right: object, answer: bool) -> None:
    sides = {"left": left, "right": right}
    condition = Compare(op=op, left=ParamRef(name="left"), right=ParamRef(name="right"))
    assert evaluate(condition, lambda source: sides[source.name]) is answer  # type: ignore[union-attr]


@pytest.mark.parametrize(("among", "answer"), [([1, 2], True), ([2, None], False), ((1.0,), True), ([], False)])
def test_membership_goes_item_by_item(among: object, answer: bool) -> None:
    sides = {"value": 1, "among": among}
    condition = IsIn(value=ParamRef(name="value"), among=ParamRef(name="among"))
    assert evaluate(condition, lambda source: sides[source.name]) is answer  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "among", "message"),
    [
        ("a", "abc", "which is no list"),
        (1, [True], "compares `1` (int) with `True` (bool)"),
        (float("nan"), [1.0], "compares a NaN"),
        (None, [1], "compares `None`"),
    ],
)
def test_membership_is_as_strict_as_comparison(value: object, among: object, message: str) -> None:
    sides = {"value": value, "among": among}
    condition = IsIn(value=ParamRef(name="value"), among=ParamRef(name="among"))
    with pytest.raises(StepError) as found:
        evaluate(condition, lambda source: sides[source.name])  # type: ignore[union-attr]
    assert message in found.value.message


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [(True, "==", 1), ("1", "==", 1), (dt.date(2026, 1, 1), "<", "2026-01-02"), ([1], "<", {})],
)
def test_values_of_unlike_families_do_not(left: object, op: Any, right: object) -> None:
    sides = {"left": left, "right": right}
    condition = Compare(op=op, left=ParamRef(name="left"), right=ParamRef(name="right"))
    with pytest.raises(StepError, match="the condition compares"):
        evaluate(condition, lambda source: sides[source.name])  # type: ignore[union-attr]
