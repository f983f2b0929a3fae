"""What Kubeflow and Vertex AI are told of each feature, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from pipeglot.compilers.kfp import worker
from pipeglot.compilers.kfp.compiler import KfpCompiler, VertexCompiler
from pipeglot.compilers.kfp.names import Names, mangled
from pipeglot.compilers.kfp.stack import SANDBOX_IMAGE, KfpStack, KfpStep, VertexStack, VertexStep
from pipeglot.core.errors import Location
from pipeglot.core.features import PARAM
from pipeglot.core.ir import (
    Branch,
    Param,
    ParamRef,
    Pipeline,
    Resources,
    Retry,
    ScalarType,
    Schedule,
    Step,
    Truth,
)
from tests.unit.compilers.kfp_specs import KFP, VERTEX, args, documents, parsed, problems, source, tasks, text
from tests.unit.lineage.build import above, item, mapped, out, step

INT, STR = ScalarType(name="int"), ScalarType(name="str")
PLAIN = Pipeline(name="p", nodes=(step("a"), step("b", x=out("a"))))
_GOLDEN = Path(__file__).parents[2] / "golden"
GOLDEN = sorted(path for backend in ("kfp", "vertex") for path in _GOLDEN.glob(f"{backend}/*/*.yaml"))


def changed(**fields: Any) -> Pipeline:
    first, second = PLAIN.nodes
    assert isinstance(second, Step)
    return structs.replace(PLAIN, nodes=(first, structs.replace(second, **fields)))


# --- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry", "policy"),
    [
        (Retry(attempts=3), {"maxRetryCount": 2, "backoffDuration": "0s", "backoffFactor": 1.0}),
        (Retry(attempts=3, delay=7), {"maxRetryCount": 2, "backoffDuration": "7s", "backoffFactor": 1.0}),
        (Retry(attempts=4, delay=5, backoff=2), {"maxRetryCount": 3, "backoffDuration": "5s", "backoffFactor": 2.0}),
        (
            Retry(attempts=4, delay=5, backoff=2, max_delay=8),
            {"maxRetryCount": 3, "backoffDuration": "5s", "backoffFactor": 1.0},
        ),
        (Retry(attempts=3, delay=5, backoff=1.5), {"maxRetryCount": 2, "backoffDuration": "5s", "backoffFactor": 1.0}),
        (Retry(attempts=3, delay=8, backoff=0.5), {"maxRetryCount": 2, "backoffDuration": "4s", "backoffFactor": 1.0}),
        (Retry(attempts=2, delay=9, jitter=True), {"maxRetryCount": 1, "backoffDuration": "4s", "backoffFactor": 1.0}),
    ],
)
def test_kfp_waits_no_longer_than_the_step_says(retry: Retry, policy: dict[str, Any]) -> None:
    spec, *_ = documents(changed(retry=retry), VERTEX)
    assert tasks(spec)["b"]["retryPolicy"] == policy
    parsed(spec)


def test_kubeflow_is_told_how_long_it_may_try_again() -> None:
    """If it is not told, no time at all: it compares with a `maxDuration` of 0."""
    for retry in (Retry(attempts=3), Retry(attempts=3, delay=7)):
        spec, *_ = documents(changed(retry=retry))
        assert tasks(spec)["b"]["retryPolicy"]["backoffMaxDuration"] == "31536000s"
        parsed(spec)


@pytest.mark.parametrize(("backoff", "factor"), [(1000, 1000.0), (1001, 1.0), (1.5, 1.0)])
def test_kubeflow_is_told_no_factor_that_it_cannot_read(backoff: float, factor: float) -> None:
    spec, *_ = documents(changed(retry=Retry(attempts=3, delay=1, backoff=backoff)))
    assert tasks(spec)["b"]["retryPolicy"]["backoffFactor"] == factor


def test_without_a_retry_there_is_no_policy() -> None:
    assert "retryPolicy" not in text(changed(retry=Retry(attempts=1)))


def test_kubeflow_asks_for_resources_and_vertex_ai_chooses_a_machine() -> None:
    asked = changed(resources=Resources(cpu=0.5, memory=2**30, gpu=2, accelerator="t4"))
    (kfp, *_), (vertex, *_) = documents(asked), documents(asked, VERTEX)
    assert _resources(kfp) == {
        "cpuRequest": 0.5,
        "resourceCpuRequest": "500m",
        "memoryRequest": 1.073741824,
        "resourceMemoryRequest": "1Gi",
        "accelerator": {
            "type": "nvidia.com/gpu",
            "count": "2",
            "resourceType": "nvidia.com/gpu",
            "resourceCount": "2",
        },
    }
    found = _resources(vertex)
    assert (found["cpuLimit"], found["resourceMemoryLimit"]) == (0.5, "1Gi")
    assert found["accelerator"]["type"] == "NVIDIA_TESLA_T4"
    parsed(kfp)
    parsed(vertex)


def _resources(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["deploymentSpec"]["executors"]["exec-b"]["container"]["resources"]
    return found


@pytest.mark.parametrize(
    ("asked", "own", "kind"),
    [
        ("nvidia-l4", "", "NVIDIA_L4"),
        ("A100-80GB", "", "NVIDIA_A100_80GB"),
        ("NVIDIA_NEW", "", "NVIDIA_NEW"),
        ("t4", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_V100"),
        (None, "NVIDIA_L4", "NVIDIA_L4"),
    ],
)
def test_the_gpus_of_vertex_ai_by_their_names(asked: str | None, own: str, kind: str) -> None:
    pipeline = changed(resources=Resources(gpu=1, accelerator=asked))
    spec, *_ = documents(pipeline, VERTEX, steps={"b": VertexStep(accelerator=own)})
    assert _resources(spec)["accelerator"] == {"type": kind, "count": "1", "resourceType": kind, "resourceCount": "1"}


def test_what_only_kubernetes_knows_stands_in_a_document_of_its_own() -> None:
    pipeline = changed(secrets=("Token",), tags=("heavy",))
    spec, platform = documents(
        pipeline, secrets={"Token": "k8s:api/token"}, steps={"heavy": KfpStep(node_selector={"disk": "ssd"})}
    )
    assert platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] == {
        "exec-b": {
            "secretAsEnv": [{"secretName": "api", "keyToEnv": [{"secretKey": "token", "envVar": "TOKEN"}]}],
            "nodeSelector": {"labels": {"disk": "ssd"}},
        }
    }
    assert json.loads(args(spec, "b")[2])["secrets"] == {"Token": "env:TOKEN"}
    assert len(documents(PLAIN)) == 1


def test_secrets_come_in_variables_that_nothing_else_has() -> None:
    secrets = {"token": "k8s:a/t", "TOKEN": "k8s:b/t", "path": "k8s:c/t", "other": "env:PATH_"}
    spec, _ = documents(changed(secrets=("token", "TOKEN", "path")), secrets=secrets)
    found = json.loads(args(spec, "b")[2])["secrets"]
    assert found == {"token": "env:TOKEN", "TOKEN": "env:TOKEN_", "path": "env:PATH__", "other": "env:PATH_"}


def test_the_image_of_a_step_goes_before_the_stack_s() -> None:
    mapping = Pipeline(name="p", nodes=(step("a"), mapped("b", out("a"), structs.replace(_b(), image="own"))))
    spec, *_ = documents(mapping, steps={"a": KfpStep(image="of/a")})
    images = {name: one["container"]["image"] for name, one in spec["deploymentSpec"]["executors"].items()}
    assert images == {"exec-a": "of/a", "exec-b-items": "own", "exec-b": "own", "exec-done": "of/a"}


def _b() -> Step:
    return step("b", x=item("b"))


def test_a_branch_is_asked_in_the_stack_s_image_or_in_that_of_the_first_step() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(structs.replace(step("b"), image="of/b"),))
    pipeline = Pipeline(name="p", nodes=(structs.replace(step("a"), image="of/a"), branch))
    executors = documents(pipeline, image="")[0]["deploymentSpec"]["executors"]
    assert executors["exec-when-holds"]["container"]["image"] == "of/a"
    assert documents(pipeline)[0]["deploymentSpec"]["executors"]["exec-when-holds"]["container"]["image"] == KFP.image


def test_no_task_begins_a_run_that_does_not_know_the_parameters() -> None:
    pipeline = structs.replace(PLAIN, params=(Param(name="n", type=INT),))
    found = tasks(documents(pipeline)[0])
    assert list(found["a"]["inputs"]["parameters"]) == ["n", "pipeglot", "pipeglot-run"]
    assert list(found["b"]["inputs"]["parameters"]) == ["pipeglot-run"]


def test_no_parameter_has_to_come_through_a_dag() -> None:
    """Kubeflow's driver fails in a DAG in a DAG on an optional parameter that was not given."""
    asked = Branch(id="when", when=Truth(value=ParamRef(name="n")), then=(step("b"),))
    params_ = (Param(name="n", type=INT), Param(name="day", type=ScalarType(name="date"), logical_date=True))
    spec, *_ = documents(Pipeline(name="p", nodes=(asked,), params=params_))
    assert {"n", "day"} <= {*tasks(spec)["when-holds"]["inputs"]["parameters"]}
    inner = [one for one in spec["components"].values() if "dag" in one]
    assert len(inner) == 2
    assert all("n" not in one["inputDefinitions"]["parameters"] for one in inner)
    parsed(spec)


