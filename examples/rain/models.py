"""The model: fitted, asked, and judged."""

import datetime as dt
from typing import TypeAlias

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from weather import AHEAD, INPUTS, between, midnight

Model: TypeAlias = HistGradientBoostingClassifier

JUDGED = 28
"""The last so many days judge what was learned from those before."""


def parts(table: pd.DataFrame, until: dt.date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The hours to learn from and those to judge by: nothing is used that was not known when `until` began."""
    split = until - dt.timedelta(days=JUDGED)
    learned, unseen = table[table["time"] < midnight(split)], between(table, split, until)
    found = _settled(learned, split), _settled(unseen, until)
    if found[0].empty or found[1].empty:
        known = f"{table['time'].min():%Y-%m-%d} to {table['time'].max():%Y-%m-%d}"
        raise ValueError(f"`until={until}` leaves nothing to learn from, or to judge by: the weather is of {known}")
    return found


def _settled(rows: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """The hours of which it was known when `day` began whether rain followed."""
    return rows[rows["time"] < midnight(day) - pd.Timedelta(hours=AHEAD)]


def fit(rows: pd.DataFrame) -> Model:
    with threadpool_limits(1):  # one thread: the same sums in the same order everywhere
        return Model(max_iter=60, random_state=0).fit(rows[INPUTS], rows["rain"])


def chances(model: Model, rows: pd.DataFrame) -> np.ndarray:
    """How probable rain is, for each row."""
    with threadpool_limits(1):
        return np.asarray(model.predict_proba(rows[INPUTS]))[:, 1]


def skill(model: Model, rows: pd.DataFrame) -> dict[str, float]:
    """`skill` is 1 for a model that is always right, and 0 for one no better than to say each day what is usual."""
    chance, rain = chances(model, rows), rows["rain"].to_numpy(dtype=float)
    error, usual = np.mean((chance - rain) ** 2), np.mean((rain.mean() - rain) ** 2)
    return {"skill": float(1 - error / usual), "error": float(error), "rain": float(rain.mean())}
