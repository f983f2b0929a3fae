"""Short forms of YAML that people write: each means the same as a long one, and what means nothing is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.core import ir, wire
from pipeglot.core.errors import DefinitionError
from pipeglot.core.wire import reading, short
from tests.unit.wire.pipelines import FLIGHTS, PIPELINES, RELAXED, VALUE

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategies


def loaded(text: str) -> ir.Pipeline:
    return wire.load(text, source="p.yaml")


def step(text: str) -> ir.Step:
    found = loaded(f"name: p\nnodes:\n- {{code: 'm:f', {text}}}").nodes[0]
    assert isinstance(found, ir.Step)
    return found


def refused(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        loaded(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_shortest_pipeline() -> None:
    code = ir.CodeRef(module="m", qualname="C.f")
    expected = ir.Pipeline(name="p", nodes=(ir.Step(id="f", code=code),))
    assert loaded("name: p\nnodes: [{code: 'm:C.f'}]") == expected
    assert loaded("name: p\nnodes: [{code: {module: m, qualname: C.f}}]") == expected


def test_the_example_of_the_docstring() -> None:
    lines = (short.__doc__ or "").split("\n\n")[1]
    found = loaded("\n".join(line.removeprefix("    ") for line in lines.split("\n")))
    assert [node.id for node in found.nodes] == ["ingest", "train", "best", "when_1"]
    train = found.nodes[1]
    assert isinstance(train, ir.Map)
    (body,) = train.body
    assert isinstance(body, ir.Step)
    assert body.inputs["carrier"] == ir.ItemRef(map="train", name="carrier")
    assert (body.retry, body.timeout) == (ir.Retry(attempts=3), 7200.0)


REF = ir.OutputRef(step="a")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("3", ir.Constant(value=3)),
        ("a b", ir.Constant(value="a b")),
        ("null", ir.Constant(value=None)),
        ("[1, [2]]", ir.Constant(value=[1, [2]])),
        ("{value: {a: 1}}", ir.Constant(value={"a": 1})),
        ("{value: 2, type: {kind: scalar, name: int}}", ir.Constant(value=2, type=ir.ScalarType(name="int"))),
        ("{param: year}", ir.ParamRef(name="year")),
        ("{step: a}", REF),
        ("{step: a, output: x}", ir.OutputRef(step="a", output="x")),
        ("[{step: a}, 1]", ir.ListOf(items=(REF, ir.Constant(value=1)))),
        ("[[{step: a}], []]", ir.ListOf(items=(ir.ListOf(items=(REF,)), ir.Constant(value=[])))),
        ("{one_of: [{step: a}, {step: b}]}", ir.OneOf(options=(REF, ir.OutputRef(step="b")))),
        ("{kind: param, name: year}", ir.ParamRef(name="year")),
        ("{kind: list, items: [{step: a}]}", ir.ListOf(items=(REF,))),
        ("{item: x}", ir.ItemRef(map="", name="x")),
    ],
)
def test_sources(text: str, source: ir.Source) -> None:
    assert step(f"inputs: {{x: {text}}}").inputs == {"x": source}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('{left: {step: a}, op: "<", right: 3}', ir.Compare(op="<", left=REF, right=ir.Constant(value=3))),
        ("{step: a}", ir.Truth(value=REF)),
        ("{is_none: {step: a}}", ir.IsNone(value=REF)),
        ("{is_in: [{step: a}, [1, 2]]}", ir.IsIn(value=REF, among=ir.Constant(value=[1, 2]))),
        ("{not: {step: a}}", ir.Not(term=ir.Truth(value=REF))),
        (
            "{all_of: [{step: a}, {is_none: 1}]}",
            ir.AllOf(terms=(ir.Truth(value=REF), ir.IsNone(value=ir.Constant(value=1)))),
        ),
        ("{any_of: [{not: {step: a}}]}", ir.AnyOf(terms=(ir.Not(term=ir.Truth(value=REF)),))),
        ("{kind: any_of, terms: [{step: a}]}", ir.AnyOf(terms=(ir.Truth(value=REF),))),
        ("{kind: truth, value: {kind: output, step: a}}", ir.Truth(value=REF)),
    ],
)
def test_conditions(text: str, condition: ir.Condition) -> None:
    branch = loaded(f"name: p\nnodes:\n- when: {text}\n  then: []\n").nodes[0]
    assert branch == ir.Branch(id="when_1", when=condition, then=())


def test_maps_in_maps_and_branches_have_ids() -> None:
    text = """