def test_the_id_of_a_run_is_what_each_calls_it() -> None:
    runs = [tasks(documents(PLAIN, stack)[0])["b"]["inputs"]["parameters"]["pipeglot-run"] for stack in (KFP, VERTEX)]
    ids = ["{{$.pipeline_job_uuid}}", "{{$.pipeline_job_name}}"]
    assert runs == [{"runtimeValue": {"constant": one}} for one in ids]


def test_a_scheduled_run_is_told_its_time() -> None:
    pipeline = structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *"))
    for stack in (KFP, VERTEX):
        told = tasks(documents(pipeline, stack)[0])["a"]["inputs"]["parameters"]["pipeglot-scheduled"]
        assert told == {"runtimeValue": {"constant": "{{$.pipeline_job_schedule_time_utc}}"}}
    assert "scheduled" not in text(PLAIN)


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00+00:00"),
        ("2026-11-22T06:00:00", "2026-11-22T06:00:00+00:00"),
        ("1970-01-01T00:00:00Z", None),
        ("{{$.pipeline_job_schedule_time_utc}}", None),
        ("", None),
    ],
)
def test_the_time_of_a_run_that_nobody_has_planned(said: str, time: str | None) -> None:
    found = worker._time(said)
    assert (found.isoformat() if found is not None else None) == time


