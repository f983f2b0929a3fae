# Flow `plain` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile forms.py:plain

from metaflow import FlowSpec, Parameter, batch, resources, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "plain",
    "ir": "5a1e952929e86f9404a106358e0b5536f6ffc3e569c747e9ed1cef63cbd98390",
    "stack": "metaflow_foreach",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:070430203f3888b7a54c87c21c92feabffacdadd460036606cd95805444dd513",
}

pipeglot = Worker(PIPELINE)


class plain(FlowSpec):
    """Nothing here may live with a failure: KFP's own colours tell how a run went."""

    count = Parameter("count", type=int, default=3, help="int")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.numbers)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def numbers(self):
        pipeglot.step(self, "numbers")
        self.each_double = pipeglot.items(self, "double", most=4)
        self.next(self.double, foreach="each_double")

    @batch(image="ghcr.io/acme/steps:1")
    @retry(times=2, minutes_between_retries=0)
    @step
    def double(self):
        """Twice as much."""
        pipeglot.step(self, "double")
        self.next(self.total)

    @batch(image="ghcr.io/acme/steps:1")
    @resources(cpu=2, memory=4295, gpu=1)
    @step
    def total(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "total")
        self.next(self.large)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def large(self):
        pipeglot.step(self, "large")
        self.next(self.small)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def small(self):
        pipeglot.step(self, "small")
        self.next(self.tell)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def tell(self):
        pipeglot.step(self, "tell")
        self.next(self.end)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    plain()
