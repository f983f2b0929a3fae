"""A reader of a store: whatever it finds must be whole and right, at any moment of a run and after any fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeglot.client.verify import verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import PipeglotError
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import lease_of
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Verdict
from pipeglot.core.lineage.view import read_run, view
from pipeglot.core.store import open_store
from tests.faults.workloads import PARAMS, Workload
from tests.oracle.interpreter import Interpreter


class Reader:
    """Looks again and again, and remembers what it was told is final."""

    def __init__(self, workload: Workload, store: str, index: Path | None) -> None:
        self.steps = Interpreter(workload.pipeline, PARAMS).steps
        self.cells = Interpreter(workload.pipeline, PARAMS).cells
        self.store = store
        self.index = index
        self.final: dict[str, tuple[str, str | None]] = {}
        self.verdicts: dict[tuple[str, Cell], Verdict] = {}
        self.looks = 0

    def look(self, *, thorough: bool = True) -> list[str]:
        """All that is wrong with the store as it is now."""
        self.looks += 1
        found: list[str] = []
        try:
            found += self._runs()
            if thorough:
                found += self._index()
                told = verify(open_store(self.store), quick=False, progress=lambda _: None).troubles
                found += [f"verify: {one.kind}: {one.message}" for one in told]
        except PipeglotError as error:
            if not (error.code == "not-found" and "there is no store" in error.message):
                found.append(f"a reader is refused: {type(error).__name__}: {error.message}")
        return found

    def _runs(self) -> Iterator[str]:
        store = open_store(self.store)
        ledger, artifacts = Ledger(store), Artifacts(store)
        for run in ledger.runs():
            ended = ledger.ended(run)  # before the rest: whatever an end counts, the rest has
            if ledger.started(run) is None:
                continue
            start, state = read_run(ledger, artifacts, run)
            shown = view(start, state, lease_of(ledger, start, state))
            for cell, entry in state.entries.items():
                if entry.verdict is not None:
                    yield from self._verdict(run, cell, entry.verdict, artifacts)
            if ended is not None:
                now = (ended.status, ended.digest)
                if self.final.setdefault(run, now) != now or now != (shown.status, shown.lineage_digest):
                    yield f"run {run} ended as {now}, and is now {shown.status} with {shown.lineage_digest}"

    def _verdict(self, run: str, cell: Cell, verdict: Verdict, artifacts: Artifacts) -> Iterator[str]:
        if self.verdicts.setdefault((run, cell), verdict) != verdict:
            yield f"the verdict of {cell} of run {run} has changed"
        if verdict.status != "succeeded":
            return
        expected = self.cells.get(cell)
        if expected is None or expected.status != "succeeded":
            yield f"{cell} has succeeded, and should be {expected}"
            return
        names = [output.name for output in self.steps[cell[0]].returns.outputs]
        wanted = expected.value if len(names) > 1 else [expected.value][: len(names)]
        values = {name: artifacts.load(ref, name=name) for name, ref in verdict.observed.refs.items()}
        if values != dict(zip(names, wanted, strict=True)):
            yield f"{cell} of run {run} has {values!r:.200}, and should have {wanted!r:.200}"

    def _index(self) -> list[str]:
        store = open_store(self.store)
        with FileDatabase(self.index) as database:
            told = sync(database, Ledger(store), Artifacts(store), lambda _: None)
        return [f"the index leaves a run out: {one}" for one in told.unreadable]
