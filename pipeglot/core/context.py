"""What a step may ask while it runs: which run it is part of, its secrets, and where its metrics go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from pipeglot.core.errors import StepError, UsageError


class Terminated(BaseException):
    """Raised inside the user's function when its worker is told to end: `finally` blocks run, nothing is recorded."""


class RunContext(Struct, frozen=True, kw_only=True):
    """The execution of a step, as `current_run()` tells it.

    run_id: the run's id.
    pipeline: the pipeline's name.
    step: the step's name.
    index: the position in each enclosing map; `()` outside maps.
    attempt: counted from 1.
    params: the resolved parameters of the pipeline; of one that names an artifact, the artifact's id.
    logical_date: the planned time of a scheduled run; else when the run was made.
    backend: what runs it, as `local`.
    failed: for a clean-up step or a hook: whether a step of the run has failed, or was cancelled, so far.
    """

    run_id: str
    pipeline: str
    step: str
    index: tuple[int, ...]
    attempt: int
    params: Mapping[str, Any]
    logical_date: dt.datetime
    backend: str
    failed: bool = False


class Keeper(Protocol):
    """Keeps the checkpoints of one execution, in the store of its run."""

    def restore(self) -> tuple[Path, bool]:
        """A new folder, and whether a saved state was put into it."""

    def save(self, folder: Path) -> None:
        """Keep what is in the folder; once this returns, a later attempt finds it."""


class Active:
    """A running step: its context, its secrets, the metrics that it logged, and who keeps its checkpoints."""

    __slots__ = ("context", "in_checkpoint", "keeper", "metrics", "secrets")

    def __init__(self, context: RunContext, secrets: Mapping[str, str], keeper: Keeper | None = None) -> None:
        self.context = context
        self.secrets = secrets
        self.metrics: dict[str, float] = {}
        self.keeper = keeper
        self.in_checkpoint = False


_here: ContextVar[Active | None] = ContextVar("pipeglot_step", default=None)
_running: list[Active] = []


@contextmanager
def running(active: Active) -> Iterator[Active]:
    """Make `active` what the functions below see. An engine may run several steps in threads of one process."""
    token = _here.set(active)
    _running.append(active)
    try:
        yield active
    finally:
        _running.remove(active)
        _here.reset(token)


def current_run() -> RunContext:
    """The run that this step is part of. Raises `UsageError` outside a step."""
    return _active("current_run()").context


def secret(name: str) -> str:
    """The value of a secret that the step lists in `secrets=`. It is never recorded, and redacted from logs and errors.

    Raises `StepError` for a name that the step does not list, `UsageError` outside a step.
    """
    active = _active(f'secret("{name}")')
    if name not in active.secrets:
        listed = ", ".join(f"`{one}`" for one in active.secrets) or "none"
        raise StepError(
            f"step `{active.context.step}` asks for the secret `{name}`, but declares {listed}",
            hint=f'say `@step(secrets=["{name}"])`',
        )
    return active.secrets[name]


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Record numbers with this execution, by name; a later value of a name replaces an earlier one.

    Raises `TypeError` for a value that is no number, `ValueError` for one too large for a float, `UsageError` outside
    a step.
    """
    active = _active("log_metrics()")
    checked: dict[str, float] = {}
    for name, value in metrics.items():
        if type(name) is not str or not name.strip() or not name.isprintable():
            raise TypeError(f"log_metrics: {name!r} is no name for a metric")
        if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
            raise TypeError(f"log_metrics: {name!r} is {value!r}, which is no number")
        try:
            checked[name] = float(value)
        except OverflowError:
            raise ValueError(f"log_metrics: {name!r} is too large for a float") from None
    active.metrics.update(checked)


def active_step() -> Active | None:
    """The running step that the caller is part of; None outside of any."""
    found = _here.get()
    if found is None and len(_running) == 1:  # a thread that the step started: it has no context of its own
        return _running[0]
    return found


def _active(what: str) -> Active:
    found = active_step()
    if found is not None:
        return found
    raise UsageError(
        f"`{what}` was called outside a running step",
        hint="call it inside a step function while a pipeline runs; in a unit test, pass the values as arguments",
    )