name: p
nodes:
- id: outer
  over: {x: [1], y: {param: ys}}
  body:
  - over: {x: {item: y}}
    body: [{code: "m:f", id: inner, inputs: {a: {item: x}, b: {item: y}}}]
  - {when: {item: x}, then: [{code: "m:g"}], otherwise: [{when: {item: y}, then: []}]}
- {when: {param: z}, then: [{code: "m:h", after: g}]}
"""
    outer, last = loaded(text).nodes
    assert isinstance(outer, ir.Map)
    inner, branch = outer.body
    assert isinstance(inner, ir.Map)
    assert isinstance(branch, ir.Branch)
    assert isinstance(last, ir.Branch)
    (f,) = inner.body
    assert isinstance(f, ir.Step)
    assert f.inputs == {"a": ir.ItemRef(map="inner", name="x"), "b": ir.ItemRef(map="outer", name="y")}
    assert (inner.id, branch.id, branch.otherwise[0].id, last.id) == ("inner", "when_1", "when_2", "when_3")
    (h,) = last.then
    assert isinstance(h, ir.Step)
    assert h.after == ("g",)


def test_quantities_and_settings() -> None:
    found = step(
        "retry: {attempts: 3, delay: 10s, max_delay: 1m}, cache: {expires: 7d}, timeout: 1h30m, "
        "resources: {memory: 1Gi}"
    )
    assert found.retry == ir.Retry(attempts=3, delay=10.0, max_delay=60.0)
    assert (found.cache.expires, found.timeout, found.resources) == (604800.0, 5400.0, ir.Resources(memory=1 << 30))
    assert step("cache: false").cache == ir.Cache(enabled=False)
    assert step("retry: 2").retry == ir.Retry(attempts=2)
    assert loaded("name: p\nschedule: 0 6 * * *").schedule == ir.Schedule(cron="0 6 * * *")
    for assets in ("s3://x", '["s3://x"]'):
        assert loaded(f"name: p\nschedule: {{assets: {assets}}}").schedule == ir.Schedule(assets=("s3://x",))
    every = loaded("name: p\nschedule: {interval: 6h, start: 2024-01-01}").schedule
    assert every == ir.Schedule(interval=21600.0, start="2024-01-01")


INT, STR = ir.ScalarType(name="int"), ir.ScalarType(name="str")


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("int", ir.Param(name="x", type=INT)),
        ("{type: int, default: 3}", ir.Param(name="x", type=INT, default=3)),
        ("list[int]", ir.Param(name="x", type=ir.ListType(of=INT))),
        ("tuple[int, ...]", ir.Param(name="x", type=ir.ListType(of=INT, tuple=True))),
        (
            "dict[str, list[int] | None]",
            ir.Param(name="x", type=ir.DictType(of=ir.OptionalType(of=ir.ListType(of=INT)))),
        ),
        ("int | None", ir.Param(name="x", type=ir.OptionalType(of=INT))),
        ("None | str", ir.Param(name="x", type=ir.OptionalType(of=STR))),
        ("artifact", ir.Param(name="x", type=ir.ArtifactType())),
        (
            "{type: artifact | None, default: null}",
            ir.Param(name="x", type=ir.OptionalType(of=ir.ArtifactType()), default=None),
        ),
        ("{logical_date: true}", ir.Param(name="x", type=ir.ScalarType(name="date"), logical_date=True)),
        (
            "{type: {kind: enum, ref: 'm:E', members: {A: 1}}}",
            ir.Param(name="x", type=ir.EnumType(ref="m:E", members={"A": 1})),
        ),
    ],
)
def test_parameters(text: str, param: ir.Param) -> None:
    assert loaded(f"name: p\nparams:\n  x: {text}\n").params == (param,)
    if text.startswith("{"):
        assert loaded(f"name: p\nparams: [{{name: x, {text[1:]}]").params == (param,)


def test_what_means_nothing_is_refused_with_its_line() -> None:
    text = """\
name: p
params:
  a: itn
  b: {typ: int}
nodes:
- code: m:f
  inputs:
    x: {parm: year}
    y: {foo: 1}
  retires: 3
  timeout: soon
- when: {lft: 3}
  then: []
