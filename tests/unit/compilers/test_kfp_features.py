"""What each feature changes of what Kubeflow and Vertex AI are told: what is native must be seen there.

Each has two pipelines, without it and with it. Both are compiled as if they were the same one: of the digests of what
they are made of nothing is seen.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.base import Compiler
from pipeglot.compilers.kfp import schedules, vertex_jobs
from pipeglot.compilers.kfp.compiler import KfpCompiler, VertexCompiler, spec_text
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.core.features import Feature, Level, needs
from pipeglot.core.ir import (
    ArtifactType,
    Branch,
    Cache,
    DictType,
    EnumType,
    ListOf,
    ListType,
    LiteralType,
    Map,
    OptionalType,
    Param,
    ParamType,
    Pipeline,
    RecordType,
    Resources,
    Retry,
    ScalarType,
    Schedule,
    TupleType,
)
from tests.unit.compilers.kfp_specs import KFP, VERTEX, documents, source
from tests.unit.lineage.build import above, item, mapped, one_of, out, step

Pair = tuple[Pipeline, Pipeline]

SECRETS = {"kfp": {"T": "k8s:api/token"}, "vertex": {"T": "env:T"}}
STACKS: dict[str, KfpStack | VertexStack] = {
    "kfp": structs.replace(KFP, secrets=SECRETS["kfp"]),
    "vertex": structs.replace(VERTEX, secrets=SECRETS["vertex"]),
}
COMPILERS: dict[str, Compiler[Any]] = {"kfp": KfpCompiler(), "vertex": VertexCompiler()}

A, B = step("a"), step("b", x=out("a"))
PLAIN = Pipeline(name="p", nodes=(A, B))
INT, STR = ScalarType(name="int"), ScalarType(name="str")
START = "2026-01-01T00:00:00+00:00"


def a_step(before: dict[str, Any] | None = None, **words: Any) -> Pair:
    """`b` of two steps, without and with these words."""
    first = structs.replace(B, **{"cache": Cache(enabled=False), **(before or {})})
    return pipe(A, first), pipe(A, structs.replace(first, **words))


def pipe(*nodes: Any, **words: Any) -> Pipeline:
    return Pipeline(name="p", nodes=nodes, **words)


def a_param(kind: ParamType, default: Any, **words: Any) -> Pair:
    """A parameter of a type, instead of one that is a text."""
    text = Param(name="n", type=STR, default="x")
    own = Param(name="n", type=kind, **({} if words else {"default": default}), **words)
    return pipe(A, B, params=(text,)), pipe(A, B, params=(own,))


def scheduled(before: dict[str, Any] | None, **words: Any) -> Pair:
    without = PLAIN if before is None else structs.replace(PLAIN, schedule=Schedule(**before))
    return without, structs.replace(PLAIN, schedule=Schedule(**words))


CRON = {"cron": "0 6 * * *"}
LOOP = mapped("m", out("a"), step("m", x=item("m")))
WHEN = Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(step("c"),))
TWO = Map(id="m", over={"x": out("a"), "y": out("b")}, body=(step("m", x=item("m"), y=item("m", "y")),))

PAIRS: dict[Feature, Pair] = {
    Feature.RETRY: a_step(retry=Retry(attempts=3)),
    Feature.RETRY_DELAY: a_step({"retry": Retry(attempts=3)}, retry=Retry(attempts=3, delay=5)),
    Feature.RETRY_BACKOFF: a_step({"retry": Retry(attempts=3, delay=5)}, retry=Retry(attempts=3, delay=5, backoff=2)),
    Feature.RETRY_MAX_DELAY: a_step(
        {"retry": Retry(attempts=3, delay=5)}, retry=Retry(attempts=3, delay=5, max_delay=7)
    ),
    Feature.RETRY_JITTER: a_step({"retry": Retry(attempts=3, delay=5)}, retry=Retry(attempts=3, delay=5, jitter=True)),
    Feature.RETRY_ON: a_step({"retry": Retry(attempts=3)}, retry=Retry(attempts=3, on=("OSError",))),
    Feature.TIMEOUT: a_step(timeout=5.0),
    Feature.CACHE: a_step(cache=Cache()),
    Feature.CACHE_EXPIRES: a_step({"cache": Cache()}, cache=Cache(expires=5.0)),
    Feature.SECRETS: a_step(secrets=("T",)),
    Feature.ENV: a_step(env={"A": "b"}),
    Feature.AFTER: (pipe(A, step("c")), pipe(A, step("c", after=("a",)))),
    Feature.ALL_DONE: (
        pipe(A, step("c", after=("a",))),
        pipe(A, step("c", after=("a",), trigger="all_done")),
    ),
    Feature.STEP_MAX_PARALLEL: (
        pipe(A, LOOP),
        pipe(A, mapped("m", out("a"), structs.replace(step("m", x=item("m")), max_parallel=2))),
    ),
    Feature.MAX_PARALLEL: (PLAIN, structs.replace(PLAIN, max_parallel=2)),
    Feature.POOL: a_step(pool="x"),
    Feature.MAP: (pipe(A, step("m", x=out("a"))), pipe(A, LOOP)),
    Feature.MAP_TOGETHER: (pipe(A, B, LOOP), pipe(A, B, TWO)),
    Feature.MAP_PIPELINE: (
        pipe(A, LOOP),
        pipe(A, mapped("m", out("a"), step("m.b", x=item("m")), step("m.c", x=out("m.b")))),
    ),
    Feature.MAP_NESTED: (
        pipe(A, mapped("m", out("a"), step("m.b", x=item("m")), step("m.n", x=out("m.b")))),
        pipe(A, mapped("m", out("a"), step("m.b", x=item("m")), mapped("m.n", out("m.b")))),
    ),
    Feature.MAP_COLLECT: (pipe(A, LOOP, step("d", x=out("a"))), pipe(A, LOOP, step("d", x=out("m")))),
    Feature.BRANCH: (pipe(A, step("b"), step("c")), pipe(A, WHEN)),
    Feature.BRANCH_IN_MAP: (
        pipe(A, mapped("m", out("a"), step("m.b", x=item("m")), step("m.c"))),
        pipe(
            A,
            mapped(
                "m", out("a"), step("m.b", x=item("m")), Branch(id="m.w", when=above("m.b", 1), then=(step("m.c"),))
            ),
        ),
    ),
    Feature.ONE_OF: (pipe(A, WHEN, step("d", x=out("a"))), pipe(A, WHEN, step("d", x=one_of("b", "c")))),
    Feature.LIST: (
        pipe(A, step("b"), step("c", x=out("a"))),
        pipe(A, step("b"), step("c", x=ListOf(items=(out("a"), out("b"))))),
    ),
    Feature.PARAM_ANY: a_param(ScalarType(name="any"), 1),
    Feature.PARAM_BOOL: a_param(ScalarType(name="bool"), default=True),
    Feature.PARAM_INT: a_param(INT, 1),
    Feature.PARAM_FLOAT: a_param(ScalarType(name="float"), 0.5),
    Feature.PARAM_STR: (PLAIN, pipe(A, B, params=(Param(name="n", type=STR, default="x"),))),
    Feature.PARAM_DATE: a_param(ScalarType(name="date"), "2026-01-01"),
    Feature.PARAM_DATETIME: a_param(ScalarType(name="datetime"), "2026-01-01T00:00:00+00:00"),
    Feature.PARAM_TIMEDELTA: a_param(ScalarType(name="timedelta"), "PT1H"),
    Feature.PARAM_ENUM: a_param(EnumType(ref="m:E", members={"A": 1}), "A"),
    Feature.PARAM_LITERAL: a_param(LiteralType(values=("a", "b")), "a"),
    Feature.PARAM_OPTIONAL: (
        pipe(A, B, params=(Param(name="n", type=INT, default=1),)),
        pipe(A, B, params=(Param(name="n", type=OptionalType(of=INT), default=None),)),
    ),
    Feature.PARAM_LIST: a_param(ListType(of=INT), [1]),
    Feature.PARAM_TUPLE: a_param(TupleType(of=(INT,)), [1]),
    Feature.PARAM_DICT: a_param(DictType(of=INT), {"a": 1}),
    Feature.PARAM_DATACLASS: a_param(RecordType(ref="m:R", style="dataclass"), {}),
    Feature.PARAM_PYDANTIC: a_param(RecordType(ref="m:R", style="pydantic"), {}),
    Feature.PARAM_ARTIFACT: a_param(ArtifactType(type="Model"), None, logical_date=False),
    Feature.PARAM_LOGICAL_DATE: a_param(ScalarType(name="date"), None, logical_date=True),
    Feature.HOOKS: (PLAIN, structs.replace(PLAIN, on_failure=(step("alarm"),))),
    Feature.SCHEDULE_CRON: scheduled(None, **CRON),
    Feature.SCHEDULE_INTERVAL: scheduled(CRON, interval=60.0, start=START),
    Feature.SCHEDULE_WINDOW: scheduled(CRON, **CRON, end="2027-01-01T00:00:00+00:00"),
    Feature.SCHEDULE_CATCHUP: scheduled({**CRON, "start": START}, **CRON, start=START, catchup=True),
    Feature.SCHEDULE_ASSETS: scheduled(None, assets=("s3://x",)),
    Feature.ASSET: a_step(asset={"output": "s3://x"}),
    Feature.CPU: a_step(resources=Resources(cpu=2)),
    Feature.MEMORY: a_step(resources=Resources(memory=2**30)),
    Feature.GPU: a_step({"resources": Resources(cpu=1)}, resources=Resources(cpu=1, gpu=1, accelerator="t4")),
    Feature.ACCELERATOR: a_step(
        {"resources": Resources(gpu=1, accelerator="l4")}, resources=Resources(gpu=1, accelerator="t4")
    ),
    Feature.PRIORITY: a_step(priority=3),
    Feature.IMAGE: a_step(image="other"),
    Feature.PACKAGES: a_step(packages=("numpy",)),
    Feature.TAGS: a_step(tags=("x",)),
    Feature.DOC: (PLAIN, structs.replace(PLAIN, doc="What it is.")),
}


NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def told(pipeline: Pipeline, stack: KfpStack | VertexStack) -> tuple[Any, ...]:
    """What the orchestrator is told, but for what the pipeline itself says of itself: its file, and its schedule."""
    schedule = pipeline.schedule
    if schedule is None or schedule.assets:
        asked: Any = None
    elif isinstance(stack, KfpStack):
        asked = [schedules.trigger(schedule, NOW, None), schedule.catchup]
    else:
        asked = vertex_jobs.schedule("p", schedule, "", {})
    return spec_text(source(pipeline), stack), asked


def test_every_feature_has_two_pipelines() -> None:
    assert {*PAIRS} == {*Feature}
    for feature, (_, having) in PAIRS.items():
        assert feature in needs(having), feature


@pytest.mark.parametrize("backend", COMPILERS)
@pytest.mark.parametrize("feature", Feature, ids=lambda one: one.name)
def test_what_is_native_is_seen(feature: Feature, backend: str) -> None:
    stack, compiler = STACKS[backend], COMPILERS[backend]
    without, having = PAIRS[feature]
    level = compiler.capabilities[feature].level
    found = compiler.check(source(having), stack)
    if level in (Level.NOT_YET, Level.NEVER):
        assert any(feature.value in one.message for one in found.problems), found.problems
        return
    assert found.problems == []
    assert documents(having, stack)
    if level is Level.NATIVE:
        assert told(having, stack) != told(without, stack)
    elif level is Level.ADVISORY:
        assert told(having, stack) == told(without, stack)
        assert any(feature.value in one.message for one in found.notes), found.notes


def test_a_pipeline_of_other_code_is_another_one() -> None:
    """What KFP does not see, the digests tell."""
    for stack in STACKS.values():
        first, other = (source(PLAIN)._replace(ir=digit * 64) for digit in "01")
        assert spec_text(first, stack) != spec_text(other, stack)
