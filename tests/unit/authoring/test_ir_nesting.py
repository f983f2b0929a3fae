"""What maps, branches and nested pipelines become in the IR."""

from __future__ import annotations

import numpy as np
import pytest

from pipeglot.core import ir, plain
from pipeglot.core.ir import Constant, ItemRef, ListOf, OneOf, OutputRef, ParamRef
from tests.unit.authoring.conftest import Flow
from tests.unit.authoring.test_ir import ids

# --- maps -------------------------------------------------------------------------------------------------------------


def test_map_with_each(flow: Flow) -> None:
    node = flow.nodes("t = load(1)\ntrain.map(t, each(carriers(t)), depth=year)")[-1]
    assert isinstance(node, ir.Map)
    assert node.over == {"carrier": OutputRef(step="carriers")}
    (body,) = node.body
    assert isinstance(body, ir.Step)
    assert (node.id, body.id) == ("train", "train")
    assert body.inputs == {
        "table": OutputRef(step="load"),
        "carrier": ItemRef(map="train", name="carrier"),
        "depth": ParamRef(name="year"),
    }


@pytest.mark.parametrize(
    "body",
    [
        "t = load(1)\ntrain.map(t, each(['a', 'b']))",
        "t = load(1)\ntrain.map(t, carrier=each(('a', 'b')))",
        "t = load(1)\ntrain.partial(table=t).map(carrier=['a', 'b'])",
        "t = load(1)\ntrain.partial(table=t).map(carrier=each(['a', 'b']))",
    ],
)
def test_forms_of_one_map(flow: Flow, body: str) -> None:
    node = flow.nodes(body)[-1]
    assert isinstance(node, ir.Map)
    assert node.over == {"carrier": Constant(value=["a", "b"])}


@pytest.mark.parametrize("call", ["train.map(each(xs), each(ys))", "train.map(table=xs, carrier=ys)"])
def test_two_lists_in_step(flow: Flow, call: str) -> None:
    node = flow.nodes(f"t = load(1)\nxs = [t, load(2)]\nys = carriers(t)\n{call}")[-1]
    assert isinstance(node, ir.Map)
    assert node.over == {
        "table": ListOf(items=(OutputRef(step="load"), OutputRef(step="load_2"))),
        "carrier": OutputRef(step="carriers"),
    }


def test_a_map_over_the_results_of_a_map(flow: Flow) -> None:
    *_, second, third, last = flow.nodes(
        "t = load(1)\nms = train.map(t, each(['a']))\nrs = keep.map(each(ms))\nkeep.map(m=rs)\nbest(ms)",
        before="@step\ndef keep(m: Trained) -> Trained: ...",
    )
    assert isinstance(second, ir.Map)
    assert isinstance(third, ir.Map)
    assert (second.over, third.over) == ({"m": OutputRef(step="train")}, {"m": OutputRef(step="keep")})
    assert (third.id, ids(third.body)) == ("keep_2", ["keep_2"])
    assert isinstance(last, ir.Step)
    assert last.inputs == {"models": OutputRef(step="train")}


def test_an_empty_list_a_parameter_and_rich_items(flow: Flow) -> None:
    nodes = flow.nodes(
        "load.map(each([]))\nload.map(each(years))\nchoose.map(each([Mode.FAST]))",
        params="years: list[int]",
        before="@step\ndef choose(mode: Mode) -> int: ...",
    )
    first, second, third = (node.over for node in nodes if isinstance(node, ir.Map))
    assert (first, second) == ({"year": Constant(value=[])}, {"year": ParamRef(name="years")})
    assert isinstance(third["mode"], Constant)
    assert third["mode"].value == ["FAST"]


def test_options_and_order_of_a_mapped_step(flow: Flow) -> None:
    node = flow.nodes("t = load(1)\nload.with_options(name='again').after(validate(t)).map(each([1]))")[-1]
    assert isinstance(node, ir.Map)
    (body,) = node.body
    assert isinstance(body, ir.Step)
    assert (node.id, body.id, body.after) == ("again", "again", ("validate",))


# --- branches ---------------------------------------------------------------------------------------------------------


def test_a_branch(flow: Flow) -> None:
    nodes = flow.nodes(
        """
        winner = train(load(year), "x")
        with when(winner.auc >= bar):
            good = register(winner.model)
        with otherwise():
            bad = reject(winner.auc)
        publish(one_of(good, bad))
        """
    )
    assert ids(nodes) == ["load", "train", ("when_1", ["register"], ["reject"]), "publish"]
    branch, last = nodes[2:]
    assert isinstance(branch, ir.Branch)
    left = OutputRef(step="train", output="auc")
    assert branch.when == ir.Compare(op=">=", left=left, right=ParamRef(name="bar"))
    assert isinstance(last, ir.Step)
    assert last.inputs == {"text": OneOf(options=(OutputRef(step="register"), OutputRef(step="reject")))}


