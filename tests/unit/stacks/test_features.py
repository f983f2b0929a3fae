"""What pipelines need, what backends refuse or take as advice, and the local runner's own word."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.core import ir
from pipeglot.core.errors import Location
from pipeglot.core.features import (
    REFUSED,
    REQUESTS,
    Feature,
    Level,
    Needs,
    Support,
    advisory,
    declare,
    missing,
    needs,
)
from pipeglot.runtime_local.capabilities import CAPABILITIES, check

CODE = ir.CodeRef(module="m", qualname="f", digest="0" * 64)


def step(name: str = "a", **fields: Any) -> ir.Step:
    fields.setdefault("cache", ir.Cache(enabled=False))
    return ir.Step(id=name, code=CODE, **fields)


def pipe(*nodes: ir.AnyNode, **fields: Any) -> ir.Pipeline:
    return ir.Pipeline(name="p", nodes=nodes, **fields)


def out(name: str) -> ir.OutputRef:
    return ir.OutputRef(step=name, output="output")


STEPS: list[tuple[dict[str, Any], set[Feature]]] = [
    ({}, set()),
    ({"cache": ir.Cache()}, {Feature.CACHE}),
    ({"cache": ir.Cache(expires=5.0)}, {Feature.CACHE, Feature.CACHE_EXPIRES}),
    ({"retry": ir.Retry(attempts=1, delay=3.0)}, set()),
    ({"retry": ir.Retry(attempts=2)}, {Feature.RETRY}),
    ({"retry": ir.Retry(attempts=2, backoff=2.0, jitter=True, max_delay=9.0)}, {Feature.RETRY}),
    (
        {"retry": ir.Retry(attempts=2, delay=1.0, backoff=2.0, jitter=True, max_delay=9.0, on=("OSError",))},
        {
            Feature.RETRY,
            Feature.RETRY_DELAY,
            Feature.RETRY_BACKOFF,
            Feature.RETRY_JITTER,
            Feature.RETRY_MAX_DELAY,
            Feature.RETRY_ON,
        },
    ),
    ({"timeout": 3.0}, {Feature.TIMEOUT}),
    ({"secrets": ("T",)}, {Feature.SECRETS}),
    ({"env": {"A": "b"}}, {Feature.ENV}),
    ({"trigger": "all_done", "cache": ir.Cache()}, {Feature.ALL_DONE}),
    ({"max_parallel": 2}, {Feature.STEP_MAX_PARALLEL}),
    ({"pool": "gpu"}, {Feature.POOL}),
    ({"resources": ir.Resources(cpu=1.0)}, {Feature.CPU}),
    ({"resources": ir.Resources(memory=1, gpu=1, accelerator="x")}, {Feature.MEMORY, Feature.GPU, Feature.ACCELERATOR}),
    ({"priority": 3}, {Feature.PRIORITY}),
    ({"image": "x"}, {Feature.IMAGE}),
    ({"packages": ("x",)}, {Feature.PACKAGES}),
    ({"asset": {"output": "s3://x"}}, {Feature.ASSET}),
    ({"tags": ("x",)}, {Feature.TAGS}),
    ({"doc": "x"}, {Feature.DOC}),
    ({"inputs": {"x": ir.ListOf(items=())}}, {Feature.LIST}),
]


@pytest.mark.parametrize(("fields", "expected"), STEPS)
def test_needs_of_a_step(fields: dict[str, Any], expected: set[Feature]) -> None:
    assert needs(pipe(step(**fields))) == {feature: ["a"] for feature in Feature if feature in expected}


def test_needs_of_maps_and_branches() -> None:
    inner = ir.Map(id="inner", over={"y": out("list")}, body=(step("deep"),))
    branch = ir.Branch(id="when_1", when=ir.Truth(value=out("list")), then=(step("yes"),), otherwise=(step("no"),))
    outer = ir.Map(id="outer", over={"x": out("list"), "z": out("list")}, body=(step("item"), inner, branch))
    last = step("last", after=("item",), inputs={"xs": out("item"), "one": ir.OneOf(options=(out("yes"), out("no")))})
    found = needs(pipe(step("list"), outer, last))
    assert found == {
        Feature.AFTER: ["last"],
        Feature.MAP: ["outer", "inner"],
        Feature.MAP_TOGETHER: ["outer"],
        Feature.MAP_PIPELINE: ["outer"],
        Feature.MAP_NESTED: ["inner"],
        Feature.MAP_COLLECT: ["last"],
        Feature.BRANCH: ["when_1"],
        Feature.BRANCH_IN_MAP: ["when_1"],
        Feature.ONE_OF: ["last"],
    }


SCALARS = {
    name: Feature[f"PARAM_{name.upper()}"]
    for name in ("any", "bool", "int", "float", "str", "date", "datetime", "timedelta")
}
INT = ir.ScalarType(name="int")
TYPES: list[tuple[ir.ParamType, set[Feature]]] = [
    *((ir.ScalarType(name=name), {feature}) for name, feature in SCALARS.items()),  # type: ignore[arg-type]  # a literal
    (ir.EnumType(ref="m:E", members={"A": 1}), {Feature.PARAM_ENUM}),
    (ir.LiteralType(values=("a",)), {Feature.PARAM_LITERAL}),
    (ir.OptionalType(of=INT), {Feature.PARAM_OPTIONAL, Feature.PARAM_INT}),
    (ir.ListType(of=INT), {Feature.PARAM_LIST, Feature.PARAM_INT}),
    (ir.ListType(of=INT, tuple=True), {Feature.PARAM_TUPLE, Feature.PARAM_INT}),
    (ir.TupleType(of=(INT, ir.ScalarType(name="str"))), {Feature.PARAM_TUPLE, Feature.PARAM_INT, Feature.PARAM_STR}),
    (ir.DictType(of=INT), {Feature.PARAM_DICT, Feature.PARAM_INT}),
    (
        ir.RecordType(ref="m:R", style="dataclass", fields=(ir.FieldType(name="x", type=INT),)),
        {Feature.PARAM_DATACLASS, Feature.PARAM_INT},
    ),
    (ir.RecordType(ref="m:R", style="pydantic"), {Feature.PARAM_PYDANTIC}),
    (ir.ArtifactType(type="Model"), {Feature.PARAM_ARTIFACT}),
    (ir.OptionalType(of=ir.ArtifactType()), {Feature.PARAM_OPTIONAL, Feature.PARAM_ARTIFACT}),
]


@pytest.mark.parametrize(("kind", "expected"), TYPES)
def test_needs_of_parameters(kind: ir.ParamType, expected: set[Feature]) -> None:
    found = needs(pipe(params=(ir.Param(name="x", type=kind),)))
    assert found == {feature: ["param:x"] for feature in Feature if feature in expected}


def test_needs_of_the_logical_date() -> None:
    day = ir.Param(name="day", type=ir.ScalarType(name="date"), logical_date=True)
    assert needs(pipe(params=(day,))) == {Feature.PARAM_DATE: ["param:day"], Feature.PARAM_LOGICAL_DATE: ["param:day"]}


def test_needs_of_hooks() -> None:
    first = step("first", cache=ir.Cache(expires=5.0), retry=ir.Retry(attempts=2), inputs={"x": ir.ListOf(items=())})
    found = needs(pipe(step("a"), on_failure=(first,), on_success=(step("second", pool="gpu"),)))
    assert found == {
        Feature.RETRY: ["first"],
        Feature.POOL: ["second"],
        Feature.LIST: ["first"],
        Feature.HOOKS: ["first", "second"],
    }


def test_a_map_of_one_step_is_no_mapped_pipeline() -> None:
    branch = ir.Branch(id="b", when=ir.Truth(value=out("a")), then=(step("yes"),))
    for body, expected in (((step("x"),), []), ((step("x"), step("y")), ["m"]), ((branch,), ["m"])):
        found = needs(pipe(step("a"), ir.Map(id="m", over={"i": out("a")}, body=body)))
        assert found.get(Feature.MAP_PIPELINE, []) == expected


def test_needs_of_the_pipeline_itself() -> None:
    schedule = ir.Schedule(cron="0 6 * * *", start="2020-01-01", catchup=True)
    found = needs(pipe(schedule=schedule, max_parallel=3, tags=("x",), doc="y"))
    asked = {"MAX_PARALLEL", "SCHEDULE_CRON", "SCHEDULE_WINDOW", "SCHEDULE_CATCHUP", "TAGS", "DOC"}
    assert found == {feature: [""] for feature in Feature if feature.name in asked}
    assert needs(pipe(schedule=ir.Schedule(interval=60.0))) == {Feature.SCHEDULE_INTERVAL: [""]}
    assert needs(pipe(schedule=ir.Schedule(assets=("s3://x",)))) == {Feature.SCHEDULE_ASSETS: [""]}


# --- capabilities -----------------------------------------------------------------------------------------------------

ALL = dict.fromkeys(Feature, Support(Level.NATIVE))


def test_capabilities_are_total_and_honest() -> None:
    with pytest.raises(TypeError, match="retry, timeout are left out"):
        declare({feature: one for feature, one in ALL.items() if feature not in (Feature.RETRY, Feature.TIMEOUT)})
    with pytest.raises(TypeError, match="map need a note"):
        declare({**ALL, Feature.MAP: Support(Level.NEVER)})
    with pytest.raises(TypeError, match="timeout must be honoured or refused"):
        declare({**ALL, Feature.TIMEOUT: Support(Level.ADVISORY, "perhaps")})
    with pytest.raises(TypeError):
        CAPABILITIES[Feature.MAP] = Support(Level.NEVER, "x")  # type: ignore[index]  # that is the point


def test_refusals_name_everybody() -> None:
    capabilities = declare(
        {
            **ALL,
            Feature.TIMEOUT: Support(Level.NOT_YET, "the next version will"),
            Feature.PARAM_DATE: Support(Level.NEVER, "pass text"),
        }
    )
    needed: Needs = {Feature.TIMEOUT: ["a", "b"], Feature.PARAM_DATE: ["param:day"], Feature.MAP: ["m"]}
    found = missing(needed, capabilities, {"b": Location("f.py", 3)}, "x")
    assert [str(problem) for problem in found] == [
        "`a` asks for `timeout`, which backend `x` does not do yet\n  hint: the next version will",
        "f.py:3: `b` asks for `timeout`, which backend `x` does not do yet\n  hint: the next version will",
        "parameter `day` asks for `date parameter`, which backend `x` does not do\n  hint: pass text",
    ]


def test_advice_is_one_line_a_feature() -> None:
    capabilities = declare({**ALL, Feature.GPU: Support(Level.ADVISORY, "there is none")})
    found = advisory({Feature.GPU: ["a", "b", "c", "d", "e"]}, capabilities, {}, "x")
    assert [str(problem) for problem in found] == [
        "`a`, `b`, `c` and 2 more: backend `x` takes `gpu` as advice: there is none"
    ]


def test_the_local_runner_refuses_nothing() -> None:
    assert {feature for feature, one in CAPABILITIES.items() if one.level in REFUSED} == set()
    assert {feature for feature, one in CAPABILITIES.items() if one.level is Level.ADVISORY} <= REQUESTS


def test_what_a_stack_must_declare() -> None:
    made = pipe(step(pool="gpu", secrets=("T",), resources=ir.Resources(gpu=1)))
    where = {"a": Location("f.py", 2)}
    found = check(made, where, stack="s", pools={}, secrets={})
    assert [problem.code for problem in found.problems] == ["pool", "secret"]
    assert str(found.problems[0]).startswith("f.py:2: `a` runs in pool `gpu`, which stack `s` does not declare")
    assert [note.code for note in found.notes] == ["advisory"]
    hooked = pipe(step(), on_failure=(step("b", pool="gpu", secrets=("T",)),))
    assert [one.code for one in check(hooked, {}, stack="s", pools={}, secrets={}).problems] == ["pool", "secret"]
    strict = check(made, where, stack="s", pools={"gpu": 1}, secrets={"T": "env:T"}, strict=True)
    assert not strict.notes
    assert strict.problems[0].hint == "stack `s` says `strict: true`: take the request out, or that line"
