"""A project with a module in it that is imported, as a user's own Python does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FLOW = '''\
from __future__ import annotations

import datetime as dt
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from pipeglot import Retry, current_run, each, log_metrics, one_of, otherwise, pipeline, step, when


class Colour(Enum):
    RED = 1
    BLUE = 2


class Trained(NamedTuple):
    model: dict[str, float]
    auc: float


@step
def numbers(count: int) -> list[int]:
    print(f"counting to {count}")
    return list(range(count))


@step
def train(n: int, colour: Colour) -> Trained:
    print(f"training {n}")
    log_metrics({"auc": n / 4})
    return Trained({"w": float(n)}, n / 4)


@step
def best(all: list[Trained]) -> float:
    return max(one[1] for one in all)


@step
def plot(auc: float) -> Path:
    path = Path("plot.txt").absolute().parent / "plot.txt"
    path.write_text(f"auc {auc}")
    return path


@step
def good(auc: float) -> str:
    return "good"


@step
def bad(auc: float) -> str:
    return "bad"


@pipeline
def flow(count: int = 3, colour: Colour = Colour.RED, day: dt.date = dt.date(2013, 1, 1)) -> None:
    """Trains a few."""
    auc = best(train.map(each(numbers(count)), colour))
    with when(auc >= 0.4):
        yes = good(auc)
    with otherwise():
        no = bad(auc)


@step(retry=Retry(2, delay="0s"))
def flaky(n: int) -> int:
    print(f"attempt {current_run().attempt}")
    if current_run().attempt == 1:
        raise ValueError("at first")
    return n


@step
def picky(n: int) -> int:
    if n == 1:
        raise ValueError(f"no <b>{n}</b>")
    return n


@pipeline
def failing(count: int = 3) -> None:
    picky.map(each(numbers(count)))
    flaky(1)


@step
def row(n: int) -> str:
    return f"row {n}"


@pipeline(on_failure=row.partial(n=0), on_success=picky.partial(n=1))
def hooked() -> None:
    row(2)


@pipeline(name="other")
def clashing(stack: int = 1) -> None:
    row(stack)


@step
def write(text: str) -> Path:
    import tempfile

    path = Path(tempfile.mkdtemp()) / "note.txt"
    path.write_text(text)
    return path


@pipeline
def files(text: str = "hello") -> None:
    write(text)
'''


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`flow.py`, imported, with the project as the working directory."""
    (tmp_path / "pipeglot.yaml").write_text(
        "stacks:\n  local: {backend: local}\n  other: {backend: local, store: two}\n"
    )
    (tmp_path / ".pipeglot").mkdir()
    (tmp_path / ".pipeglot" / "stack").write_text("local\n")
    (tmp_path / "client_flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("client_flow")
    sys.modules.pop("client_flow", None)
