# Flow `train` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile train.py:train

from metaflow import FlowSpec, Parameter, project, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "train",
    "ir": "246be11b05ffa2e26fed870f99514516711f18a16a03d17f383a9ef14cf14970",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:94e7c736e3cc38c4887827363d84278925d35a25298a4f9251018c2b43788e13",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4)


@project(name="ml")
class train(FlowSpec):
    until = Parameter("until", type=str, default="2013-07-01", help="date")
    bar = Parameter("bar", type=float, default=0.1, help="float")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.observe)

    @step
    def observe(self):
        pipeglot.step(self, "observe")
        self.next(self.prepare)

    @step
    def prepare(self):
        pipeglot.step(self, "prepare")
        self.next(self.fit)

    @step
    def fit(self):
        pipeglot.step(self, "fit")
        self.next(self.judge)

    @step
    def judge(self):
        """The quality gate: a run whose model is too bad has failed, and `@latest`
        never means it.
        """
        pipeglot.step(self, "judge")
        self.next(self.alert)

    @step
    def alert(self):
        """Where a real pipeline writes to people. A hook: it runs when all else is
        over.
        """
        pipeglot.step(self, "alert")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    train()
