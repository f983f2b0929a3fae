"""Stacks of `run: pod`: what each feature writes into the file, and what is refused."""

from __future__ import annotations

import ast
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.airflow.compiler import AirflowCompiler
from pipeglot.compilers.airflow.stack import AirflowStep
from pipeglot.core.errors import ConfigError
from pipeglot.core.features import Feature
from pipeglot.core.ir import Branch, Pipeline, Resources
from pipeglot.stacks.reading import read_config
from tests.unit.compilers.test_airflow import CHANGES, PLAIN, STACK, changed, refused, source, text, told
from tests.unit.lineage.build import above, step

PODS: dict[str, Any] = {"run": "pod", "image": "steps:1"}

NEW = {
    Feature.RETRY: 'b = KubernetesPodOperator(**pod("b"), retries=2, retry_delay=timedelta(seconds=0))',
    Feature.RETRY_DELAY: 'b = KubernetesPodOperator(**pod("b"), retries=2, retry_delay=timedelta(seconds=7))',
    Feature.AFTER: "b >> c",
    Feature.ALL_DONE: 'b = KubernetesPodOperator(**pod("b")).as_teardown()',
    Feature.STEP_MAX_PARALLEL: 'b = KubernetesPodOperator(**pod("b"), max_active_tis_per_dagrun=2)',
    Feature.MAX_PARALLEL: "max_active_tasks=5,",
    Feature.POOL: 'b = KubernetesPodOperator(**pod("b"), pool="gpu")',
    Feature.MAP: ").expand(env_vars=b_items.output.map(index))",
    Feature.MAP_PIPELINE: "in_b, in_c = in_.expand(item=in_items.output.map(index))",
    Feature.BRANCH: 'return ["b"] if holds else ["done"]',
    Feature.ONE_OF: 'd = KubernetesPodOperator(**pod("d"), trigger_rule="none_failed_min_one_success")',
    Feature.PARAM_INT: '"n": Param(3, type="integer"),',
    Feature.HOOKS: 'hook = KubernetesPodOperator(**pod("hook")).as_teardown()',
    Feature.SCHEDULE_CRON: 'schedule="0 6 * * *",',
    Feature.ASSET: 'b = KubernetesPodOperator(**pod("b"), outlets=[Asset("s3://a")])',
    Feature.PRIORITY: 'b = KubernetesPodOperator(**pod("b"), priority_weight=5, weight_rule="absolute")',
    Feature.TAGS: 'tags=["ml", "pipeglot:000000000000"],',
}
"""The line that a feature is told by."""


@pytest.mark.parametrize("feature", NEW, ids=lambda feature: feature.value)
def test_what_is_native_changes_the_file(feature: Feature) -> None:
    assert NEW[feature] in told(CHANGES[feature], **PODS)


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (Resources(cpu=4), 'requests={"cpu": "4"}'),
        (Resources(cpu=0.5), 'requests={"cpu": "500m"}'),
        (Resources(cpu=0.00001), 'requests={"cpu": "1m"}'),
        (Resources(memory=16 * 2**30), 'requests={"memory": "16Gi"}'),
        (Resources(memory=3 * 2**20), 'requests={"memory": "3Mi"}'),
        (Resources(memory=1000), 'requests={"memory": "1000"}'),
        (Resources(gpu=2), 'limits={"nvidia.com/gpu": "2"}'),
    ],
)
def test_resources(asked: Resources, written: str) -> None:
    found = text(changed(resources=asked), **PODS)
    assert f"container_resources=V1ResourceRequirements({written})" in found
    assert "from kubernetes.client import V1ResourceRequirements\n" in found
    assert AirflowCompiler().check(source(changed(resources=asked)), structs.replace(STACK, **PODS)).notes == []


def test_resources_that_are_long_or_none() -> None:
    found = text(changed(resources=Resources(cpu=0.25, memory=2**33 + 1, gpu=8)), **PODS)
    assert (
        """\
        container_resources=V1ResourceRequirements(
            requests={"cpu": "250m", "memory": "8589934593"},
            limits={"nvidia.com/gpu": "8"},
        ),
"""
        in found
    )
    assert "V1ResourceRequirements" not in text(changed(resources=Resources(gpu=0)), **PODS)


def test_what_a_cluster_has_no_common_word_for_is_advice() -> None:
    def notes(**stack: Any) -> list[str]:
        asked = changed(resources=Resources(accelerator="A100", cpu=1), packages=("numpy",), image="mine:2")
        return [one.message for one in AirflowCompiler().check(source(asked), structs.replace(STACK, **stack)).notes]

    assert [note.split("`")[5] for note in notes(**PODS)] == ["accelerator", "packages"]
    assert [note.split("`")[5] for note in notes()] == ["cpu", "accelerator", "image", "packages"]
    wanted = AirflowStep(node_selector={"gpu": "A100"})
    assert 'node_selector={"gpu": "A100"}' in text(PLAIN, **PODS, steps={"a": wanted})


