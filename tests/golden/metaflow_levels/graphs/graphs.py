# Flow `graphs` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile graphs.py:graphs

from metaflow import FlowSpec, Parameter, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "graphs",
    "ir": "e88bf5bc141db0f84d47e9c442d67d58187107c2920af6aceafcae88e5609660",
    "stack": "metaflow_levels",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:7e8ab6794eebae4cc58a89327775bdfd5ed877db513c4f54824f56a4df28051b",
}

pipeglot = Worker(
    PIPELINE,
    params={"param_name": "name", "param_index": "index"},
    texts=["wait"],
)


class graphs(FlowSpec):
    """Crossing arrows, maps of all kinds, a branch with one arm.

    And names that an engine has for itself.
    """

    param_name = Parameter("param_name", type=str, default="a", help="str")
    param_index = Parameter("param_index", type=int, default=3, help="int")
    wait = Parameter("wait", type=str, default='"1h"', help="timedelta | None, as JSON")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.first, self.step_start)

    @step
    def first(self):
        pipeglot.step(self, "first")
        self.next(self.join_first_start)

    @step
    def step_start(self):
        pipeglot.step(self, "start")
        self.next(self.join_first_start)

    @step
    def join_first_start(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.fork_second_third_fourth)

    @step
    def fork_second_third_fourth(self):
        self.next(self.second, self.third, self.fourth)

    @step
    def second(self):
        pipeglot.step(self, "second")
        self.next(self.join_second_third_fourth)

    @retry(times=4, minutes_between_retries=0)
    @step
    def third(self):
        """Tried more often than Metaflow does."""
        pipeglot.step(self, "third", tries="here")
        self.next(self.join_second_third_fourth)

    @retry(times=2, minutes_between_retries=0)
    @step
    def fourth(self):
        pipeglot.step(self, "fourth")
        self.next(self.join_second_third_fourth)

    @step
    def join_second_third_fourth(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.fork_next_many)

    @step
    def fork_next_many(self):
        self.next(self.step_next, self.many)

    @retry(times=4, minutes_between_retries=0)
    @step
    def step_next(self):
        """Tried more often than Metaflow does."""
        pipeglot.step(self, "next", tries="here")
        self.next(self.join_next_many)

    @step
    def many(self):
        pipeglot.step(self, "many")
        self.next(self.join_next_many)

    @step
    def join_next_many(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.fork_resources_when_1)

    @step
    def fork_resources_when_1(self):
        self.next(self.resources_items, self.when_1)

    @step
    def resources_items(self):
        self.each_resources = pipeglot.items(self, "resources", most=100)
        self.next(self.step_resources, foreach="each_resources")

    @step
    def step_resources(self):
        """Its name is one of Metaflow's."""
        pipeglot.step(self, "resources")
        self.next(self.resources_join)

    @step
    def resources_join(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.step_end)

    @step
    def when_1(self):
        self.arm = pipeglot.choose(self, "when_1")
        self.next(
            {"then": self.fork_arm_0_arm_1, "otherwise": self.list_of},
            condition="arm",
        )

    @step
    def fork_arm_0_arm_1(self):
        self.next(self.arm_0, self.arm_1)

    @step
    def arm_0(self):
        pipeglot.step(self, "arm_0")
        self.next(self.join_arm_0_arm_1)

    @step
    def arm_1(self):
        pipeglot.step(self, "arm_1")
        self.next(self.join_arm_0_arm_1)

    @step
    def join_arm_0_arm_1(self, inputs):
        pipeglot.join(self, inputs)
        self.next(self.when_1_over)

    @step
    def list_of(self):
        pipeglot.step(self, "list_of")
        self.next(self.when_1_over)

    @step
    def when_1_over(self):
        self.next(self.step_end)

    @retry(times=4, minutes_between_retries=0)
    @step
    def step_end(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "end", tries="here")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    graphs()
