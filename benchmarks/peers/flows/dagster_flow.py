"""The pipelines of the benchmark in Dagster: `dagster_flow.py chain|assets|wide|array START COUNT`.

In this process, recorded in the instance of DAGSTER_HOME, values in files.
"""

import sys

import numpy as np
from dagster import (
    AssetIn,
    AssetsDefinition,
    Config,
    DagsterInstance,
    DynamicOut,
    DynamicOutput,
    FilesystemIOManager,
    JobDefinition,
    asset,
    in_process_executor,
    job,
    materialize,
    op,
)


class Given(Config):
    start: int
    count: int


@op
def first(config: Given) -> int:
    return config.start


@op
def add(x: int) -> int:
    return x + 1


@op(out=DynamicOut(int))
def numbers(config: Given):
    for place in range(config.count):
        yield DynamicOutput(config.start + place, mapping_key=str(place))


@op
def total(xs: list[int]) -> int:
    return sum(xs)


@op
def make(config: Given) -> np.ndarray:
    return np.arange(config.start, config.start + config.count, dtype=np.float64)


@op
def hand_on(array: np.ndarray) -> np.ndarray:
    return array


@op
def sum_up(array: np.ndarray) -> float:
    return float(array.sum())


@job(executor_def=in_process_executor)
def wide():
    total(numbers().map(add).collect())


@job(executor_def=in_process_executor)
def array():
    sum_up(hand_on(make()))


def chain(steps: int) -> JobDefinition:
    @job(executor_def=in_process_executor, name="chain")
    def made():
        x = first()
        for _ in range(steps - 1):
            x = add(x)

    return made


def assets(steps: int) -> list[AssetsDefinition]:
    @asset(name="asset_0")
    def begin(config: Given) -> int:
        return config.start

    def following(number: int) -> AssetsDefinition:
        @asset(name=f"asset_{number}", ins={"x": AssetIn(f"asset_{number - 1}")})
        def made(x: int) -> int:
            return x + 1

        return made

    return [begin, *(following(number) for number in range(1, steps))]


def main(kind: str, start: int, count: int) -> None:
    given = {"config": {"start": start, "count": count}}
    with DagsterInstance.get() as instance:
        how = {"instance": instance, "resources": {"io_manager": FilesystemIOManager()}}
        if kind == "assets":
            done = materialize(assets(count), run_config={"ops": {"asset_0": given}}, **how)
        else:
            made = chain(count) if kind == "chain" else {"wide": wide, "array": array}[kind]
            head = {"chain": "first", "wide": "numbers", "array": "make"}[kind]
            done = made.execute_in_process(run_config={"ops": {head: given}}, **how)
        assert done.success


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
