"""From a pipeline function to the IR: the form of every feature."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from pipeglot.core import ir
from pipeglot.core.errors import Location
from pipeglot.core.ir import Constant, ListOf, OutputRef, ParamRef
from pipeglot.core.validate import validate
from tests.unit.authoring.conftest import Flow


def ids(nodes: tuple[ir.AnyNode, ...]) -> list[Any]:
    """The ids of all nodes; a map is `[id, …]`, a branch `(id, then, otherwise)`."""
    found: list[Any] = []
    for node in nodes:
        if isinstance(node, ir.Step):
            found.append(node.id)
        elif isinstance(node, ir.Map):
            found.append([node.id, *ids(node.body)])
        else:
            found.append((node.id, ids(node.then), ids(node.otherwise)))
    return found


# --- steps ------------------------------------------------------------------------------------------------------------


def test_a_step(flow: Flow) -> None:
    step = flow.step("train(load(year), carrier='AA')")
    assert step.id == "train"
    assert step.code.module == flow.modules[-1]
    assert step.code.qualname == "train"
    assert step.inputs == {"table": OutputRef(step="load"), "carrier": Constant(value="AA")}
    assert step == ir.Step(id="train", code=step.code, inputs=step.inputs, returns=step.returns)


def test_inputs_stand_in_the_order_of_the_signature(flow: Flow) -> None:
    assert list(flow.step("train(depth=1, carrier='AA', table=load(1))").inputs) == ["table", "carrier", "depth"]
    assert list(flow.step("options(z='1', a='2')").inputs) == ["a", "z"]


def test_defaults_of_a_step_belong_to_its_code(flow: Flow) -> None:
    assert "depth" not in flow.step("train(load(year), 'AA')").inputs


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("show(3)", 3),
        ("show((1, 'x'))", {"~t": [1, "x"]}),
        ("show({'a': [None]})", {"a": [None]}),
        ("show(dt.date(2024, 1, 31))", {"~d": "2024-01-31"}),
    ],
)
def test_constants_are_plain_data(flow: Flow, call: str, value: object) -> None:
    assert flow.step(call, before="import datetime as dt").inputs == {"value": Constant(value=value)}


def test_constants_of_rich_types_know_their_type(flow: Flow) -> None:
    step = flow.step("configure(Config(0.5), [Mode.SLOW])")
    assert isinstance(step.inputs["config"], Constant)
    assert isinstance(step.inputs["config"].type, ir.RecordType)
    assert step.inputs["config"].value == {"rate": 0.5, "mode": "FAST"}
    assert isinstance(step.inputs["modes"], Constant)
    assert step.inputs["modes"].value == ["SLOW"]
    assert isinstance(step.inputs["modes"].type, ir.ListType)


def test_an_enum_member_without_an_annotation_knows_its_type(flow: Flow) -> None:
    source = flow.step("show(Mode.SLOW)").inputs["value"]
    assert isinstance(source, Constant)
    assert isinstance(source.type, ir.EnumType)
    assert (source.value, source.type.ref) == ("SLOW", f"{flow.modules[-1]}:Mode")


def test_lists_of_results(flow: Flow) -> None:
    step = flow.step("t = load(1)\nbest([train(t, c) for c in ('a', 'b')])")
    assert step.inputs == {"models": ListOf(items=(OutputRef(step="train"), OutputRef(step="train_2")))}
    nested = flow.step("show([1, [load(year), year], []])").inputs["value"]
    inner = ListOf(items=(OutputRef(step="load"), ParamRef(name="year")))
    assert nested == ListOf(items=(Constant(value=1), inner, Constant(value=[])))


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ("show(train(load(1), 'x'))", OutputRef(step="train")),
        ("show(train(load(1), 'x').auc)", OutputRef(step="train", output="auc")),
        ("show(train(load(1), 'x')[0])", OutputRef(step="train", output="model")),
        ("show(train(load(1), 'x')[-1])", OutputRef(step="train", output="auc")),
        ("model, auc = train(load(1), 'x')\nshow(auc)", OutputRef(step="train", output="auc")),
        ("model, *rest = train(load(1), 'x')\nshow(rest[0])", OutputRef(step="train", output="auc")),
        ("for part in halves(load(1)):\n    show(part)", OutputRef(step="halves", output="right")),
        ("show(*[part for part in halves(load(1))][1:])", OutputRef(step="halves", output="right")),
        ("show(count(load(1))['bad'])", OutputRef(step="count", output="bad")),
        ("left, right = halves(load(1))\nshow(left)", OutputRef(step="halves", output="left")),
        ("show(load(1))", OutputRef(step="load")),
        ("show(year)", ParamRef(name="year")),
    ],
)
def test_sources(flow: Flow, body: str, source: ir.Source) -> None:
    assert flow.step(body).inputs == {"value": source}


@pytest.mark.parametrize(
    ("step", "returns"),
    [
        ("load(1)", ir.Returns(outputs=(ir.Output(name="output", type="Table"),))),
        ("show(1)", ir.Returns(outputs=(ir.Output(name="output"),))),
        ("publish('x')", ir.Returns(form="none", outputs=())),
        (
            "train(load(1), 'x')",
            ir.Returns(
                form="namedtuple",
                outputs=(ir.Output(name="model", type="Model"), ir.Output(name="auc", type="float")),
                ref="MODULE:Trained",
            ),
        ),
        (
            "count(load(1))",
            ir.Returns(
                form="typeddict", outputs=(ir.Output(name="rows", type="int"), ir.Output(name="bad", type="int"))
            ),
        ),
        (
            "halves(load(1))",
            ir.Returns(
                form="tuple", outputs=(ir.Output(name="left", type="Table"), ir.Output(name="right", type="Table"))
            ),
        ),
        ("fetch('u')", ir.Returns(outputs=(ir.Output(name="output", type="bytes"),))),
    ],
)
def test_returns(flow: Flow, step: str, returns: ir.Returns) -> None:
    found = flow.step(step).returns
    assert found == msgspec.structs.replace(returns, ref=returns.ref.replace("MODULE", flow.modules[-1]))


def test_options_of_a_step(flow: Flow) -> None:
    step = flow.step(
        "f(1)",
        before="""
        @step(name="fit", retry=Retry(3, delay="1m"), timeout="2h", cache=False, env={"A": "b"}, secrets=["TOKEN"],
              resources=Resources(cpu=2, memory="1Gi"), trigger="all_done", pool="gpu", max_parallel=2, priority=5,
              tags=["a", "a", "b"], image="img", packages=["numpy>=1"], asset="s3://models/fit")
        def f(n: int) -> int:
            '''Fit it.

              Well,
            as it can.
            '''
        """,
    )
    assert step == ir.Step(
        id="fit",
        code=step.code,
        inputs={"n": Constant(value=1)},
        returns=step.returns,
        trigger="all_done",
        retry=ir.Retry(attempts=3, delay=60.0),
        timeout=7200.0,
        cache=ir.Cache(enabled=False),
        secrets=("TOKEN",),
        env={"A": "b"},
        pool="gpu",
        max_parallel=2,
        resources=ir.Resources(cpu=2.0, memory=1024**3),
        priority=5,
        tags=("a", "b"),
        image="img",
        packages=("numpy>=1",),
        asset={"output": "s3://models/fit"},
        doc="Fit it.\n\n  Well,\nas it can.",
    )


def test_an_asset_is_one_call_s_and_no_part_of_the_code(flow: Flow) -> None:
    before = "@step(asset='s3://a/b')\ndef f(n: int) -> int: ..."
    first, second = flow.nodes("f(1)\nf.with_options(asset={'output': 's3://c/d'})(2)", before=before)
    assert isinstance(first, ir.Step)
    assert isinstance(second, ir.Step)
    assert (first.asset, second.asset) == ({"output": "s3://a/b"}, {"output": "s3://c/d"})
    assert (first.code, first.returns) == (second.code, second.returns)


def test_with_options_changes_what_it_names_and_nothing_else(flow: Flow) -> None:
    before = "@step(timeout=60, retry=Retry(2))\ndef f(n: int) -> int: ..."
    first, second, third = flow.nodes("f(1)\nf.with_options(name='g', retry=None)(2)\nf(3)", before=before)
    assert isinstance(first, ir.Step)
    assert isinstance(second, ir.Step)
    assert (second.id, second.retry, second.timeout) == ("g", None, 60.0)
    assert (first.retry, third.id) == (ir.Retry(attempts=2), "f_2")


def test_after(flow: Flow) -> None:
    step = flow.step(
        "t = load(1)\na = validate(t)\nm = train.map(t, each(['x']))\n"
        "load.after(a).after([m, t.columns if False else a], count(t)['bad'])(2)"
    )
    assert step.after == ("validate", "train", "count")


def test_steps_of_an_async_function(flow: Flow) -> None:
    assert flow.step("show(fetch('u'))").inputs == {"value": OutputRef(step="fetch")}


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("load(1); load(2); load(3)", ["load", "load_2", "load_3"]),
        ("[load(n) for n in (1, 2)]; load(3)", ["load", "load_2", "load_3"]),
        ("load.with_options(name='first')(1); load(2)", ["first", "load"]),
        ("load(1); load.with_options(name='load_2')(2); load(3)", ["load", "load_2", "load_3"]),
        ("load.with_options(name='load_2')(1); load(2); load(3)", ["load_2", "load", "load_3"]),
        ("with when(bar): load(1)\nwith when(year): load(2)", [("when_1", ["load"], []), ("when_2", ["load_2"], [])]),
        ("größe(1)", ["gr__e"]),
        ("when_1(1)\nwith when(bar): load(1)", ["when_1", ("when_2", ["load"], [])]),
    ],
)
def test_ids(flow: Flow, body: str, expected: list[Any]) -> None:
    before = "@step\ndef größe(n: int) -> int: ...\n@step\ndef when_1(n: int) -> int: ..."
    assert ids(flow.nodes(body, before=before)) == expected


def test_positions_of_nodes(flow: Flow) -> None:
    traced = flow.trace(
        """
        t = load(year)
        train.map(
            t,
            each(carriers(t)),
        )
        with when(bar > 0.5):
            helper(t)
        """,
        before="def helper(t: Table) -> None:\n    validate(t)\n",
    )
    found = {name: flow.readable(str(at)) for name, at in traced.locations.items()}
    expected = {"load": "+1", "carriers": "+4", "train": "+2", "when_1": "+6", "validate": "-4"}
    assert found == expected
    assert traced.locations["load"].file == flow.file.name


# --- the pipeline itself ----------------------------------------------------------------------------------------------


def test_the_pipeline(flow: Flow) -> None:
    module = flow.module(
        """
        @pipeline(name="all-flights", schedule=Cron("0 6 * * *", timezone="Europe/Paris"), tags=["ml"], max_parallel=4)
        def flow(year: int, mode: Mode = Mode.FAST, *, days: list[dt.date] = [dt.date(2024, 1, 1)], any=None) -> None:
            '''All of them.'''
            load(year)
        """.replace("dt.", "__import__('datetime').")
    )
    found = module.flow.trace().pipeline
    assert found == ir.Pipeline(
        name="all-flights",
        doc="All of them.",
        params=found.params,
        nodes=found.nodes,
        schedule=ir.Schedule(cron="0 6 * * *", timezone="Europe/Paris"),
        tags=("ml",),
        max_parallel=4,
    )
    year, mode, days, untyped = found.params
    assert year == ir.Param(name="year", type=ir.ScalarType(name="int"))
    assert (mode.default, days.default) == ("FAST", [{"~d": "2024-01-01"}])
    assert untyped == ir.Param(name="any", type=ir.ScalarType(name="any"), default=None)
    assert not validate(found)


def test_code_digests_and_what_they_cover(flow: Flow) -> None:
    traced = flow.trace("f(1)", before="LIMIT = 3\n@step\ndef f(n: int) -> int:\n    return n + LIMIT")
    (node,) = traced.pipeline.nodes
    assert isinstance(node, ir.Step)
    members = traced.pipeline.closures[node.code.digest]
    assert set(members) == {f"{flow.modules[-1]}:f", f"{flow.modules[-1]}:LIMIT"}


def test_without_a_project_there_are_no_digests(flow: Flow) -> None:
    traced = flow.module("\n\n@pipeline\ndef flow() -> None:\n    load(1)\n").flow.trace()
    assert traced.pipeline.closures == {}
    assert traced.pipeline.nodes[0].code.digest == ""
    assert traced.locations == {"load": Location(str(flow.file), traced.locations["load"].line)}


def test_each_tracing_starts_anew(flow: Flow) -> None:
    module = flow.module("\n\n@pipeline\ndef flow(n: int = 1) -> None:\n    load(n)\n    load(n)\n")
    assert module.flow.trace() == module.flow.trace()


def test_times_of_a_schedule() -> None:
    from pipeglot import Cron, Interval

    paris = dt.timezone(dt.timedelta(hours=1))
    spec = Interval("6h", start=dt.date(2024, 1, 2), end=dt.datetime(2025, 1, 1, 6, tzinfo=paris)).spec
    assert (spec.interval, spec.start, spec.end) == (21600.0, "2024-01-02T00:00:00", "2025-01-01T06:00:00+01:00")
    assert Cron("0  6 * * mon-fri", start="2024-01-02", catchup=True).spec == ir.Schedule(
        cron="0 6 * * mon-fri", start="2024-01-02T00:00:00", catchup=True
    )
