"""Find a run, a step and an execution in a store's ledger by what a person writes: by listing, without an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.lease import GOES_ON, Lease, lease_of
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import End, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import RunView, read_run, refuse_pruned, slots_of, view
from pipeglot.core.suggest import SHORT_ID, meant

LATEST = "latest"
_ITEM = re.compile(r"(\d{1,9}(?:\.\d{1,9})*)/(\d{1,9})")
_MOST = 5


class Found(NamedTuple):
    """A run and all that is known of it."""

    start: Start
    state: RunState
    lease: Lease = GOES_ON

    @property
    def view(self) -> RunView:
        return view(self.start, self.state, self.lease)

    @property
    def status(self) -> str:
        return self.state.status if self.state.finished else self.lease.status


def found_in(ledger: Ledger, artifacts: Artifacts, run: str) -> Found:
    """The run of this id. Raises `NotFound`."""
    start, state = read_run(ledger, artifacts, run)
    return Found(start, state, lease_of(ledger, start, state))


class Runs:
    """The runs of a store."""

    def __init__(self, ledger: Ledger, artifacts: Artifacts) -> None:
        self.ledger = ledger
        self.artifacts = artifacts
        self.unreadable: list[str] = []
        """What was wrong with the runs that `latest` left out."""

    def latest(self) -> Iterator[Start]:
        """All runs that can be read, the latest first."""
        for run in reversed(self.ledger.runs()):
            try:
                start = self.ledger.started(run)
            except (Corrupt, NewerFormat) as error:
                self.unreadable.append(error.message)
                continue
            if start is not None:
                yield start

    def end(self, run: str) -> End | None:
        start = self.ledger.started(run)
        return self.ledger.ended(run, len(slots_of(start, self.ledger))) if start is not None else None

    def run_id(self, text: str) -> str:
        """The run that `text` means: its id, a beginning of it that no other has, or `latest`.

        Raises `NotFound`, and `Pruned` for one that was.
        """
        where = f"the store `{self.ledger.store.uri}`"
        if text == LATEST:
            newest = next(self.latest(), None)
            if newest is None:
                raise NotFound(f"{where} has no runs", hint="`pipeglot run TARGET` makes one; `-C DIR` looks elsewhere")
            return newest.run
        listed = self.ledger.listed()
        found = [run for run in listed.runs if text and run.startswith(text)]
        found = found or [run for run in listed.gone if text and run.startswith(text)]
        if len(found) == 1:
            self._refuse_pruned(found[0], listed.gone)
            return found[0]
        if not found:
            raise NotFound(
                f"{where} has no run `{text}`", hint="`pipeglot runs list` shows them; `latest` is the last one"
            )
        shown = ", ".join(f"`{run[: len(text) + 4]}…`" for run in found[:_MOST])
        raise NotFound(f"{len(found)} runs begin with `{text}`: {shown}", hint="give more of its letters")

    def _refuse_pruned(self, run: str, gone: list[str]) -> None:
        start = self.ledger.started(run) if run in gone else None
        if start is not None:
            refuse_pruned(self.ledger, start)

    def run(self, text: str) -> Found:
        """A run, read from the ledger. Raises `NotFound`."""
        return found_in(self.ledger, self.artifacts, self.run_id(text))

    # --- cells --------------------------------------------------------------------------------------------------------

    def step(self, found: Found, step: str) -> str:
        """A step of that pipeline. Raises `NotFound`."""
        plan = found.state.plan
        if step in plan.places:
            return step
        raise NotFound(
            f"pipeline `{found.start.pipeline}` has no step `{step}`", hint=meant(step, plan.order, "its steps are")
        )

    def cell(self, found: Found, step: str, index: Index | None) -> Cell:
        """An execution of a step; `index` may be left out where there is only one. Raises `NotFound`."""
        self.step(found, step)
        known = [cell[1] for cell, _ in found.state.ordered() if cell[0] == step]
        known += [place for name, place in found.state.expected if name == step]
        if index is None and len(known) == 1:
            return step, known[0]
        if index in known:
            return step, index
        if not known:
            run = found.start.run
            goes_on = not found.state.finished
            hint = f"`pipeglot runs show {run[:SHORT_ID]}` tells how far the run is" if goes_on else ""
            raise NotFound(f"step `{step}` of run `{run}` has not come to be", hint=hint)
        if index is None:
            failed = [at for (name, at), entry in found.state.ordered() if name == step and entry.status == "failed"]
            shown = ".".join(map(str, [*failed, *known][0]))
            hint = f"say which: `--index {shown}`{', which failed' if failed else ''}"
            raise NotFound(f"step `{step}` has {len(known)} items in this run", hint=hint)
        last = ".".join(map(str, max(known)))
        raise NotFound(
            f"step `{step}` has no item `{'.'.join(map(str, index))}` in this run",
            hint=f"its last is `--index {last}`" if max(known) else "it is in no map: leave `--index` out",
        )

    def items(self, run: str, step: str, begins: str = "") -> Iterator[tuple[Index, Verdict]]:
        """What became of each item of a step in a map, as far as it is known: read one by one, in item order.

        Only of those whose index begins like this: `3`, `30` and `3.7` begin with `3`.
        """
        prefix = f"{keys.verdicts(run)}{keys.step_part(step)}/"
        slots: dict[Index, int] = {}
        for key in self.ledger.store.list(prefix):
            found = _ITEM.fullmatch(key.removeprefix(prefix))
            if found is None or not found[1].startswith(begins):  # others: skipped as a whole, or no record of ours
                continue
            index, slot = tuple(map(int, found[1].split("."))), found[2]
            slots[index] = max(slots.get(index, 0), int(slot))
        for index in sorted(slots):
            verdict = self.ledger.verdict(run, step, index, slots[index])
            if verdict is not None:
                yield index, verdict
