"""credit."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile credit.py:credit

from datetime import timedelta

import pendulum
from airflow.decorators import dag, task
from airflow.models.param import Param

PIPELINE = {
    "pipeline": "credit",
    "ir": "abf590ce0d054c09d9cef030b7cd90e974b6443dce0844ce70546fee6690dbd2",
    "stack": "airflow2",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:9741c7a519f58da56dfb43f6a980a9ac150c9181d1dbd25af1d67bb6855037ea",
}


def run(step, item=None):
    # Here, where the task runs: to parse this file, nothing of pipeglot is needed.
    from pipeglot.compilers.airflow import worker

    return worker.run(PIPELINE, step, item)


def choose(branch, then, otherwise):
    from pipeglot.compilers.airflow import worker

    return worker.choose(PIPELINE, branch, then, otherwise)


def outcome():
    # What a run that somebody has ended leaves out is no failure to Airflow.
    from pipeglot.compilers.airflow import worker

    return worker.outcome(PIPELINE)


@dag(
    dag_id="credit",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 0},
    tags=["ml", "pipeglot:3fe3fd17456b"],
    params={
        "file": Param("german_credit.csv", type="string"),
        "strength": Param(0.05, type="number"),
        "bar": Param(0.75, type="number"),
        "channel": Param("#credit", type="string"),
    },
)
def credit():
    @task
    def ingest():
        return run("ingest")

    @task
    def validate():
        """The quality gate: nothing is learned from a table that is not as it should
        be.
        """
        return run("validate")

    @task
    def prepare():
        return run("prepare")

    @task
    def train():
        return run("train")

    @task
    def judge():
        """On applicants that training has not seen."""
        return run("judge")

    @task
    def plot():
        return run("plot")

    @task.branch
    def when_1():
        return choose("when_1", ["deploy"], ["keep_the_old"])

    @task
    def deploy():
        """Where a real pipeline hands the model to what serves it."""
        return run("deploy")

    @task
    def keep_the_old():
        return run("keep_the_old")

    @task(
        retries=2,
        retry_delay=timedelta(seconds=1),
        trigger_rule="none_failed_min_one_success",
    )
    def tell():
        return run("tell")

    @task
    def notify():
        """Where a real pipeline writes to people."""
        return run("notify")

    @task
    def done():
        return outcome()

    ingest_ = ingest()
    validate_ = validate()
    prepare_ = prepare()
    train_ = train()
    judge_ = judge()
    plot_ = plot()
    when_1_ = when_1()
    deploy_ = deploy()
    keep_the_old_ = keep_the_old()
    tell_ = tell()
    notify_ = notify().as_teardown()
    done_ = done().as_teardown(on_failure_fail_dagrun=True)

    every_task = [
        ingest_,
        validate_,
        prepare_,
        train_,
        judge_,
        plot_,
        when_1_,
        deploy_,
        keep_the_old_,
        tell_,
        notify_,
    ]
    ingest_ >> validate_
    [ingest_, validate_] >> prepare_
    prepare_ >> train_
    [train_, prepare_] >> judge_
    judge_ >> plot_
    judge_ >> when_1_
    [train_, judge_, when_1_] >> deploy_
    [judge_, when_1_] >> keep_the_old_
    [deploy_, keep_the_old_] >> tell_
    [tell_, plot_] >> notify_
    every_task >> done_


credit()
