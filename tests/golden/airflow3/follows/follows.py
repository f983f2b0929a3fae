"""follows."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:follows

import pendulum
from airflow.sdk import Asset, dag, task

PIPELINE = {
    "pipeline": "follows",
    "ir": "95d459a6ffb751f726368bffc9967bc562f1ca8e0faf8e5ca7e11d014bf455b7",
    "stack": "airflow3",
    "backend": "airflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}


def run(step, item=None):
    # Here, where the task runs: to parse this file, nothing of pipeglot is needed.
    from pipeglot.compilers.airflow import worker

    return worker.run(PIPELINE, step, item)


@dag(
    dag_id="follows",
    doc_md=__doc__,
    schedule=[Asset("s3://warehouse/shapes"), Asset("s3://warehouse/prices")],
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Zurich"),
    catchup=False,
    default_args={"owner": "ml-team", "retries": 0},
    tags=["pipeglot:a5bab0054bb2"],
)
def follows():
    @task
    def numbers():
        return run("numbers")

    numbers()


follows()
