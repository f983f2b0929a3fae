"""credit."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile credit.py:credit

from pipeglot.compilers.prefect.worker import Worker
from prefect import allow_failure, flow

PIPELINE = {
    "pipeline": "credit",
    "ir": "abf590ce0d054c09d9cef030b7cd90e974b6443dce0844ce70546fee6690dbd2",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:9741c7a519f58da56dfb43f6a980a9ac150c9181d1dbd25af1d67bb6855037ea",
}

work = Worker(PIPELINE, most=4)


@work.task("ingest")
def ingest():
    return work.run("ingest")


@work.task("validate")
def validate():
    """The quality gate: nothing is learned from a table that is not as it should be."""
    return work.run("validate")


@work.task("prepare")
def prepare():
    return work.run("prepare")


@work.task("train")
def train():
    return work.run("train")


@work.task("judge")
def judge():
    """On applicants that training has not seen."""
    return work.run("judge")


@work.task("plot")
def plot():
    return work.run("plot")


@work.task("when_1")
def when_1():
    return work.choose("when_1")


@work.task("deploy")
def deploy():
    """Where a real pipeline hands the model to what serves it."""
    return work.run("deploy")


@work.task("keep_the_old")
def keep_the_old():
    return work.run("keep_the_old")


@work.task("tell", retries=2, retry_delay_seconds=[1, 2])
def tell():
    return work.run("tell")


@work.task("notify")
def notify():
    """Where a real pipeline writes to people."""
    return work.run("notify")


@flow(
    name="credit",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def credit(
    file: str = "german_credit.csv",
    strength: float = 0.05,
    bar: float = 0.75,
    channel: str = "#credit",
):
    ingest_ = ingest.submit()
    validate_ = validate.submit(wait_for=[ingest_])
    prepare_ = prepare.submit(wait_for=[ingest_, validate_])
    train_ = train.submit(wait_for=[prepare_])
    judge_ = judge.submit(wait_for=[train_, prepare_])
    plot_ = plot.submit(wait_for=[judge_])
    when_1_ = when_1.submit(wait_for=[judge_])
    deploy_ = deploy.submit(wait_for=[train_, judge_, when_1_])
    keep_the_old_ = keep_the_old.submit(wait_for=[judge_, when_1_])
    tell_ = tell.submit(wait_for=[allow_failure(deploy_), allow_failure(keep_the_old_)])
    notify.submit(wait_for=[allow_failure(tell_), allow_failure(plot_)])
