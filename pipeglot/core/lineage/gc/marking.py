"""What the records of a store still refer to, and which of them have nothing to say any more: one look at each.

A run's records are read one run at a time. Of blobs only the first half of a hash is kept in memory.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import Seen, part_of, run_of
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.records import AnyRecord, CacheEntry, CheckpointRecord, Ref, Start, Verdict
from pipeglot.core.lineage.references import uses

Mark = bytes
"""A blob's key, as it is kept in memory."""


def mark_of(key: str) -> Mark:
    return hashlib.sha256(key.encode()).digest()[:16]


class Marks:
    """What was found. `unlinked` has by blob the pipeline that was the first to give it up; what is live is not asked
    about there.

    live: blobs that are needed. unlinked: those that something refers to which goes with this pass. condemned: the keys
    that go. damaged: records and lists of parts that cannot be read, and may refer to anything. used: the cache keys of
    kept runs.
    """

    def __init__(self) -> None:
        self.live: set[Mark] = set()
        self.unlinked: dict[Mark, str] = {}
        self.condemned: list[str] = []
        self.damaged: dict[str, str] = {}
        self.used: set[bytes] = set()
        self.bundles: set[str] = set()
        self.records = 0
        self.entries = 0
        self.checkpoints = 0


class _Read(NamedTuple):
    key: str
    record: AnyRecord


class Marking:
    """Marks a store. Raises `NewerFormat` for records that a later pipeglot has written."""

    def __init__(
        self, ledger: Ledger, artifacts: Artifacts, runs: Mapping[str, Seen], tick: Callable[[], object]
    ) -> None:
        """`runs`: as surveyed, those that are to be pruned with `gone`."""
        self.ledger = ledger
        self.artifacts = artifacts
        self.runs = runs
        self.tick = tick
        self.marks = Marks()
        self._kept: set[bytes] = set()
        self._given_up: set[bytes] = set()

    def run(self, young: float) -> Marks:
        """`young`: entries of the cache that were put after that time stay."""
        store = self.ledger.store
        wanted = (key for key in store.list(keys.RUNS) if self._is_read(key))
        for run, found in itertools.groupby(store.get_all(wanted), key=lambda pair: pair[0].split("/")[1]):
            self._run(run, found)
            self.tick()
        self._cache(young)
        self._journal()
        return self.marks

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _is_read(self, key: str) -> bool:
        """Beats refer to nothing; of a run that has ended, or is pruned, nobody asks for them any more."""
        run = run_of(key)
        if not run:
            return False
        seen = self.runs.get(run)
        if part_of(key)[0] != "t":
            return True
        if seen is not None and (seen.gone or seen.ended):
            self.marks.condemned.append(key)
        return False

    def _run(self, run: str, found: Iterable[tuple[str, bytes | None]]) -> None:
        seen = self.runs.get(run)
        gone = seen is not None and seen.gone
        read = [one for key, data in found if data is not None and (one := self._record(key, data, run, gone=gone))]
        pipeline = next((one.record.pipeline for one in read if isinstance(one.record, Start)), "")
        done = set[str]()
        if seen is not None and seen.ended:
            good = (one.record for one in read if isinstance(one.record, Verdict) and one.record.status == "succeeded")
            done = {keys.cell_part(one.step, one.index) for one in good}
        for key, record in read:
            if isinstance(record, Start):
                if not gone and record.bundle:
                    self.marks.bundles.add(record.bundle)
                condemned = False
            else:
                condemned = gone and key != keys.gone(run)
            if isinstance(record, CheckpointRecord) and keys.cell_part(record.step, record.index) in done:
                condemned = True  # the step has its result: nobody goes on from there
                self.marks.checkpoints += not gone
            if condemned:
                self.marks.condemned.append(key)
            if isinstance(record, Verdict) and record.observed.key and not gone:
                self.marks.used.add(mark_of(record.observed.key))
            live = not condemned and not gone
            for use in uses(record):
                why = self._use(use.ref, pipeline, live=live)
                if why and live:
                    self.marks.damaged[key] = why

    def _record(self, key: str, data: bytes, run: str, *, gone: bool) -> _Read | None:
        self.marks.records += 1
        try:
            record = unpack(data, key)
            if record.run != run:
                raise Corrupt(f"`{key}` holds a record of another place")
        except Corrupt as error:
            if gone and key != keys.gone(run):  # a tombstone that cannot be read may be none
                self.marks.condemned.append(key)
            else:
                self.marks.damaged[key] = error.message
            return None
        return _Read(key, record)

    # --- references ---------------------------------------------------------------------------------------------------

    def _use(self, ref: Ref, pipeline: str, *, live: bool) -> str:
        """Returns why what it refers to cannot be told, if that is so."""
        if not ref.week:
            return ""
        known, mark = self._kept if live else self._given_up, mark_of(f"{ref.week}/{ref.blob}/{ref.codec}")
        if mark in known:
            return ""
        known.add(mark)
        try:
            for key in self.artifacts.keys(ref):
                if live:
                    self.marks.live.add(mark_of(key))
                else:
                    self.marks.unlinked.setdefault(mark_of(key), pipeline)
        except Corrupt as error:
            return error.message
        return ""

    # --- the cache, the journal ---------------------------------------------------------------------------------------

    def _cache(self, young: float) -> None:
        """A result stays in the cache as long as a kept run has made or used it."""
        times = {entry.key: entry.modified for entry in self.ledger.store.entries(keys.CACHE)}
        for key, data in self.ledger.store.get_all(times):
            if data is None:
                continue
            self.marks.records += 1
            record = self._entry(key, data)
            stays = mark_of(key.removeprefix(keys.CACHE)) in self.marks.used or times[key] > young
            stays = record is not None and stays and not any(self._use(use.ref, "", live=True) for use in uses(record))
            if not stays:
                self.marks.condemned.append(key)
                self.marks.entries += 1
                for use in uses(record):
                    self._use(use.ref, "", live=False)
            self.tick()

    def _entry(self, key: str, data: bytes) -> CacheEntry | None:
        """None of a damaged one, which is no entry."""
        try:
            record = unpack(data, key)
        except Corrupt:
            return None
        return record if isinstance(record, CacheEntry) and record.key == key.removeprefix(keys.CACHE) else None

    def _journal(self) -> None:
        """Of a pruned run one marker stays."""
        for key, run in self.ledger.markers():
            seen = self.runs.get(run) if run else None
            if seen is not None and seen.gone and not keys.tells_gone(key):
                self.marks.condemned.append(key)
