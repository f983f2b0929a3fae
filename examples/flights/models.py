"""Fitting and judging one model, and what to do where there is too little to learn from."""

from typing import TypeAlias

import numpy as np
import pandas as pd
from features import INPUTS
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score
from threadpoolctl import threadpool_limits

Classifier: TypeAlias = HistGradientBoostingClassifier | DummyClassifier

ENOUGH = 1000
"""A carrier with fewer flights to learn from gets its average for a model, which no luck can make the winner."""


def fit(rows: pd.DataFrame, seed: int) -> Classifier:
    model = DummyClassifier() if len(rows) < ENOUGH else HistGradientBoostingClassifier(max_iter=60, random_state=seed)
    with threadpool_limits(1):  # one thread: the same sums in the same order everywhere
        return model.fit(rows[INPUTS], rows["late"])


def auc(model: Classifier, rows: pd.DataFrame) -> float:
    if isinstance(model, DummyClassifier):
        return 0.5
    return float(roc_auc_score(rows["late"], probability(model, rows)))


def scores(model: Classifier, rows: pd.DataFrame) -> dict[str, float]:
    brier = brier_score_loss(rows["late"], probability(model, rows))
    return {"flights": len(rows), "late": float(rows["late"].mean()), "auc": auc(model, rows), "brier": float(brier)}


def probability(model: Classifier, rows: pd.DataFrame) -> "pd.Series[float]":
    with threadpool_limits(1):
        return pd.Series(np.asarray(model.predict_proba(rows[INPUTS]))[:, 1], index=rows.index)
