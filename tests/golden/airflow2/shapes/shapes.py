"""One of each: maps, branches, nested pipelines, clean-up, hooks.

With a "quoted" word and a backslash: \\.
"""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:shapes

from datetime import timedelta

import pendulum
from airflow.datasets import Dataset
from airflow.decorators import dag, task, task_group
from airflow.models.param import Param
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.task_group import TaskGroup

PIPELINE = {
    "pipeline": "shapes",
    "ir": "313176b488327675d6de24faadcad869aa6d1a4e10579daddc46c834b2a95546",
    "stack": "airflow2",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}


def run(step, item=None):
    # Here, where the task runs: to parse this file, nothing of pipeglot is needed.
    from pipeglot.compilers.airflow import worker

    return worker.run(PIPELINE, step, item)


def items(step):
    from pipeglot.compilers.airflow import worker

    return worker.items(PIPELINE, step)


def choose(branch, then, otherwise):
    from pipeglot.compilers.airflow import worker

    return worker.choose(PIPELINE, branch, then, otherwise)


def outcome():
    # What a run that somebody has ended leaves out is no failure to Airflow.
    from pipeglot.compilers.airflow import worker

    return worker.outcome(PIPELINE)


@dag(
    dag_id="shapes",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 6 * * *", timezone="Europe/Zurich"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Zurich"),
    catchup=False,
    max_active_tasks=8,
    default_args={"retries": 0},
    tags=["ml", "pipeglot:058228fe6e06"],
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
        outlets=[Dataset("s3://warehouse/shapes")],
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
