"""Small decisions about the raw data, which all features rest on."""

import pandas as pd


def arrived(flights: pd.DataFrame) -> pd.DataFrame:
    """Leave out the cancelled and the diverted flights: they have no delay to predict."""
    return flights[flights["arr_delay"].notna()]


def late(delay: "pd.Series[float]") -> "pd.Series[bool]":
    return delay > 15


def hours(clock: "pd.Series[int]") -> "pd.Series[float]":
    """Turn 1745 into 17.75."""
    return clock // 100 + clock % 100 / 60
