"""search."""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile search.py:search

from pipeglot.compilers.prefect.worker import Worker
from prefect import flow

PIPELINE = {
    "pipeline": "search",
    "ir": "2b96c350d4ef35a31b7ca71f64b79c38c5a77e19fb496795a91ec9d06a66af1d",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:f11581e1bf219eef5da14539b5e154539b7a6d43e6f8afd531a67a031c0b1852",
}

work = Worker(PIPELINE, most=4)


@work.task("load")
def load():
    return work.run("load")


@work.task("draw")
def draw():
    return work.run("draw")


@work.task("reserve (each)")
def reserve_each():
    return work.each("reserve", reserve.submit)


@work.task(
    "reserve",
    task_run_name="reserve[{label}]",
    retries=2,
    retry_delay_seconds=[0.1, 0.2],
)
def reserve(item, label):
    """Stands for a busy service: it turns every third request away, the first time."""
    return work.run("reserve", item)


@work.task("evaluate (each)")
def evaluate_each():
    return work.each("evaluate", evaluate.submit)


@work.task("evaluate", task_run_name="evaluate[{label}]")
def evaluate(item, label):
    return work.run("evaluate", item)


@work.task("best")
def best():
    return work.run("best")


@work.task("train")
def train():
    return work.run("train")


@work.task("judge")
def judge():
    """On digits that the search has not seen."""
    return work.run("judge")


@work.task("report")
def report():
    return work.run("report")


@flow(
    name="search",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def search(count: int = 12, seed: int = 0):
    load_ = load.submit()
    draw_ = draw.submit()
    reserve_each_ = reserve_each.submit(wait_for=[draw_])
    evaluate_each_ = evaluate_each.submit(wait_for=[reserve_each_, load_])
    best_ = best.submit(wait_for=[evaluate_each_])
    train_ = train.submit(wait_for=[load_, best_])
    judge.submit(wait_for=[train_, load_])
    report.submit(wait_for=[evaluate_each_, best_])
