"""The array of the benchmark in Metaflow."""

import numpy as np
from metaflow import FlowSpec, Parameter, step


class Array(FlowSpec):
    first = Parameter("first", default=0)

    @step
    def start(self):
        self.array = np.arange(self.first, self.first + 12_500_000, dtype=np.float64)
        self.next(self.hand_on)

    @step
    def hand_on(self):
        self.next(self.end)

    @step
    def end(self):
        self.total = float(self.array.sum())


if __name__ == "__main__":
    Array()
