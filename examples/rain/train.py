"""Learn from the weather until some day whether rain follows an hour. What it makes is what score.py takes."""

import datetime as dt

import models
import pandas as pd
from models import Model
from shared import alert, observe, prepare

from pipeglot import log_metrics, pipeline, step


@step
def fit(table: pd.DataFrame, until: dt.date) -> Model:
    learned, _ = models.parts(table, until)
    return models.fit(learned)


@step
def judge(model: Model, table: pd.DataFrame, until: dt.date, bar: float) -> float:
    """The quality gate: a run whose model is too bad has failed, and `@latest` never means it."""
    _, unseen = models.parts(table, until)
    found = models.skill(model, unseen)
    log_metrics(found)  # `pipeglot runs list --metric skill` compares the runs
    if found["skill"] < bar:
        raise ValueError(f"the model has skill {found['skill']:.3f}, and the bar is {bar}")
    return found["skill"]


@pipeline(tags=["ml"], on_failure=alert.partial(channel="#models"))
def train(until: dt.date = dt.date(2013, 7, 1), bar: float = 0.1) -> None:
    table = prepare(observe())
    judge(fit(table, until), table, until, bar)
