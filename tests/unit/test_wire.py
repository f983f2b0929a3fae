"""The IR as bytes: what is written comes back, byte for byte, and what is no pipeline is refused with its place."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core import ir, plain, wire
from pipeglot.core.errors import DefinitionError, NewerFormat
from pipeglot.core.wire import reading

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategies

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

# --- pipelines of all sorts: well-formed, not sensible ----------------------------------------------------------------

NASTY = [
    *("", " ", "  a", "a ", "~", "null", "Null", "yes", "no", "on", "off", "y", "N", "true", "FALSE", "<<", "=", "\t"),
    *("2020-01-01", "2020-01-01T00:00:00Z", "0o14", "012", "0", "-1", "+1", "1_000", "1e3", "1.5", "0x1F", "1:30"),
    *(
        ".inf",
        ".NaN",
        "NaN",
        "Infinity",
        "a: b",
        "a:",
        ":a",
        "a #b",
        "#a",
        "- a",
        "-",
        "---",
        "...",
        "{a",
        "[a]",
        "a,b",
    ),
    *("%a", "@a", "`a`", "!a", "&a", "*a", "|", ">", "'", '"', "\\", "\\n", "? a", "{{ a }}", "$(a)", "${A}", "a\0b"),
    *(
        "a\nb",
        "a\nb\n",
        "a\n\nb",
        "\n",
        "\na",
        " a\nb",
        "a \nb",
        "a\n b",
        "a\n\n",
        "a\r\nb",
        "a\tb\nc",
        "a\n#b\n---\n...",
    ),
    *(
        "é",
        "日本",
        "\U0001f600",
        "\x85",
        "\u2028",
        "\xa0",
        "\ufeff",
        "\u202e",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "\x7f",
        "\x1b",
    ),
    *("x" * 2000, "ab " * 60 + "c", "key: |\n  text", '{"kind": "step"}'),
]
TEXT = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text("abcXYZ_019", min_size=1, max_size=6) | TEXT
NUMBER = st.sampled_from([0.0, -0.0, 1e300, 1e22, 1e16, 1e-7, 5e-324, 0.1, 100.0]) | st.floats(
    allow_nan=False, allow_infinity=False
)
INT = st.integers() | st.sampled_from([2**64, -(2**63) - 1, 10**40])
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INT | st.floats() | st.text(max_size=6) | TEXT | st.dates() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
VALUE = PLAIN.map(plain.encode) | INT  # a number beyond 64 bits may be written by hand


SCALAR_INT = ir.ScalarType(name="int")


def tuples(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


def some(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


def names(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAME, of, max_size=3)


SCALAR = st.builds(ir.ScalarType, name=st.sampled_from(["any", "bool", "int", "float", "str", "date"]))
TYPES: st.SearchStrategy[Any] = st.recursive(
    SCALAR | st.builds(ir.EnumType, ref=NAME, members=names(VALUE)) | st.builds(ir.LiteralType, values=tuples(VALUE)),
    lambda inner: (
        st.builds(ir.OptionalType, of=inner)
        | st.builds(ir.ListType, of=inner, tuple=st.booleans())
        | st.builds(ir.TupleType, of=tuples(inner))
        | st.builds(ir.DictType, of=inner)
        | st.builds(
            ir.RecordType,
            ref=NAME,
            style=st.sampled_from(["dataclass", "pydantic"]),
            fields=tuples(st.builds(ir.FieldType, name=NAME, type=inner, required=st.booleans())),
        )
    ),
    max_leaves=3,
)
OUTPUT_REF = st.builds(ir.OutputRef, step=NAME, output=some(NAME))
SOURCES: st.SearchStrategy[Any] = st.recursive(
    st.builds(ir.Constant, value=VALUE, type=some(TYPES))
    | st.builds(ir.ParamRef, name=NAME)
    | OUTPUT_REF
    | st.builds(ir.ItemRef, map=NAME, name=NAME)
    | st.builds(ir.OneOf, options=tuples(OUTPUT_REF)),
    lambda inner: st.builds(ir.ListOf, items=tuples(inner)),
    max_leaves=3,
)
CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.builds(ir.Compare, op=st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), left=SOURCES, right=SOURCES)
    | st.builds(ir.IsIn, value=SOURCES, among=SOURCES)
    | st.builds(ir.IsNone, value=SOURCES)
    | st.builds(ir.Truth, value=SOURCES),
    lambda inner: (
        st.builds(ir.AllOf, terms=tuples(inner))
        | st.builds(ir.AnyOf, terms=tuples(inner))
        | st.builds(ir.Not, term=inner)
    ),
    max_leaves=3,
)
RETURNS = st.builds(
    ir.Returns,
    form=st.sampled_from(["single", "none", "namedtuple", "typeddict", "tuple"]),
    outputs=tuples(st.builds(ir.Output, name=NAME, type=TEXT)),
    ref=NAME,
)
RETRY = st.builds(
    ir.Retry,
    attempts=INT,
    delay=NUMBER | st.integers(0, 9),  # in memory, an int may stand for a float
    backoff=NUMBER,
    max_delay=some(NUMBER),
    jitter=st.booleans(),
    on=tuples(NAME),
)
STEPS = st.builds(
    ir.Step,
    id=NAME,
    code=st.builds(ir.CodeRef, module=NAME, qualname=NAME, digest=NAME),
    inputs=names(SOURCES),
    returns=st.just(ir.Returns()) | RETURNS,
    after=tuples(NAME),
    trigger=st.sampled_from(["all_success", "all_done"]),
    retry=some(RETRY),
    timeout=some(NUMBER),
    cache=st.builds(ir.Cache, enabled=st.booleans(), version=TEXT, expires=some(NUMBER)),
    secrets=tuples(NAME),
    env=names(TEXT),
    pool=some(NAME),
    max_parallel=some(INT),
    resources=some(st.builds(ir.Resources, cpu=some(NUMBER), memory=some(INT), gpu=some(INT), accelerator=some(NAME))),
    priority=INT,
    tags=tuples(TEXT),
    image=some(TEXT),
    packages=tuples(TEXT),
    doc=TEXT,
)
NODES: st.SearchStrategy[Any] = st.recursive(
    STEPS,
    lambda inner: (
        st.builds(ir.Map, id=NAME, over=names(SOURCES), body=tuples(inner, 2))
        | st.builds(ir.Branch, id=NAME, when=CONDITIONS, then=tuples(inner, 2), otherwise=tuples(inner, 2))
    ),
    max_leaves=3,
)
SCHEDULES = st.builds(
    ir.Schedule,
    cron=some(TEXT),
    interval=some(NUMBER),
    timezone=NAME,
    start=some(TEXT),
    end=some(TEXT),
    catchup=st.booleans(),
)
PARAMS = st.builds(ir.Param, name=NAME, type=TYPES) | st.builds(ir.Param, name=NAME, type=TYPES, default=VALUE)
PIPELINES = st.builds(
    ir.Pipeline,
    name=NAME,
    doc=TEXT,
    params=tuples(PARAMS),
    nodes=tuples(NODES),
    schedule=some(SCHEDULES),
    max_parallel=some(INT),
    tags=tuples(TEXT),
    closures=names(names(TEXT)),
)
VALUES = st.builds(
    lambda value, text, number: ir.Pipeline(
        name="p", doc=text, params=(ir.Param(name=text, type=ir.ScalarType(name="any"), default=[value, text, number]),)
    ),
    VALUE,
    TEXT,
    NUMBER,
)


def source_of(text: str) -> Any:
    return wire.load(text, source="it")


@RELAXED
@given(PIPELINES | VALUES)
def test_what_is_written_comes_back(pipeline: ir.Pipeline) -> None:
    dumps: list[Callable[[ir.Pipeline], str]] = [
        wire.dump_json,
        wire.dump_yaml,
        lambda one: wire.compact(one).decode(),
    ]
    for dump in dumps:
        text = dump(pipeline)
        back = source_of(text)
        assert back == pipeline
        assert dump(back) == text
        assert wire.digest(back) == wire.digest(pipeline)  # so 1 is not 1.0, and keys keep their order
        assert wire.load(text.encode(), source="it") == pipeline


@RELAXED
@given(PIPELINES | VALUES)
def test_every_reader_of_yaml_and_json_reads_the_same(pipeline: ir.Pipeline) -> None:
    expected = plain.dumps(json.loads(wire.dump_json(pipeline)))
    text = wire.dump_yaml(pipeline)
    assert plain.dumps(yaml.safe_load(text)) == expected  # PyYAML reads YAML 1.1
    assert plain.dumps(reading.tree(text, "it")) == expected
    assert plain.dumps(json.loads(wire.compact(pipeline))) == expected


@RELAXED
@given(VALUES)
def test_yaml_is_read_alike_without_libyaml(pipeline: ir.Pipeline) -> None:
    text = wire.dump_yaml(pipeline)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader", raising=False)
        assert wire.dump_yaml(source_of(text)) == text


@RELAXED
@given(st.text() | st.binary() | TEXT | st.text("{}[]:,-\"'\n |>&*!%#?ab1\\u", max_size=30))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    for given_ in (text, "{" + text if isinstance(text, str) else b"{" + text):
        with pytest.raises((DefinitionError, NewerFormat)) as caught:
            wire.load(given_, source="it.yaml")
        str(caught.value).encode()


@RELAXED
@given(PIPELINES, st.data())
def test_any_change_of_a_pipeline_is_read_or_refused_with_its_place(pipeline: ir.Pipeline, data: st.DataObject) -> None:
    tree = json.loads(wire.dump_json(pipeline))
    part = tree
    while isinstance(part, dict | list) and part and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        below = part[key]
        if not isinstance(below, dict | list) or data.draw(st.booleans()):
            part[key] = data.draw(VALUE)
            break
        part = below
    tree["ir_version"] = 1
    try:
        wire.load(json.dumps(tree), source="it.json")
    except DefinitionError as error:
        assert all(problem.message.startswith("it.json: `$.") for problem in error.problems)  # noqa: PT017


# --- how it looks -----------------------------------------------------------------------------------------------------

FLIGHTS = ir.Pipeline(
    name="flights",
    doc="One model a carrier.\n\nReads all flights.",
    params=(
        ir.Param(name="year", type=ir.ScalarType(name="int"), default=2013),
        ir.Param(name="mode", type=ir.EnumType(ref="flights:Mode", members={"fast": "f", "slow": "no"})),
    ),
    nodes=(
        ir.Step(
            id="ingest",
            code=ir.CodeRef(module="flights", qualname="ingest"),
            inputs={"year": ir.ParamRef(name="year")},
            returns=ir.Returns(form="tuple", outputs=(ir.Output(name="carriers"), ir.Output(name="rows", type="int"))),
        ),
        ir.Map(
            id="train",
            over={"carrier": ir.OutputRef(step="ingest", output="carriers")},
            body=(
                ir.Step(
                    id="train",
                    code=ir.CodeRef(module="flights", qualname="train"),
                    inputs={
                        "rows": ir.OutputRef(step="ingest", output="rows"),
                        "carrier": ir.ItemRef(map="train", name="carrier"),
                        "rates": ir.Constant(value=[0.1, 1e22, -0.0, "1e22"]),
                    },
                    retry=ir.Retry(attempts=3, delay=10, max_delay=1800, jitter=True),
                    timeout=7200,
                ),
            ),
        ),
    ),
    schedule=ir.Schedule(cron="0 6 * * *"),
    tags=("ml", "yes"),
)
YAML = """\
ir_version: 1
name: flights
doc: |-
  One model a carrier.

  Reads all flights.
