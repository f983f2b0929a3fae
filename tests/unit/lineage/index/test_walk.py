"""A walk over many nodes finds just what can be reached, and goes each way once."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection
from pipeglot.core.lineage.index.queries import CHUNK, Direction
from tests.unit.lineage.index.conftest import Bench, Traced

STEPS = 3 * CHUNK

Graph = dict[int, set[tuple[int, bool]]]
"""By node: which it comes from, and whether that edge counts as an execution on the way up."""


def cell(step: int) -> int:
    return 2 * step + 1


def artifact(step: int) -> int:
    return 2 * step + 2


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Each step takes the results of two of the thirty before it."""
    choose = random.Random(7)
    found: Graph = {}
    for step in range(STEPS):
        found[artifact(step)] = {(cell(step), True)}
        before = range(max(0, step - 30), step)
        found[cell(step)] = {(artifact(one), False) for one in choose.sample(before, min(2, len(before)))}
    return found


@pytest.fixture(scope="module")
def connection(
    graph: Graph, dialect: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    server = request.getfixturevalue("postgres") if dialect == "postgresql" else None
    bench = Bench(tmp_path_factory.mktemp("walk"), server)
    with bench.open() as database:
        nodes = [(one, 1, "cell" if one % 2 else "artifact", f"s{one // 2}", "", "") for one in graph]
        edges = [
            (target, source, "output" if counts else "input", "", 1)
            for target, sources in graph.items()
            for source, counts in sources
        ]

        def write() -> None:
            with database.transaction() as within:
                within.insert("nodes", nodes)
                within.insert("edges", edges)

        database.use(write)
        with database.snapshot() as asked:
            yield asked


def reached(graph: Graph, seeds: list[int], direction: Direction, depth: int | None) -> set[int]:
    """By the definition: the shortest way to each node, an execution being one long."""
    ways: dict[int, list[tuple[int, int]]] = {one: [] for one in graph}
    for target, sources in graph.items():
        for source, is_output in sources:
            near, far = (target, source) if direction == "up" else (source, target)
            ways[near].append((far, int(is_output if direction == "up" else not is_output)))
    far_off = dict.fromkeys(seeds, 0)
    todo = list(seeds)
    while todo:
        here = todo.pop()
        for there, cost in ways[here]:
            if far_off[here] + cost < far_off.get(there, 1 << 30):
                far_off[there] = far_off[here] + cost
                todo.append(there)
    return {one for one, distance in far_off.items() if depth is None or distance <= depth}


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("depth", [None, 0, 1, 7])
@pytest.mark.parametrize("count", [1, 2 * CHUNK + 3])
def test_all_that_can_be_reached(
    graph: Graph, connection: Connection, direction: Direction, depth: int | None, count: int
) -> None:
    seeds = [artifact(STEPS // 2 - count // 2 + at) for at in range(count)]
    found = queries.walk(connection, seeds, direction, depth, 10**6)
    assert len(found) == len(set(found))
    assert set(found) == reached(graph, seeds, direction, depth)


@pytest.mark.parametrize("depth", [None, 50])
def test_no_more_than_asked_for_and_the_nearest_first(connection: Connection, depth: int | None) -> None:
    seeds = [artifact(STEPS - 1), artifact(STEPS - 2)]
    found = queries.walk(connection, seeds, "up", depth, 100)
    assert len(found) == 100
    assert set(found[:4]) == {*seeds, cell(STEPS - 1), cell(STEPS - 2)}


def test_nodes_that_are_not_there_are_no_seeds(connection: Connection) -> None:
    for depth in (None, 3):
        assert queries.walk(connection, [10**9], "up", depth, 100) == []


def test_many_seeds_are_one_walk(connection: Connection) -> None:
    """One for each 500 would go over the same ground as often."""
    traced = Traced(connection)
    queries.walk(traced, [artifact(at) for at in range(STEPS)], "up", None, 10**6)
    assert len([text for text in traced.statements if "RECURSIVE" in text]) == 1


def test_with_a_depth_each_node_is_looked_at_once(connection: Connection) -> None:
    """However many ways of different lengths lead to it."""
    traced = Traced(connection)
    found = queries.walk(traced, [artifact(STEPS - 1)], "up", 40, 10**6)
    asked = [text for text in traced.statements if "FROM edges e" in text]
    assert sum(text.count("?") for text in asked) < 2 * len(found)
