# Flow `flights` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile flights.py:flights

from metaflow import FlowSpec, Parameter, project, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "flights",
    "ir": "f60104336d6a9e888828d6f575277ec908902a63602b97f8e8c81f3671efe095",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:b958d7f15352026d35f977ca8c40c0fbd4c4d3333932854b6ab80e14383d64a1",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4)


@project(name="ml")
class flights(FlowSpec):
    year = Parameter("year", type=int, default=2013, help="int")
    bar = Parameter("bar", type=float, default=0.7, help="float")
    seed = Parameter("seed", type=int, default=0, help="int")
    keep = Parameter("keep", type=bool, default=False, help="bool")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.ingest)

    @step
    def ingest(self):
        pipeglot.step(self, "ingest")
        self.next(self.validate, self.carriers)

    @step
    def validate(self):
        pipeglot.step(self, "validate")
        self.next(self.featurize)

    @step
    def featurize(self):
        pipeglot.step(self, "featurize")
        self.next(self.join_featurize_carriers)

    @step
    def carriers(self):
        pipeglot.step(self, "carriers")
        self.next(self.join_featurize_carriers)

    @step
    def join_featurize_carriers(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.train_items)

    @step
    def train_items(self):
        self.each_train = pipeglot.items(self, "train", most=100)
        self.next(self.train, foreach="each_train")

    @step
    def train(self):
        pipeglot.step(self, "train")
        self.next(self.train_join)

    @step
    def train_join(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.fork_best_report)

    @step
    def fork_best_report(self):
        self.next(self.best, self.report)

    @step
    def best(self):
        pipeglot.step(self, "best")
        self.next(self.evaluate)

    @step
    def evaluate(self):
        """How the winner does on days that neither training nor the choice of the
        winner has seen.
        """
        pipeglot.step(self, "evaluate")
        self.arm = pipeglot.choose(self, "when_1")
        self.next({"then": self.register, "otherwise": self.reject}, condition="arm")

    @step
    def register(self):
        """Where a real pipeline hands the model to its registry."""
        pipeglot.step(self, "register")
        self.next(self.publish)

    @step
    def reject(self):
        pipeglot.step(self, "reject")
        self.next(self.publish)

    @retry(times=2, minutes_between_retries=0)
    @step
    def publish(self):
        """Where a real pipeline tells people."""
        pipeglot.step(self, "publish")
        self.next(self.clean_up)

    @step
    def report(self):
        pipeglot.step(self, "report")
        self.next(self.clean_up)

    @step
    def clean_up(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "clean_up")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    flights()
