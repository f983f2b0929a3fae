"""What Airflow is told of each feature, and what is refused."""

from __future__ import annotations

import ast
import builtins
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.airflow.compiler import AirflowCompiler
from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.base import Source
from pipeglot.compilers.registry import compiler
from pipeglot.compilers.schemas import schema
from pipeglot.core.errors import NotFound, Unsupported
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
    ParamRef,
    Pipeline,
    RecordType,
    Retry,
    ScalarType,
    Schedule,
    Step,
    TupleType,
)
from tests.unit.lineage.build import above, const, item, mapped, out, step

STACK = AirflowStack(name="prod", store="s3://ml/prod")
PLAIN = Pipeline(name="p", nodes=(step("a"), step("b", x=out("a"))))


def source(pipeline: Pipeline) -> Source:
    return Source(pipeline, "p.py:p", "0" * 64, f"sha256:{'1' * 64}")


def text(pipeline: Pipeline, **stack: Any) -> str:
    """Its file, but for the digest of all the rest, which changes with each word."""
    found = AirflowCompiler().compile(source(pipeline), structs.replace(STACK, **stack))[0]
    return found.text.replace(f'"pipeglot:{found.version}"', '"pipeglot:000000000000"')


def told(pipeline: Pipeline, **stack: Any) -> list[str]:
    """What the change of a pipeline changes in its file: the lines that are new."""
    before = text(PLAIN, **stack).splitlines()
    return [line.strip() for line in text(pipeline, **stack).splitlines() if line not in before]


def changed(**fields: Any) -> Pipeline:
    first, second = PLAIN.nodes
    assert isinstance(second, Step)
    return structs.replace(PLAIN, nodes=(first, structs.replace(second, **fields)))


PARAMS = (Param(name="n", type=ScalarType(name="int"), default=3),)

CHANGES: dict[Feature, Pipeline] = {
    Feature.RETRY: changed(retry=Retry(attempts=3)),
    Feature.RETRY_DELAY: changed(retry=Retry(attempts=3, delay=7)),
    Feature.AFTER: structs.replace(PLAIN, nodes=(step("a"), step("b"), step("c", after=("b",)))),
    Feature.ALL_DONE: structs.replace(PLAIN, nodes=(step("a"), step("b", after=("a",), trigger="all_done"))),
    Feature.STEP_MAX_PARALLEL: changed(max_parallel=2),
    Feature.MAX_PARALLEL: structs.replace(PLAIN, max_parallel=5),
    Feature.POOL: changed(pool="gpu"),
    Feature.MAP: structs.replace(PLAIN, nodes=(step("a"), mapped("b", out("a"), step("b", x=item("b"))))),
    Feature.MAP_PIPELINE: structs.replace(
        PLAIN,
        nodes=(step("a"), mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b")))),
    ),
    Feature.BRANCH: structs.replace(PLAIN, nodes=(step("a"), Branch(id="when", when=above("a", 1), then=(step("b"),)))),
    Feature.ONE_OF: structs.replace(
        PLAIN,
        nodes=(
            step("a"),
            Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(step("c"),)),
            step("d", x=OneOf(options=(out("b"), out("c")))),
        ),
    ),
    Feature.PARAM_INT: structs.replace(PLAIN, params=PARAMS),
    Feature.HOOKS: structs.replace(PLAIN, on_failure=(step("hook"),)),
    Feature.SCHEDULE_CRON: structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *")),
    Feature.SCHEDULE_INTERVAL: structs.replace(PLAIN, schedule=Schedule(interval=5400, start="2025-01-01")),
    Feature.SCHEDULE_WINDOW: structs.replace(
        PLAIN, schedule=Schedule(cron="0 6 * * *", start="2025-02-03", end="2026-01-01")
    ),
    Feature.SCHEDULE_CATCHUP: structs.replace(
        PLAIN, schedule=Schedule(cron="0 6 * * *", start="2025-02-03", catchup=True)
    ),
    Feature.SCHEDULE_ASSETS: structs.replace(PLAIN, schedule=Schedule(assets=("s3://a", "s3://b"))),
    Feature.ASSET: changed(asset={"output": "s3://a"}),
    Feature.PRIORITY: changed(priority=5),
    Feature.TAGS: structs.replace(PLAIN, tags=("ml",)),
    Feature.DOC: structs.replace(PLAIN, doc="What it is for."),
}

