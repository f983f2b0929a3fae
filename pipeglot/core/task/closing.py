"""What clean-up steps and hooks do before they run: end what was before them, for their engine says that it is over.

A task that was killed has left no verdict, and nobody else comes to say so. These steps list the records of the run.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Step
from pipeglot.core.lineage.closing import close_cells
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Start
from pipeglot.core.lineage.selection import upstream
from pipeglot.core.lineage.state import RunState, worst
from pipeglot.core.lineage.view import derive, slots_of

PATIENCE = 10.0
"""Seconds that a task has to record its end: one that is cancelled is over for its engine while it still ends its step.
"""

_LOOK = 0.5


class Before(NamedTuple):
    """outcome: of the run so far, but for hooks: the worst that happened, or `succeeded`. reopened: how many slots had
    been opened again among what was before the step."""

    outcome: str
    reopened: int = 0


def look_before(ledger: Ledger, artifacts: Artifacts, start: Start, step: Step | None = None) -> Before:
    """What a clean-up step or a hook runs after; without one, all of the run but its hooks.

    What is still open before a clean-up step, or before a hook (which is everything), is closed after some patience.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        slots = slots_of(start, ledger)  # before the verdicts: what is opened from now on, was not seen
        state = derive(start, ledger, artifacts, ledger.verdicts(start.run), slots)
        hooks = state.plan.hooks
        if step is None or step.id in hooks:
            before = state.plan.order.keys() - hooks.keys()
        else:
            before = upstream(state.plan, step.after)
        if not _is_open(state, before) or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    close_cells(ledger, artifacts, start, state, lambda cell: cell[0] in before)
    outcome = worst(state.found)
    return Before(outcome, sum(slot.step in before for slot in slots))


def _is_open(state: RunState, before: Collection[str]) -> bool:
    return any(name in before for name, _ in state.expected)
