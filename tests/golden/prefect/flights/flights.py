"""flights."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile flights.py:flights

from pipeglot.compilers.prefect.worker import Worker
from prefect import allow_failure, flow

PIPELINE = {
    "pipeline": "flights",
    "ir": "f60104336d6a9e888828d6f575277ec908902a63602b97f8e8c81f3671efe095",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:b958d7f15352026d35f977ca8c40c0fbd4c4d3333932854b6ab80e14383d64a1",
}

work = Worker(PIPELINE, most=4)


@work.task("ingest")
def ingest():
    return work.run("ingest")


@work.task("validate")
def validate():
    return work.run("validate")


@work.task("featurize")
def featurize():
    return work.run("featurize")


@work.task("carriers")
def carriers():
    return work.run("carriers")


@work.task("train (each)")
def train_each():
    return work.each("train", train.submit)


@work.task("train", task_run_name="train[{label}]")
def train(item, label):
    return work.run("train", item)


@work.task("best")
def best():
    return work.run("best")


@work.task("evaluate")
def evaluate():
    """How the winner does on days that neither training nor the choice of the winner
    has seen.
    """
    return work.run("evaluate")


@work.task("when_1")
def when_1():
    return work.choose("when_1")


@work.task("register")
def register():
    """Where a real pipeline hands the model to its registry."""
    return work.run("register")


@work.task("reject")
def reject():
    return work.run("reject")


@work.task("publish", retries=2, retry_delay_seconds=[1, 2])
def publish():
    """Where a real pipeline tells people."""
    return work.run("publish")


@work.task("report")
def report():
    return work.run("report")


@work.task("clean_up")
def clean_up():
    return work.run("clean_up")


@flow(
    name="flights",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def flights(year: int = 2013, bar: float = 0.7, seed: int = 0, keep: bool = False):
    ingest_ = ingest.submit()
    validate_ = validate.submit(wait_for=[ingest_])
    featurize_ = featurize.submit(wait_for=[ingest_, validate_])
    carriers_ = carriers.submit(wait_for=[ingest_])
    train_each_ = train_each.submit(wait_for=[carriers_, featurize_])
    best_ = best.submit(wait_for=[train_each_])
    evaluate_ = evaluate.submit(wait_for=[best_, featurize_])
    when_1_ = when_1.submit(wait_for=[best_])
    register_ = register.submit(wait_for=[best_, evaluate_, when_1_])
    reject_ = reject.submit(wait_for=[best_, when_1_])
    publish_ = publish.submit(
        wait_for=[allow_failure(register_), allow_failure(reject_)],
    )
    report_ = report.submit(wait_for=[train_each_])
    clean_up.submit(wait_for=[allow_failure(publish_), allow_failure(report_)])
