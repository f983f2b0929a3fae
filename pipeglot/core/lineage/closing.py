"""End a run whose process is gone: until the ledger says so, that it is lost is only what a reader thinks."""

from __future__ import annotations

from typing import Literal

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import lease_of
from pipeglot.core.lineage.ledger import Ledger, host, now
from pipeglot.core.lineage.records import Beat, End, Observed, Portable, Ref, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run

CLOSED = "closed by another process: that of the run was gone"


def close(ledger: Ledger, artifacts: Artifacts, run: str) -> End:
    """Put a verdict into every cell that has none, and the end of the run; returns the end that counts.

    Cells become `cancelled` if somebody had asked the run to stop, else `lost`. Whoever calls this knows that the run's
    process is gone, or was told by a person to take it for that. If it is not: the first verdict of a cell counts, and
    what the process does later is fenced. Two that close at once agree. Raises `NotFound`.
    """
    ended = ledger.ended(run)
    if ended is not None:
        return ended
    start, state = read_run(ledger, artifacts, run)
    _fill(ledger, artifacts, start, state)
    status = state.status
    assert status != "running", "every cell has a verdict"
    finished, digest = now().isoformat(), lineage_digest(state)
    return ledger.end(End(run=run, number=1, status=status, finished=finished, digest=digest))


def was_closed(verdict: Verdict) -> bool:
    """Whether it was put by somebody who took the run's process for gone."""
    return verdict.status in ("lost", "cancelled") and verdict.observed.why == CLOSED


def _fill(ledger: Ledger, artifacts: Artifacts, start: Start, state: RunState) -> None:
    """What is closed may make others ready, such as clean-up steps: they are closed too, for nobody runs them."""
    status: Literal["cancelled", "lost"] = "cancelled" if ledger.is_cancelled(start.run) else "lost"
    beats = lease_of(ledger, start, state).beats
    while not state.finished:
        for cell in sorted(state.expected):
            code, beat = state.plan.step(cell[0]).code.digest, beats.get(cell)
            state.apply(ledger.commit(_verdict(ledger, start, cell, status, code, _words(artifacts, beat), beat)))


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


def _words(artifacts: Artifacts, beat: Beat | None) -> Ref | None:
    """The last lines that a step printed before it was not heard of any more: all that is left of its log."""
    if beat is None or not beat.tail:
        return None
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="pipeglot-") as folder:
        path = Path(folder, "last.log")
        path.write_text(beat.tail, encoding="utf-8", errors="backslashreplace")
        return artifacts.save(path, name=f"log of step `{beat.step}`", opaque_id=str)
