"""train."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile train.py:train

import pendulum
from airflow.sdk import Param, dag, task

PIPELINE = {
    "pipeline": "train",
    "ir": "246be11b05ffa2e26fed870f99514516711f18a16a03d17f383a9ef14cf14970",
    "stack": "airflow3",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:94e7c736e3cc38c4887827363d84278925d35a25298a4f9251018c2b43788e13",
}


def run(step, item=None):
    # Here, where the task runs: to parse this file, nothing of pipeglot is needed.
    from pipeglot.compilers.airflow import worker

    return worker.run(PIPELINE, step, item)


def outcome():
    # What a run that somebody has ended leaves out is no failure to Airflow.
    from pipeglot.compilers.airflow import worker

    return worker.outcome(PIPELINE)


@dag(
    dag_id="train",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"owner": "ml-team", "retries": 0},
    tags=["ml", "pipeglot:d588307a3674"],
    params={
        "until": Param("2013-07-01", type="string", format="date"),
        "bar": Param(0.1, type="number"),
    },
)
def train():
    @task
    def observe():
        return run("observe")

    @task
    def prepare():
        return run("prepare")

    @task
    def fit():
        return run("fit")

    @task
    def judge():
        """The quality gate: a run whose model is too bad has failed, and `@latest`
        never means it.
        """
        return run("judge")

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
    fit_ = fit()
    judge_ = judge()
    done_ = done().as_teardown(on_failure_fail_dagrun=True)
    alert_ = alert().as_teardown()

    every_task = [
        observe_,
        prepare_,
        fit_,
        judge_,
    ]
    observe_ >> prepare_
    prepare_ >> fit_
    [fit_, prepare_] >> judge_
    every_task >> done_
    every_task >> alert_


train()
