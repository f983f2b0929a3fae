"""train."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile train.py:train

from pipeglot.compilers.prefect.worker import Worker
from prefect import flow

PIPELINE = {
    "pipeline": "train",
    "ir": "246be11b05ffa2e26fed870f99514516711f18a16a03d17f383a9ef14cf14970",
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


@work.task("fit")
def fit():
    return work.run("fit")


@work.task("judge")
def judge():
    """The quality gate: a run whose model is too bad has failed, and `@latest` never
    means it.
    """
    return work.run("judge")


@work.task("alert")
def alert():
    """Where a real pipeline writes to people. A hook: it runs when all else is over."""
    return work.run("alert")


@flow(
    name="train",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def train(until: str = "2013-07-01", bar: float = 0.1):
    observe_ = observe.submit()
    prepare_ = prepare.submit(wait_for=[observe_])
    fit_ = fit.submit(wait_for=[prepare_])
    judge.submit(wait_for=[fit_, prepare_])
    alert.submit(wait_for=work.all())
