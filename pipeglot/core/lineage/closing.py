"""End a run whose process is gone: until the ledger says so, that it is lost is only what a reader thinks."""

from __future__ import annotations

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger, host, now
from pipeglot.core.lineage.records import End, Observed, Portable, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run


def close(ledger: Ledger, artifacts: Artifacts, run: str) -> End:
    """Put a verdict into every cell that has none, and the end of the run; returns the end that counts.

    Cells become `cancelled` if somebody had asked the run to stop, else `lost`. Whoever calls this knows that the run's
    process is gone. If it is not: the first verdict of a cell counts, and what the process does later is fenced. Two
    that close at once agree. Raises `NotFound`.
    """
    ended = ledger.ended(run)
    if ended is not None:
        return ended
    start, state = read_run(ledger, artifacts, run)
    _fill(ledger, start, state)
    status = state.status
    assert status != "running", "every cell has a verdict"
    finished, digest = now().isoformat(), lineage_digest(state)
    return ledger.end(End(run=run, number=1, status=status, finished=finished, digest=digest))


def _fill(ledger: Ledger, start: Start, state: RunState) -> None:
    """What is closed may make others ready, such as clean-up steps: they are closed too, for nobody runs them."""
    cancelled = ledger.is_cancelled(start.run)
    while not state.finished:
        for cell in sorted(state.expected):
            state.apply(ledger.commit(_verdict(ledger, start, state, cell, cancelled=cancelled)))


def _verdict(ledger: Ledger, start: Start, state: RunState, cell: Cell, *, cancelled: bool) -> Verdict:
    step, index = cell
    return Verdict(
        run=start.run,
        step=step,
        index=index,
        status="cancelled" if cancelled else "lost",
        portable=Portable(code=state.plan.step(step).code.digest),
        observed=Observed(
            backend=start.backend,
            attempt=len(ledger.attempts(start.run, step, index)),
            host=host(),
            why="closed by another process: that of the run was gone",
        ),
    )