NEW = {
    Feature.RETRY: "@task(retries=2, retry_delay=timedelta(seconds=0))",
    Feature.RETRY_DELAY: "@task(retries=2, retry_delay=timedelta(seconds=7))",
    Feature.AFTER: "b_ >> c_",
    Feature.ALL_DONE: "b_ = b().as_teardown()",
    Feature.STEP_MAX_PARALLEL: "@task(max_active_tis_per_dagrun=2)",
    Feature.MAX_PARALLEL: "max_active_tasks=5,",
    Feature.POOL: '@task(pool="gpu")',
    Feature.MAP: "b.expand(item=b_items_)",
    Feature.MAP_PIPELINE: "in_b_, in_c_ = in_.expand(item=in_items_)",
    Feature.BRANCH: 'return choose("when", ["b"], ["done"])',
    Feature.ONE_OF: '@task(trigger_rule="none_failed_min_one_success")',
    Feature.PARAM_INT: '"n": Param(3, type="integer"),',
    Feature.HOOKS: "hook_ = hook().as_teardown()",
    Feature.SCHEDULE_CRON: 'schedule="0 6 * * *",',
    Feature.SCHEDULE_INTERVAL: "schedule=timedelta(minutes=90),",
    Feature.SCHEDULE_WINDOW: 'end_date=pendulum.datetime(2026, 1, 1, tz="UTC"),',
    Feature.SCHEDULE_CATCHUP: "catchup=True,",
    Feature.SCHEDULE_ASSETS: 'schedule=[Asset("s3://a"), Asset("s3://b")],',
    Feature.ASSET: '@task(outlets=[Asset("s3://a")])',
    Feature.PRIORITY: '@task(priority_weight=5, weight_rule="absolute")',
    Feature.TAGS: 'tags=["ml", "pipeglot:000000000000"],',
    Feature.DOC: '"""What it is for."""',
}
"""The line that a feature is told by."""


@pytest.mark.parametrize("feature", CHANGES, ids=lambda feature: feature.value)
def test_what_is_native_changes_the_file(feature: Feature) -> None:
    pipeline = CHANGES[feature]
    assert feature in needs(pipeline)
    assert AirflowCompiler.capabilities[feature].level is Level.NATIVE
    assert NEW[feature] in told(pipeline)


@pytest.mark.parametrize(
    "fields", [{"owner": "me"}, {"queue": "gpu"}, {"default_args": {"email": "a@b"}}, {"secrets": {"A": "env:A"}}]
)
def test_the_tag_is_of_this_very_file(fields: dict[str, Any]) -> None:
    """Also where nothing of the pipeline itself has changed."""
    found = AirflowCompiler().compile(source(PLAIN), STACK)[0]
    other = AirflowCompiler().compile(source(PLAIN), structs.replace(STACK, **fields))[0]
    bundled = AirflowCompiler().compile(source(PLAIN)._replace(bundle=f"sha256:{'2' * 64}"), STACK)[0]
    assert f'tags=["pipeglot:{found.version}"],' in found.text
    assert f'"ir": "{"0" * 64}"' in found.text
    assert len({found.version, other.version, bundled.version}) == 3


HELPED = structs.replace(
    PLAIN,
    nodes=(
        structs.replace(step("a"), asset={"output": "s3://a"}),
        mapped("b", out("a"), step("b", x=item("b"))),
        Branch(id="when", when=above("a", 1), then=(step("c"),)),
        step("d", after=("a",), trigger="all_done"),
    ),
)


