"""End a run whose process is gone: until the ledger says so, that it is lost is only what a reader thinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import structs

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import lease_of
from pipeglot.core.lineage.ledger import Ledger, host, now
from pipeglot.core.lineage.records import Beat, End, Observed, Portable, Ref, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run, slots_of

NO_LOGS: Mapping[Cell, str] = MappingProxyType({})

CLOSED = "closed by another process: that of the run was gone"


def close(ledger: Ledger, artifacts: Artifacts, run: str, logs: Mapping[Cell, str] = NO_LOGS) -> End:
    """Put a verdict into every cell that has none, and the end of the run; returns the end that counts.

    `logs`: what somebody else has of what they printed: the engine of the run.

    Cells become `cancelled` if somebody had asked the run to stop, else `lost`. Whoever calls this knows that the run's
    process is gone, or was told by a person to take it for that. If it is not: the first verdict of a cell counts, and
    what the process does later is fenced. Two that close at once agree. Raises `NotFound`.
    """
    start, state = read_run(ledger, artifacts, run)
    reopened = len(slots_of(start, ledger))
    ended = ledger.ended(run, reopened)
    if ended is not None:
        return ended
    close_cells(ledger, artifacts, start, state, lambda _: True, logs)
    status = state.status
    assert status != "running", "every cell has a verdict"
    finished, digest = now().isoformat(), lineage_digest(state)
    return ledger.end(End(run=run, number=1 + reopened, status=status, finished=finished, digest=digest))


def was_closed(verdict: Verdict) -> bool:
    """Whether it was put by somebody who took the run's process for gone."""
    return verdict.status in ("lost", "cancelled") and verdict.observed.why == CLOSED


def close_cells(
    ledger: Ledger,
    artifacts: Artifacts,
    start: Start,
    state: RunState,
    among: Callable[[Cell], bool],
    logs: Mapping[Cell, str] = NO_LOGS,
) -> None:
    """Put a verdict into every open cell of those; what that makes ready among them is closed too."""
    status: Literal["cancelled", "lost"] = "cancelled" if ledger.is_cancelled(start.run) else "lost"
    beats = lease_of(ledger, start, state).beats
    slots = {(one.step, one.index): one.slot for one in sorted(slots_of(start, ledger), key=lambda one: one.slot)}
    while cells := sorted(filter(among, state.expected)):
        for cell in cells:
            code, beat = state.plan.step(cell[0]).code.digest, beats.get(cell)
            verdict = _verdict(
                ledger,
                start,
                cell,
                status,
                code,
                _words(artifacts, cell, logs.get(cell, beat.tail if beat else "")),
                beat,
            )
            state.apply(ledger.commit(structs.replace(verdict, slot=slots.get(cell, 1))))


def _verdict(
    ledger: Ledger,
    start: Start,
    cell: Cell,
    status: Literal["cancelled", "lost"],
    code: str,
    log: Ref | None,
    beat: Beat | None,
) -> Verdict:
    step, index = cell
    return Verdict(
        run=start.run,
        step=step,
        index=index,
        status=status,
        portable=Portable(code=code),
        observed=Observed(
            backend=start.backend,
            attempt=beat.attempt if beat else len(ledger.attempts(start.run, step, index)),
            host=host(),
            log=log,
            why=CLOSED,
        ),
    )


def _words(artifacts: Artifacts, cell: Cell, text: str) -> Ref | None:
    """What a step printed, or the last lines before it was not heard of any more: all that is left of its log."""
    if not text:
        return None
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="pipeglot-") as folder:
        path = Path(folder, "last.log")
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        return artifacts.save(path, name=f"log of step `{cell[0]}`", opaque_id=str)