params:
  - {name: year, type: {kind: scalar, name: int}, default: 2013}
  - {name: mode, type: {kind: enum, ref: "flights:Mode", members: {fast: f, slow: "no"}}}
nodes:
  - kind: step
    id: ingest
    code: {module: flights, qualname: ingest}
    inputs:
      year: {kind: param, name: year}
    returns: {form: tuple, outputs: [{name: carriers}, {name: rows, type: int}]}
  - kind: map
    id: train
    over:
      carrier: {kind: output, step: ingest, output: carriers}
    body:
      - kind: step
        id: train
        code: {module: flights, qualname: train}
        inputs:
          rows: {kind: output, step: ingest, output: rows}
          carrier: {kind: item, map: train, name: carrier}
          rates: {kind: constant, value: [0.1, 1.0e+22, -0.0, "1e22"]}
        retry: {attempts: 3, delay: 10.0, max_delay: 1800.0, jitter: true}
        timeout: 7200.0
schedule: {cron: "0 6 * * *"}
tags: [ml, "yes"]
"""


def test_how_yaml_looks() -> None:
    assert wire.dump_yaml(FLIGHTS) == YAML


def test_how_json_looks() -> None:
    text = wire.dump_json(msgspec.structs.replace(FLIGHTS, doc="é"))
    assert text.startswith('{\n  "ir_version": 1,\n  "name": "flights",\n  "doc": "é",\n  "params": [\n    {\n')
    assert text.endswith("}\n")


def test_the_digest_is_that_of_the_compact_bytes() -> None:
    data = wire.compact(FLIGHTS)
    assert data.startswith(b'{"ir_version":1,"name":"flights","doc":"One model')
    assert wire.digest(FLIGHTS) == hashlib.sha256(data).hexdigest()
    assert wire.digest(FLIGHTS) != wire.digest(msgspec.structs.replace(FLIGHTS, tags=()))


def test_a_function_may_be_written_in_one_word() -> None:
    text = """
