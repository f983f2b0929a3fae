"""Any order of steps in Metaflow's shape: what waits for more than it must, and what stands between steps."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.flow import Flow, flow
from pipeglot.compilers.metaflow.names import Names, together
from pipeglot.compilers.metaflow.paths import MOST_SECONDS
from pipeglot.compilers.metaflow.posets import (
    Block,
    Order,
    Row,
    false_pairs,
    levels,
    linear,
    members,
    nesting,
    series_parallel,
)
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.ir import Branch, Pipeline, Retry, Step
from tests.unit.lineage.build import above, item, mapped, out, step

STACK = MetaflowStack(name="prod", store="s3://ml/prod")
KNOWN = {"a": "", "b": "a", "c": "a", "d": "bc", "e": "b", "f": "de"}
"""A step for each letter, and those that it comes after: of the targets' page."""


def random_order(size: int, share: float, seed: int) -> Order:
    chance = random.Random(seed)
    return Order([[one for one in range(n) if chance.random() < share] for n in range(size)])


def shown(row: Row) -> Any:
    """As lists, and blocks as sets of these."""
    return [[shown(one) for one in part.rows] if isinstance(part, Block) else part for part in row]


def keeps(order: Order, row: Row) -> bool:
    """Whether a layout keeps the order."""
    seen = 0
    for part in row:
        inside = [one for rows in part.rows for one in members(rows)] if isinstance(part, Block) else [*members([part])]
        for one in inside:
            beside = sum(1 << other for other in inside)
            if order.before[one] & ~(seen | beside):
                return False
        if isinstance(part, Block):
            for inner in part.rows:
                own = sum(1 << one for one in members(inner))
                if any(order.before[one] & ~(seen | own) for one in members(inner)):
                    return False
                if not keeps(Order(_within(order, own)), _numbered(inner, own)):
                    return False
        seen |= sum(1 << one for one in inside)
    return True


def _places(own: int) -> dict[int, int]:
    return {one: place for place, one in enumerate(n for n in range(own.bit_length()) if own >> n & 1)}


def _within(order: Order, own: int) -> list[list[int]]:
    places = _places(own)
    return [[places[one] for one in places if order.before[node] >> one & 1] for node in places]


def _numbered(row: Row, own: int) -> Row:
    places = _places(own)
    return [
        Block([_numbered(one, own) for one in part.rows]) if isinstance(part, Block) else places[next(members([part]))]
        for part in row
    ]


@given(size=st.integers(1, 25), share=st.floats(0.0, 0.7), seed=st.integers(0, 2**32))
def test_every_layout_keeps_the_order(size: int, share: float, seed: int) -> None:
    order = random_order(size, share, seed)
    for layout in (series_parallel, levels, linear):
        row = layout(order)
        assert sorted(members(row)) == [*range(size)]
        assert keeps(order, row)
        assert false_pairs(order, row) >= 0


@pytest.mark.parametrize(
    ("needs", "row", "false"),
    [
        ([[], [], []], [[[0], [1], [2]]], 0),
        ([[], [0], [1]], [0, 1, 2], 0),
        ([[], [0], [0], [1, 2]], [0, [[1], [2]], 3], 0),
        ([[], [0], [], [2]], [[[0, 1], [2, 3]]], 0),
        ([[], [], [0], [0, 1]], [[[0], [1]], [[2], [3]]], 1),
        ([[], [0], [0], [1, 2], [1], [3, 4]], [0, [[1], [2]], [[3], [4]], 5], 1),
    ],
)
def test_rows_and_blocks(needs: list[list[int]], row: Any, false: int) -> None:
    order = Order(needs)
    found = series_parallel(order)
    assert shown(found) == row
    assert false_pairs(order, found) == false


def test_fewer_false_dependencies_than_by_levels() -> None:
    for size, share in ((10, 0.2), (30, 0.08), (60, 0.04)):
        for seed in range(5):
            order = random_order(size, share, seed)
            ours, by_level, in_line = (false_pairs(order, one(order)) for one in (series_parallel, levels, linear))
            assert ours < by_level < in_line


def test_a_thousand_steps_are_laid_out_in_a_moment() -> None:
    begun = time.process_time()
    for share in (0.0008, 0.002, 0.01):
        series_parallel(random_order(1000, share, 1))
    assert time.process_time() - begun < 5  # 0.3 s where nothing else is at work


