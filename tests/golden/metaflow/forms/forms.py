# Flow `forms` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile forms.py:forms

from metaflow import (
    FlowSpec,
    Parameter,
    kubernetes,
    project,
    resources,
    retry,
    schedule,
    step,
)
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "forms",
    "ir": "29fce1e6dce13e46083f1ba91c002844e4fda6693650a07c93c34ffc81382344",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4, texts=["names"])


@project(name="ml")
@schedule(cron="0 6 * * *", timezone="UTC")
class forms(FlowSpec):
    """One of each: maps, branches, nested pipelines, clean-up, hooks.

    With a "quoted" word and a backslash: \\.
    """

    count = Parameter("count", type=int, default=3, help="int")
    ratio = Parameter("ratio", type=float, default=0.5, help="float")
    mode = Parameter("mode", type=str, default="fast", help="'fast' | 'slow'")
    wait = Parameter("wait", type=str, default="5m", help="timedelta")
    names = Parameter(
        "names",
        type=str,
        default="null",
        help="list[str] | None, as JSON",
    )
    huge = Parameter("huge", type=int, default=1180591620717411303424, help="int")
    day = Parameter("day", type=str, help="the day that a run is for")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.numbers)

    @step
    def numbers(self):
        pipeglot.step(self, "numbers")
        self.each_inner = pipeglot.items(self, "inner", most=1)
        self.next(self.inner_numbers, foreach="each_inner")

    @step
    def inner_numbers(self):
        pipeglot.step(self, "inner.numbers")
        self.each_inner_double = pipeglot.items(self, "inner.double", most=4)
        self.next(self.inner_double, foreach="each_inner_double")

    @retry(times=2, minutes_between_retries=0)
    @step
    def inner_double(self):
        """Twice as much."""
        pipeglot.step(self, "inner.double")
        self.next(self.inner_double_join)

    @step
    def inner_double_join(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.fork_inner_total_sum_up)

    @step
    def fork_inner_total_sum_up(self):
        self.next(self.inner_total, self.inner_sum_up)

    @kubernetes(node_selector="disk=ssd")
    @resources(cpu=2, memory=4295, gpu=1)
    @step
    def inner_total(self):
        pipeglot.step(self, "inner.total")
        self.next(self.inner_large)

    @step
    def inner_large(self):
        pipeglot.step(self, "inner.large")
        self.next(self.join_inner_when_1_sum_up)

    @kubernetes(node_selector="disk=ssd")
    @resources(cpu=2, memory=4295, gpu=1)
    @step
    def inner_sum_up(self):
        pipeglot.step(self, "inner.sum_up")
        self.next(self.join_inner_when_1_sum_up)

    @step
    def join_inner_when_1_sum_up(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.total)

    @kubernetes(node_selector="disk=ssd")
    @resources(cpu=2, memory=4295, gpu=1)
    @step
    def total(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "total")
        self.next(self.when_1)

    @step
    def when_1(self):
        self.arm = pipeglot.choose(self, "when_1")
        self.next({"then": self.again, "otherwise": self.small}, condition="arm")

    @step
    def again(self):
        pipeglot.step(self, "again")
        self.next(self.large)

    @step
    def large(self):
        pipeglot.step(self, "large")
        self.next(self.publish)

    @step
    def small(self):
        pipeglot.step(self, "small")
        self.next(self.publish)

    @retry(times=1, minutes_between_retries=0)
    @step
    def publish(self):
        pipeglot.step(self, "publish")
        self.next(self.clean_up)

    @step
    def clean_up(self):
        pipeglot.step(self, "clean_up")
        self.next(self.alarm)

    @step
    def alarm(self):
        pipeglot.step(self, "alarm")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    forms()