@pytest.mark.parametrize("stack", [{}, {"python": "/venv/bin/python"}, {"run": "pod", "image": "i"}], ids=str)
def test_nothing_is_called_as_what_the_helpers_use(stack: dict[str, Any]) -> None:
    for version in (2, 3):
        tree = ast.parse(text(HELPED, version=version, **stack))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for name in (names & set(dir(builtins))) - {"__doc__"}:
            found = text(structs.replace(PLAIN, name=name), version=version, **stack)
            assert f"\ndef {name}():" not in found, name


@pytest.mark.parametrize(
    ("retry", "line"),
    [
        (Retry(attempts=4, delay=600.0, backoff=0.1), "retry_delay=timedelta(seconds=6.0"),
        (Retry(attempts=4, delay=600.0, backoff=2.0, max_delay=60.0), "retry_delay=timedelta(minutes=1)"),
        (Retry(attempts=4, delay=600.0, backoff=2.0, jitter=True), "retry_delay=timedelta(minutes=5)"),
    ],
)
def test_airflow_waits_no_longer_than_the_shortest_delay(retry: Retry, line: str) -> None:
    assert line in text(changed(retry=retry))


def test_secrets_of_airflow_are_out_of_reach_of_another_python() -> None:
    with pytest.raises(Unsupported) as caught:
        text(PLAIN, python="/venv/bin/python", secrets={"KEY": "airflow:key"})
    (problem,) = caught.value.problems
    assert problem.message == "stack `prod` has secret `KEY` in Airflow, which steps in another Python do not reach"
    assert problem.hint == "name a variable or a file of the workers (`env:NAME`, `file:/PATH`), or take `python:` out"


def test_the_ledger_is_asked_where_something_runs_after_a_cancel() -> None:
    for pipeline in (CHANGES[Feature.HOOKS], CHANGES[Feature.ALL_DONE]):
        found = text(pipeline)
        assert "        return outcome()\n" in found
        assert "    done_ = done().as_teardown(on_failure_fail_dagrun=True)\n" in found
        assert "    every_task >> done_\n" in found
    assert "outcome" not in text(CHANGES[Feature.BRANCH])


def test_assets_of_airflow_2() -> None:
    both = structs.replace(CHANGES[Feature.ASSET], schedule=Schedule(assets=("s3://b",)))
    found = text(both, version=2)
    assert 'schedule=[Dataset("s3://b")],' in found
    assert '@task(outlets=[Dataset("s3://a")])' in found
    assert "from airflow.datasets import Dataset\nfrom airflow.decorators import dag, task\n" in found
    assert "from airflow.sdk import Asset, dag, task\n" in text(both)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (ScalarType(name="any"), {}),
        (ScalarType(name="bool"), {"type": "boolean"}),
        (ScalarType(name="date"), {"type": "string", "format": "date"}),
        (EnumType(ref="m:E", members={"A": 1, "B": 2}), {"type": "string", "enum": ["A", "B"]}),
        (OptionalType(of=LiteralType(values=("x",))), {"enum": [None, "x"]}),
        (OptionalType(of=ScalarType(name="int")), {"type": ["null", "integer"]}),
        (ListType(of=ScalarType(name="str")), {"type": "array", "items": {"type": "string"}}),
        (TupleType(of=(ScalarType(name="str"),)), {"type": "array", "minItems": 1, "maxItems": 1}),
        (DictType(of=ScalarType(name="any")), {"type": "object"}),
        (RecordType(ref="m:R", style="dataclass"), {"type": "object"}),
        (ArtifactType(), {"type": "string"}),
    ],
)
def test_types_of_parameters(kind: Any, found: dict[str, Any]) -> None:
    assert schema(kind) == found