def test_what_is_the_same_in_all_tasks_is_written_once() -> None:
    written = text(PLAIN)
    assert written.count('"pipeline":"p"') == 1
    assert args(yaml.safe_load(written), "a")[2] == args(yaml.safe_load(written), "b")[2]


def test_the_version_of_a_file_is_that_of_its_text() -> None:
    first, second = (KfpCompiler().compile(source(pipeline), KFP) for pipeline in (PLAIN, changed(tags=("x",))))
    assert first[0].version == second[0].version
    assert [file.name for file in first] == ["p.yaml", "p.pipeglot.json"]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text_", "name"),
    [
        ("train", "train"),
        ("Train_Model.2", "train-model-2"),
        ("_", "step"),
        ("1st", "step-1st"),
        ("größe", "gr-e"),
        ("a__b", "a-b"),
        ("x-driver", "x-driver-step"),
        ("n" * 300, "n" * 128),
    ],
)
def test_names_that_kfp_takes(text_: str, name: str) -> None:
    assert mangled(text_) == name


def test_names_are_given_once() -> None:
    names = Names()
    assert [names.new(text_) for text_ in ("a_b", "a.b", "A-b", "root")] == ["a-b", "a-b-2", "a-b-3", "root-2"]
    long = [names.new("n" * 300 + end) for end in ("1", "2")]
    assert long[1] == f"{long[0]}-2"
    assert len(long[1]) < 128


