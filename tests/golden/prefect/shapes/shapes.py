"""One of each: maps, branches, nested pipelines, clean-up, hooks.

With a "quoted" word and a backslash: \\.
"""
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile shapes.py:shapes

from typing import Literal

from pipeglot.compilers.prefect.worker import Worker
from prefect import allow_failure, flow

PIPELINE = {
    "pipeline": "shapes",
    "ir": "313176b488327675d6de24faadcad869aa6d1a4e10579daddc46c834b2a95546",
    "stack": "prefect",
    "backend": "prefect",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}

work = Worker(PIPELINE, most=4)


@work.task("numbers")
def numbers():
    return work.run("numbers")


@work.task("double (each)")
def double_each():
    return work.each("double", double.submit)


@work.task(
    "double",
    task_run_name="double[{label}]",
    retries=2,
    retry_delay_seconds=[5, 10],
    tags=["gpu"],
)
def double(item, label):
    """Twice as much."""
    return work.run("double", item)


@work.task("inner")
def inner_each():
    def one(item, label):
        inner_double_ = inner_double.submit(item, label)
        inner_double_2_ = inner_double_2.submit(item, label, wait_for=[inner_double_])
        return [inner_double_, inner_double_2_]

    return work.each("inner", one)


@work.task(
    "inner.double",
    task_run_name="inner.double[{label}]",
    retries=2,
    retry_delay_seconds=[5, 10],
    tags=["gpu"],
)
def inner_double(item, label):
    """Twice as much."""
    return work.run("inner.double", item)


@work.task(
    "inner.double_2",
    task_run_name="inner.double_2[{label}]",
    retries=2,
    retry_delay_seconds=[5, 10],
    tags=["gpu"],
)
def inner_double_2(item, label):
    """Twice as much."""
    return work.run("inner.double_2", item)


@work.task("inner_2.double", retries=2, retry_delay_seconds=[5, 10], tags=["gpu"])
def inner_2_double():
    """Twice as much."""
    return work.run("inner_2.double")


@work.task("inner_2.double_2", retries=2, retry_delay_seconds=[5, 10], tags=["gpu"])
def inner_2_double_2():
    """Twice as much."""
    return work.run("inner_2.double_2")


@work.task("total", tags=["heavy", "large"])
def total():
    return work.run("total")


@work.task("when_1")
def when_1():
    return work.choose("when_1")


@work.task("again")
def again():
    return work.run("again")


@work.task("large")
def large():
    return work.run("large")


@work.task("small")
def small():
    return work.run("small")


@work.task("publish", retries=1)
def publish():
    return work.run("publish")


@work.task("clean_up")
def clean_up():
    return work.run("clean_up")


@work.task("alarm")
def alarm():
    return work.run("alarm")


@flow(
    name="shapes",
    validate_parameters=False,
    persist_result=False,
    on_cancellation=[work.over],
    on_crashed=[work.over],
)
@work.flow
def shapes(
    count: int = 3,
    ratio: float = 0.5,
    mode: Literal["fast", "slow"] = "fast",
    wait: str = "5m",
    names: list[str] | None = None,
    day: str | None = None,
):
    """One of each: maps, branches, nested pipelines, clean-up, hooks.

    With a "quoted" word and a backslash: \\.
    """
    numbers_ = numbers.submit()
    double_each_ = double_each.submit(wait_for=[numbers_])
    inner_each_ = inner_each.submit(wait_for=[numbers_])
    inner_2_double_ = inner_2_double.submit()
    inner_2_double_2_ = inner_2_double_2.submit(wait_for=[inner_2_double_])
    total_ = total.submit(wait_for=[double_each_])
    when_1_ = when_1.submit(wait_for=[total_, inner_2_double_2_])
    again_ = again.submit(wait_for=[when_1_])
    large_ = large.submit(wait_for=[inner_2_double_2_, again_, when_1_])
    small_ = small.submit(wait_for=[inner_2_double_2_, when_1_])
    publish_ = publish.submit(wait_for=[allow_failure(large_), allow_failure(small_)])
    clean_up.submit(wait_for=[allow_failure(publish_), allow_failure(inner_each_)])
    alarm.submit(wait_for=work.all())