def refused(pipeline: Pipeline, **stack: Any) -> list[str]:
    with pytest.raises(Unsupported) as caught:
        text(pipeline, **stack)
    return [problem.message for problem in caught.value.problems]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    long = structs.replace(
        PLAIN,
        name="é" * 251,
        tags=("t" * 101,),
        params=(Param(name="pipeglot", type=ScalarType(name="int"), default=1),),
    )
    secret = structs.replace(long, nodes=(structs.replace(step("a"), secrets=("TOKEN",)),))
    found = refused(secret, store=".pipeglot/store", secrets={"KEY": "file:key.txt"})
    assert [one.replace("é" * 60, "é…") for one in found] == [
        "`é…` cannot be an id in Airflow: letters, digits, `_`, `-` and `.`, 250 at most",
        f"tag `{'t' * 60}…` has more than 100 characters",
        "parameter `pipeglot` has the name that pipeglot's own wishes travel by",
        "stack `prod` keeps its store in `.pipeglot/store`, which lies in the project, where no task finds it",
        "stack `prod` has secret `KEY` in the project, as `key.txt`, where no task finds it",
        "`a` asks for secret `TOKEN`, which stack `prod` does not map",
    ]


def test_a_scheduled_pipeline_needs_defaults() -> None:
    open_ended = structs.replace(
        PLAIN, schedule=Schedule(cron="0 6 * * *"), params=(Param(name="n", type=ScalarType(name="int")),)
    )
    assert refused(open_ended) == ["parameter `n` has no default, and Airflow starts scheduled runs without being told"]


def test_an_artifact_is_a_text_in_the_form() -> None:
    pipeline = structs.replace(
        PLAIN,
        params=(Param(name="m", type=ArtifactType(), default="p/a@latest"),),
        nodes=(step("a", x=ParamRef(name="m")),),
    )
    assert '        "m": Param("p/a@latest", type="string"),' in text(pipeline)


def test_names_of_ours_and_of_python_are_no_names_of_functions() -> None:
    pipeline = structs.replace(PLAIN, nodes=(step("run"), step("class"), step("1st"), step("a-b"), step("a_b")))
    found = text(pipeline)
    compile(found, "p.py", "exec")
    for name in ("run", "class", "1st", "a-b"):
        assert f'task_id="{name}"' in found
    assert "    def a_b_2():" in found


def test_texts_of_users_stay_texts() -> None:
    doc = 'It says """hello""" and \\n, and ends with "'
    found = text(structs.replace(PLAIN, doc=doc, tags=('a "tag"', "{{ ds }}")))
    import ast

    assert ast.get_docstring(ast.parse(found), clean=False) == doc
    assert """tags=['a "tag"', "{{ ds }}", "pipeglot:000000000000"]""" in found


def test_a_constant_travels_in_the_ir_only() -> None:
    hostile = structs.replace(PLAIN, nodes=(step("a", x=const("{{ ti }}"), y=const("x" * 100_000)),))
    assert "{{ ti }}" not in text(hostile)
    assert len(text(hostile)) < 2000


def test_an_unknown_backend() -> None:
    with pytest.raises(NotFound) as caught:
        compiler("airfow")
    assert str(caught.value) == "no backend is named `airfow`\n\nhint: did you mean `airflow`?"


# --- a Python of the steps' own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 2])
def test_steps_run_in_a_python_of_their_own(version: int) -> None:
    plain, own = (text(PLAIN, version=version, python=python) for python in ("", "/opt/steps/bin/python"))
    assert 'PYTHON = "/opt/steps/bin/python"' in own.splitlines()
    assert "from pipeglot" in plain
    assert "from pipeglot" not in own, "that environment has it, and Airflow's needs nothing of it"
    assert own.partition("@dag(")[2] == plain.partition("@dag(")[2], "the tasks are the same"


def test_a_python_that_a_variable_of_the_workers_names() -> None:
    assert 'PYTHON = os.path.expandvars("${STEPS}/bin/python")' in text(PLAIN, python="${STEPS}/bin/python")


def test_names_of_the_helper_are_no_names_of_functions() -> None:
    found = text(structs.replace(PLAIN, nodes=(step("call"), step("json"), step("Path"))), python="/opt/python")
    for name in ("call", "json", "Path"):
        assert f'task_id="{name}"' in found
