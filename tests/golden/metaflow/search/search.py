# Flow `search` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile search.py:search

from metaflow import FlowSpec, Parameter, project, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "search",
    "ir": "2b96c350d4ef35a31b7ca71f64b79c38c5a77e19fb496795a91ec9d06a66af1d",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:f11581e1bf219eef5da14539b5e154539b7a6d43e6f8afd531a67a031c0b1852",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4)


@project(name="ml")
class search(FlowSpec):
    count = Parameter("count", type=int, default=12, help="int")
    seed = Parameter("seed", type=int, default=0, help="int")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.load, self.draw)

    @step
    def load(self):
        pipeglot.step(self, "load")
        self.next(self.join_load_reserve)

    @step
    def draw(self):
        pipeglot.step(self, "draw")
        self.each_reserve = pipeglot.items(self, "reserve", most=100)
        self.next(self.reserve, foreach="each_reserve")

    @retry(times=2, minutes_between_retries=0)
    @step
    def reserve(self):
        """Stands for a busy service: it turns every third request away, the first
        time.
        """
        pipeglot.step(self, "reserve")
        self.next(self.reserve_join)

    @step
    def reserve_join(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.join_load_reserve)

    @step
    def join_load_reserve(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.evaluate_items)

    @step
    def evaluate_items(self):
        self.each_evaluate = pipeglot.items(self, "evaluate", most=100)
        self.next(self.evaluate, foreach="each_evaluate")

    @step
    def evaluate(self):
        pipeglot.step(self, "evaluate")
        self.next(self.best)

    @step
    def best(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "best")
        self.next(self.fork_train_report)

    @step
    def fork_train_report(self):
        self.next(self.train, self.report)

    @step
    def train(self):
        pipeglot.step(self, "train")
        self.next(self.judge)

    @step
    def judge(self):
        """On digits that the search has not seen."""
        pipeglot.step(self, "judge")
        self.next(self.join_judge_report)

    @step
    def report(self):
        pipeglot.step(self, "report")
        self.next(self.join_judge_report)

    @step
    def join_judge_report(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    search()
