"""Forecast the rain of a day, every morning, with the latest model that train.py has made."""

import datetime as dt
import logging
from typing import NamedTuple

import models
import pandas as pd
import weather
from models import Model
from shared import alert, observe, prepare

from pipeglot import Artifact, Cron, LogicalDate, artifact, one_of, otherwise, pipeline, step, when

log = logging.getLogger(__name__)


class Batch(NamedTuple):
    hours: pd.DataFrame
    complete: float


@step
def batch(table: pd.DataFrame, day: dt.date) -> Batch:
    measured = weather.as_measured(day)
    hours = weather.between(table, measured, measured + dt.timedelta(days=1))
    return Batch(hours, weather.complete(hours))


@step
def forecast(model: Model, hours: pd.DataFrame) -> pd.DataFrame:
    return hours[["origin", "time"]].assign(chance=models.chances(model, hours))


@step
def publish(forecast: pd.DataFrame, day: dt.date) -> str:
    """Where a real pipeline hands the forecast to whoever asked for it."""
    return f"{day}: rain within {weather.AHEAD} hours: {', '.join(weather.wettest(forecast))}"


@step
def hold(day: dt.date, complete: float, bar: float) -> str:
    return f"{day}: no forecast, {complete:.0%} of the day was measured, and the bar is {bar:.0%}"


@step
def tell(outcome: str) -> None:
    log.info(outcome)


@pipeline(tags=["ml"], schedule=Cron("0 7 * * *", timezone=weather.ZONE), on_failure=alert.partial(channel="#weather"))
def score(
    day: dt.date = LogicalDate(),  # the day of the schedule, so that a backfill is right
    model: Artifact[Model] = artifact("train/fit.output@latest"),  # of the latest `train` that has succeeded
    bar: float = 0.9,
) -> None:
    found = batch(prepare(observe()), day)
    with when(found.complete >= bar):  # a day of which hours are missing is not forecast
        published = publish(forecast(model, found.hours), day)
    with otherwise():
        held = hold(day, found.complete, bar)
    tell(one_of(published, held))