ir_version: 1
name: flights
nodes:
- {kind: map, id: m, over: {}, body: [{kind: step, id: a, code: "flights:ingest"}]}
- {kind: branch, id: b, when: {kind: truth, value: {kind: param, name: x}}, then: [{kind: step, id: c, code: a.b:C.f}]}
"""
    first, second = source_of(text).nodes
    assert first.body[0].code == ir.CodeRef(module="flights", qualname="ingest")
    assert second.then[0].code == ir.CodeRef(module="a.b", qualname="C.f")


def test_yaml_has_no_traps() -> None:
    text = "ir_version: 1\nname: no\ntags: [yes, on, 2020-01-01, 0o14, 012, 1_000, 1:30, .inf, <<, 0x1F]\n"
    found = source_of(text)
    assert found.name == "no"
    assert found.tags == ("yes", "on", "2020-01-01", "0o14", "012", "1_000", "1:30", ".inf", "<<", "0x1F")
    numbers = reading.tree("[1, -2, +3, 1.5, 1e3, .5, 1., ~, null, true, 0]", "it")
    assert plain.dumps(numbers) == b"[1,-2,3,1.5,1000.0,0.5,1.0,null,null,true,0]"


def test_lines_of_yaml() -> None:
    assert reading.lines("a:\n  - b: 1\n    c:\n      - 2\nd: 3\n") == {
        ("a",): 2,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 4,
        ("a", 0, "c", 0): 4,
        ("d",): 5,
    }


def test_a_byte_order_mark_is_no_text() -> None:
    assert wire.load(b"\xef\xbb\xbf" + YAML.encode(), source="it") == FLIGHTS
    assert source_of("\ufeff" + wire.dump_json(FLIGHTS)) == FLIGHTS


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yaml: it is empty"),
        ("hello", "p.yaml: a pipeline is a mapping, with `ir_version`, `name` and `nodes`"),
        ("[]", "p.yaml: a pipeline is a mapping, with `ir_version`, `name` and `nodes`"),
        ("{", "p.yaml:1: it starts with `{`, but is no JSON: Expecting property name enclosed in double quotes"),
        ('{"a": 1,\n"a": 2}', "p.yaml: the key `a` stands twice in one object"),
        ('{"a": NaN}', "p.yaml: `NaN` is no JSON"),
        ('{"a": 1e999}', "p.yaml: the number `1e999` is too large"),
        (f'{{"a": {"9" * 5000}}}', "p.yaml: it has a number of too many digits"),
        ('{"a":' * 100_000, "p.yaml: it is nested too deeply"),
        ('{"ir_version": 1, "name": "\\ud800"}', r"p.yaml: '\ud800' has half of a surrogate pair"),
        ("a: 1\na: 2", "p.yaml:2: the key `a` stands twice here"),
        ("a: &x 1", "p.yaml:1: `&x`: anchors are not read\n  hint: write it out"),
        ("a: *x", "p.yaml:1: `*x`: aliases are not read\n  hint: write it out"),
        (
            "a: !!python/object:os.system 1",
            "p.yaml:1: the tag `tag:yaml.org,2002:python/object:os.system` is not read\n  hint: leave it out",
        ),
        ("? [a]\n: b", "p.yaml:1: a key must be text"),
        ("a: 1e999", "p.yaml:1: the number `1e999` is too large"),
        ("a: " + "9" * 5000, "p.yaml:1: it has a number of too many digits"),
        ("- 1\n--- \n- 2", "p.yaml:2: a second document starts here"),
        ("a:\n  b: [", "p.yaml:3: it is no YAML: while parsing a flow node did not find expected node content"),
        (
            "a:\n\t- b",
            (
                "p.yaml:2: it is no YAML: while scanning for the next token found character that cannot start any "
                "token\n  hint: indent with spaces: YAML takes no tabs"
            ),
        ),
        ("[" * 3000, "p.yaml:1: it is nested too deeply"),
        ("a: \x01", "p.yaml: it is no YAML: unacceptable character #x0001: control characters are not allowed"),
        (
            "a: \ud800",
            (
                r"p.yaml: it is no YAML: 'utf-8' codec can't encode character '\ud800' in position 3: "
                "surrogates not allowed"
            ),
        ),
        (b"a: 1\nb: \xff", "p.yaml:2: it is not UTF-8"),
        ("name: x", "p.yaml: it has no `ir_version`\n  hint: write `ir_version: 1`"),
        ("ir_version: true", "p.yaml: `ir_version` cannot be `true`\n  hint: write `ir_version: 1`"),
        ("ir_version: 0", "p.yaml: `ir_version` cannot be `0`\n  hint: write `ir_version: 1`"),
        ('ir_version: "1"', 'p.yaml: `ir_version` cannot be `"1"`\n  hint: write `ir_version: 1`'),
    ],
)
def test_what_is_no_tree_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p.yaml")
    assert str(caught.value) == message


def test_a_later_format_says_so() -> None:
    with pytest.raises(NewerFormat) as caught:
        source_of("ir_version: 2\nname: x\nwhat: {is: this}")
    assert caught.value.message == "it has ir_version 2, and this pipeglot reads none above 1"
    assert caught.value.hint == "it was written by a later pipeglot: `pip install --upgrade pipeglot`"


def test_the_two_formats_before_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IR_VERSION", 4)
    monkeypatch.setattr(wire, "_OLDEST", 2)
    for version in (2, 3, 4):
        assert source_of(f"ir_version: {version}\nname: x").ir_version == version
    with pytest.raises(DefinitionError, match="it has ir_version 1, and this pipeglot reads none below 2"):
        source_of("ir_version: 1\nname: x")


WRONG = """\
ir_version: 1
name: yes
nodez: []
nodes:
- kind: stepp
- {kind: step, id: a, code: m:f, inputs: {x: {kind: outputt}, "a b": {kind: param}}, timeout: 2h}
- {kind: step, id: 5, code: m}
- 7
- {id: x}
- kind: step
  code:
    module: m
    qualname: q
    digits: 1
  retry: 5
  trigger: all
  tags: x
  env: {A: 1, B: null}
  cache: {enabled: "true"}
  priority: 1.5
  resources: {cpu: true}
  inputs: []
