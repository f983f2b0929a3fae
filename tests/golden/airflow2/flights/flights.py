"""flights."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile flights.py:flights

from datetime import timedelta

import pendulum
from airflow.decorators import dag, task
from airflow.models.param import Param

PIPELINE = {
    "pipeline": "flights",
    "ir": "f60104336d6a9e888828d6f575277ec908902a63602b97f8e8c81f3671efe095",
    "stack": "airflow2",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:b958d7f15352026d35f977ca8c40c0fbd4c4d3333932854b6ab80e14383d64a1",
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
    dag_id="flights",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 0},
    tags=["ml", "pipeglot:a22e12cb1a5a"],
    params={
        "year": Param(2013, type="integer"),
        "bar": Param(0.7, type="number"),
        "seed": Param(0, type="integer"),
        "keep": Param(False, type="boolean"),
    },
)
def flights():
    @task
    def ingest():
        return run("ingest")

    @task
    def validate():
        return run("validate")

    @task
    def featurize():
        return run("featurize")

    @task
    def carriers():
        return run("carriers")

    @task
    def train_items():
        return items("train")

    @task(map_index_template="{{ item_label }}")
    def train(item):
        return run("train", item)

    @task(trigger_rule="none_failed")
    def best():
        return run("best")

    @task
    def evaluate():
        """How the winner does on days that neither training nor the choice of the
        winner has seen.
        """
        return run("evaluate")

    @task.branch
    def when_1():
        return choose("when_1", ["register"], ["reject"])

    @task
    def register():
        """Where a real pipeline hands the model to its registry."""
        return run("register")

    @task
    def reject():
        return run("reject")

    @task(
        retries=2,
        retry_delay=timedelta(seconds=1),
        trigger_rule="none_failed_min_one_success",
    )
    def publish():
        """Where a real pipeline tells people."""
        return run("publish")

    @task(trigger_rule="none_failed")
    def report():
        return run("report")

    @task
    def clean_up():
        return run("clean_up")

    @task
    def done():
        return outcome()

    ingest_ = ingest()
    validate_ = validate()
    featurize_ = featurize()
    carriers_ = carriers()
    train_items_ = train_items()
    train_ = train.expand(item=train_items_)
    best_ = best()
    evaluate_ = evaluate()
    when_1_ = when_1()
    register_ = register()
    reject_ = reject()
    publish_ = publish()
    report_ = report()
    clean_up_ = clean_up().as_teardown()
    done_ = done().as_teardown(on_failure_fail_dagrun=True)

    every_task = [
        ingest_,
        validate_,
        featurize_,
        carriers_,
        train_items_,
        train_,
        best_,
        evaluate_,
        when_1_,
        register_,
        reject_,
        publish_,
        report_,
        clean_up_,
    ]
    ingest_ >> validate_
    [ingest_, validate_] >> featurize_
    ingest_ >> carriers_
    carriers_ >> train_items_
    featurize_ >> train_
    train_ >> best_
    [best_, featurize_] >> evaluate_
    best_ >> when_1_
    [best_, evaluate_, when_1_] >> register_
    [best_, when_1_] >> reject_
    [register_, reject_] >> publish_
    train_ >> report_
    [publish_, report_] >> clean_up_
    every_task >> done_


flights()
