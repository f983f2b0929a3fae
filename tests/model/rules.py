"""What must hold whatever happens: looked at with each write, by each reader, and when all is over."""

from __future__ import annotations

from typing import Any

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.arguments import hashes
from pipeglot.core.lineage.closing import was_closed
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.index.queries import RunRow
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.records import CacheEntry, End, Gone, Start, Verdict
from pipeglot.core.lineage.references import uses
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run
from tests.model.world import Memory, Process, World

Told = tuple[str, str]
"""What a reader was told of a cell: its status, and the hash of its outputs."""


class Rules:
    """Those of one world; what breaks one is told to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = Memory(world)
        self.ledger = Ledger(self.store)
        self.artifacts = Artifacts(self.store)
        self.seen: dict[tuple[str, Cell], Told] = {}
        self.statuses: dict[str, str] = {}
        self.listed: set[str] = set()
        world.on_put.append(self.put)
        world.on_delete.append(self.deleted)

    def started(self) -> list[str]:
        """All runs that were not pruned, in the order of their ids."""
        runs = sorted({key.split("/")[1] for key in self.world.data if key.startswith("runs/")})
        return [run for run in runs if keys.start(run) in self.world.data and not self.is_gone(run)]

    def is_gone(self, run: str) -> bool:
        return keys.gone(run) in self.world.data

    def ends(self) -> dict[str, End]:
        return {run: end for run in self.started() if (end := self.ledger.ended(run)) is not None}

    # --- writing ------------------------------------------------------------------------------------------------------

    def put(self, process: Process | None, key: str) -> None:
        if not key.startswith(("runs/", "cache/")):
            return
        record = unpack(self.world.data[key], key)
        if isinstance(record, Gone):
            self._pruned(record.run)
        elif self.is_gone(record.run) and not isinstance(record, CacheEntry):
            return  # nobody reads it
        elif isinstance(record, Verdict):
            self._verdict(process, record)
        elif isinstance(record, Start):
            if not any(run == record.run for _, run in self.ledger.markers()):
                self.world.wrong(f"run {record.run} has begun, and no list shows it")
        elif isinstance(record, End):
            self._end(record)
        elif isinstance(record, CacheEntry):
            self._bytes(record, record.refs)
            self._origin(record.origin.run, (record.origin.step, record.origin.index), record.refs, "the cache")

    def _pruned(self, run: str) -> None:
        start = self.ledger.started(run)
        assert start is not None, "nothing is pruned that has not begun"
        if self.ledger.ended(run) is None:
            self.world.wrong(f"{run} was pruned, and has no end")

    def deleted(self, key: str, data: bytes | None) -> None:
        """Gone is what a pruned run has but its `start`, what the cache has, and bytes that nothing refers to."""
        part, _, rest = key.partition("/")
        if data is None or part in ("cache", "gc"):
            return
        if part == "blobs":
            self.world.stats["deleted blobs"] += 1
            if key in self._needed():
                self.world.wrong(f"`{key}` was deleted, and a run refers to it")
        elif part == "journal":
            if not self.is_gone(rest.split("-")[1]) or keys.tells_gone(key):
                self.world.wrong(f"`{key}` was deleted, and nothing lists its run")
        elif part != "runs" or not self._is_spent(key):
            self.world.wrong(f"`{key}` was deleted, and somebody may need it")

    def _is_spent(self, key: str) -> bool:
        _, run, part = key.split("/")[:3]
        if self.is_gone(run):
            return part not in ("start", "gone")
        return part == "t" and self.ledger.ended(run) is not None

    def _needed(self) -> set[str]:
        found: set[str] = set()
        for run in self.started():
            for verdict in self.ledger.verdicts(run):
                for use in uses(verdict):
                    found.update(self.artifacts.keys(use.ref))
        return found

    def _verdict(self, process: Process | None, record: Verdict) -> None:
        cell, seen = (record.step, record.index), record.observed
        what = f"{cell} of {record.run}"
        if self.ledger.ended(record.run) is not None:
            self.world.wrong(f"{what} is {record.status} after the run's end")
        state = self._before(record)
        if cell not in state.expected:
            self.world.wrong(f"{what} is {record.status}, and what it needs was not there")
        elif record.status == "succeeded" or (seen.failure is not None and seen.failure.cause == "raised"):
            needed = {name: hashes(arg) for name, arg in state.arguments.of_step(*cell).items()}
            if needed != record.portable.inputs:
                self.world.wrong(f"{what} took {record.portable.inputs}, and the run has {needed}")
        self._bytes(record, seen.refs)
        if seen.cached is not None:
            self.world.stats["cached"] += 1
            self._origin(seen.cached.run, (seen.cached.step, seen.cached.index), seen.refs, what)
        elif record.status == "succeeded" and process is not None and record.step != "tidy":
            self._computed(process, record)

    def _computed(self, process: Process, record: Verdict) -> None:
        cell = (record.step, record.index)
        start = self.ledger.started(record.run)
        if start is not None and start.resumes is not None and self.is_gone(start.resumes):
            return
        if process.taken.get(cell) == plain.digest(record.portable.inputs):
            why = record.observed.why
            self.world.wrong(f"{cell} had finished in the run that {record.run} resumes, and ran again: {why}")

    def _before(self, record: Verdict) -> RunState:
        """The run without this verdict."""
        start = self.ledger.started(record.run)
        assert start is not None, "a verdict of a run that has not begun"
        state = RunState(self.ledger.ir(start.ir), start.params, self.artifacts, named=start.artifacts)
        mine = (record.step, record.index)
        state.apply_all(one for one in self.ledger.verdicts(record.run) if (one.step, one.index) != mine)
        return state

    def _bytes(self, record: Verdict | CacheEntry, refs: dict[str, Any]) -> None:
        missing = [key for ref in refs.values() for key in self.artifacts.keys(ref) if key not in self.world.data]
        if missing:
            self.world.wrong(f"a {type(record).__name__} over bytes that are not there: {missing}")

    def _origin(self, run: str, cell: Cell, refs: dict[str, Any], what: str) -> None:
        if self.is_gone(run):
            return
        origin = self.ledger.verdict(run, *cell)
        if origin is None or {name: ref.value for name, ref in refs.items()} != origin.portable.outputs:
            self.world.wrong(f"{what} has a result of {cell} of {run}, and that has another")

    def _end(self, record: End) -> None:
        _, state = read_run(self.ledger, self.artifacts, record.run)
        self.world.stats[f"ended {record.status}"] += 1
        if not state.finished:
            self.world.wrong(f"{record.run} has an end, and {sorted(state.expected)} have none")
        elif (record.status, record.digest) != (state.status, lineage_digest(state)):
            self.world.wrong(f"{record.run} has the end {record.status}, and its records say {state.status}")

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, run: str, state: RunState) -> None:
        """What a reader was told before is so for ever; and all are told the same."""
        for cell, entry in state.entries.items():
            outputs = plain.digest(entry.verdict.portable.outputs) if entry.verdict else ""
            told = (entry.status, outputs)
            before = self.seen.setdefault((run, cell), told)
            if before != told:
                self.world.wrong(f"{cell} of {run} was {before}, and is {told}")
        if state.finished and self.statuses.setdefault(run, state.status) != state.status:
            self.world.wrong(f"{run} was {self.statuses[run]}, and is {state.status}")

    def index(self, rows: list[RunRow], unreadable: list[str], before: tuple[list[str], dict[str, End]]) -> None:
        """An index has all runs that had begun when it was asked, and the ends that there were."""
        strange = [one for one in unreadable if not one.endswith("no answer")]
        if strange:
            self.world.wrong(f"the index cannot read {strange}")
        found = {row.run: row for row in rows}
        if lost := [run for run in self.listed - found.keys() if not self.is_gone(run)]:
            self.world.wrong(f"the index has lost {lost}")
        self.listed |= found.keys()
        begun, ends = before
        if unreadable:
            return
        if missing := [run for run in set(begun) - found.keys() if not self.is_gone(run)]:
            self.world.wrong(f"the index does not have {missing}")
        for run, end in ends.items():
            if (
                run in found
                and not self.is_gone(run)
                and (found[run].status, found[run].digest) != (end.status, end.digest)
            ):
                self.world.wrong(f"the index says that {run} {found[run].status}, and it {end.status}")

    def over(self, rows: list[RunRow], fresh: list[RunRow]) -> None:
        """When nobody is at work any more."""
        if [row._replace(id=0) for row in rows] != [row._replace(id=0) for row in fresh]:
            self.world.wrong("the index differs from one that is made anew")
        if left := self._needed() - self.world.data.keys():
            self.world.wrong(f"runs refer to what is not there: {left}")
        for run in self.started():
            start, state = read_run(self.ledger, self.artifacts, run)
            self.read(run, state)
            end = self.ledger.ended(run)
            if end is None:
                self.world.wrong(f"{run} has no end")
                continue
            cells = [one for one in state.entries.values() if one.verdict is not None and was_closed(one.verdict)]
            self.world.stats["runs closed" if cells else "runs that came to their end"] += 1
            self.world.stats["runs that resumed another"] += start.resumes is not None
            if [row.status for row in rows if row.run == run] != [end.status]:
                self.world.wrong(f"the index does not say that {run} {end.status}")
