"""score."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile score.py:score

from pipeglot.compilers.prefect.worker import Worker
from prefect import allow_failure, flow

PIPELINE = {
    "pipeline": "score",
    "ir": "8f7d2fd4e3e98075578230b82667f0d44bc96efc7b35ac4f729f4daa00c572a6",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:94e7c736e3cc38c4887827363d84278925d35a25298a4f9251018c2b43788e13",
}

work = Worker(PIPELINE, most=4)


@work.task("observe")
def observe():
    return work.run("observe")


@work.task("prepare")
def prepare():
    return work.run("prepare")


@work.task("batch")
def batch():
    return work.run("batch")


@work.task("when_1")
def when_1():
    return work.choose("when_1")


@work.task("forecast")
def forecast():
    return work.run("forecast")


@work.task("publish")
def publish():
    """Where a real pipeline hands the forecast to whoever asked for it."""
    return work.run("publish")


@work.task("hold")
def hold():
    return work.run("hold")


@work.task("tell")
def tell():
    return work.run("tell")


@work.task("alert")
def alert():
    """Where a real pipeline writes to people. A hook: it runs when all else is over."""
    return work.run("alert")


@flow(
    name="score",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def score(
    day: str | None = None,
    model: str = "train/fit.output@latest",
    bar: float = 0.9,
):
    observe_ = observe.submit()
    prepare_ = prepare.submit(wait_for=[observe_])
    batch_ = batch.submit(wait_for=[prepare_])
    when_1_ = when_1.submit(wait_for=[batch_])
    forecast_ = forecast.submit(wait_for=[batch_, when_1_])
    publish_ = publish.submit(wait_for=[forecast_, when_1_])
    hold_ = hold.submit(wait_for=[batch_, when_1_])
    tell.submit(wait_for=[allow_failure(publish_), allow_failure(hold_)])
    alert.submit(wait_for=work.all())
