"""Pipelines to write and read: of all sorts, well-formed if not sensible, and one that people read."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pipeglot.core import ir, plain

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

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
    SCALAR
    | st.builds(ir.ArtifactType, type=TEXT)
    | st.builds(ir.EnumType, ref=NAME, members=names(VALUE))
    | st.builds(ir.LiteralType, values=tuples(VALUE)),
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
    asset=names(TEXT),
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
    assets=tuples(TEXT),
    timezone=NAME,
    start=some(TEXT),
    end=some(TEXT),
    catchup=st.booleans(),
)
PARAMS = st.builds(ir.Param, name=NAME, type=TYPES, logical_date=st.booleans()) | st.builds(
    ir.Param, name=NAME, type=TYPES, default=VALUE
)
PIPELINES = st.builds(
    ir.Pipeline,
    name=NAME,
    doc=TEXT,
    params=tuples(PARAMS),
    nodes=tuples(NODES),
    on_failure=tuples(STEPS, 1),
    on_success=tuples(STEPS, 1),
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
