"""The map of the benchmark in Metaflow."""

from metaflow import FlowSpec, Parameter, step


class Wide(FlowSpec):
    first = Parameter("first", default=0)
    items = Parameter("items", default=3)

    @step
    def start(self):
        self.numbers = list(range(self.first, self.first + self.items))
        self.next(self.add, foreach="numbers")

    @step
    def add(self):
        self.x = self.input + 1
        self.next(self.total)

    @step
    def total(self, inputs):
        self.total = sum(one.x for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Wide()
