"""What Prefect is told of each feature, and what is refused."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
import yaml
from msgspec import structs

from pipeglot.compilers.base import Source
from pipeglot.compilers.prefect.compiler import PrefectCompiler
from pipeglot.compilers.prefect.deployment import deployment
from pipeglot.compilers.prefect.signature import annotation, json_schema
from pipeglot.compilers.prefect.stack import PrefectStack, PrefectStep
from pipeglot.core.errors import Unsupported
from pipeglot.core.features import Feature, Level, needs
from pipeglot.core.ir import (
    ArtifactType,
    Branch,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OneOf,
    OptionalType,
    Param,
    Pipeline,
    RecordType,
    Retry,
    ScalarType,
    Schedule,
    Step,
    TupleType,
)
from tests.unit.lineage.build import above, const, item, mapped, out, step

STACK = PrefectStack(name="prod", store="s3://ml/prod")
PLAIN = Pipeline(name="p", nodes=(step("a"), step("b", x=out("a"))))
INT = ScalarType(name="int")


def source(pipeline: Pipeline) -> Source:
    return Source(pipeline, "p.py:p", "0" * 64, f"sha256:{'1' * 64}")


def files(pipeline: Pipeline, **stack: Any) -> dict[str, str]:
    found = PrefectCompiler().compile(source(pipeline), structs.replace(STACK, **stack))
    return {file.name: file.text for file in found}


def text(pipeline: Pipeline, **stack: Any) -> str:
    return next(iter(files(pipeline, **stack).values()))


def told(pipeline: Pipeline, **stack: Any) -> list[str]:
    """What the change of a pipeline changes in its flow: the lines that are new."""
    before = text(PLAIN, **stack).splitlines()
    return [line.strip() for line in text(pipeline, **stack).splitlines() if line not in before]


def deployed(pipeline: Pipeline, **stack: Any) -> dict[str, Any]:
    """The deployment, as it is in its file."""
    found = yaml.safe_load(files(pipeline, **stack)["p.prefect.yaml"])
    (one,) = found["deployments"]
    return {**one, "pull": found["pull"]}


def changed(**fields: Any) -> Pipeline:
    first, second = PLAIN.nodes
    assert isinstance(second, Step)
    return structs.replace(PLAIN, nodes=(first, structs.replace(second, **fields)))


CHANGES: dict[Feature, tuple[Pipeline, str]] = {
    Feature.RETRY: (changed(retry=Retry(attempts=3)), '@work.task("b", retries=2)'),
    Feature.RETRY_DELAY: (
        changed(retry=Retry(attempts=3, delay=7)),
        '@work.task("b", retries=2, retry_delay_seconds=7)',
    ),
    Feature.RETRY_BACKOFF: (
        changed(retry=Retry(attempts=4, delay=1, backoff=2)),
        '@work.task("b", retries=3, retry_delay_seconds=[1, 2, 4])',
    ),
    Feature.RETRY_MAX_DELAY: (
        changed(retry=Retry(attempts=4, delay=1, backoff=2, max_delay=1.5)),
        '@work.task("b", retries=3, retry_delay_seconds=[1, 1.5, 1.5])',
    ),
    Feature.RETRY_JITTER: (
        changed(retry=Retry(attempts=2, delay=8, jitter=True)),
        '@work.task("b", retries=1, retry_delay_seconds=4)',
    ),
    Feature.AFTER: (
        structs.replace(PLAIN, nodes=(step("a"), step("b"), step("c", after=("b",)))),
        "c.submit(wait_for=[b_])",
    ),
    Feature.ALL_DONE: (
        structs.replace(PLAIN, nodes=(step("a"), step("b", after=("a",), trigger="all_done"))),
        "b.submit(wait_for=[allow_failure(a_)])",
    ),
    Feature.MAX_PARALLEL: (structs.replace(PLAIN, max_parallel=5), "work = Worker(PIPELINE, most=5)"),
    Feature.POOL: (changed(pool="gpu"), '@work.task("b", tags=["gpu"])'),
    Feature.MAP: (
        structs.replace(PLAIN, nodes=(step("a"), mapped("b", out("a"), step("b", x=item("b"))))),
        'return work.each("b", b.submit)',
    ),
    Feature.MAP_PIPELINE: (
        structs.replace(
            PLAIN, nodes=(step("a"), mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b"))))
        ),
        "in_c_ = in_c.submit(item, label, wait_for=[in_b_])",
    ),
    Feature.BRANCH: (
        structs.replace(PLAIN, nodes=(step("a"), Branch(id="when", when=above("a", 1), then=(step("b"),)))),
        "b.submit(wait_for=[when_])",
    ),
    Feature.ONE_OF: (
        structs.replace(
            PLAIN,
            nodes=(
                step("a"),
                Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(step("c"),)),
                step("d", x=OneOf(options=(out("b"), out("c")))),
            ),
        ),
        "d.submit(wait_for=[allow_failure(b_), allow_failure(c_)])",
    ),
    Feature.PARAM_INT: (structs.replace(PLAIN, params=(Param(name="n", type=INT, default=3),)), "def p(n: int = 3):"),
    Feature.HOOKS: (structs.replace(PLAIN, on_failure=(step("hook"),)), "hook.submit(wait_for=work.all())"),
    Feature.DOC: (structs.replace(PLAIN, doc="What it is for."), '"""What it is for."""'),
}


@pytest.mark.parametrize("feature", CHANGES, ids=lambda feature: feature.value)
def test_what_prefect_is_told_changes_the_flow(feature: Feature) -> None:
    pipeline, line = CHANGES[feature]
    assert feature in needs(pipeline)
    assert PrefectCompiler.capabilities[feature].level in (Level.NATIVE, Level.EMULATED)
    assert line in told(pipeline)


def test_schedules_and_tags_are_of_the_deployment() -> None:
    zone = "Europe/Zurich"
    cron = structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *", timezone=zone), tags=("ml",))
    found = deployed(cron)
    assert found["schedules"] == [{"timezone": zone, "cron": "0 6 * * *", "active": True, "slug": "pipeglot"}]
    assert found["tags"] == ["ml"]
    interval = deployed(structs.replace(PLAIN, schedule=Schedule(interval=5400)))
    assert interval["schedules"][0]["interval"] == 5400
    assert deployed(PLAIN)["schedules"] == [], "none that were there before"


def test_when_a_schedule_begins_and_ends_is_for_the_flow_to_look_at() -> None:
    schedule = Schedule(interval=60, start="2025-01-01", end="2026-01-01T12:00", timezone="Europe/Zurich")
    pipeline = structs.replace(PLAIN, schedule=schedule)
    found = told(pipeline)
    assert 'since="2025-01-01",' in found
    assert 'until="2026-01-01T12:00",' in found
    assert 'zone="Europe/Zurich",' in found
    assert deployed(pipeline)["schedules"][0]["anchor_date"] == "2025-01-01"


def test_what_the_stack_says_of_the_deployment() -> None:
    found = deployed(
        PLAIN,
        deployment="nightly",
        work_pool="ml",
        work_queue="high",
        job_variables={"env": {"A": "1"}},
        concurrency_limit=2,
        collision="cancel_new",
    )
    assert found["name"] == "nightly"
    assert found["work_pool"] == {"name": "ml", "work_queue_name": "high", "job_variables": {"env": {"A": "1"}}}
    assert found["concurrency_limit"] == {"limit": 2, "collision_strategy": "CANCEL_NEW"}
    limits = told(PLAIN, max_workers=3), told(structs.replace(PLAIN, max_parallel=2), max_workers=3)
    assert limits == ([], ["work = Worker(PIPELINE, most=2)"])
    tagged = structs.replace(PLAIN, nodes=(structs.replace(step("a"), tags=("x",)),))
    assert '@work.task("a", tags=["x", "big"])' in told(tagged, steps={"a": PrefectStep(tags=["big"])})


def test_where_the_flow_comes_from() -> None:
    (flow, *_) = PrefectCompiler().compile(source(PLAIN), STACK)
    (ours,) = deployed(PLAIN)["pull"]
    assert ours == {
        "pipeglot.compilers.prefect.pulling.pull": {
            "store": "s3://ml/prod",
            "key": f"flows/{flow.version}.py",
            "name": "p.py",
        }
    }
    assert PrefectCompiler().kept(STACK, [flow]) == {f"flows/{flow.version}.py": flow.text.encode()}
    folder = structs.replace(STACK, flows_folder="/srv/flows")
    assert deployed(PLAIN, flows_folder="/srv/flows")["pull"] == [
        {"prefect.deployments.steps.set_working_directory": {"directory": "/srv/flows"}}
    ]
    assert PrefectCompiler().kept(folder, [flow]) == {}
    steps = [{"prefect.deployments.steps.git_clone": {"repository": "https://git/flows"}}]
    assert deployed(PLAIN, pull=steps)["pull"] == steps


def test_braces_are_left_out_of_the_file_and_in_what_the_api_gets() -> None:
    pipeline = structs.replace(PLAIN, tags=("{{ x }}", "é\x7f😀"), doc="{{ y }}")
    found = files(pipeline)["p.prefect.yaml"]
    assert '#   "{{ x }}"\n' in found
    assert deployed(pipeline)["tags"] == ["é\x7f😀"]
    (flow, *_) = PrefectCompiler().compile(source(pipeline), STACK)
    sent = deployment(source(pipeline), STACK, [flow])
    assert (sent["tags"], sent["description"]) == (["{{ x }}", "é\x7f😀"], "{{ y }}")


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (ScalarType(name="any"), "Any"),
        (ScalarType(name="date"), "str"),
        (EnumType(ref="m:E", members={"A": 1, "B": 2}), 'Literal["A", "B"]'),
        (LiteralType(values=("x", 1, None)), 'Literal["x", 1, None]'),
        (LiteralType(values=(1.5,)), "Any"),
        (OptionalType(of=INT), "int | None"),
        (OptionalType(of=ScalarType(name="any")), "Any"),
        (ListType(of=OptionalType(of=ScalarType(name="str"))), "list[str | None]"),
        (TupleType(of=(ScalarType(name="str"),)), "list[Any]"),
        (DictType(of=INT), "dict[str, int]"),
        (RecordType(ref="m:R", style="dataclass"), "dict[str, Any]"),
        (ArtifactType(), "str"),
    ],
)
def test_types_of_parameters(kind: Any, found: str) -> None:
    assert annotation(kind) == found


def test_parameters_that_must_be_given_come_first() -> None:
    params = (
        Param(name="n", type=INT, default=3),
        Param(name="day", type=ScalarType(name="date"), logical_date=True),
        Param(name="m", type=INT),
    )
    pipeline = structs.replace(PLAIN, params=params)
    assert "def p(m: int, n: int = 3, day: str | None = None):" in told(pipeline)
    found = json_schema(params)
    assert (found["required"], found["additionalProperties"]) == (["m"], False)
    assert found["properties"]["n"] == {"title": "n", "position": 0, "type": "integer", "default": 3}


def test_a_step_in_a_map_waits_for_what_stands_outside() -> None:
    """Only that step does: the others begin as soon as there is a list."""
    inside = (step("in.b", x=item("in")), step("in.c", x=out("in.b"), y=out("late")))
    found = text(structs.replace(PLAIN, nodes=(step("a"), step("late"), mapped("in", out("a"), *inside))))
    assert "def in_each(late_):" in found
    assert "        in_c_ = in_c.submit(item, label, wait_for=[in_b_, late_])" in found
    assert "    in_each.submit(quote(late_), wait_for=[a_])" in found
    assert "from prefect import flow\nfrom prefect.utilities.annotations import quote\n" in found


def test_maps_in_maps() -> None:
    inner = mapped("in.each", out("in.b"), step("in.c", x=item("in.each"), y=out("late")), step("in.d"))
    nodes = (step("a"), step("late"), mapped("in", out("a"), step("in.b", x=item("in")), inner))
    found = text(structs.replace(PLAIN, nodes=nodes))
    compile(found, "p.py", "exec")
    assert "def in_each_each(item, label, late_):" in found
    assert "        in_each_each_ = in_each_each.submit(item, label, quote(late_), wait_for=[in_b_])" in found
    assert '    return work.each("in.each", one, around)' in found


def refused(pipeline: Pipeline, **stack: Any) -> list[str]:
    with pytest.raises(Unsupported) as caught:
        text(pipeline, **stack)
    return [problem.message for problem in caught.value.problems]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    params = tuple(Param(name=name, type=INT, default=1) for name in ("wait_for", "_x", "model_dump", "model_size"))
    bad = structs.replace(
        PLAIN, name="a/b", params=params, nodes=(structs.replace(step("a"), secrets=("TOKEN",)),), tags=("t",)
    )
    found = refused(bad, store=".pipeglot/store", deployment="50%", secrets={"KEY": "file:key.txt"})
    assert found == [
        "pipeline `a/b`: Prefect takes no `/`, `%`, `&`, `<` and `>` in it",
        "deployment `50%`: Prefect takes no `/`, `%`, `&`, `<` and `>` in it",
        "parameter `wait_for` has a name that Prefect keeps for itself",
        "parameter `_x` has a name that Prefect keeps for itself",
        "parameter `model_dump` has a name that Prefect keeps for itself",
        "stack `prod` keeps its store in `.pipeglot/store`, which lies in the project, where no task finds it",
        "stack `prod` has secret `KEY` in the project, as `key.txt`, where no task finds it",
        "`a` asks for secret `TOKEN`, which stack `prod` does not map",
    ]


@pytest.mark.parametrize("place", ["flows", "~/flows", "s3://ml/flows", "${FLOWS}"])
def test_a_folder_that_workers_do_not_know_by_its_name(place: str) -> None:
    assert refused(PLAIN, flows_folder=place) == [
        f"stack `prod` has its flows in `{place}`, which is no folder that workers know by its name"
    ]


def test_the_name_that_wishes_travel_by() -> None:
    pipeline = structs.replace(PLAIN, params=(Param(name="pipeglot", type=INT, default=1),))
    assert refused(pipeline) == ["parameter `pipeglot` has the name that pipeglot's own wishes travel by"]


def test_a_scheduled_pipeline_needs_defaults() -> None:
    pipeline = structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *"), params=(Param(name="n", type=INT),))
    assert refused(pipeline) == ["parameter `n` has no default, and Prefect starts scheduled runs without being told"]


def test_a_schedule_that_prefect_does_not_know() -> None:
    assert "the pipeline asks for `schedule catchup`, which backend `prefect` does not do yet" in refused(
        structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *", catchup=True))
    )


def triggers(*assets: str) -> Any:
    found = yaml.safe_load(files(structs.replace(PLAIN, schedule=Schedule(assets=assets)))["p.prefect.yaml"])
    return found["deployments"][0].get("triggers")


def test_assets_are_waited_for_by_an_automation() -> None:
    one = {
        "type": "event",
        "posture": "Reactive",
        "match": {"prefect.resource.id": "s3://a/b"},
        "expect": ["prefect.asset.materialization.succeeded"],
    }
    assert triggers("s3://a/b") == [{"name": "p/prod: assets", **one}]
    other = {**one, "match": {"prefect.resource.id": "s3://c"}}
    both = {"type": "compound", "require": "all", "within": None, "triggers": [one, other]}
    assert triggers("s3://a/b", "s3://c") == [{"name": "p/prod: assets", **both}]


@pytest.mark.parametrize("uri", ["s3://a/*", "s3://a/*/b", "s3://a/b?c=1", "s3://[a]/b", "s3://a/{{b}}"])
def test_an_asset_that_prefect_takes_for_others(uri: str) -> None:
    assert refused(structs.replace(PLAIN, schedule=Schedule(assets=("s3://a/b", uri)))) == [
        f"the schedule waits for asset `{uri}`, which Prefect takes for a pattern"
    ]
    text(structs.replace(PLAIN, nodes=(structs.replace(step("a"), asset={"output": uri}),)))  # to make it is fine


def test_names_of_ours_and_of_python_are_no_names_of_functions() -> None:
    names = ("work", "class", "1st", "a-b", "a_b", "flow", "p", "n")
    pipeline = structs.replace(PLAIN, nodes=tuple(map(step, names)), params=(Param(name="n", type=INT, default=1),))
    found = text(pipeline)
    compile(found, "p.py", "exec")
    for name in names:
        assert f'@work.task("{name}")\n' in found
    functions = [node.name for node in ast.walk(ast.parse(found)) if isinstance(node, ast.FunctionDef)]
    assert len(functions) == len(set(functions)) == len(names) + 1
    assert {"work", "flow", "n"}.isdisjoint(functions)


def test_texts_of_users_stay_texts() -> None:
    doc = 'It says """hello""" and \\n, and ends with "'
    found = text(structs.replace(PLAIN, doc=doc))
    tree = ast.parse(found)
    assert ast.get_docstring(tree, clean=False) == doc
    flow = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "p")
    assert ast.get_docstring(flow, clean=False) == doc


def test_defaults_are_what_they_were() -> None:
    values = {"s": "{{ ti }}\n\"'", "d": {"a": [1, None, True]}, "n": 10**30}
    params = tuple(Param(name=name, type=ScalarType(name="any"), default=value) for name, value in values.items())
    tree = ast.parse(text(structs.replace(PLAIN, params=params)))
    flow = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "p")
    assert [ast.literal_eval(one) for one in flow.args.defaults] == list(values.values())
    json.dumps(json_schema(params))


def test_a_constant_travels_in_the_ir_only() -> None:
    hostile = structs.replace(PLAIN, nodes=(step("a", x=const("{{ ti }}"), y=const("x" * 100_000)),))
    assert "{{ ti }}" not in text(hostile)
    assert len(text(hostile)) < 2000
