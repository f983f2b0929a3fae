# Flow `graphs` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile graphs.py:graphs

from metaflow import FlowSpec, Parameter, batch, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "graphs",
    "ir": "e88bf5bc141db0f84d47e9c442d67d58187107c2920af6aceafcae88e5609660",
    "stack": "metaflow_foreach",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:7e8ab6794eebae4cc58a89327775bdfd5ed877db513c4f54824f56a4df28051b",
}

pipeglot = Worker(
    PIPELINE,
    params={"param_name": "name", "param_index": "index"},
    texts=["wait"],
    quoted=["name"],
)


class graphs(FlowSpec):
    """Crossing arrows, maps of all kinds, a branch with one arm.

    And names that an engine has for itself.
    """

    param_name = Parameter("param_name", type=str, default="a", help="str or JSON")
    param_index = Parameter("param_index", type=int, default=3, help="int")
    wait = Parameter("wait", type=str, default='"1h"', help="timedelta | None, as JSON")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def start(self):
        pipeglot.begin(self)
        self.each_first_or_start = pipeglot.steps(self, ["first", "start"])
        self.next(self.first_or_start, foreach="each_first_or_start")

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def first_or_start(self):
        pipeglot.step(self)
        self.next(self.second)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def second(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "second")
        self.next(self.third)

    @batch(image="ghcr.io/acme/steps:1")
    @retry(times=4, minutes_between_retries=0)
    @step
    def third(self):
        """Tried more often than Metaflow does."""
        pipeglot.step(self, "third", tries="here")
        self.next(self.fourth)

    @batch(image="ghcr.io/acme/steps:1")
    @retry(times=2, minutes_between_retries=0)
    @step
    def fourth(self):
        pipeglot.step(self, "fourth")
        self.next(self.step_next)

    @batch(image="ghcr.io/acme/steps:1")
    @retry(times=4, minutes_between_retries=0)
    @step
    def step_next(self):
        """Tried more often than Metaflow does."""
        pipeglot.step(self, "next", tries="here")
        self.next(self.many)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def many(self):
        pipeglot.step(self, "many")
        self.each_resources = pipeglot.items(self, "resources", most=100)
        self.next(self.step_resources, foreach="each_resources")

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def step_resources(self):
        """Its name is one of Metaflow's."""
        pipeglot.step(self, "resources")
        self.next(self.resources_join)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def resources_join(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.share_arm_0_arm_1)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def share_arm_0_arm_1(self):
        self.each_arm_0_or_arm_1 = pipeglot.steps(self, ["arm_0", "arm_1"])
        self.next(self.arm_0_or_arm_1, foreach="each_arm_0_or_arm_1")

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def arm_0_or_arm_1(self):
        pipeglot.step(self)
        self.next(self.list_of)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def list_of(self, inputs):
        pipeglot.join(self, inputs)
        pipeglot.step(self, "list_of")
        self.next(self.step_end)

    @batch(image="ghcr.io/acme/steps:1")
    @retry(times=4, minutes_between_retries=0)
    @step
    def step_end(self):
        """Tried more often than Metaflow does."""
        pipeglot.step(self, "end", tries="here")
        self.next(self.end)

    @batch(image="ghcr.io/acme/steps:1")
    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    graphs()