def test_names_that_kubeflow_s_engine_makes_of_a_loop_s_are_not_too_long() -> None:
    long = [
        mapped(f"{'n' * 100}{end}", out("a"), step(f"{'n' * 100}{end}", x=item(f"{'n' * 100}{end}"))) for end in "12"
    ]
    spec, *_ = documents(Pipeline(name="p", nodes=(step("a"), *long)))
    loops = [name for name, task in tasks(spec).items() if "parameterIterator" in task]
    assert len({*loops}) == 2
    assert all(len(f"comp-{name}-{name}-iterator") <= 128 for name in loops)
    assert all(len(f"{name}-driver") <= 128 for name in tasks(spec))


def test_a_step_that_is_called_as_another_one_after_mangling() -> None:
    spec, *_ = documents(Pipeline(name="p", nodes=(step("a_b"), step("a.b", x=out("a_b")), step("done"))))
    found = tasks(spec)
    assert {name: one["taskInfo"]["name"] for name, one in found.items()} == {
        "a-b": "a_b",
        "a-b-2": "a.b",
        "done": "done",
        "done-2": "done-2",
    }
    assert found["a-b-2"]["dependentTasks"] == ["a-b"]
    parsed(spec)


# --- what is refused --------------------------------------------------------------------------------------------------

ZONED = structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *", timezone="Europe/Zurich"))

REFUSED: list[tuple[Pipeline, KfpStack | VertexStack, dict[str, Any], str]] = [
    (PLAIN, KFP, {"image": ""}, "`a`, `b` have no image to run in"),
    (changed(image="a b"), KFP, {}, "`b` cannot run in `a b`, which is no image"),
    (PLAIN, KFP, {"store": "runs"}, "stack `prod` keeps its store in `runs`, which lies in the project, where no task"),
    (
        PLAIN,
        KFP,
        {"store": "s3://{{x}}"},
        "stack `prod` has `{{` in its store or a secret, which Kubeflow would fill in",
    ),
    (PLAIN, VERTEX, {"secrets": {"A": "env:{{"}}, "stack `prod` has `{{` in its store or a secret, which Vertex AI"),
    (PLAIN, KFP, {"secrets": {"A": "k8s:warehouse"}}, "stack `prod`: secret `A` names no secret of Kubernetes"),
    (changed(secrets=("A",)), KFP, {}, "`b` asks for secret `A`, which stack `prod` does not map"),
    (ZONED, KFP, {}, "the pipeline is scheduled in `Europe/Zurich`, and Kubeflow's recurring runs have no time zone"),
    (PLAIN, VERTEX, {"project": ""}, "stack `prod` does not say its `project`"),
    (PLAIN, VERTEX, {"location": ""}, "stack `prod` does not say its `location`"),
    (PLAIN, VERTEX, {"pipeline_root": ""}, "stack `prod` does not say its `pipeline_root`"),
    (changed(resources=Resources(gpu=1)), VERTEX, {}, "`b` asks for a GPU, and Vertex AI has to be told which"),
    (Pipeline(name="p"), KFP, {}, "pipeline `p` has no steps, and Kubeflow takes none"),
    (
        structs.replace(PLAIN, params=(Param(name="pipeglot", type=INT, default=1),)),
        KFP,
        {},
        "parameter `pipeglot` has the name that pipeglot's own wishes travel by",
    ),
    (
        structs.replace(PLAIN, params=(Param(name="pipelinechannel--a", type=INT, default=1),)),
        KFP,
        {},
        "parameter `pipelinechannel--a` has a name that Kubeflow keeps for itself",
    ),
    (structs.replace(PLAIN, max_parallel=2), KFP, {}, "the pipeline asks for `max_parallel of the pipeline`, which"),
    (changed(pool="gpu"), VERTEX, {}, "`b` asks for `pool`, which backend `vertex` does not do yet"),
    (
        structs.replace(PLAIN, schedule=Schedule(interval=60, start="2026-01-01T00:00:00+00:00")),
        VERTEX,
        {},
        "the pipeline asks for `interval schedule`, which backend `vertex` does not do yet",
    ),
]


