"""flights."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile flights.py:flights

import json
from datetime import timedelta

import pendulum
from airflow.configuration import conf
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Param, dag, task
from jinja2 import pass_context

PIPELINE = {
    "pipeline": "flights",
    "ir": "f60104336d6a9e888828d6f575277ec908902a63602b97f8e8c81f3671efe095",
    "stack": "airflow3_pod",
    "backend": "airflow",
    "store": "s3://ml/prod",
}


@pass_context
def asked(context, do, node):
    # What run_step is to do: told when the task runs, and only then.
    ti, dag_run = context["ti"], context["dag_run"]
    wishes = (dag_run.conf or {}).get("pipeglot")  # of `pipeglot run`
    planned = dag_run.logical_date or dag_run.run_after
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
        "namespace": "ml",
        "service_account_name": "steps",
        "cmds": ["python", "-m", "pipeglot.core.run_step"],
        "arguments": [f"{{{{ asked('{do}', '{node or task_id}') }}}}", *words],
        "do_xcom_push": answers,
        "skip_on_exit_code": 99,
        "post_execute": unless_killed,
        **({"deferrable": False, "retries": 2, "retry_delay": 10.0} if answers else {}),
    }


def unless_killed(context, result):
    # Airflow 3.3 deletes the pod when its worker has to end, and calls that a success.
    if getattr(context["ti"].task, "_killed", False):
        raise RuntimeError("the pod was deleted before its step was over")


def index(item):
    return {"PIPEGLOT_INDEX": json.dumps(item)}


@dag(
    dag_id="flights",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={
        "log_pod_spec_on_failure": False,
        "log_events_on_failure": True,
        "retries": 0,
    },
    user_defined_macros={"asked": asked},
    tags=["ml", "pipeglot:de07755e10dd"],
    params={
        "year": Param(2013, type="integer"),
        "bar": Param(0.7, type="number"),
        "seed": Param(0, type="integer"),
        "keep": Param(False, type="boolean"),
    },
)
def flights():
    @task.branch
    def when_1(holds):
        return ["register"] if holds else ["reject"]

    ingest = KubernetesPodOperator(**pod("ingest"))
    validate = KubernetesPodOperator(**pod("validate"))
    featurize = KubernetesPodOperator(**pod("featurize"))
    carriers = KubernetesPodOperator(**pod("carriers"))
    train_items = KubernetesPodOperator(**pod("train_items", "train", do="items"))
    train = KubernetesPodOperator.partial(
        **pod("train", item=True),
    ).expand(env_vars=train_items.output.map(index))
    best = KubernetesPodOperator(**pod("best"), trigger_rule="none_failed")
    evaluate = KubernetesPodOperator(
        **pod("evaluate"),
        doc_md="How the winner does on days that neither training nor the choice of…",
    )
    when_1_holds = KubernetesPodOperator(**pod("when_1_holds", "when_1", do="choose"))
    when_1_ = when_1(when_1_holds.output)
    register = KubernetesPodOperator(
        **pod("register"),
        doc_md="Where a real pipeline hands the model to its registry.",
    )
    reject = KubernetesPodOperator(**pod("reject"))
    publish = KubernetesPodOperator(
        **pod("publish"),
        retries=2,
        retry_delay=timedelta(seconds=1),
        trigger_rule="none_failed_min_one_success",
        doc_md="Where a real pipeline tells people.",
    )
    report = KubernetesPodOperator(**pod("report"), trigger_rule="none_failed")
    clean_up = KubernetesPodOperator(**pod("clean_up")).as_teardown()
    done = KubernetesPodOperator(
        **pod("done", do="outcome"),
    ).as_teardown(on_failure_fail_dagrun=True)

    every_task = [
        ingest,
        validate,
        featurize,
        carriers,
        train_items,
        train,
        best,
        evaluate,
        when_1_holds,
        when_1_,
        register,
        reject,
        publish,
        report,
        clean_up,
    ]
    ingest >> validate
    [ingest, validate] >> featurize
    ingest >> carriers
    carriers >> train_items
    featurize >> train
    train >> best
    [best, featurize] >> evaluate
    best >> when_1_holds
    [best, evaluate, when_1_] >> register
    [best, when_1_] >> reject
    [register, reject] >> publish
    train >> report
    [publish, report] >> clean_up
    every_task >> done


flights()
