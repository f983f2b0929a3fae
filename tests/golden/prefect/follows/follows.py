"""follows."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:follows

from pipeglot.compilers.prefect.worker import Worker
from prefect import flow

PIPELINE = {
    "pipeline": "follows",
    "ir": "95d459a6ffb751f726368bffc9967bc562f1ca8e0faf8e5ca7e11d014bf455b7",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}

work = Worker(PIPELINE, most=4)


@work.task("numbers")
def numbers():
    return work.run("numbers")


@flow(
    name="follows",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def follows():
    numbers.submit()
