"""A run as people and programs read it: the object of `run --json` and `runs show --json`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, NotFound, Pruned
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.ids import artifact_id as artifact_id
from pipeglot.core.lineage.ids import parse_artifact_id as parse_artifact_id
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import GOES_ON, Lease, lease_of
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Hook, Plan
from pipeglot.core.lineage.records import Failure, Origin, Ref, Reopened, Start, Verdict
from pipeglot.core.lineage.state import UNFIT, Entry, RunState
from pipeglot.core.placeholders import Instance


class StepView(Struct, frozen=True, kw_only=True):
    """One execution of a step, or one skipped step.

    id: the step's name.
    index: the position in each enclosing map; empty outside maps.
    status: `succeeded`, `failed`, `skipped`, `cancelled`, `lost`, `running`, `pending`.
    cached: whether the results of an earlier execution were taken.
    attempts: how often it was tried; 0 if it was not.
    seconds: those of the step's function, in the last attempt.
    outputs: artifact ids by name; the only output of a step is named `output`.
    metrics: what `log_metrics` recorded.
    error: why it failed; null if it did not.
    origin: the execution whose results were taken; null if none were.
    opaque: the outputs that are pickles.
    log: a reference to what it printed, for `runs logs`; null if that is nothing.
    why: why the cache had nothing to offer, or the resumed run that the results were taken from; empty if neither.
    hook: for which outcome of the run it runs, null if it is no hook; what becomes of one changes nothing of the run.
    seen: when it was last heard of, while it runs: UTC, in ISO 8601; null in its first seconds, and when it has ended.
    tail: the last lines that it had printed by then; what it printed in all is kept when it ends (`log`).
    """

    id: str
    index: tuple[int, ...]
    status: str
    cached: bool = False
    attempts: int = 0
    seconds: float = 0.0
    outputs: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    error: Failure | None = None
    origin: Origin | None = None
    opaque: tuple[str, ...] = ()
    log: Ref | None = None
    why: str = ""
    hook: Hook | None = None
    seen: str | None = None
    tail: str = ""


class RunView(Struct, frozen=True, kw_only=True):
    """A run and all its steps, in the order of the pipeline.

    run_id: its id.
    pipeline: the pipeline's name.
    stack: where it ran, as `pipeglot.yaml` names it.
    backend: what the stack's backend is.
    status: `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    lineage_digest: hash of the portable part of its record; null while it goes on, and if it was cancelled or lost.
    created: when it began: UTC, in ISO 8601.
    logical_date: the time that it is for: that of its schedule, or when it was asked for; in ISO 8601.
    engine: where to look for it: as `run` what its orchestrator calls it, and for Airflow `dag`; of a run here, `host`.
    params: the resolved parameters.
    tags: those that the run was given, by `--tag KEY=VALUE`.
    resumes: the id of the run that it goes on from; null if it began anew.
    seen: when it was last heard of: UTC, in ISO 8601; null if it has ended.
    steps: one for each execution, and one for each skipped step.
    """

    run_id: str
    pipeline: str
    stack: str
    backend: str
    status: str
    lineage_digest: str | None
    created: str
    logical_date: str
    engine: dict[str, str] = {}
    params: dict[str, Any]
    tags: dict[str, str] = {}
    resumes: str | None = None
    seen: str | None = None
    steps: tuple[StepView, ...]


def view(start: Start, state: RunState, lease: Lease = GOES_ON) -> RunView:
    """Describe a run. What `lease` says of it stands for an unfinished run, and for cells that have no verdict.

    Raises `Corrupt` for parameters and metrics that are no written values.
    """
    try:
        return _view(start, state, lease)
    except UNFIT as error:
        raise unfit(start.run, error) from error


def _view(start: Start, state: RunState, lease: Lease) -> RunView:
    hooks = state.plan.hooks
    steps = [_step(start.run, cell, entry, hooks.get(cell[0])) for cell, entry in state.ordered()]
    steps += [_open(cell, lease, hooks.get(cell[0])) for cell in sorted(state.expected)]
    return RunView(
        run_id=start.run,
        pipeline=start.pipeline,
        stack=start.stack,
        backend=start.backend,
        status=state.status if state.finished else lease.status,
        lineage_digest=lineage_digest(state),
        created=start.created,
        logical_date=start.logical_date,
        engine=dict(start.engine),
        params={name: readable(value) for name, value in start.params.items()},
        tags=start.tags,
        resumes=start.resumes,
        seen=lease.seen.isoformat() if lease.seen and not state.finished else None,
        steps=tuple(steps),
    )


def read_run(ledger: Ledger, artifacts: Artifacts, run: str) -> tuple[Start, RunState]:
    """A run's start and its state, derived from the ledger. Raises `NotFound`, `Pruned`, `StoreError`."""
    start = ledger.started(run)
    if start is None:
        raise NotFound(f"the store `{ledger.store.uri}` has no run `{run}`")
    slots, verdicts = slots_of(start, ledger), list(ledger.verdicts(run))
    refuse_pruned(ledger, start)  # after the look: it may have been pruned meanwhile
    return start, derive(start, ledger, artifacts, verdicts, slots)


def refuse_pruned(ledger: Ledger, start: Start) -> None:
    """Raises `Pruned` if of a run only this is left."""
    gone = ledger.gone(start.run)
    if gone is None:
        return
    status = f", {gone.status}" if gone.status else ""
    raise Pruned(
        f"run `{start.run}` of pipeline `{start.pipeline}` (begun {start.created[:10]}{status}) was pruned on"
        f" {gone.at[:10]}: `store gc` has removed its records and values from `{ledger.store.uri}`",
        hint="`pipeglot runs list` shows the runs that are there; what it had computed, another run computes again",
    )


def slots_of(start: Start, ledger: Ledger) -> list[Reopened]:
    """The slots after the first that were opened in a run: by an engine's user who had a failed task run again."""
    return ledger.reopened(start.run) if start.backend != "local" else []


def derive(
    start: Start, ledger: Ledger, artifacts: Artifacts, verdicts: Iterable[Verdict], slots: Collection[Reopened] = ()
) -> RunState:
    """The state of a run. `slots` are those that were opened after the first.

    Raises `Corrupt` for records that are whole each, and do not belong together.
    """
    pipeline = ledger.ir(start.ir)
    try:
        plan = Plan(pipeline, trusted=ledger.store.trusted)
        state = RunState(pipeline, start.params, artifacts, plan, named=start.artifacts)
        state.apply_all(counting(verdicts, slots))
    except UNFIT as error:
        raise unfit(start.run, error) from error
    return state


def counting(verdicts: Iterable[Verdict], slots: Iterable[Reopened]) -> Iterator[Verdict]:
    """Of each cell the verdict that counts: that of its last slot, if it has one yet.

    No slot follows a success but of clean-up steps and hooks, which run again: then what they did last counts.
    """
    opened: dict[Cell, int] = {}
    for slot in slots:
        opened[slot.step, slot.index] = max(slot.slot, opened.get((slot.step, slot.index), 1))
    return (one for one in verdicts if one.slot == opened.get((one.step, one.index), 1))


def unfit(run: str, error: BaseException) -> Corrupt:
    """The error for records of a run that are whole each, and make no sense."""
    return Corrupt(
        f"the records of run `{run}` do not fit together ({type(error).__name__}: {error})",
        hint="they were changed by a hand: run the pipeline again; the other runs can be read",
    )


def read_view(ledger: Ledger, artifacts: Artifacts, run: str) -> RunView:
    """Describe a run from the ledger alone. Raises `NotFound`."""
    start, state = read_run(ledger, artifacts, run)
    return view(start, state, lease_of(ledger, start, state))


_MOST_OF_RANGE = 10_000
"""A longer one is shown as it is written: its few bytes may stand for more numbers than there is memory."""


def readable(wire: Any) -> Any:
    """Tagged plain data as simple JSON for people: dates as ISO text, tuples and sets as lists, objects by field."""
    return readable_value(plain.decode(wire))


def readable_value(value: Any) -> Any:
    """Plain data as simple JSON for people."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if value - value == 0 else str(value)  # JSON has no NaN and no infinity
    if isinstance(value, dict):
        return {key if type(key) is str else str(key): readable_value(item) for key, item in value.items()}
    if isinstance(value, range) and len(value) > _MOST_OF_RANGE:
        return str(value)
    if isinstance(value, list | tuple | deque | range):
        return [readable_value(item) for item in value]
    if type(value) is Instance:
        return readable_value(value.fields["value"] if value.kind in ("enum", "flag") else value.fields)
    if isinstance(value, set | frozenset):
        return sorted((readable_value(item) for item in value), key=str)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return readable_value(value.item()) if hasattr(value, "item") else str(value)


def _step(run: str, cell: Cell, entry: Entry, hook: Hook | None) -> StepView:
    step, index = cell
    verdict = entry.verdict
    if verdict is None:
        return StepView(id=step, index=index, status=entry.status, error=entry.failure, hook=hook)
    return _executed(run, cell, verdict, hook)


def _open(cell: Cell, lease: Lease, hook: Hook | None) -> StepView:
    step, index = cell
    status, beat = lease.of(cell)
    seen, tail = (beat.at, beat.tail) if beat else (None, "")
    return StepView(id=step, index=index, status=status, hook=hook, seen=seen, tail=tail)


def _metric(wire: Any) -> Any:
    found = readable(wire)
    if not isinstance(found, int | float | str):
        raise TypeError(f"a metric is a `{type(found).__name__}`")
    return found


def _executed(run: str, cell: Cell, verdict: Verdict, hook: Hook | None) -> StepView:
    seen = verdict.observed
    return StepView(
        id=verdict.step,
        index=verdict.index,
        status=verdict.status,
        cached=seen.cached is not None,
        attempts=0 if seen.cached is not None else seen.attempt,
        seconds=round(seen.seconds, 6),
        outputs={name: artifact_id(run, cell, name) for name in seen.refs},
        metrics={name: _metric(value) for name, value in seen.metrics.items()},
        error=seen.failure,
        origin=seen.cached,
        opaque=tuple(name for name, ref in seen.refs.items() if ref.opaque),
        log=seen.log,
        why=seen.why,
        hook=hook,
    )
