"""One of each: maps, branches, nested pipelines, clean-up, hooks.

With a "quoted" word and a backslash: \\.
"""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:shapes

import json
from datetime import timedelta

import pendulum
from airflow.configuration import conf
from airflow.datasets import Dataset
from airflow.decorators import dag, task, task_group
from airflow.models.param import Param
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.task_group import TaskGroup
from jinja2 import pass_context
from kubernetes.client import V1ResourceRequirements

PIPELINE = {
    "pipeline": "shapes",
    "ir": "313176b488327675d6de24faadcad869aa6d1a4e10579daddc46c834b2a95546",
    "stack": "airflow2_pod",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}


@pass_context
def asked(context, do, node):
    # What run_step is to do: told when the task runs, and only then.
    ti, dag_run = context["ti"], context["dag_run"]
    wishes = (dag_run.conf or {}).get("pipeglot")  # of `pipeglot run`
    planned = dag_run.logical_date
    if dag_run.run_type in ("scheduled", "backfill"):  # due at the end of its interval
        planned = dag_run.data_interval_end or planned
    place = {"map_index": str(ti.map_index)} if ti.map_index >= 0 else {}
    document = {
        "pipeline": PIPELINE,
        "do": do,
        "node": node,
        "most": conf.getint("core", "max_map_length"),
        "attempt": ti.try_number,
        "first": ti.max_tries - ti.task.retries + 1,
        # Airflow tries again whatever became of it: a round is between two clears.
        "engine": {
            "task": ti.task_id,
            "try": str(ti.try_number),
            "round": str(ti.max_tries),
            **place,
        },
        "run": {
            "id": dag_run.run_id,
            "params": {**context["params"], "pipeglot": wishes},
            "logical_date": planned.isoformat(),
            "about": {"dag": dag_run.dag_id, "type": dag_run.run_type},
        },
    }
    text = json.dumps(document).replace("$", "\\u0024")  # `$(…)` is Kubernetes' own
    if len(text) > 131_000:  # Linux takes no more in one argument
        raise ValueError("the parameters of a run in pods may have 128 kB in all")
    return text


def pod(task_id, node=None, do="step", item=False, image="ghcr.io/acme/steps:1"):
    words = ["--index", "PIPEGLOT_INDEX"] if item else []
    answers = do in ("items", "choose")
    if answers:  # Airflow needs them
        words += ["--value", "/airflow/xcom/return.json"]
    return {
        "task_id": task_id,
        "image": image,
        "cmds": ["python", "-m", "pipeglot.core.run_step"],
        "arguments": [f"{{{{ asked('{do}', '{node or task_id}') }}}}", *words],
        "do_xcom_push": answers,
        "skip_on_exit_code": 99,
        **({"deferrable": False, "retries": 2, "retry_delay": 10.0} if answers else {}),
    }


def index(item):
    return {"PIPEGLOT_INDEX": json.dumps(item)}


@dag(
    dag_id="shapes",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 6 * * *", timezone="Europe/Zurich"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Zurich"),
    catchup=False,
    max_active_tasks=8,
    default_args={
        "log_pod_spec_on_failure": False,
        "log_events_on_failure": True,
        "retries": 0,
    },
    user_defined_macros={"asked": asked},
    tags=["ml", "pipeglot:fabae6b6fbd3"],
    params={
        "count": Param(3, type="integer"),
        "ratio": Param(0.5, type="number"),
        "mode": Param("fast", enum=["fast", "slow"]),
        "wait": Param("5m", type="string"),
        "names": Param(None, type=["null", "array"], items={"type": "string"}),
        "day": Param(None, type=["null", "string"], format="date"),
    },
)
def shapes():
    @task.branch
    def when_1(holds):
        return ["again", "large"] if holds else ["small"]

    @task_group
    def inner(item):
        inner_double = KubernetesPodOperator(
            **pod("double", "inner.double", item=True),
            retries=2,
            retry_delay=timedelta(seconds=5),
            pool="gpu",
            max_active_tis_per_dagrun=4,
            doc_md="Twice as much.",
            env_vars=item,
        )
        inner_double_2 = KubernetesPodOperator(
            **pod("double_2", "inner.double_2", item=True),
            retries=2,
            retry_delay=timedelta(seconds=5),
            pool="gpu",
            max_active_tis_per_dagrun=4,
            trigger_rule="all_done",
            doc_md="Twice as much.",
            env_vars=item,
        )

        inner_double >> inner_double_2
        return inner_double, inner_double_2

    numbers = KubernetesPodOperator(**pod("numbers"))
    double_items = KubernetesPodOperator(**pod("double_items", "double", do="items"))
    double = KubernetesPodOperator.partial(
        **pod("double", item=True),
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
        doc_md="Twice as much.",
    ).expand(env_vars=double_items.output.map(index))
    inner_items = KubernetesPodOperator(
        **pod("inner_items", "inner.double", do="items"),
    )
    inner_double, inner_double_2 = inner.expand(item=inner_items.output.map(index))
    with TaskGroup("inner_2"):
        inner_2_double = KubernetesPodOperator(
            **pod("double", "inner_2.double"),
            retries=2,
            retry_delay=timedelta(seconds=5),
            pool="gpu",
            max_active_tis_per_dagrun=4,
            doc_md="Twice as much.",
        )
        inner_2_double_2 = KubernetesPodOperator(
            **pod("double_2", "inner_2.double_2"),
            retries=2,
            retry_delay=timedelta(seconds=5),
            pool="gpu",
            max_active_tis_per_dagrun=4,
            doc_md="Twice as much.",
        )
    total = KubernetesPodOperator(
        **pod("total"),
        container_resources=V1ResourceRequirements(
            requests={"cpu": "2", "memory": "4Gi"},
        ),
        priority_weight=5,
        weight_rule="absolute",
        trigger_rule="none_failed",
    )
    when_1_holds = KubernetesPodOperator(**pod("when_1_holds", "when_1", do="choose"))
    when_1_ = when_1(when_1_holds.output)
    again = KubernetesPodOperator(**pod("again"))
    large = KubernetesPodOperator(**pod("large"))
    small = KubernetesPodOperator(**pod("small"))
    publish = KubernetesPodOperator(
        **pod("publish"),
        retries=1,
        retry_delay=timedelta(seconds=0),
        outlets=[Dataset("s3://warehouse/shapes")],
        trigger_rule="none_failed_min_one_success",
    )
    clean_up = KubernetesPodOperator(**pod("clean_up")).as_teardown()
    done = KubernetesPodOperator(
        **pod("done", do="outcome"),
    ).as_teardown(on_failure_fail_dagrun=True)
    alarm = KubernetesPodOperator(**pod("alarm")).as_teardown()

    every_task = [
        numbers,
        double_items,
        double,
        inner_items,
        inner_double,
        inner_double_2,
        inner_2_double,
        inner_2_double_2,
        total,
        when_1_holds,
        when_1_,
        again,
        large,
        small,
        publish,
        clean_up,
    ]
    numbers >> double_items
    numbers >> inner_items
    inner_2_double >> inner_2_double_2
    double >> total
    [total, inner_2_double_2] >> when_1_holds
    when_1_ >> again
    [inner_2_double_2, again, when_1_] >> large
    [inner_2_double_2, when_1_] >> small
    [large, small] >> publish
    [publish, inner_double_2] >> clean_up
    every_task >> done
    every_task >> alarm


shapes()