- {over: {x: {item: 5}}, body: 7}
on_failure: [{codee: m:f}]
"""
    told = refused(text)
    types = "`scalar`, `enum`, `literal`, `optional`, `list`, `tuple`, `dict`, `record` or `artifact`"
    a_type = "write `int`, `list[str]`, `date | None`, `artifact`, or all of it, as `{kind: enum, …}`"
    sources = "`constant`, `param`, `output`, `item`, `list` or `one_of`"
    a_source = "write `{param: NAME}`, `{step: ID}`, `{step: ID, output: NAME}`, `{item: NAME}`, or `{value: …}`"
    assert told[:6] == [
        (
            f"p.yaml:3: `$.params[0].type` must be a mapping whose `kind` is {types}, not 'itn'\n"
            f"  hint: did you mean `int`? {a_type}"
        ),
        "p.yaml:4: `$.params[1].typ` is no field of `Param`\n  hint: did you mean `type`?",
        "p.yaml:4: `$.params[1]` needs `type`",
        f"p.yaml:8: `$.nodes[0].inputs.x` needs `kind`: {sources}\n  hint: did you mean `param`? {a_source}",
        f"p.yaml:9: `$.nodes[0].inputs.y` needs `kind`: {sources}\n  hint: {a_source}",
        "p.yaml:10: `$.nodes[0].retires` is no field of a `step`\n  hint: did you mean `returns`?",
    ]
    assert told[6] == "p.yaml:11: `$.nodes[0].timeout` must be a number, not 'soon'"
    assert told[7].startswith("p.yaml:12: `$.nodes[1].when` needs `kind`: `compare`, `all_of`, ")
    assert "hint: write `{left: …, op: <, right: …}`" in told[7]
    assert [line.split("`")[1] for line in told[8:]] == [
        "$.nodes[2].over.x.name",
        "$.nodes[2].body",
        "$.nodes[2]",
        "$.on_failure[0].codee",
        "$.on_failure[0]",
        "$.on_failure[0]",
    ]
    assert all(line.startswith("p.yaml:1") for line in told[8:])


def test_lines_of_parts() -> None:
    text = """name: p
params:
  a: int
nodes:
- code: m:f
- over: {x: [1]}
  body:
  - code: m:g
schedule: 0 6 * * *
on_failure:
- code: m:h
"""
    assert wire.lines(text, source="p.yaml") == {
        ("step", "f"): 5,
        ("map", "g"): 6,
        ("step", "g"): 8,
        ("step", "h"): 11,
        ("parameter", "a"): 3,
        ("schedule", ""): 9,
    }
    assert wire.lines(wire.dump_json(FLIGHTS), source="p.json") == {}
    assert wire.lines(wire.dump_yaml(FLIGHTS), source="p.yaml")["step", "train"] > 1


def test_only_yaml_has_short_forms() -> None:
    assert refused('{"ir_version": 1, "name": "p", "params": {"x": "int"}}') == [
        "p.yaml: `$.params` must be a list, not a mapping"
    ]


@RELAXED
@given(PIPELINES, st.data())
def test_any_change_of_yaml_is_read_or_refused(pipeline: ir.Pipeline, data: st.DataObject) -> None:
    tree: Any = json.loads(wire.dump_json(pipeline))
    part = tree
    while isinstance(part, dict | list) and part and data.draw(st.booleans()):
        key: Any = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        if isinstance(part, dict) and data.draw(st.booleans()):
            del part[key]
            break
        if not isinstance(part[key], dict | list) or data.draw(st.booleans()):
            part[key] = data.draw(VALUE)
            break
        part = part[key]
    text = f"---\n{json.dumps(tree)}"
    assert not reading.is_json(text)
    try:
        wire.load(text, source="it.yaml")
        wire.lines(text, source="it.yaml")
    except DefinitionError as error:
        assert error.problems  # noqa: PT017


def test_the_asset_of_the_only_output() -> None:
    (node,) = loaded('name: p\nnodes: [{code: "m:f", asset: s3://a/b}]').nodes
    assert isinstance(node, ir.Step)
    assert node.asset == {"output": "s3://a/b"}
    (node,) = loaded('name: p\nnodes: [{code: "m:f", asset: {output: s3://a/b}}]').nodes
    assert isinstance(node, ir.Step)
    assert node.asset == {"output": "s3://a/b"}
