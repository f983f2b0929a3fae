"""search."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile search.py:search

from datetime import timedelta

import pendulum
from airflow.decorators import dag, task
from airflow.models.param import Param

PIPELINE = {
    "pipeline": "search",
    "ir": "2b96c350d4ef35a31b7ca71f64b79c38c5a77e19fb496795a91ec9d06a66af1d",
    "stack": "airflow2",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:f11581e1bf219eef5da14539b5e154539b7a6d43e6f8afd531a67a031c0b1852",
}


def run(step, item=None):
    # Here, where the task runs: to parse this file, nothing of pipeglot is needed.
    from pipeglot.compilers.airflow import worker

    return worker.run(PIPELINE, step, item)


def items(step):
    from pipeglot.compilers.airflow import worker

    return worker.items(PIPELINE, step)


@dag(
    dag_id="search",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 0},
    tags=["ml", "pipeglot:7c7ab5e6203c"],
    params={
        "count": Param(12, type="integer"),
        "seed": Param(0, type="integer"),
    },
)
def search():
    @task
    def load():
        return run("load")

    @task
    def draw():
        return run("draw")

    @task
    def reserve_items():
        return items("reserve")

    @task(
        retries=2,
        retry_delay=timedelta(seconds=0.1),
        map_index_template="{{ item_label }}",
    )
    def reserve(item):
        """Stands for a busy service: it turns every third request away, the first
        time.
        """
        return run("reserve", item)

    @task(trigger_rule="none_failed")
    def evaluate_items():
        return items("evaluate")

    @task(map_index_template="{{ item_label }}")
    def evaluate(item):
        return run("evaluate", item)

    @task(trigger_rule="none_failed")
    def best():
        return run("best")

    @task
    def train():
        return run("train")

    @task
    def judge():
        """On digits that the search has not seen."""
        return run("judge")

    @task(trigger_rule="none_failed")
    def report():
        return run("report")

    load_ = load()
    draw_ = draw()
    reserve_items_ = reserve_items()
    reserve_ = reserve.expand(item=reserve_items_)
    evaluate_items_ = evaluate_items()
    evaluate_ = evaluate.expand(item=evaluate_items_)
    best_ = best()
    train_ = train()
    judge_ = judge()
    report_ = report()

    draw_ >> reserve_items_
    reserve_ >> evaluate_items_
    load_ >> evaluate_
    evaluate_ >> best_
    [load_, best_] >> train_
    [train_, load_] >> judge_
    [evaluate_, best_] >> report_


search()
