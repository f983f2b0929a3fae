"""Wrong uses. Each line says who refuses it: mypy (strict), pyright in strict mode, pyright in basic mode."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, TypedDict, overload

import pipeglot
from pipeglot import (
    Artifact,
    Assets,
    Interval,
    LogicalDate,
    Resources,
    Retry,
    all_of,
    each,
    is_in,
    one_of,
    otherwise,
    pipeline,
    step,
    unzip,
    when,
)


class Table: ...


class Model: ...


class Derived(Model): ...


class Trained(NamedTuple):
    model: Model
    auc: float
    index: int  # E: mypy strict


class Counts(TypedDict):
    rows: int


@step
def load(year: int) -> Table:
    return Table()


@step
def carriers(table: Table) -> list[str]:
    return []


@step
def train(table: Table, carrier: str, *, depth: int = 3) -> Trained:
    return Trained(Model(), 0.5, 0)


@step
def best(models: list[Trained]) -> Trained:
    return models[0]


@step
def count(table: Table) -> Counts:
    return {"rows": 1}


@step
async def fetch(url: str) -> bytes:
    return url.encode()


@step
def publish(text: str) -> None:
    print(text)


@step
def derived() -> list[Derived]:
    return []


@step
def take(models: list[Model]) -> int:
    return len(models)


@overload
def either(x: int) -> int: ...
@overload
def either(x: str) -> str: ...
def either(x: int | str) -> int | str:
    return x


both = step(either)


@pipeline
def part(table: Table) -> float:
    return train(table, "x").auc


@pipeline
def wrong(year: int) -> None:
    table = load(year)
    x = train(table, "x")

    # arguments of steps
    load("2013")  # E: mypy strict basic
    load()  # E: mypy strict basic
    load(year, 1)  # E: mypy strict basic
    load(years=year)  # E: mypy strict basic
    train(table, 5)  # E: mypy strict basic
    train(table, "x", 3)  # E: mypy strict basic
    train(load, "x")  # E: mypy strict basic
    best(x)  # E: mypy strict basic
    best([table])  # E: mypy strict basic
    take(derived())  # E: mypy strict basic
    both("x")  # E: mypy strict basic
    train.after(x)(table)  # E: mypy strict basic
    train.after(x)(table, carrier=1)  # E: mypy strict basic
    train.with_options(name="t")(table, carier="x")  # E: mypy strict basic

    # arguments of nested pipelines
    part("x")  # E: mypy strict basic
    part()  # E: mypy strict basic
    publish(part(table))  # E: mypy strict basic

    # map
    train.map(table, each("AA"))  # E: mypy strict basic
    train.map(table, each(3))  # E: mypy strict basic
    train.map(table, each([1, 2]))  # E: mypy strict basic
    train.map(table, each({"AA"}))  # E: mypy strict basic
    train.map(each([table]))  # E: mypy strict basic
    train.map(table, each(["AA"]), dept=1)  # E: mypy strict basic
    train.map(table=[table], carrier="AA")  # E: mypy strict basic
    train.partial(table=table).map(carrier="AA")  # E: mypy strict basic
    publish(train.map(table, each(carriers(table))))  # E: mypy strict basic

    # map of a pipeline
    part.map(each(["x"]))  # E: mypy strict basic
    part.map(each(table))  # E: mypy strict basic
    part.map(table=3)  # E: mypy strict basic
    part.map(each([table]), depth=1)  # E: mypy strict basic
    publish(part.map(each([table])))  # E: mypy strict basic
    best(part.map(each([table])))  # E: mypy strict basic
    part.partial(table=table).map(table=3)  # E: mypy strict basic

    # taking apart what a map gives
    unzip(part.map(each([table])))  # E: mypy strict basic
    unzip(x)  # E: mypy strict basic
    _d, _e = unzip(train.map(table, each(["x"])))  # E: mypy strict basic
    models, _aucs, _places = unzip(train.map(table, each(["x"])))
    best(models)  # E: mypy strict basic

    # results
    x.acu  # E: mypy strict basic
    count(table)["row"]  # E: mypy strict basic
    _a, _b = x  # E: mypy strict basic
    publish(fetch("u"))  # E: mypy strict basic
    all_of(x.auc == "high")  # E: mypy strict
    is_in(x.auc, 3)  # E: mypy strict basic
    publish(one_of(x.auc, x.model))  # E: mypy strict basic

    # branches
    with when():  # E: mypy strict basic
        c = publish("c")
    with otherwise(x.auc):  # E: mypy strict basic
        d = publish("d")
    publish(one_of(c, d))  # E: mypy strict basic
    with all_of(x.auc > 0.5):  # E: mypy strict basic
        publish("e")

    # options
    load.with_options(retry=3)  # E: mypy strict basic
    load.with_options(retries=Retry(3))  # E: mypy strict basic
    load.with_options(trigger="one_done")  # E: mypy strict basic
    load.with_options(secrets="TOKEN")  # E: mypy strict basic


@pipeline
def dated(day: datetime = LogicalDate()) -> None:  # E: mypy strict basic
    publish("x")


@pipeline
def scored(model: Artifact[Model]) -> None:
    publish(model)  # E: mypy strict basic


@pipeline
def not_scored(model: Artifact[Model] | None) -> None:
    take([model])  # E: mypy strict basic


pipeline(on_failure=3)  # E: mypy strict basic
pipeline(on_success=part)  # E: mypy strict basic
pipeline(on_success=["notify"])  # E: mypy strict basic
Retry()  # E: mypy strict basic
Retry(3, "10s")  # E: mypy strict basic
Resources(4)  # E: mypy strict basic
Interval("6h")  # E: mypy strict basic
Assets()  # E: mypy strict basic
Assets(["s3://x"])  # E: mypy strict basic
step(retry=3)  # E: mypy strict basic
step(timout="2h")  # E: mypy strict basic
pipeline(schedule="0 6 * * *")  # E: mypy strict basic
load(2013).columns  # E: mypy strict basic
pipeglot.stpe  # E: mypy strict basic

# from Python
wrong.run(year="2013")  # E: mypy strict basic
wrong.run()  # E: mypy strict basic
wrong.run(yaer=2013)  # E: mypy strict basic
wrong.run(2013, stack=3)  # E: mypy strict basic
wrong.on("prod").run(year="2013")  # E: mypy strict basic
wrong.on("prod").run(2013, stack="prod")  # E: mypy strict basic
wrong.on(cahce=False)  # E: mypy strict basic
wrong.run(2013).steps["load"].output  # E: mypy strict basic
pipeglot.runs("flights")  # E: mypy strict basic
pipeglot.get_run(3)  # E: mypy strict basic
pipeglot.get_artifact(artifact=3)  # E: mypy strict basic
pipeglot.get_run("latest").diff("latest")  # E: mypy strict basic
