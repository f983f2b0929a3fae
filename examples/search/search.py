"""Which settings read handwritten digits best? Candidates drawn at random, tried side by side, the best one trained."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import candidates
import models
import numpy as np
import plots
from candidates import Candidate

from pipeglot import Retry, current_run, each, log_metrics, pipeline, step


class Digits(NamedTuple):
    images: np.ndarray
    labels: np.ndarray
    unseen_images: np.ndarray
    unseen_labels: np.ndarray


class Trial(NamedTuple):
    candidate: Candidate
    accuracy: float


@step
def load() -> Digits:
    return Digits(*models.digits())


@step
def draw(count: int, seed: int) -> list[Candidate]:
    return candidates.draw(count, seed)


@step(retry=Retry(3, delay="100ms", backoff=2, on=[ConnectionError]))
def reserve(candidate: Candidate) -> Candidate:
    """Stands for a busy service: it turns every third request away, the first time."""
    (number,) = current_run().index
    if number % 3 == 0 and current_run().attempt == 1:
        raise ConnectionError(f"no machine is free for candidate {number}")
    return candidate


@step
def evaluate(images: np.ndarray, labels: np.ndarray, candidate: Candidate) -> Trial:
    accuracy = models.cross_validated(images, labels, candidate)
    log_metrics({"accuracy": accuracy, **candidate})
    return Trial(candidate, accuracy)


@step
def best(trials: list[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.accuracy)


@step
def train(digits: Digits, candidate: Candidate) -> Any:
    return models.fit(digits.images, digits.labels, candidate)


@step
def judge(model: Any, digits: Digits) -> float:
    """On digits that the search has not seen."""
    accuracy = models.accuracy(model, digits.unseen_images, digits.unseen_labels)
    log_metrics({"accuracy": accuracy})
    return accuracy


@step
def report(trials: list[Trial], winner: Trial) -> Path:
    points = [(trial.candidate["C"], trial.candidate["gamma"], trial.accuracy) for trial in trials]
    return plots.scatter(
        points, (winner.candidate["C"], winner.candidate["gamma"]), Path(tempfile.mkdtemp(), "search.png")
    )


@pipeline(tags=["ml"])
def search(count: int = 12, seed: int = 0) -> None:
    digits = load()
    reserved = reserve.map(each(draw(count, seed)))  # as many as `draw` returns
    trials = evaluate.map(digits.images, digits.labels, each(reserved))
    winner = best(trials)
    judge(train(digits, winner.candidate), digits)
    report(trials, winner)
