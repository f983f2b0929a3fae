"""Which nodes an execution came from, and what a walk up or down finds."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from pipeglot.core.ir import (
    Branch,
    ListOf,
    Map,
    Output,
    Param,
    ParamRef,
    Pipeline,
    Returns,
    ScalarType,
)
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.rows import Node
from pipeglot.core.lineage.keys import Index
from tests.unit.lineage.build import above, item, mapped, one_of, out, pipeline, step
from tests.unit.lineage.index.conftest import Bench
from tests.unit.lineage.index.ledgers import Written, cached_from, done


def inputs(bench: Bench, run: str) -> dict[str, set[str]]:
    """By execution, list or parameter: what it comes from directly."""
    found: dict[str, set[str]] = {}
    for target, source, kind, _, _ in bench.rows()["edges"]:
        if kind != "output" and target[0] == run:
            found.setdefault(text(Node(*target)), set()).add(text(Node(*source), run))
    return found


def text(node: Node, home: str = "") -> str:
    away = f"{node.run}:" if home not in ("", node.run) else ""
    place = f"{node.step}[{node.position}]" if node.position else node.step
    return (
        away
        + {"cell": place, "artifact": f"{place}.{node.name}", "list": f"{place}.*", "param": f"?{node.name}"}[node.kind]
    )


def by_name(values: dict[str, Any]) -> Any:
    return lambda name, index: values.get(name, 1)


def test_maps_in_maps_and_lists_of_them(bench: Bench) -> None:
    inner = Map(id="in", over={"x": item("out")}, body=(step("leaf", x=item("in")),))
    flow = pipeline(
        step("a"),
        Map(id="out", over={"x": out("a")}, body=(inner, step("row", xs=out("leaf")))),
        step("all", xs=out("leaf")),
        mapped("again", out("row")),
    )
    run = done(bench.ledger, flow, by_name({"a": [[1, 2], [3]]})).run
    bench.sync()
    assert inputs(bench, run) == {
        "leaf[0.0]": {"a.output"},
        "leaf[0.1]": {"a.output"},
        "leaf[1.0]": {"a.output"},
        "leaf[0].*": {"leaf[0.0].output", "leaf[0.1].output"},
        "leaf[1].*": {"leaf[1.0].output"},
        "leaf.*": {"leaf[0.0].output", "leaf[0.1].output", "leaf[1.0].output"},
        "row[0]": {"leaf[0].*"},
        "row[1]": {"leaf[1].*"},
        "all": {"leaf.*"},
        "again[0]": {"row[0].output"},
        "again[1]": {"row[1].output"},
    }


def test_branches_lists_and_parameters(bench: Bench) -> None:
    flow = Pipeline(
        name="p",
        params=(Param(name="n", type=ScalarType(name="int")),),
        nodes=(
            step("a", n=ParamRef(name="n")),
            Branch(id="b", when=above("a", 3), then=(step("high", x=out("a")),), otherwise=(step("low", x=out("a")),)),
            step("tell", x=one_of("low", "high")),
            step("both", xs=ListOf(items=(out("a"), out("tell"), ParamRef(name="n")))),
            mapped("each", ListOf(items=(out("a"), out("tell")))),
        ),
    )
    run = done(bench.ledger, flow, by_name({"a": 5}), params={"n": 2}).run
    bench.sync()
    assert inputs(bench, run) == {
        "a": {"?n"},
        "high": {"a.output"},
        "tell": {"high.output"},
        "both": {"a.output", "tell.output", "?n"},
        "each[0]": {"a.output"},
        "each[1]": {"tell.output"},
    }


TWO = structs.replace(
    step("two"), returns=Returns(form="namedtuple", outputs=(Output(name="left"), Output(name="right")), ref="m:T")
)


def test_several_outputs_one_by_one_and_whole(bench: Bench) -> None:
    flow = pipeline(TWO, step("one", x=out("two", "left")), step("all", x=out("two")))
    run = done(bench.ledger, flow, by_name({"two": {"left": 1, "right": 2}})).run
    bench.sync()
    assert inputs(bench, run) == {"one": {"two.left"}, "all": {"two.left", "two.right"}}


CHAIN = pipeline(step("a"), step("b", x=out("a")), step("c", x=out("b")))


def walked(bench: Bench, run: str, name: str, direction: queries.Direction, depth: int | None = None) -> set[str]:
    def ask(connection: Any) -> set[str]:
        seed = queries.node_id(connection, run, "artifact", name, "", "output")
        assert seed is not None
        rows = queries.nodes(connection, queries.walk(connection, [seed], direction, depth, 1000))
        return {text(Node(row.run, row.kind, row.step, row.position, row.name), run) for row in rows}

    return bench.ask(ask)


def test_as_many_nodes_as_are_asked_for_though_each_can_be_reached_in_many_ways(bench: Bench) -> None:
    names = [f"s{i}" for i in range(8)]
    flow = pipeline(
        *(step(name, xs=ListOf(items=tuple(map(out, names[max(0, i - 2) : i])))) for i, name in enumerate(names))
    )
    run = done(bench.ledger, flow).run
    bench.sync()

    def ask(connection: Any) -> list[int]:
        seed = queries.node_id(connection, run, "artifact", "s0", "", "output")
        assert seed is not None
        every = queries.walk(connection, [seed], "down", None, 1000)
        for most in range(1, len(every) + 2):
            assert len(queries.walk(connection, [seed], "down", 100, most)) == min(most, len(every))
        return every

    assert len(bench.ask(ask)) == 2 * len(names) - 1


def test_a_walk_up_and_down_counts_executions(bench: Bench) -> None:
    run = done(bench.ledger, CHAIN).run
    bench.sync()
    assert walked(bench, run, "c", "up") == {"a", "b", "c", "a.output", "b.output", "c.output"}
    assert walked(bench, run, "c", "up", 1) == {"c", "c.output", "b.output"}
    assert walked(bench, run, "c", "up", 2) == {"c", "c.output", "b.output", "b", "a.output"}
    assert walked(bench, run, "a", "down") == {"a.output", "b", "b.output", "c", "c.output"}
    assert walked(bench, run, "a", "down", 1) == {"a.output", "b", "b.output"}
    assert walked(bench, run, "c", "down") == {"c.output"}


def test_what_was_reused_came_from_the_run_that_computed_it(bench: Bench) -> None:
    first = done(bench.ledger, CHAIN)
    second = Written(bench.ledger, CHAIN)
    for name in ("a", "b"):
        second.commit((name, ()), **cached_from(first, (name, ())))
    second.go_on().seal()
    bench.sync()
    old = {f"{first.run}:{one}" for one in ("a", "a.output", "b", "b.output")}
    assert walked(bench, second.run, "c", "up") == {"c", "c.output", "b.output", *old}
    new = {f"{second.run}:{one}" for one in ("a.output", "b", "b.output", "c", "c.output")}
    assert walked(bench, first.run, "a", "down") == {"a.output", "b", "b.output", "c", "c.output", *new}


def test_an_artifact_parameter_leads_into_another_run(bench: Bench) -> None:
    first = done(bench.ledger, CHAIN)
    flow = Pipeline(
        name="q",
        params=(Param(name="model", type=ScalarType(name="any")),),
        nodes=(step("use", m=ParamRef(name="model")),),
    )
    told: dict[str, Any] = {"artifacts": {"model": first.ref(("b", ()))}}
    second = done(bench.ledger, flow, params={"model": f"{first.run}/b/output"}, **told)
    bench.sync()
    assert inputs(bench, second.run) == {"use": {"?model"}, "?model": {f"{first.run}:b.output"}}
    assert f"{second.run}:use" in walked(bench, first.run, "a", "down")
    assert f"{first.run}:a" in walked(bench, second.run, "use", "up")


def test_a_ladder_of_many_ways_is_walked_once(bench: Bench) -> None:
    """Two ways at each of 40 rungs: 2^40 paths, 80 steps."""
    rungs = [step("l0"), step("r0")]
    for i in range(1, 40):
        rungs += [step(f"{side}{i}", x=out(f"l{i - 1}"), y=out(f"r{i - 1}")) for side in "lr"]
    run = done(bench.ledger, pipeline(*rungs)).run
    bench.sync()
    assert len(walked(bench, run, "l39", "up")) == 2 * 79
    assert len(walked(bench, run, "l39", "up", 5)) == 2 + 2 * 4 * 2 + 2
    assert len(walked(bench, run, "l0", "down")) == 1 + 2 * 78


def test_a_map_over_a_map_has_as_many_edges_as_items(bench: Bench) -> None:
    """Each of 100 items takes the list of 100: 100 edges into it and 100 out of it, and not 10,000."""
    flow = pipeline(
        step("a"),
        mapped("m", out("a")),
        Map(id="n", over={"x": out("a")}, body=(step("n", x=item("n"), all=out("m")),)),
    )

    def answer(name: str, index: Index) -> Any:
        return list(range(100)) if name == "a" else 1

    done(bench.ledger, flow, answer)
    bench.sync()
    assert bench.ask(queries.totals)["edges"] == 201 + 100 + 100 + 100 + 100
