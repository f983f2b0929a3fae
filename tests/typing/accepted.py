"""The authoring example of the design, with bodies, and every other form that both type checkers accept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, NamedTuple, TypedDict, TypeVar, assert_type

import pandas as pd

import pipeglot
from pipeglot import (
    Artifact,
    Assets,
    Cache,
    Cron,
    Interval,
    LogicalDate,
    Permanent,
    Resources,
    Retry,
    Run,
    Step,
    all_of,
    any_of,
    artifact,
    checkpoint,
    current_run,
    each,
    is_in,
    is_none,
    log_metrics,
    not_,
    one_of,
    otherwise,
    pipeline,
    secret,
    step,
    unzip,
    when,
)


class LogisticRegression:
    def __init__(self, carrier: str) -> None:
        self.carrier = carrier


class Trained(NamedTuple):
    model: LogisticRegression
    auc: float


@step(cache=Cache(expires="7d"))
def ingest(year: int) -> pd.DataFrame:
    return pd.DataFrame({"year": [year]})


@step
def validate(raw: pd.DataFrame) -> None:
    if raw.empty:
        raise Permanent("nothing there")


@step
def featurize(raw: pd.DataFrame) -> pd.DataFrame:
    return raw


@step
def carriers(raw: pd.DataFrame) -> list[str]:
    return [str(column) for column in raw.columns]


@step(
    retry=Retry(3, delay="10s", backoff=2, max_delay="30m", jitter=True, on=[ConnectionError, "requests.Timeout"]),
    timeout="2h",
    resources=Resources(cpu=4, memory="16Gi", gpu=1),
)
def train(features: pd.DataFrame, carrier: str) -> Trained:
    log_metrics({"rows": len(features)})
    with checkpoint() as c:
        known = (c.dir / "model").read_text() if c.restored else ""
        (c.dir / "model").write_text(known + carrier)
        c.save()
    return Trained(LogisticRegression(carrier), 0.5)


@step
def best(models: list[Trained]) -> Trained:
    return max(models, key=lambda trained: trained.auc)


@step
def register(model: LogisticRegression) -> str:
    return model.carrier


@step(secrets=["TOKEN"], env={"LEVEL": "info"})
def reject(auc: float) -> str:
    return f"{auc} {secret('TOKEN')} {current_run().run_id}"


@step
def publish(outcome: str) -> None:
    print(outcome)


@pipeline(schedule=Cron("0 6 * * *", timezone="UTC"), tags=["ml"])
def flights(year: int = 2013, bar: float = 0.7) -> None:
    raw = ingest(year)
    features = featurize.after(validate(raw))(raw)  # validate gives nothing to featurize, but comes first
    models = train.map(features, each(carriers(raw)))  # one train per item of a list known at run time
    winner = best(models)  # receives list[Trained], in order
    with when(winner.auc >= bar):
        good = register(winner.model)
    with otherwise():
        bad = reject(winner.auc)
    publish(one_of(good, bad))  # whichever branch ran


# --- other kinds of steps ---------------------------------------------------------------------------------------------

T = TypeVar("T")


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Counts(TypedDict):
    rows: int
    names: list[str]


@step
async def fetch(url: str) -> bytes:
    await asyncio.sleep(0)
    return url.encode()


@step(retry=Retry(2))
async def fetch_again(url: str) -> bytes:
    await asyncio.sleep(0)
    return url.encode()


@step
def count(raw: pd.DataFrame) -> Counts:
    return {"rows": len(raw), "names": []}


@step
def halves(raw: pd.DataFrame) -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "test"]]:
    return raw, raw


@step
def first(xs: list[T]) -> T:
    return xs[0]


@step(timeout=3)
def first_with_options(xs: list[T]) -> T:
    return xs[0]


@step
def size(content: bytes) -> int:
    return len(content)


@step
def total(numbers: Sequence[float]) -> float:
    return sum(numbers)


@step
def maybe(n: int) -> int | None:
    return n or None


@step
def choose(mode: Mode, *, limit: int = 3) -> str:
    return f"{mode} {limit}"


@step
def pairs(raw: pd.DataFrame) -> list[tuple[str, int]]:
    return []


class Box:
    @staticmethod
    @step
    def inside(n: int) -> int:
        return n


@step(trigger="all_done")
def clean_up(hours: int) -> None:
    print(hours)


@pipeline
def part(raw: pd.DataFrame, carrier: str) -> Trained:
    return train(raw, carrier)


@step(asset="s3://warehouse/clean")
def kept(year: int) -> int:
    return year


@step(asset={"output": "s3://warehouse/clean"})
def kept_too(year: int) -> int:
    return year


@pipeline(schedule=Assets("s3://warehouse/clean", "s3://warehouse/prices", timezone="Europe/Zurich"))
def on_assets() -> None:
    assert_type(kept(3), int)
    kept.with_options(asset="s3://warehouse/other")(kept_too(4))


@pipeline(schedule=Interval("6h", start="2024-01-01"), max_parallel=4, name="other-forms")
def other_forms(year: int, mode: Mode = Mode.FAST, names: list[str] | None = None) -> float:
    raw = ingest(year)

    assert_type(fetch("u"), bytes)
    assert_type(fetch_again("u"), bytes)
    assert_type(fetch.map(each(["u", "v"])), list[bytes])
    assert_type(fetch.partial().map(url=["u", "v"]), list[bytes])
    assert_type(size(fetch("u")), int)
    assert_type(size.map(each(fetch.map(url=["u"]))), list[int])

    assert_type(count(raw)["rows"], int)
    train_part, test_part = halves(raw)
    assert_type(train_part, pd.DataFrame)
    assert_type(halves(raw)[1], pd.DataFrame)
    model, auc = train(test_part, "x")
    assert_type(model, LogisticRegression)
    assert_type(auc, float)

    assert_type(first(carriers(raw)), str)
    assert_type(first.map(each([[1, 2], [3]])), list[int])
    assert_type(first.after(raw)([1.5]), float)
    assert_type(first_with_options([1]), int)

    assert_type(train.partial(features=raw).map(carrier=carriers(raw)), list[Trained])
    assert_type(train.map(features=[raw], carrier=["x"]), list[Trained])
    assert_type(train.map(raw, carrier=each(carriers(raw))), list[Trained])
    assert_type(best.map(each([[train(raw, "a")]])), list[Trained])
    best([train(raw, carrier) for carrier in ("AA", "UA")])
    total([1, auc, 2.5])
    total(size.map(each([b"a"])))
    choose(mode, limit=year)
    choose.with_options(name="chosen", retry=None, cache=False, timeout=None)(Mode.SLOW)
    choose.map(mode=each([Mode.FAST]), limit=each([1]))
    assert_type(Box.inside(1), int)
    clean_up.after(model, [auc, raw])(3)

    nothing = validate(raw)
    train.after(nothing, validate(raw)).with_options(name="again")(raw, "z")

    n = maybe(year)
    with when(all_of(auc > 0.5, any_of(is_none(n), not_(is_in(mode, [Mode.FAST]))), names)):
        a = choose(mode)
        with when(raw):
            inner = choose(mode)
        with otherwise():
            other = choose(mode)
        c = one_of(inner, other)
    with otherwise():
        b = maybe(1)
    assert_type(one_of(a, b), str | int | None)
    assert_type(one_of(c, b), str | int | None)

    nested = part(raw, "y")
    assert_type(nested, Trained)
    return nested.auc


# --- mapped pipelines, hooks, and what a run is given -----------------------------------------------------------------


class Studied(NamedTuple):
    trained: Trained
    rows: int


@step
def total_rows(counts: list[int]) -> int:
    return sum(counts)


@pipeline
def study(raw: pd.DataFrame, carrier: str, limit: int = 3) -> Studied:
    trained = train(raw, carrier)
    return Studied(trained, total_rows([limit]))


@pipeline
def nothing(raw: pd.DataFrame) -> None:
    validate(raw)


@step
def notify(channel: str, year: int = 0) -> None:
    print(channel, year)


@pipeline(on_failure=notify.partial(channel="#ml"), on_success=[clean_up, notify.partial(channel="#all")])
def mapped_forms(hours: int, raw: Artifact[pd.DataFrame], day: date = LogicalDate()) -> list[Trained]:
    assert_type(raw, pd.DataFrame)
    assert_type(day, date)
    names = carriers(raw)
    assert_type(part.map(raw, each(names)), list[Trained])
    assert_type(part.map(raw, carrier=each(["AA"])), list[Trained])
    assert_type(part.map(raw=[raw, raw], carrier=["AA", "UA"]), list[Trained])
    assert_type(part.partial(raw=raw).map(carrier=names), list[Trained])
    assert_type(study.map(raw, each(names), limit=each([1, 2])), list[Studied])
    trained, rows = unzip(study.map(raw, each(names)))
    assert_type(trained, list[Trained])
    assert_type(rows, list[int])
    models, aucs = unzip(train.map(raw, each(names)))
    assert_type(models, list[LogisticRegression])
    assert_type(aucs, list[float])
    first_half, _ = unzip(halves.map(each([raw, raw])))
    assert_type(first_half, list[pd.DataFrame])
    total_rows.after(nothing.map(each([raw])))(rows)
    best(trained)
    return part.map(raw, each(names))


@pipeline(on_failure=(notify.partial(channel="#ml"),), on_success=notify.with_options(retry=Retry(2)))
def optional_forms(channel: str, model: Artifact[LogisticRegression] | None = None) -> None:
    assert_type(model, LogisticRegression | None)
    with when(not_(is_none(model))):
        train(ingest(1), channel)


@pipeline
def annotated(model: Annotated[LogisticRegression, Artifact]) -> str:
    return register(model)


register(artifact("flights/best.model@latest"))
a_step: Step[[int], int | None] = maybe
assert_type(train(pd.DataFrame(), "x").auc, float)


def from_python() -> None:
    assert_type(flights.run(), Run)
    assert_type(flights.run(2013, bar=0.5), Run)
    assert_type(flights.run(year=2013, stack="prod"), Run)
    assert_type(flights.on("prod").run(year=2013), Run)
    run = flights.on(cache=False, check=False, quiet=True).run(2013)
    assert_type(pipeglot.runs(pipeline="flights", status=["failed"], since="2d", params={"year": 2013}), list[Run])
    assert_type(pipeglot.get_run("latest", stack="prod"), Run)
    assert_type(run.diff(run, rtol=1e-6, ignore=["train"]).equal, bool)
    assert_type(run.cancel(wait=False).logical_date, datetime)
    model: LogisticRegression = pipeglot.get_artifact("flights/best.model@latest").load()
    auc: float = run.steps["best"].outputs["auc"].load()
    aucs: list[float] = run.steps["train"].outputs["auc"].load()
    assert_type(run.steps["train"][3].status, str)
    assert_type(str(model), str)
    assert_type(run.wait(timeout=auc + sum(aucs)).logs("train"), str)
