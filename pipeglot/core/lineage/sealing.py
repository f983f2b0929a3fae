"""The end of a run that nobody drives: an engine's. Whoever is the first to see that it is over puts it."""

from __future__ import annotations

from pipeglot.core.errors import StoreError
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.records import End, Start
from pipeglot.core.lineage.state import RunState


def seal(ledger: Ledger, start: Start, state: RunState, reopened: int) -> End | None:
    """The end, if the run is over and is not one of the local runner's, which puts its own.

    None too for who may only read the store: the run is over all the same, and its records say so each time.
    """
    status = state.status
    if start.backend == "local" or status == "running":
        return None
    end = End(
        run=start.run, number=1 + reopened, status=status, finished=now().isoformat(), digest=lineage_digest(state)
    )
    try:
        return ledger.end(end)
    except StoreError:
        return None
