# Flow `score` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile score.py:score

from metaflow import FlowSpec, Parameter, project, schedule, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "score",
    "ir": "8f7d2fd4e3e98075578230b82667f0d44bc96efc7b35ac4f729f4daa00c572a6",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:94e7c736e3cc38c4887827363d84278925d35a25298a4f9251018c2b43788e13",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4, quoted=["model"])


@project(name="ml")
@schedule(cron="0 7 * * *", timezone="America/New_York")
class score(FlowSpec):
    day = Parameter("day", type=str, help="the day that a run is for")
    model = Parameter(
        "model",
        type=str,
        default="train/fit.output@latest",
        help="artifact (HistGradientBoostingClassifier) or JSON",
    )
    bar = Parameter("bar", type=float, default=0.9, help="float")
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
        self.next(self.step_batch)

    @step
    def step_batch(self):
        pipeglot.step(self, "batch")
        self.arm = pipeglot.choose(self, "when_1")
        self.next({"then": self.forecast, "otherwise": self.hold}, condition="arm")

    @step
    def forecast(self):
        pipeglot.step(self, "forecast")
        self.next(self.publish)

    @step
    def publish(self):
        """Where a real pipeline hands the forecast to whoever asked for it."""
        pipeglot.step(self, "publish")
        self.next(self.tell)

    @step
    def hold(self):
        pipeglot.step(self, "hold")
        self.next(self.tell)

    @step
    def tell(self):
        pipeglot.step(self, "tell")
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
    score()
