"""One of each: maps, branches, nested pipelines, clean-up, hooks.

With a "quoted" word and a backslash: \\.
"""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:shapes

import json
import os
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM, signal
from subprocess import PIPE, STDOUT, Popen
from tempfile import TemporaryDirectory

import pendulum
from airflow.configuration import conf
from airflow.sdk import (
    Asset,
    Param,
    TaskGroup,
    dag,
    get_current_context,
    task,
    task_group,
)

try:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:  # before 3.2
    from airflow.exceptions import AirflowFailException, AirflowSkipException

PIPELINE = {
    "pipeline": "shapes",
    "ir": "313176b488327675d6de24faadcad869aa6d1a4e10579daddc46c834b2a95546",
    "stack": "airflow3_python",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}
PYTHON = "/opt/steps/bin/python"


def call(do, node, index=()):
    # In a process of PYTHON, the steps' own: Airflow's needs nothing of pipeglot.
    context = get_current_context()
    ti, dag_run = context["ti"], context["dag_run"]
    wishes = (dag_run.conf or {}).get("pipeglot")  # of `pipeglot run`
    planned = dag_run.logical_date or dag_run.run_after
    if dag_run.run_type in ("scheduled", "backfill"):  # due at the end of its interval
        planned = dag_run.data_interval_end or planned
    words = {"task": ti.task_id, "try": str(ti.try_number), "round": str(ti.max_tries)}
    if index:
        words["map_index"] = str(ti.map_index)
    asked = {
        "pipeline": PIPELINE,
        "do": do,
        "node": node,
        "indexes" if index and isinstance(index[0], list) else "index": index,
        "most": conf.getint("core", "max_map_length"),
        "attempt": ti.try_number,
        "first": ti.max_tries - ti.task.retries + 1,  # since it was cleared
        "engine": words,
        "run": {
            "id": dag_run.run_id,
            "params": {**context["params"], "pipeglot": wishes},
            "logical_date": planned.isoformat(),
            "about": {"dag": dag_run.dag_id, "type": dag_run.run_type},
        },
    }
    with TemporaryDirectory() as folder:
        document, told = Path(folder, "asked.json"), Path(folder, "told.json")
        document.write_text(json.dumps(asked))
        command = [PYTHON, "-m", "pipeglot.core.run_step", f"@{document}"]
        command += ["--result", str(told), "--parent", str(os.getpid())]
        with Popen(command, stdout=PIPE, stderr=STDOUT, errors="replace") as child:
            before = signal(SIGTERM, lambda *_: child.terminate())
            for line in child.stdout:
                print(line, end="", flush=True)
            signal(SIGTERM, before)
        result = json.loads(told.read_text()) if told.exists() else {}
    if result.get("label"):
        context["item_label"] = result["label"]
    why = result.get("message") or f"exit code {child.returncode}"
    if child.returncode == 99:
        raise AirflowSkipException(why)
    if child.returncode in (2, 100):  # no other try would help
        raise AirflowFailException(why)
    if child.returncode:
        raise RuntimeError(why)
    for outlet, artifact in zip(ti.task.outlets, result["assets"], strict=False):
        context["outlet_events"][outlet].extra = {"pipeglot": artifact}
    return result["value"]


def run(step, item=()):
    return call("step", step, item)


def items(step):
    return call("items", step)


def choose(branch, then, otherwise):
    return then if call("choose", branch) else otherwise


def outcome():
    return call("outcome", "")


@dag(
    dag_id="shapes",
    doc_md=__doc__,
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Zurich"),
    catchup=False,
    max_active_tasks=8,
    default_args={"retries": 0},
    tags=["ml", "pipeglot:221f43857001"],
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
    @task
    def numbers():
        return run("numbers")

    @task
    def double_items():
        return items("double")

    @task(
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
        map_index_template="{{ item_label }}",
    )
    def double(item):
        """Twice as much."""
        return run("double", item)

    @task
    def inner_items():
        return items("inner.double")

    @task(
        task_id="double",
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
        map_index_template="{{ item_label }}",
    )
    def inner_double(item):
        """Twice as much."""
        return run("inner.double", item)

    @task(
        task_id="double_2",
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
        map_index_template="{{ item_label }}",
        trigger_rule="all_done",
    )
    def inner_double_2(item):
        """Twice as much."""
        return run("inner.double_2", item)

    @task(
        task_id="double",
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
    )
    def inner_2_double():
        """Twice as much."""
        return run("inner_2.double")

    @task(
        task_id="double_2",
        retries=2,
        retry_delay=timedelta(seconds=5),
        pool="gpu",
        max_active_tis_per_dagrun=4,
    )
    def inner_2_double_2():
        """Twice as much."""
        return run("inner_2.double_2")

    @task(priority_weight=5, weight_rule="absolute", trigger_rule="none_failed")
    def total():
        return run("total")

    @task.branch
    def when_1():
        return choose("when_1", ["again", "large"], ["small"])

    @task
    def again():
        return run("again")

    @task
    def large():
        return run("large")

    @task
    def small():
        return run("small")

    @task(
        retries=1,
        retry_delay=timedelta(seconds=0),
        outlets=[Asset("s3://warehouse/shapes")],
        trigger_rule="none_failed_min_one_success",
    )
    def publish():
        return run("publish")

    @task
    def clean_up():
        return run("clean_up")

    @task
    def done():
        return outcome()

    @task
    def alarm():
        return run("alarm")

    @task_group
    def inner(item):
        inner_double_ = inner_double(item)
        inner_double_2_ = inner_double_2(item)

        inner_double_ >> inner_double_2_
        return inner_double_, inner_double_2_

    numbers_ = numbers()
    double_items_ = double_items()
    double_ = double.expand(item=double_items_)
    inner_items_ = inner_items()
    inner_double_, inner_double_2_ = inner.expand(item=inner_items_)
    with TaskGroup("inner_2"):
        inner_2_double_ = inner_2_double()
        inner_2_double_2_ = inner_2_double_2()
    total_ = total()
    when_1_ = when_1()
    again_ = again()
    large_ = large()
    small_ = small()
    publish_ = publish()
    clean_up_ = clean_up().as_teardown()
    done_ = done().as_teardown(on_failure_fail_dagrun=True)
    alarm_ = alarm().as_teardown()

    every_task = [
        numbers_,
        double_items_,
        double_,
        inner_items_,
        inner_double_,
        inner_double_2_,
        inner_2_double_,
        inner_2_double_2_,
        total_,
        when_1_,
        again_,
        large_,
        small_,
        publish_,
        clean_up_,
    ]
    numbers_ >> double_items_
    numbers_ >> inner_items_
    inner_2_double_ >> inner_2_double_2_
    double_ >> total_
    [total_, inner_2_double_2_] >> when_1_
    when_1_ >> again_
    [inner_2_double_2_, again_, when_1_] >> large_
    [inner_2_double_2_, when_1_] >> small_
    [large_, small_] >> publish_
    [publish_, inner_double_2_] >> clean_up_
    every_task >> done_
    every_task >> alarm_


shapes()
