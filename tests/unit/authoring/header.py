"""What the pipelines in these tests are made of; each test appends its own to a copy of this."""

import asyncio
import json
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import pipeglot
from pipeglot import (
    Cache,
    Cron,
    Interval,
    Resources,
    Retry,
    all_of,
    any_of,
    each,
    is_in,
    is_none,
    not_,
    one_of,
    otherwise,
    pipeline,
    step,
    when,
)

log = logging.getLogger(__name__)


class Table: ...


class Model: ...


class Mode(Enum):
    FAST = 1
    SLOW = 2


@dataclass(frozen=True)
class Config:
    rate: float
    mode: Mode = Mode.FAST


class Trained(NamedTuple):
    model: Model
    auc: float


class Counts(TypedDict):
    rows: int
    bad: int


@step
def load(year: int) -> Table: ...


@step
def validate(table: Table) -> None: ...


@step
def carriers(table: Table) -> list[str]: ...


@step
def train(table: Table, carrier: str, depth: int = 3) -> Trained: ...


@step
def best(models: list[Trained]) -> Trained: ...


@step
def register(model: Model) -> str: ...


@step
def reject(auc: float) -> str: ...


@step
def publish(text: str) -> None: ...


@step
def count(table: Table) -> Counts: ...


@step
def halves(table: Table) -> tuple[Annotated[Table, "left"], Annotated[Table, "right"]]: ...


@step
def show(value): ...


@step
def options(**values: str) -> str: ...


@step
def configure(config: Config, modes: Sequence[Mode] = (), at: Path | None = None) -> int: ...


@step
async def fetch(url: str) -> bytes: ...


@step(trigger="all_done")
def clean_up(hours: int = 1) -> None: ...


@pipeline
def part(table: Table, carrier: str, depth: int = 5) -> Trained:
    return train(table, carrier, depth)


