"""Who will pay a credit back? A model is deployed if the data is sound, and if it is good enough."""

import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import data
import pandas as pd
import scoring

from pipeglot import Retry, current_run, log_metrics, one_of, otherwise, pipeline, step, when

log = logging.getLogger(__name__)


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


class Judged(NamedTuple):
    auc: float
    risks: list[float]
    bad: list[int]


@step(cache=False)  # runs every time, as a file is no code; what it returns is compared by content
def ingest(file: str) -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / file)


@step
def validate(applicants: pd.DataFrame) -> None:
    """The quality gate: nothing is learned from a table that is not as it should be."""
    found = data.problems(applicants)
    if found:
        raise ValueError("the applicants cannot be used: " + "; ".join(found))
    log.info("%s applicants are fine", f"{len(applicants):,}")


@step
def prepare(applicants: pd.DataFrame) -> Split:
    return Split(*data.split(data.features(applicants)))


@step
def train(table: pd.DataFrame, strength: float) -> Any:
    return scoring.fit(table, strength)


@step
def judge(model: Any, table: pd.DataFrame) -> Judged:
    """On applicants that training has not seen."""
    risks, bad = scoring.risks(model, table), table["bad"].tolist()
    found = scoring.scores(risks, bad)
    log_metrics(found)  # `pipeglot runs show latest` has them
    return Judged(found["auc"], risks, bad)


@step
def plot(judged: Judged) -> Path:
    return scoring.roc_plot(judged.risks, judged.bad, judged.auc, Path(tempfile.mkdtemp(), "roc.png"))


@step
def deploy(model: Any, auc: float) -> str:
    """Where a real pipeline hands the model to what serves it."""
    return f"deployed: {type(model[-1]).__name__}, AUC {auc:.3f}"


@step
def keep_the_old(auc: float, bar: float) -> str:
    return f"the old model stays: the new one has AUC {auc:.3f}, and the bar is {bar}"


@step(retry=Retry(3, delay="1s", backoff=2))
def tell(outcome: str) -> None:
    log.info(outcome)


@step(trigger="all_done")  # whatever happened before it, a failed gate included
def notify(channel: str) -> None:
    """Where a real pipeline writes to people."""
    run = current_run()
    print(f"{channel}: {run.pipeline} {'has failed' if run.failed else 'is done'}")


@pipeline(tags=["ml"])
def credit(
    file: str = "german_credit.csv", strength: float = 0.05, bar: float = 0.75, channel: str = "#credit"
) -> None:
    applicants = ingest(file)
    split = prepare.after(validate(applicants))(applicants)
    model = train(split.train, strength)
    judged = judge(model, split.test)
    drawn = plot(judged)
    with when(judged.auc >= bar):  # the deploy gate
        new = deploy(model, judged.auc)
    with otherwise():
        old = keep_the_old(judged.auc, bar)
    told = tell(one_of(new, old))
    notify.after(told, drawn)(channel)
