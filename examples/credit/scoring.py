"""The model: fitted, judged, and drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def fit(table: pd.DataFrame, strength: float) -> Any:
    """A logistic regression on standardised columns."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return model.fit(table.drop(columns="bad"), table["bad"])


def risks(model: Any, table: pd.DataFrame) -> list[float]:
    """How probable it is that each credit goes bad."""
    found: list[float] = model.predict_proba(table.drop(columns="bad"))[:, 1].tolist()
    return found


def scores(risks: list[float], bad: list[int]) -> dict[str, float]:
    """The area under the ROC curve, and the loss per applicant: a bad credit costs five times a good one."""
    from sklearn.metrics import roc_auc_score

    refused = np.array(risks) > 1 / 6  # where granting costs as much as refusing
    wrong = np.array(bad, dtype=bool)
    cost = 5 * (wrong & ~refused).sum() + (~wrong & refused).sum()
    return {"auc": float(roc_auc_score(bad, risks)), "cost": float(cost / len(bad)), "refused": float(refused.mean())}


def roc_plot(risks: list[float], bad: list[int], auc: float, path: Path) -> Path:
    """The ROC curve as a picture."""
    from matplotlib.figure import Figure
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(bad, risks)
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(false, true, color="steelblue", label=f"AUC {auc:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.set(title="Bad credits found", xlabel="good credits refused", ylabel="bad credits refused")
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Software": None})  # the version of matplotlib would make equal plots differ
    return path