def test_blocks_in_blocks() -> None:
    comb = Order([[], *([(n - 1) // 2 * 2] if n % 2 else [n - 2] for n in range(1, 400))])
    assert nesting(series_parallel(comb)) == 199
    assert nesting(levels(comb)) == 1


# --- flows ------------------------------------------------------------------------------------------------------------


def made(*nodes: Any, hooks: tuple[Step, ...] = (), **stack: Any) -> Flow:
    pipeline = Pipeline(name="p", nodes=nodes, on_failure=hooks)
    fields = {name: getattr(STACK, name) for name in STACK.__struct_fields__} | stack
    return flow(Source(pipeline, "p.py", "0" * 64), MetaflowStack(**fields))


def graph(found: Flow) -> dict[str, str]:
    """Of each of Metaflow's steps how it goes on; a join has a `+` before its name."""
    signs = {"linear": "", "split": "| ", "foreach": "* ", "switch": "? ", "end": ""}
    return {
        ("+" if task.is_join else "") + task.name: signs[task.kind] + " ".join(one.name for one in task.next)
        for task in found.tasks
    }


def of(known: dict[str, str], **more: Any) -> dict[str, str]:
    return graph(made(*(step(name, after=tuple(needs)) for name, needs in known.items()), **more))


def test_steps_fork_and_join_by_themselves() -> None:
    assert of(KNOWN) == {
        "start": "a",
        "a": "| b c",
        "b": "join_b_c",
        "c": "join_b_c",
        "+join_b_c": "fork_d_e",
        "fork_d_e": "| d e",
        "d": "f",
        "e": "f",
        "+f": "end",
        "end": "",
    }
    assert of(KNOWN, layout="levels") == of(KNOWN)
    assert of(KNOWN, layout="linear") == {
        "start": "a",
        "a": "b",
        "b": "c",
        "c": "d",
        "d": "e",
        "e": "f",
        "f": "end",
        "end": "",
    }


def test_nothing_stands_between_that_need_not() -> None:
    assert of({"a": "", "b": ""}) == {"start": "| a b", "a": "join_a_b", "b": "join_a_b", "+join_a_b": "end", "end": ""}
    assert of({}) == {"start": "end", "end": ""}


def test_a_foreach_over_steps() -> None:
    assert of(KNOWN, layout="foreach") == {
        "start": "a",
        "a": "* b_or_c",
        "b_or_c": "join_b_c",
        "+join_b_c": "share_d_e",
        "share_d_e": "* d_or_e",
        "d_or_e": "f",
        "+f": "end",
        "end": "",
    }


def test_steps_share_one_only_if_they_ask_for_the_same() -> None:
    often = Step(id="c", code=step("c").code, after=("a",), retry=Retry(attempts=2))
    found = graph(made(step("a"), step("b", after=("a",)), often, step("d", after=("a",)), layout="foreach"))
    assert found == {"start": "a", "a": "* b_or_d", "b_or_d": "c", "+c": "end", "end": ""}


def test_maps() -> None:
    inner = (step("m.a", x=item("m")), mapped("m.n", out("m.a"), step("m.b", x=item("m.n"))))
    found = made(step("a"), mapped("m", out("a"), *inner), step("b", x=out("m.b")))
    assert graph(found) == {
        "start": "a",
        "a": "* m_a",
        "m_a": "* m_b",
        "m_b": "m_n_join",
        "+m_n_join": "b",
        "+b": "end",
        "end": "",
    }
    assert [task.each for task in found.tasks if task.each] == ["each_m", "each_m_n"]
    after_a_join = made(step("a"), mapped("m", out("a")), mapped("n", out("m")))
    assert graph(after_a_join) == {
        "start": "a",
        "a": "* m",
        "m": "m_join",
        "+m_join": "n_items",
        "n_items": "* n",
        "n": "n_join",
        "+n_join": "end",
        "end": "",
    }


def test_branches() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(step("b"), step("c")), otherwise=(step("d"),))
    assert graph(made(step("a"), branch, step("e"))) == {
        "start": "| a e",
        "a": "? fork_b_c d",
        "fork_b_c": "| b c",
        "b": "join_b_c",
        "c": "join_b_c",
        "+join_b_c": "when_over",
        "d": "when_over",
        "when_over": "join_when_e",
        "e": "join_when_e",
        "+join_when_e": "end",
        "end": "",
    }
    one_arm = Branch(id="when", when=above("a", 1), then=(step("b"),))
    assert graph(made(step("a"), one_arm, step("e", after=("b",)))) == {
        "start": "a",
        "a": "? b e",
        "b": "e",
        "e": "end",
        "end": "",
    }


def test_a_branch_after_a_join_has_a_step_of_its_own() -> None:
    branch = Branch(id="m.when", when=above("b", 1), then=(step("d"),))
    found = graph(made(step("a"), mapped("m", out("a")), step("b", x=out("m")), branch))
    assert found["+b"] == "m_when"
    assert found["m_when"] == "? d end"


def test_where_no_switch_can_be_steps_skip_themselves() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(step("c"),))
    assert graph(made(step("a"), branch, deploy_to="step-functions")) == {
        "start": "a",
        "a": "b",
        "b": "c",
        "c": "end",
        "end": "",
    }


def test_hooks_come_last_one_after_the_other() -> None:
    found = graph(made(step("a"), step("b"), hooks=(step("x"), step("y"))))
    assert found == {"start": "| a b", "a": "x", "b": "x", "+x": "y", "y": "end", "end": ""}


def test_what_waits_for_a_part_of_a_map_waits_for_all_of_it() -> None:
    body = (step("m.a", x=item("m")), step("m.b", x=out("late")))
    found = graph(made(step("a"), step("late"), mapped("m", out("a"), *body), step("c", x=out("m.a"))))
    assert found["start"] == "| a late"
    assert found["+c"] == "end"


def test_no_more_blocks_are_changed_than_it_takes() -> None:
    needs: list[Step] = [step("top")]
    for n in range(16):
        needs += [step(f"b{n}", after=(needs[-1].id,)), step(f"c{n}", after=(needs[-1].id,))]
        needs.append(step(f"d{n}", after=(f"b{n}", f"c{n}")))
    found = made(*needs)
    assert found.before is not None
    assert (found.before.number, found.ways.number, found.grouped, found.inlined) == (2**16, 2**12, 4, 0)
    assert found.ways.seconds <= MOST_SECONDS < found.before.seconds


def test_names() -> None:
    names = Names()
    assert [names.step(text) for text in ("a.b", "a_b", "A", "next", "1", "é", "x" * 200, "each_x")] == [
        "a_b",
        "a_b_2",
        "a",
        "step_next",
        "step_1",
        "step_x",
        "x" * 100,
        "step_each_x",
    ]
    assert [names.param(text) for text in ("str", "Tags", "parameter", "größe", "größe")] == [
        "param_str",
        "param_Tags",
        "parameter",
        "gr_e",
        "gr_e_2",
    ]
    assert together(["a.b", "a.c"], "or") == "a_b_or_c"
    assert together(["a", "b", "c", "d"], "or") == "a_to_d"