schedule: {crn: 5}
params:
- {name: a, type: {kind: scalar, name: integer}}
- {name: b, type: {kind: list}}
"""


def test_all_that_is_wrong_is_told_with_its_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load(WRONG, source="p.yaml")
    told = [f"{problem.at}: {problem.code}: {problem.message}" for problem in caught.value.problems]
    sources = "`constant`, `param`, `output`, `item`, `list` or `one_of`"
    scalars = "`any`, `bool`, `date`, `datetime`, `float`, `int`, `str` or `timedelta`"
    assert told == [
        "p.yaml:3: ir-unknown-field: `$.nodez` is no field of `Pipeline`",
        "p.yaml:5: ir-kind: `$.nodes[0].kind` must be `step`, `map` or `branch`, not 'stepp'",
        f"p.yaml:6: ir-kind: `$.nodes[1].inputs.x.kind` must be {sources}, not 'outputt'",
        "p.yaml:6: ir-missing-field: `$.nodes[1].inputs['a b']` needs `name`, as every `param` does",
        "p.yaml:6: ir-type: `$.nodes[1].timeout` must be a number, not '2h'",
        "p.yaml:7: ir-type: `$.nodes[2].id` must be text, not 5",
        "p.yaml:7: ir-type: `$.nodes[2].code` must be `module:function`, not 'm'",
        "p.yaml:8: ir-type: `$.nodes[3]` must be a mapping whose `kind` is `step`, `map` or `branch`, not 7",
        "p.yaml:9: ir-kind: `$.nodes[4]` needs `kind`: `step`, `map` or `branch`",
        "p.yaml:14: ir-unknown-field: `$.nodes[5].code.digits` is no field of `CodeRef`",
        "p.yaml:15: ir-type: `$.nodes[5].retry` must be a mapping with `attempts`, not 5",
        "p.yaml:16: ir-type: `$.nodes[5].trigger` must be `all_done` or `all_success`, not 'all'",
        "p.yaml:17: ir-type: `$.nodes[5].tags` must be a list, not 'x'",
        "p.yaml:18: ir-type: `$.nodes[5].env.A` must be text, not 1",
        "p.yaml:18: ir-type: `$.nodes[5].env.B` must be text, not null",
        "p.yaml:19: ir-type: `$.nodes[5].cache.enabled` must be true or false, not 'true'",
        "p.yaml:20: ir-type: `$.nodes[5].priority` must be a whole number, not 1.5",
        "p.yaml:21: ir-type: `$.nodes[5].resources.cpu` must be a number, not true",
        "p.yaml:22: ir-type: `$.nodes[5].inputs` must be a mapping, not a list",
        "p.yaml:10: ir-missing-field: `$.nodes[5]` needs `id`, as every `step` does",
        "p.yaml:23: ir-unknown-field: `$.schedule.crn` is no field of `Schedule`",
        f"p.yaml:25: ir-type: `$.params[0].type.name` must be {scalars}, not 'integer'",
        "p.yaml:26: ir-missing-field: `$.params[1].type` needs `of`, as every `list` does",
    ]
    hints = {problem.message.split("`")[1]: problem.hint for problem in caught.value.problems if problem.hint}
    assert hints == {
        "$.nodez": "did you mean `nodes`?",
        "$.nodes[0].kind": "did you mean `step`?",
        "$.nodes[1].inputs.x.kind": "did you mean `output`?",
        "$.nodes[2].id": "write it in quotes",
        "$.nodes[5].code.digits": "did you mean `digest`?",
        "$.nodes[5].env.A": "write it in quotes",
        "$.schedule.crn": "did you mean `cron`?",
        "$.params[0].type.name": "did you mean `int`?",
    }


def test_json_has_places_without_lines() -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load('{"ir_version": 1, "name": "x", "nodes": {}}', source="p.json")
    assert str(caught.value) == "p.json: `$.nodes` must be a list, not a mapping"


def test_a_kind_where_only_one_can_be() -> None:
    inputs = "{x: {kind: one_of, options: [{kind: item}]}}"
    text = f"ir_version: 1\nname: x\nnodes: [{{kind: step, id: a, code: m:f, inputs: {inputs}}}]"
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p")
    assert "`$.nodes[0].inputs.x.options[0].kind` must be `output`, not 'item'" in str(caught.value)


def test_a_source_that_is_no_mapping() -> None:
    text = f"ir_version: 1\nname: x\nnodes: [{{kind: step, id: a, code: m:f, inputs: {{x: {10**70}, y: {'z' * 80}}}}}]"
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p")
    first, second = caught.value.problems
    assert first.message.endswith("`item`, `list` or `one_of`, not a number of many digits")
    assert second.message.endswith(f"`one_of`, not '{'z' * 60}…'")


def test_what_is_nested_more_deeply_than_python_can_walk() -> None:
    kind: Any = SCALAR_INT
    for _ in range(2000):
        kind = ir.OptionalType(of=kind)
    deep = ir.Pipeline(name="p", params=(ir.Param(name="x", type=kind),))
    for dump in (wire.dump_json, wire.dump_yaml):
        with pytest.raises(DefinitionError) as caught:
            dump(deep)
        assert str(caught.value) == "pipeline `p` cannot be written: it is nested too deeply"
    text = '{"ir_version": 1, "name": "p", "params": [{"name": "x", "type": ' + '{"kind": "optional", "of": ' * 2000
    with pytest.raises(DefinitionError, match="it is nested too deeply"):
        source_of(text + '{"kind": "scalar", "name": "int"}' + "}" * 2001 + "]}")


def test_very_many_problems_are_not_all_told() -> None:
    with pytest.raises(DefinitionError) as caught:
        source_of("ir_version: 1\nname: x\ntags: [" + "1, " * 1000 + "]")
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].message == "it: … and more"


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            ir.Pipeline(name="p", doc="\ud800"),
            r"pipeline `p` cannot be written: the character '\ud800' is half of a pair",
        ),
        (
            ir.Pipeline(name="\udfff"),
            r"pipeline `\udfff` cannot be written: the character '\udfff' is half of a pair",
        ),
        (
            ir.Pipeline(name="p", max_parallel="x"),  # type: ignore[arg-type]
            "pipeline `p` cannot be written: Expected `int | null`, got `str` - at `$.max_parallel`",
        ),
        (
            ir.Pipeline(name="p", params=(ir.Param(name="x", type=ir.ScalarType(name="any"), default=float("nan")),)),
            "pipeline `p` cannot be written: a number in it is not finite, or has thousands of digits",
        ),
        (
            ir.Pipeline(name="p", max_parallel=10**5000),
            "pipeline `p` cannot be written: a number in it is not finite, or has thousands of digits",
        ),
    ],
)
def test_what_cannot_be_written(pipeline: ir.Pipeline, message: str) -> None:
    dumps: list[Callable[[ir.Pipeline], object]] = [wire.dump_json, wire.dump_yaml, wire.compact, wire.digest]
    for dump in dumps:
        with pytest.raises(DefinitionError) as caught:
            dump(pipeline)
        assert str(caught.value) == message


def test_importing_wire_is_cheap() -> None:
    code = (
        "import sys, pipeglot.core.wire as wire\n"
        'wire.load(\'{"ir_version": 1, "name": "x"}\', source=\'it\')\n'
        "loaded = {'yaml', 'pydantic', 'dataclasses', 'difflib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
