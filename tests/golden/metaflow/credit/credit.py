# Flow `credit` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile credit.py:credit

from metaflow import FlowSpec, Parameter, project, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "credit",
    "ir": "abf590ce0d054c09d9cef030b7cd90e974b6443dce0844ce70546fee6690dbd2",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:9741c7a519f58da56dfb43f6a980a9ac150c9181d1dbd25af1d67bb6855037ea",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4, quoted=["file", "channel"])


@project(name="ml")
class credit(FlowSpec):
    file = Parameter("file", type=str, default="german_credit.csv", help="str or JSON")
    strength = Parameter("strength", type=float, default=0.05, help="float")
    bar = Parameter("bar", type=float, default=0.75, help="float")
    channel = Parameter("channel", type=str, default="#credit", help="str or JSON")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.ingest)

    @step
    def ingest(self):
        pipeglot.step(self, "ingest")
        self.next(self.validate)

    @step
    def validate(self):
        """The quality gate: nothing is learned from a table that is not as it should
        be.
        """
        pipeglot.step(self, "validate")
        self.next(self.prepare)

    @step
    def prepare(self):
        pipeglot.step(self, "prepare")
        self.next(self.train)

    @step
    def train(self):
        pipeglot.step(self, "train")
        self.next(self.judge)

    @step
    def judge(self):
        """On applicants that training has not seen."""
        pipeglot.step(self, "judge")
        self.next(self.plot, self.when_1)

    @step
    def plot(self):
        pipeglot.step(self, "plot")
        self.next(self.notify)

    @step
    def when_1(self):
        self.arm = pipeglot.choose(self, "when_1")
        self.next(
            {"then": self.deploy, "otherwise": self.keep_the_old},
            condition="arm",
        )

    @step
    def deploy(self):
        """Where a real pipeline hands the model to what serves it."""
        pipeglot.step(self, "deploy")
        self.next(self.tell)

    @step
    def keep_the_old(self):
        pipeglot.step(self, "keep_the_old")
        self.next(self.tell)

    @retry(times=2, minutes_between_retries=0)
    @step
    def tell(self):
        pipeglot.step(self, "tell")
        self.next(self.notify)

    @step
    def notify(self, inputs):
        """Where a real pipeline writes to people."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "notify")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    credit()