def test_the_image_of_a_step_goes_before_that_of_the_stack() -> None:
    found = text(changed(image="mine:2"), **PODS)
    assert 'image="steps:1"):' in found
    assert 'a = KubernetesPodOperator(**pod("a"))' in found
    assert 'b = KubernetesPodOperator(**pod("b", image="mine:2"))' in found
    own = structs.replace(PLAIN, nodes=(structs.replace(step("a"), image="mine:2"),))
    assert "item=False, *, image):" in text(own, run="pod")
    assert '**pod("a", image="mine:2")' in text(own, run="pod")
    compile(text(own, run="pod"), "p.py", "exec")


def test_where_pods_run() -> None:
    found = text(PLAIN, **PODS, namespace="ml", service_account="steps", kubernetes_conn_id="far")
    for line in ('"namespace": "ml",', '"service_account_name": "steps",', '"kubernetes_conn_id": "far",'):
        assert f"        {line}\n" in found
        assert line not in text(PLAIN, **PODS)


def test_secrets_of_kubernetes() -> None:
    pipeline = Pipeline(name="p", nodes=(structs.replace(step("a"), secrets=("token", "KEY")), step("b")))
    secrets = {"token": "k8s:warehouse/pass.word", "KEY": "env:TOKEN", "OTHER": "file:/run/other"}
    found = text(pipeline, **PODS, secrets=secrets)
    assert '        secrets=[Secret("env", "TOKEN_", "warehouse", "pass.word")],\n' in found
    assert '"token": "env:TOKEN_", "KEY": "env:TOKEN", "OTHER": "file:/run/other"' in found
    assert '    KubernetesPodOperator(**pod("b"))\n' in found, "it asks for none"
    assert "k8s:" not in found


def test_texts_of_users_stay_texts() -> None:
    doc = 'A "word" and a \\ {{ ti }} ' + "é" * 90
    found = text(changed(doc=doc), **PODS, store="s3://ml/{{ ti }}/$(x)")
    (said,) = [
        word.value.value
        for call in ast.walk(ast.parse(found))
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "doc_md" and isinstance(word.value, ast.Constant)
    ]
    assert isinstance(said, str)
    assert doc.startswith(said.removesuffix("…"))
    assert max(map(len, found.splitlines())) <= 88
    assert "\"arguments\": [f\"{{{{ asked('{do}', '{node or task_id}') }}}}\", *words]," in found


def test_arms_that_are_long() -> None:
    names = [f"a_rather_long_name_{number}" for number in range(4)]
    branch = Branch(id="when", when=above("a", 1), then=tuple(map(step, names)), otherwise=(step("c"),))
    found = text(Pipeline(name="p", nodes=(step("a"), branch)), **PODS)
    lines = "".join(f'                "{name}",\n' for name in names)
    assert f'        if holds:\n            return [\n{lines}            ]\n        return ["c"]\n' in found


def test_a_branch_in_an_arm_begins_with_the_pod_that_decides_it() -> None:
    inner = Branch(id="in", when=above("a", 2), then=(step("b"),), otherwise=(step("c"),))
    found = text(Pipeline(name="p", nodes=(step("a"), Branch(id="out", when=above("a", 1), then=(inner,)))), **PODS)
    assert 'return ["in_holds", "b", "c"] if holds else ["done"]' in found
    assert 'in_holds = KubernetesPodOperator(**pod("in_holds", "in", do="choose"))' in found
    assert "in__ = in_(in_holds.output)" in found
    assert "[a, out_] >> in_holds" in found
    assert ">> in__" not in found, "what it is given comes before it by itself"


def test_names_of_the_file_are_no_names_of_tasks() -> None:
    names = ("pod", "index", "asked", "json", "Secret", "conf")
    found = text(structs.replace(PLAIN, nodes=tuple(map(step, names))), **PODS)
    for name in names:
        assert (
            f'{name}_2 = KubernetesPodOperator(**pod("{name}"))' in found
            or f'    KubernetesPodOperator(**pod("{name}"))' in found
        )


def test_all_that_pods_lack_is_told_at_once() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(structs.replace(step("b"), image="no {{ image }}"),))
    found = refused(
        Pipeline(name="p", nodes=(step("a"), branch)),
        run="pod",
        python="${PYTHON}",
        secrets={"A": "airflow:a", "B": "k8s:only-a-name", "C": "k8s:{{ x }}/key"},
    )
    assert found == [
        "stack `prod`: `python: ${PYTHON}` names a variable, and its steps run in pods",
        "stack `prod` has secret `A` in Airflow, which pods do not reach",
        "stack `prod`: secret `B` names no secret of Kubernetes",
        "stack `prod`: secret `C` names no secret of Kubernetes",
        "`b` cannot run in `no {{ image }}`, which is no image",
        "`a`, the condition of branch `when` have no image to run in",
    ]