def test_branches_in_branches_and_maps_in_them(flow: Flow) -> None:
    nodes = flow.nodes(
        """
        with when(bar):
            a = load(1)
            with when(year):
                b = load(2)
            with otherwise():
                c = load(3)
            d = one_of(b, c)
            validate(d)
        with otherwise():
            e = load(4)
            validate.map(each([e]))
        validate(one_of(b, c, e))
        validate(one_of(d, e))
        """
    )
    inner = ("when_2", ["load_2"], ["load_3"])
    outer = ("when_1", ["load", inner, "validate"], ["load_4", ["validate_2", "validate_2"]])
    assert ids(nodes) == [outer, "validate_3", "validate_4"]
    first, second = nodes[1:]
    assert isinstance(first, ir.Step)
    assert isinstance(second, ir.Step)
    assert first.inputs == second.inputs


def test_outputs_of_one_of(flow: Flow) -> None:
    step = flow.step(
        """
        with when(bar):
            a = train(load(1), "x")
        with otherwise():
            b = train(load(2), "y")
        model, auc = one_of(a, b)
        reject(one_of(a, b).auc)
        show(auc)
        """
    )
    options = (OutputRef(step="train", output="auc"), OutputRef(step="train_2", output="auc"))
    assert step.inputs == {"value": OneOf(options=options)}


BAR, YEAR = ParamRef(name="bar"), ParamRef(name="year")
FIRST = ir.Compare(op="==", left=YEAR, right=Constant(value=1))
HALF = plain.encode(np.float64(0.5))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("bar > 0.5", ir.Compare(op=">", left=BAR, right=Constant(value=0.5))),
        ("0.5 >= bar", ir.Compare(op="<=", left=BAR, right=Constant(value=0.5))),
        ("bar != year", ir.Compare(op="!=", left=BAR, right=YEAR)),
        ("np.float64(0.5) < bar", ir.Compare(op=">", left=BAR, right=Constant(value=HALF))),
        ("bar", ir.Truth(value=BAR)),
        ("True", ir.Truth(value=Constant(value=True))),
        ("not_(bar)", ir.Not(term=ir.Truth(value=BAR))),
        ("is_none(bar)", ir.IsNone(value=BAR)),
        ("is_in(year, [1, 2])", ir.IsIn(value=YEAR, among=Constant(value=[1, 2]))),
        ("is_in(1, {2})", ir.IsIn(value=Constant(value=1), among=Constant(value={"~s": [2]}))),
        ("is_in(3, [year, 1])", ir.IsIn(value=Constant(value=3), among=ListOf(items=(YEAR, Constant(value=1))))),
        ("any_of(bar, year == 1)", ir.AnyOf(terms=(ir.Truth(value=BAR), FIRST))),
        ("all_of(not_(is_none(year)))", ir.AllOf(terms=(ir.Not(term=ir.IsNone(value=YEAR)),))),
    ],
)
def test_conditions(flow: Flow, condition: str, expected: ir.Condition) -> None:
    (branch,) = flow.nodes(f"with when({condition}):\n    load(1)", before="import numpy as np")
    assert isinstance(branch, ir.Branch)
    assert branch.when == expected


def test_a_condition_on_an_enum(flow: Flow) -> None:
    (branch,) = flow.nodes("with when(mode == Mode.SLOW):\n    load(1)", params="mode: Mode = Mode.FAST")
    assert isinstance(branch, ir.Branch)
    assert isinstance(branch.when, ir.Compare)
    assert isinstance(branch.when.right, Constant)
    assert branch.when.right.value == "SLOW"


@pytest.mark.parametrize(
    "body",
    [
        "last = None\nfor n in (1, 2):\n    last = load(n) if last is None else load.after(last)(n)",
        "with when(bar):\n    for n in (1, 2, 3):\n        if n == 2:\n            continue\n        load(n)",
        "if debug is not None:\n    load(1)\nload(2)",
        "print(repr(year), {year}, [year], file=open('/dev/null', 'w'))\nload(year)",
        "keep = {load(1): 'a'}\nshow(list(keep)[0])",
        "import copy\nshow(copy.deepcopy([load(1)]))",
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_mistake(flow: Flow, body: str) -> None:
    assert flow.nodes(body, before="debug = None")


# --- nested pipelines -------------------------------------------------------------------------------------------------


def test_a_nested_pipeline(flow: Flow) -> None:
    nodes = flow.nodes(
        """
        t = load(year)
        first = part(t, "AA")
        with when(first.auc > bar):
            part(t, carrier="UA", depth=1)
        reject.after(outer(t))(first.auc)
        """,
        before="""
        @pipeline
        def outer(table: Table, n: int = 3) -> Trained:
            with when(n > 2):
                load(n)
            return part(table, "x", n)
        """,
    )
    nested = ["outer.when_1", ["outer.load"], []]
    expected = ["load", "part.train", ("when_1", ["part_2.train"], []), tuple(nested), "outer.part.train", "reject"]
    assert ids(nodes) == expected
    train, last = nodes[1], nodes[-1]
    assert isinstance(train, ir.Step)
    assert train.inputs == {
        "table": OutputRef(step="load"),
        "carrier": Constant(value="AA"),
        "depth": Constant(value=5),
    }
    assert isinstance(last, ir.Step)
    assert (last.inputs, last.after) == ({"auc": OutputRef(step="part.train", output="auc")}, ("outer.part.train",))