@pytest.mark.parametrize(("pipeline", "stack", "words", "told"), REFUSED, ids=[told[:50] for *_, told in REFUSED])
def test_what_is_refused(pipeline: Pipeline, stack: KfpStack | VertexStack, words: dict[str, Any], told: str) -> None:
    found = problems(pipeline, stack, **words)
    assert any(one.startswith(told) for one in found), found


def test_all_that_is_refused_is_told_at_once() -> None:
    found = problems(changed(resources=Resources(gpu=1)), VERTEX, project="", image="", store="runs")
    assert len(found) == 4


def test_what_one_refuses_the_other_takes() -> None:
    assert problems(changed(resources=Resources(gpu=1))) == []
    assert problems(ZONED, VERTEX) == []


def chain(length: int) -> Pipeline:
    after = [step(f"step_{number}", x=out(f"step_{number - 1}")) for number in range(1, length)]
    return Pipeline(name="p", nodes=(step("step_0"), *after))


def test_a_pipeline_that_kubeflow_cannot_keep() -> None:
    (told,) = problems(chain(1100))
    assert re.fullmatch(
        r"a run of this pipeline would be an object of about 1,6\d\d,\d{3} bytes in Kubeflow, and Kubernetes takes"
        " 1,572,864",
        told,
    )
    assert problems(chain(1100), VERTEX) == []


def test_a_large_pipeline_is_worth_a_note_before_it_is_too_large() -> None:
    found = KfpCompiler().check(source(chain(1000)), KFP)
    assert found.problems == []
    (note,) = found.notes
    assert re.fullmatch(
        r"a run of this pipeline is an object of about 1,50\d,\d{3} bytes in Kubeflow, whose engine takes 1,048,576 if"
        " nobody has set its `MAX_WORKFLOW_SIZE`, and Kubernetes 1,572,864",
        note.message,
    )
    assert note.hint == "map over a list in place of so many steps, or make several pipelines of it"
    assert KfpCompiler().check(source(chain(400)), KFP).notes == []
    assert VertexCompiler().check(source(chain(1000)), VERTEX).notes == []


def test_steps_that_differ_in_their_name_alone_share_a_container() -> None:
    spec, *_ = documents(chain(4))
    found = tasks(spec)
    assert [one["componentRef"]["name"] for one in found.values()] == ["comp-step-0", *["comp-steps"] * 3]
    assert [one["inputs"]["parameters"].get("pipeglot-step") for one in found.values()] == [
        None,
        *({"runtimeValue": {"constant": f"step_{number}"}} for number in (1, 2, 3)),
    ]
    assert list(spec["deploymentSpec"]["executors"]) == ["exec-step-0", "exec-steps"]
    assert args(spec, "step-0")[:2] == ["step", "step_0"]
    assert [word[:1] for word in args(spec, "steps")] == ["s", "{", "{", "k"]
    parsed(spec)


