"""score."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile score.py:score

import pendulum
from airflow.sdk import Param, dag, task

PIPELINE = {
    "pipeline": "score",
    "ir": "8f7d2fd4e3e98075578230b82667f0d44bc96efc7b35ac4f729f4daa00c572a6",
    "stack": "airflow3",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:94e7c736e3cc38c4887827363d84278925d35a25298a4f9251018c2b43788e13",
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
    dag_id="score",
    doc_md=__doc__,
    schedule="0 7 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="America/New_York"),
    catchup=False,
    default_args={"owner": "ml-team", "retries": 0},
    tags=["ml", "pipeglot:3efd05ac3db9"],
    params={
        "day": Param(None, type=["null", "string"], format="date"),
        "model": Param("train/fit.output@latest", type="string"),
        "bar": Param(0.9, type="number"),
    },
)
def score():
    @task
    def observe():
        return run("observe")

    @task
    def prepare():
        return run("prepare")

    @task
    def batch():
        return run("batch")

    @task.branch
    def when_1():
        return choose("when_1", ["forecast", "publish"], ["hold"])

    @task
    def forecast():
        return run("forecast")

    @task
    def publish():
        """Where a real pipeline hands the forecast to whoever asked for it."""
        return run("publish")

    @task
    def hold():
        return run("hold")

    @task(trigger_rule="none_failed_min_one_success")
    def tell():
        return run("tell")

    @task
    def done():
        return outcome()

    @task
    def alert():
        """Where a real pipeline writes to people. A hook: it runs when all else is
        over.
        """
        return run("alert")

    observe_ = observe()
    prepare_ = prepare()
    batch_ = batch()
    when_1_ = when_1()
    forecast_ = forecast()
    publish_ = publish()
    hold_ = hold()
    tell_ = tell()
    done_ = done().as_teardown(on_failure_fail_dagrun=True)
    alert_ = alert().as_teardown()

    every_task = [
        observe_,
        prepare_,
        batch_,
        when_1_,
        forecast_,
        publish_,
        hold_,
        tell_,
    ]
    observe_ >> prepare_
    prepare_ >> batch_
    batch_ >> when_1_
    [batch_, when_1_] >> forecast_
    [forecast_, when_1_] >> publish_
    [batch_, when_1_] >> hold_
    [publish_, hold_] >> tell_
    every_task >> done_
    every_task >> alert_


score()
