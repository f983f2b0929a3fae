"""The digits of scikit-learn, and a support vector machine that reads them."""

from typing import Any

import numpy as np
from candidates import Candidate

FOLDS = 3


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """1,797 scanned digits of 8 x 8 pixels; every fourth is held out."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    unseen = np.arange(len(labels)) % 4 == 0
    return images[~unseen], labels[~unseen], images[unseen], labels[unseen]


def fit(images: np.ndarray, labels: np.ndarray, candidate: Candidate) -> Any:
    from sklearn.svm import SVC

    return SVC(**candidate).fit(images, labels)


def accuracy(model: Any, images: np.ndarray, labels: np.ndarray) -> float:
    return float((model.predict(images) == labels).mean())


def cross_validated(images: np.ndarray, labels: np.ndarray, candidate: Candidate) -> float:
    """The mean accuracy over folds, each judged by a model that has not seen it."""
    fold = np.arange(len(labels)) % FOLDS
    found = []
    for one in range(FOLDS):
        model = fit(images[fold != one], labels[fold != one], candidate)
        found.append(accuracy(model, images[fold == one], labels[fold == one]))
    return sum(found) / FOLDS