def test_steps_that_differ_in_more_share_none() -> None:
    """Kubeflow takes components of one container for the same: so those of one container are one."""
    own = {"step_2": KfpStep(image="acme/own"), "step_4": KfpStep(node_selector={"disk": "ssd"})}
    spec, platform = documents(chain(9), steps=own)
    names = [one["componentRef"]["name"] for one in tasks(spec).values()]
    assert [name for name in names if name != "comp-steps"] == ["comp-step-0", "comp-step-2", "comp-step-4"]
    assert list(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == ["exec-step-4"]
    told = {json.dumps(one) for one in spec["deploymentSpec"]["executors"].values()}
    assert len(told) == len(spec["deploymentSpec"]["executors"]) == 4


def test_what_is_shared_has_a_name_that_no_step_has() -> None:
    spec, *_ = documents(
        Pipeline(name="p", nodes=(step("a"), step("steps", x=out("a")), step("b", x=out("a")), step("c", x=out("a"))))
    )
    assert {one["componentRef"]["name"] for one in tasks(spec).values()} >= {"comp-a", "comp-steps-2"}
    assert "comp-steps" not in spec["components"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_no_two_components_have_one_container(path: Path) -> None:
    spec, *_ = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    executors = spec["deploymentSpec"]["executors"]
    assert len({json.dumps(one["container"]) for one in executors.values()}) == len(executors)
    labels = [one["executorLabel"] for one in spec["components"].values() if "executorLabel" in one]
    assert sorted(labels) == sorted(executors)


def test_an_image_that_moves_is_worth_a_note() -> None:
    found = KfpCompiler().check(source(PLAIN), structs.replace(KFP, image="acme/steps:1"))
    assert [one.message for one in found.notes] == ["stack `prod`: `acme/steps:1` may be another image tomorrow"]
    assert KfpCompiler().check(source(PLAIN), KFP).notes == []


def test_a_sandbox_runs_no_image_and_is_noted_for_none() -> None:
    """Nor for those that steps name: nobody looks at them there."""
    own = structs.replace(KFP, image=SANDBOX_IMAGE)
    assert KfpCompiler().check(source(changed(image="acme/steps:1")), own).notes == []


def test_a_missing_image_is_told_once_with_what_builds_one() -> None:
    many = Pipeline(name="p", nodes=tuple(step(f"step_{number}") for number in range(5)))
    (found,) = KfpCompiler().check(source(many), structs.replace(KFP, image="")).problems
    assert found.message == "`step_0`, `step_1`, `step_2` and 2 more have no image to run in"
    assert "--stack prod` writes the Dockerfile" in found.hint


def test_where_a_parameter_is_refused() -> None:
    place = Location("p.py", 7)
    named = structs.replace(PLAIN, params=(Param(name="pipelinechannel--a", type=INT, default=1),))
    at = source(named)._replace(locations={PARAM + "pipelinechannel--a": place})
    (found,) = KfpCompiler().check(at, KFP).problems
    assert found.at == place


# --- KFP's own words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_every_emitted_spec_is_one_to_kfp(path: Path) -> None:
    spec, *_ = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    message = parsed(spec)
    assert all(one["componentRef"]["name"] in message.components for one in tasks(spec).values())
    for dag in (spec["root"], *spec["components"].values()):
        beside = dag.get("dag", {}).get("tasks", {})
        assert all(one in beside for task in beside.values() for one in task.get("dependentTasks", ()))


@pytest.mark.parametrize(
    "hostile", ["it's", '"', "$x", "\n", "é😀", "\x7f\u2028", "python3", "a" * 5000, "- a: b #", "*x"]
)
def test_texts_of_users_stay_what_they_are(hostile: str) -> None:
    pipeline = structs.replace(PLAIN, doc=f"x{hostile}x", params=(Param(name="t", type=STR, default=hostile),))
    spec, *_ = documents(pipeline, store=f"s3://ml/{hostile}")
    assert spec["pipelineInfo"]["description"] == f"x{hostile}x"[:1024]
    assert spec["root"]["inputDefinitions"]["parameters"]["t"]["defaultValue"] == hostile
    assert json.loads(args(spec, "b")[2])["store"] == f"s3://ml/{hostile}"


def test_braces_in_a_docstring_are_parted() -> None:
    assert documents(structs.replace(PLAIN, doc="{{$}}"))[0]["pipelineInfo"]["description"] == "{ {$}}"
