"""A lineage graph as boxes, and as lines: readable for 5 nodes and for 500."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeglot.cli.drawing import draw
from pipeglot.client.folding import fold
from pipeglot.client.indexed import Index
from pipeglot.client.lineage import Graph, GraphEdge, GraphNode, run_graph
from pipeglot.client.records import Records
from pipeglot.core.lineage.keys import run_id
from pipeglot.core.store import open_store
from pipeglot.stacks.workspace import bare_workspace
from tests.unit.lineage.build import Failed, const, mapped, out, pipeline, step
from tests.unit.lineage.index.ledgers import done


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(bare_workspace(tmp_path), open_store(tmp_path / "store"))


def drawn(records: Records, run: str) -> list[str]:
    graph = run_graph(Index(records, print), records.run(run), (), None)
    return list(draw(fold(graph), run))


def shape(lines: list[str]) -> list[str]:
    """Without what the steps gave."""
    return [line.partition(" → ")[0].rstrip() for line in lines]


def test_a_chain_runs_straight_down_and_a_fork_indents(records: Records) -> None:
    flow = pipeline(
        step("a"),
        step("b", x=out("a")),
        step("c", x=out("b")),
        step("d", x=out("c")),
        step("e", x=out("b")),
        step("f", x=out("e"), y=out("a")),
    )
    assert shape(drawn(records, done(records.ledger, flow).run)) == [
        "● a",
        "↓ b",
        "├─● c",
        "│ ↓ d",
        "└─● e",
        "  ↓ f",
    ]
    assert drawn(records, done(records.ledger, flow).run)[-1].endswith("also from `a`")


def test_500_steps_in_a_row_and_500_items_stay_narrow(records: Records) -> None:
    flow = pipeline(step("s0"), *[step(f"s{i}", x=out(f"s{i - 1}")) for i in range(1, 500)])
    lines = drawn(records, done(records.ledger, flow).run)
    assert len(lines) == 500
    assert max(map(len, lines)) < 40
    flow = pipeline(mapped("m", const(list(range(500)))), step("sum", xs=out("m")))

    def answer(name: str, index: tuple[int, ...]) -> Any:
        return Failed if index == (7,) else 1

    lines = drawn(records, done(records.ledger, flow, answer).run)
    assert lines == ["● m[0…499] 1 failed → 499 items, plain data, 499 B", "● sum skipped"]


def test_forks_within_forks_are_indented_so_far(records: Records) -> None:
    nodes = [step("s0")]
    for i in range(1, 100):
        nodes += [step(f"s{i}", x=out(f"s{i - 1}")), step(f"t{i}", x=out(f"s{i - 1}"))]
    lines = drawn(records, done(records.ledger, pipeline(*nodes)).run)
    assert len(lines) == 199
    assert max(map(len, lines)) < 100


def test_two_runs_that_took_from_each_other_are_drawn(records: Records) -> None:
    """Each found one item of the map in the cache that the other had just filled."""
    one, two = run_id("local", "p", "1"), run_id("local", "p", "2")

    def artifact(run: str, index: int) -> GraphNode:
        return GraphNode(
            id=f"{run}/m/{index}/output",
            kind="artifact",
            run_id=run,
            pipeline="p",
            known=True,
            step="m",
            index=(index,),
            name="output",
            size=1,
            codec="json/1",
        )

    nodes = [artifact(run, index) for run in (one, two) for index in (0, 1)]
    edges = (
        GraphEdge(source=f"{one}/m/0/output", target=f"{two}/m/0/output", kind="reused"),
        GraphEdge(source=f"{two}/m/1/output", target=f"{one}/m/1/output", kind="reused"),
    )
    graph = Graph(of=one, kind="run", directions=(), nodes=tuple(nodes), edges=edges, truncated=False)
    assert shape(list(draw(fold(graph), one))) == ["● m[0…1]", f"↓ m[0…1] of p {two[:10]}"]
