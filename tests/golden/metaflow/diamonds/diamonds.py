# Flow `diamonds` for Metaflow.
# Written by pipeglot (ir_version 1). Change the source, and write it again:
#   pipeglot compile graphs.py:diamonds

from metaflow import FlowSpec, Parameter, project, retry, step
from pipeglot.compilers.metaflow.worker import Worker

PIPELINE = {
    "pipeline": "diamonds",
    "ir": "38f2ecb1c586918e2bcf88e7582fb6dc1ab7f637e9cecbbc8ce848d32886ec81",
    "stack": "metaflow",
    "backend": "metaflow",
    "store": "s3://ml/prod",
    "bundle": "sha256:7e8ab6794eebae4cc58a89327775bdfd5ed877db513c4f54824f56a4df28051b",
    "secrets": {"WAREHOUSE": "env:WAREHOUSE"},
}

pipeglot = Worker(PIPELINE, most=4)


@project(name="ml")
class diamonds(FlowSpec):
    """So many ways that Metaflow's own code would walk them for hours."""

    count = Parameter("count", type=int, default=3, help="int")
    pipeglot_wishes = Parameter("pipeglot", default="", help="For pipeglot's own use.")

    @step
    def start(self):
        pipeglot.begin(self)
        self.next(self.first)

    @step
    def first(self):
        pipeglot.step(self, "first")
        self.each_left_0_or_right_0 = pipeglot.steps(self, ["left_0", "right_0"])
        self.next(self.left_0_or_right_0, foreach="each_left_0_or_right_0")

    @step
    def left_0_or_right_0(self):
        pipeglot.step(self)
        self.next(self.bottom_0)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_0(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_0", tries="here")
        self.next(self.share_left_1_right_1)

    @step
    def share_left_1_right_1(self):
        self.each_left_1_or_right_1 = pipeglot.steps(self, ["left_1", "right_1"])
        self.next(self.left_1_or_right_1, foreach="each_left_1_or_right_1")

    @step
    def left_1_or_right_1(self):
        pipeglot.step(self)
        self.next(self.bottom_1)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_1(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_1", tries="here")
        self.next(self.share_left_2_right_2)

    @step
    def share_left_2_right_2(self):
        self.each_left_2_or_right_2 = pipeglot.steps(self, ["left_2", "right_2"])
        self.next(self.left_2_or_right_2, foreach="each_left_2_or_right_2")

    @step
    def left_2_or_right_2(self):
        pipeglot.step(self)
        self.next(self.bottom_2)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_2(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_2", tries="here")
        self.next(self.share_left_3_right_3)

    @step
    def share_left_3_right_3(self):
        self.each_left_3_or_right_3 = pipeglot.steps(self, ["left_3", "right_3"])
        self.next(self.left_3_or_right_3, foreach="each_left_3_or_right_3")

    @step
    def left_3_or_right_3(self):
        pipeglot.step(self)
        self.next(self.bottom_3)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_3(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_3", tries="here")
        self.next(self.share_left_4_right_4)

    @step
    def share_left_4_right_4(self):
        self.each_left_4_or_right_4 = pipeglot.steps(self, ["left_4", "right_4"])
        self.next(self.left_4_or_right_4, foreach="each_left_4_or_right_4")

    @step
    def left_4_or_right_4(self):
        pipeglot.step(self)
        self.next(self.bottom_4)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_4(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_4", tries="here")
        self.next(self.share_left_5_right_5)

    @step
    def share_left_5_right_5(self):
        self.each_left_5_or_right_5 = pipeglot.steps(self, ["left_5", "right_5"])
        self.next(self.left_5_or_right_5, foreach="each_left_5_or_right_5")

    @step
    def left_5_or_right_5(self):
        pipeglot.step(self)
        self.next(self.bottom_5)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_5(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_5", tries="here")
        self.next(self.share_left_6_right_6)

    @step
    def share_left_6_right_6(self):
        self.each_left_6_or_right_6 = pipeglot.steps(self, ["left_6", "right_6"])
        self.next(self.left_6_or_right_6, foreach="each_left_6_or_right_6")

    @step
    def left_6_or_right_6(self):
        pipeglot.step(self)
        self.next(self.bottom_6)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_6(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_6", tries="here")
        self.next(self.share_left_7_right_7)

    @step
    def share_left_7_right_7(self):
        self.each_left_7_or_right_7 = pipeglot.steps(self, ["left_7", "right_7"])
        self.next(self.left_7_or_right_7, foreach="each_left_7_or_right_7")

    @step
    def left_7_or_right_7(self):
        pipeglot.step(self)
        self.next(self.bottom_7)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_7(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_7", tries="here")
        self.next(self.share_left_8_right_8)

    @step
    def share_left_8_right_8(self):
        self.each_left_8_or_right_8 = pipeglot.steps(self, ["left_8", "right_8"])
        self.next(self.left_8_or_right_8, foreach="each_left_8_or_right_8")

    @step
    def left_8_or_right_8(self):
        pipeglot.step(self)
        self.next(self.bottom_8)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_8(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_8", tries="here")
        self.next(self.fork_left_9_right_9)

    @step
    def fork_left_9_right_9(self):
        self.next(self.left_9, self.right_9)

    @step
    def left_9(self):
        pipeglot.step(self, "left_9")
        self.next(self.bottom_9)

    @step
    def right_9(self):
        pipeglot.step(self, "right_9")
        self.next(self.bottom_9)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_9(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_9", tries="here")
        self.next(self.fork_left_10_right_10)

    @step
    def fork_left_10_right_10(self):
        self.next(self.left_10, self.right_10)

    @step
    def left_10(self):
        pipeglot.step(self, "left_10")
        self.next(self.bottom_10)

    @step
    def right_10(self):
        pipeglot.step(self, "right_10")
        self.next(self.bottom_10)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_10(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_10", tries="here")
        self.next(self.fork_left_11_right_11)

    @step
    def fork_left_11_right_11(self):
        self.next(self.left_11, self.right_11)

    @step
    def left_11(self):
        pipeglot.step(self, "left_11")
        self.next(self.bottom_11)

    @step
    def right_11(self):
        pipeglot.step(self, "right_11")
        self.next(self.bottom_11)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_11(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_11", tries="here")
        self.next(self.fork_left_12_right_12)

    @step
    def fork_left_12_right_12(self):
        self.next(self.left_12, self.right_12)

    @step
    def left_12(self):
        pipeglot.step(self, "left_12")
        self.next(self.bottom_12)

    @step
    def right_12(self):
        pipeglot.step(self, "right_12")
        self.next(self.bottom_12)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_12(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_12", tries="here")
        self.next(self.fork_left_13_right_13)

    @step
    def fork_left_13_right_13(self):
        self.next(self.left_13, self.right_13)

    @step
    def left_13(self):
        pipeglot.step(self, "left_13")
        self.next(self.bottom_13)

    @step
    def right_13(self):
        pipeglot.step(self, "right_13")
        self.next(self.bottom_13)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_13(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_13", tries="here")
        self.next(self.fork_left_14_right_14)

    @step
    def fork_left_14_right_14(self):
        self.next(self.left_14, self.right_14)

    @step
    def left_14(self):
        pipeglot.step(self, "left_14")
        self.next(self.bottom_14)

    @step
    def right_14(self):
        pipeglot.step(self, "right_14")
        self.next(self.bottom_14)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_14(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_14", tries="here")
        self.next(self.fork_left_15_right_15)

    @step
    def fork_left_15_right_15(self):
        self.next(self.left_15, self.right_15)

    @step
    def left_15(self):
        pipeglot.step(self, "left_15")
        self.next(self.bottom_15)

    @step
    def right_15(self):
        pipeglot.step(self, "right_15")
        self.next(self.bottom_15)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_15(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_15", tries="here")
        self.next(self.fork_left_16_right_16)

    @step
    def fork_left_16_right_16(self):
        self.next(self.left_16, self.right_16)

    @step
    def left_16(self):
        pipeglot.step(self, "left_16")
        self.next(self.bottom_16)

    @step
    def right_16(self):
        pipeglot.step(self, "right_16")
        self.next(self.bottom_16)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_16(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_16", tries="here")
        self.next(self.fork_left_17_right_17)

    @step
    def fork_left_17_right_17(self):
        self.next(self.left_17, self.right_17)

    @step
    def left_17(self):
        pipeglot.step(self, "left_17")
        self.next(self.bottom_17)

    @step
    def right_17(self):
        pipeglot.step(self, "right_17")
        self.next(self.bottom_17)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_17(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_17", tries="here")
        self.next(self.fork_left_18_right_18)

    @step
    def fork_left_18_right_18(self):
        self.next(self.left_18, self.right_18)

    @step
    def left_18(self):
        pipeglot.step(self, "left_18")
        self.next(self.bottom_18)

    @step
    def right_18(self):
        pipeglot.step(self, "right_18")
        self.next(self.bottom_18)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_18(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_18", tries="here")
        self.next(self.fork_left_19_right_19)

    @step
    def fork_left_19_right_19(self):
        self.next(self.left_19, self.right_19)

    @step
    def left_19(self):
        pipeglot.step(self, "left_19")
        self.next(self.bottom_19)

    @step
    def right_19(self):
        pipeglot.step(self, "right_19")
        self.next(self.bottom_19)

    @retry(times=4, minutes_between_retries=0)
    @step
    def bottom_19(self, inputs):
        """Tried more often than Metaflow does."""
        pipeglot.join(self, inputs)
        pipeglot.step(self, "bottom_19", tries="here")
        self.next(self.end)

    @step
    def end(self):
        pipeglot.end(self)


if __name__ == "__main__":
    diamonds()