def test_a_step_without_a_letter_has_no_pod() -> None:
    assert refused(structs.replace(PLAIN, nodes=(step("_"),)), **PODS) == [
        "`_` has no letter or digit in its name, and runs in a pod"
    ]


def test_the_python_of_the_image() -> None:
    found = text(PLAIN, **PODS, python="/opt/venv/bin/python")
    assert '"cmds": ["/opt/venv/bin/python", "-m", "pipeglot.core.run_step"],' in found
    assert "Popen" not in found


def test_no_secret_comes_in_a_variable_that_the_pod_needs() -> None:
    body = structs.replace(PLAIN, nodes=(structs.replace(step("a"), secrets=("path",)),))
    assert 'Secret("env", "PATH_", "paths", "x")' in text(body, **PODS, secrets={"path": "k8s:paths/x"})


def test_what_becomes_of_a_pod_is_told_unless_the_stack_says_otherwise() -> None:
    assert '"log_pod_spec_on_failure": False' in text(PLAIN, **PODS)
    assert '"log_pod_spec_on_failure": True' in text(PLAIN, **PODS, default_args={"log_pod_spec_on_failure": True})


def function(name: str, **known: Any) -> Any:
    """One of the file's own functions, without what it is decorated with."""
    file = ast.parse(text(PLAIN, **PODS))
    (found,) = [one for one in file.body if isinstance(one, ast.FunctionDef) and one.name == name]
    found.decorator_list.clear()
    exec(compile(ast.Module([found], []), "dag.py", "exec"), known)
    return known[name]


def test_a_pod_that_was_deleted_is_no_success() -> None:
    unless_killed = function("unless_killed")
    for task in (SimpleNamespace(), SimpleNamespace(_killed=False)):
        unless_killed({"ti": SimpleNamespace(task=task)}, None)
    with pytest.raises(RuntimeError, match="the pod was deleted before its step was over"):
        unless_killed({"ti": SimpleNamespace(task=SimpleNamespace(_killed=True))}, None)
    assert "unless_killed" not in text(PLAIN, **PODS, version=2), "Airflow 2 fails such a task itself"


def test_parameters_that_no_pod_can_be_given_are_told() -> None:
    conf = SimpleNamespace(getint=lambda *_: 1024)
    asked = function("asked", conf=conf, json=json, PIPELINE={})
    moment = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    run = SimpleNamespace(conf=None, logical_date=moment, run_type="manual", run_id="r", dag_id="p")
    task = SimpleNamespace(retries=0)
    ti = SimpleNamespace(map_index=-1, try_number=1, max_tries=0, task_id="a", task=task)
    context = {"ti": ti, "dag_run": run, "params": {"text": "$(x)"}}
    assert json.loads(asked(context, "step", "a"))["run"]["params"]["text"] == "$(x)"
    with pytest.raises(ValueError, match="the parameters of a run in pods may have 128 kB in all"):
        asked({**context, "params": {"text": "x" * 131_000}}, "step", "a")


def test_what_only_pods_have_is_refused_without_them() -> None:
    found = refused(
        PLAIN,
        image="steps:1",
        namespace="ml",
        secrets={"A": "k8s:a/b"},
        steps={"a": AirflowStep(node_selector={"a": "b"}, tolerations=[{"key": "gpu"}])},
    )
    assert found == [
        f"stack `prod` {says}, and its steps run in Airflow's own tasks"
        for says in (
            "says `image:`",
            "says `namespace:`",
            "says `node_selector` of `a`",
            "says `tolerations` of `a`",
            "has secret `A` in Kubernetes",
        )
    ]


@pytest.mark.parametrize(
    "said",
    [
        "run: pods",
        'image: "{{ x }}"',
        "namespace: A_B",
        'service_account: "{% x %}"',
        'kubernetes_conn_id: "a b"',
        "default_args: {cmds: [sh]}",
        "default_args: {service_account_name: x}",
        "default_args: {volumes: []}",
        "default_args: {post_execute: x}",
    ],
)
def test_what_a_stack_cannot_say(said: str) -> None:
    with pytest.raises(ConfigError):
        read_config(f"stacks:\n  prod: {{backend: airflow, {said}}}\n".encode())


def test_a_stack_of_pods_is_read() -> None:
    said = 'run: pod, image: "ghcr.io/a/b:1@sha256:0", secrets: {A: "k8s:a/b"}, default_args: {labels: {a: b}}'
    assert read_config(f"stacks:\n  prod: {{backend: airflow, {said}}}\n".encode()).stacks["prod"].run == "pod"  # type: ignore[attr-defined]


def test_what_an_item_is_called_is_known_in_its_pod_only() -> None:
    found = text(CHANGES[Feature.MAP], **PODS)
    assert '**pod("b", item=True)' in found
    assert "map_index_template" not in found
