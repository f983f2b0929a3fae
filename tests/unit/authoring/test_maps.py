"""Mapped pipelines in the IR: one map with a body of several nodes, one level of ids and items for each."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.core import ir, wire
from pipeglot.core.features import Feature, needs
from pipeglot.core.ir import Constant, ItemRef, ListOf, OutputRef, ParamRef
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.validate import validate
from tests.unit.authoring.conftest import Flow
from tests.unit.authoring.test_ir import ids

STUDY = """
@pipeline
def study(table: Table, carrier: str, bar: float = 0.5) -> Trained:
    trained = train(table, carrier)
    with when(trained.auc > bar):
        a = register(trained.model)
    with otherwise():
        b = reject(trained.auc)
    publish(one_of(a, b))
    return trained
"""


def checked(flow: Flow, body: str, before: str = "") -> tuple[ir.AnyNode, ...]:
    """The nodes, of a pipeline that is right by all rules and comes back from every wire form."""
    pipeline = flow.trace(body, before=before).pipeline
    assert not validate(pipeline)
    for dump in (wire.dump_json, wire.dump_yaml, wire.compact):
        assert wire.load(dump(pipeline), source="it") == pipeline
    return pipeline.nodes


def test_a_mapped_pipeline(flow: Flow) -> None:
    nodes = checked(flow, "t = load(year)\nbest(study.map(t, each(carriers(t)), bar))", STUDY)
    branch = ("study.when_1", ["study.register"], ["study.reject"])
    assert ids(nodes) == ["load", "carriers", ["study", "study.train", branch, "study.publish"], "best"]
    mapped, best = nodes[2], nodes[3]
    assert isinstance(mapped, ir.Map)
    assert mapped.over == {"carrier": OutputRef(step="carriers")}
    train, when = mapped.body[:2]
    assert isinstance(train, ir.Step)
    assert train.inputs == {"table": OutputRef(step="load"), "carrier": ItemRef(map="study", name="carrier")}
    assert isinstance(when, ir.Branch)
    assert when.when == ir.Compare(op=">", left=OutputRef(step="study.train", output="auc"), right=ParamRef(name="bar"))
    assert isinstance(best, ir.Step)
    assert best.inputs == {"models": OutputRef(step="study.train")}


@pytest.mark.parametrize(
    "call",
    [
        "study.map(t, each(['AA', 'UA']), 0.5)",
        "study.map(carrier=each(['AA', 'UA']), table=t, bar=0.5)",
        "study.partial(table=t, bar=0.5).map(carrier=['AA', 'UA'])",
        "study.partial(table=t, bar=0.5).map(carrier=('AA', 'UA'))",
        "study.partial(bar=0.5).map(table=[t, t], carrier=['AA', 'UA'])",
        "study.map(each([t, t]), each(['AA', 'UA']))",
        "study.map(table=[t, t], carrier=['AA', 'UA'])",
    ],
)
def test_forms_of_one_map(flow: Flow, call: str) -> None:
    mapped = checked(flow, f"t = load(1)\n{call}", STUDY)[-1]
    assert isinstance(mapped, ir.Map)
    assert mapped.over["carrier"] == Constant(value=["AA", "UA"])
    if "[t, t]" in call or "each([t" in call:
        assert mapped.over["table"] == ListOf(items=(OutputRef(step="load"),) * 2)
    train, when = mapped.body[:2]
    assert isinstance(train, ir.Step)
    assert train.inputs["table"] in (OutputRef(step="load"), ItemRef(map="study", name="table"))
    assert isinstance(when, ir.Branch)
    assert isinstance(when.when, ir.Compare)
    assert when.when.right == Constant(value=0.5)


def test_maps_in_maps_and_pipelines_in_them(flow: Flow) -> None:
    before = STUDY + (
        "\n@pipeline\ndef year_study(n: int, names: list[str]) -> list[Trained]:\n"
        "    t = load(n)\n    part(t, 'x')\n    with when(n > 2000):\n        study.map(t, each(names))\n"
        "    return study.map(t, each(carriers(t)))\n"
    )
    nodes = checked(flow, "show(year_study.map(each([2013, 2014]), ['a']))", before)
    ((name, load, part, branch, carriers, again), show) = ids(nodes)
    assert (name, load, part, carriers, show) == (
        "year_study",
        "year_study.load",
        "year_study.part.train",
        "year_study.carriers",
        "show",
    )
    assert branch[1][0][:2] == ["year_study.study", "year_study.study.train"]
    assert again[:2] == ["year_study.study_2", "year_study.study_2.train"]
    outer = nodes[0]
    assert isinstance(outer, ir.Map)
    inner = outer.body[-1]
    assert isinstance(inner, ir.Map)
    assert inner.over == {"carrier": OutputRef(step="year_study.carriers")}
    plan = Plan(ir.Pipeline(name="p", nodes=nodes))
    assert plan.scope("year_study.study_2.publish") == ("year_study", "year_study.study_2")
    last = nodes[1]
    assert isinstance(last, ir.Step)
    assert last.inputs == {"value": OutputRef(step="year_study.study_2.train")}  # a list of lists


def test_items_that_are_passed_on_to_an_inner_map(flow: Flow) -> None:
    before = """
    @pipeline
    def sub(names: list[str], n: int) -> None:
        t = load(n)
        train.map(t, each(names), depth=n)
    """
    (mapped,) = checked(flow, "sub.map(names=[['a'], ['b', 'c']], n=[1, 2])", before)
    assert isinstance(mapped, ir.Map)
    inner = mapped.body[1]
    assert isinstance(inner, ir.Map)
    assert inner.over == {"carrier": ItemRef(map="sub", name="names")}
    (train,) = inner.body
    assert isinstance(train, ir.Step)
    assert train.inputs["depth"] == ItemRef(map="sub", name="n")


def test_a_map_in_an_arm_and_one_of_its_lists(flow: Flow) -> None:
    body = """
    t = load(year)
    with when(bar):
        a = part.map(t, each(["x"]))
    with otherwise():
        b = part.map(t, each(["x", "y"]))
    best(one_of(a, b))
    """
    last = checked(flow, body)[-1]
    assert isinstance(last, ir.Step)
    options = (OutputRef(step="part.train"), OutputRef(step="part_2.train"))
    assert last.inputs == {"models": ir.OneOf(options=options)}


def test_order(flow: Flow) -> None:
    """What comes after a mapped pipeline comes after all its items; in it, a step may come after one outside."""
    before = (
        "@pipeline\ndef sub(n: int, first: Table) -> Table:\n    validate.after(first)(first)\n    return load(n)\n"
    )
    body = "t = load(1)\nshow.after(sub.map(each([1, 2]), t))(1)\nshow.after(sub.map(each([1]), t))(1)"
    nodes = checked(flow, body, before)
    assert [node.after for node in nodes if isinstance(node, ir.Step)] == [(), ("sub.load",), ("sub_2.load",)]


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        ("tuple[Table, float]", "(t, trained.auc)"),
        ("Pair", "Pair(t, trained.auc)"),
        ("Pair", "Pair(auc=trained.auc, table=t)"),
    ],
)
def test_several_results_are_lists_to_take_apart(flow: Flow, returns: str, value: str) -> None:
    before = (
        "class Pair(NamedTuple):\n    table: Table\n    auc: float\n\n"
        "@step\ndef use(t: list[Table], a: list[float]) -> None: ...\n"
        f"@pipeline\ndef sub(n: int) -> {returns}:\n    t = load(n)\n    trained = train(t, 'x')\n    return {value}\n"
    )
    last = checked(flow, "tables, aucs = unzip(sub.map(n=[1, 2]))\nuse.after(sub.map(n=[3]))(tables, aucs)", before)[-1]
    assert isinstance(last, ir.Step)
    assert last.inputs == {"t": OutputRef(step="sub.load"), "a": OutputRef(step="sub.train", output="auc")}
    assert last.after == ("sub_2.load", "sub_2.train")


@pytest.mark.parametrize("call", ["train.map(load(1), each(['a', 'b']))", "part.map(load(1), each(['a', 'b']))"])
def test_the_outputs_of_mapped_steps_are_taken_apart(flow: Flow, call: str) -> None:
    before = "@step\ndef use(m: list[Model], a: list[float]) -> None: ...\n"
    last = checked(flow, f"models, aucs = unzip({call})\nuse(models, aucs)\nregister.map(each(models))", before)[-2]
    name = "part.train" if call.startswith("part") else "train"
    assert isinstance(last, ir.Step)
    assert last.inputs == {"m": OutputRef(step=name, output="model"), "a": OutputRef(step=name, output="auc")}


def test_what_a_mapped_pipeline_gives_has_a_type(flow: Flow) -> None:
    assert (
        "`value` of `f` is `int` (@f), and the list of results of step `part.train` is `list[Trained]`"
        in flow.problems("f(part.map(load(1), each(['a'])))", before="@step\ndef f(value: int) -> None: ...\n")
    )


def test_positions_and_needs(flow: Flow) -> None:
    traced = flow.trace("t = load(1)\nstudy.map(t, each(['a']))\ntrain.map(t, each(['a']))", before=STUDY)
    at: dict[str, Any] = traced.locations
    assert at["study"].line == at["load"].line + 1
    assert at["study.train"].line == at["study"].line - 12
    found = needs(traced.pipeline)
    assert found[Feature.MAP_PIPELINE] == ["study"]
    assert found[Feature.MAP] == ["study", "train"]
    assert found[Feature.BRANCH_IN_MAP] == ["study.when_1"]
    assert Feature.MAP_NESTED not in found
