"""`store verify`: read all that a store holds, and name what is damaged or missing, with the executions it touches.

Blobs are read in chunks and each once; what is kept in memory is one run at a time, and the hashes that were seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from pipeglot.client.repair import Repaired, repair
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import Blobs, blob_key
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound, PipeglotError, Pruned, StoreError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.gc.survey import run_of
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.records import (
    AnyRecord,
    Attempt,
    Beat,
    CacheEntry,
    Cancel,
    CheckpointRecord,
    Deployment,
    End,
    GcPass,
    Gone,
    Reopened,
    Start,
    Verdict,
)
from pipeglot.core.lineage.references import Touched as Touched
from pipeglot.core.lineage.references import Use, uses
from pipeglot.core.lineage.state import UNFIT
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store.base import Store

MOST_TOUCHED = 100
"""So many executions are named of those that one object touches; `touched` counts all."""

Kind = Literal["damaged", "missing", "newer", "stray"]
Progress = Callable[["Counts"], None]


class Trouble(Struct, kw_only=True):
    """An object that is not what it should be.

    key: where it lies in the store.
    kind: `damaged`: not what its name or other records say. `missing`: needed, and gone. `newer`: written by a later
        pipeglot than this one. `stray`: none of ours.
    message: what is wrong with it.
    touched: how many executions and runs need it.
    touches: the first 100 of those.
    """

    key: str
    kind: Kind
    message: str
    touched: int = 0
    touches: list[Touched] = []


class Counts(Struct, kw_only=True):
    """How much was looked at.

    runs: how many runs.
    records: how many records of runs, pipelines and entries of the cache.
    blobs: how many of the blobs that records refer to, each once; small values stand in the records themselves.
    bytes: the sizes of those blobs together, as the records tell them.
    """

    runs: int = 0
    records: int = 0
    blobs: int = 0
    bytes: int = 0


class Verified(Struct, kw_only=True):
    """The state of a store.

    store: its address.
    quick: whether of blobs only the sizes were looked at, for `--quick`.
    counts: how much was looked at.
    orphans: how many blobs no record refers to: of no harm, only of no use.
    orphan_bytes: their size together.
    troubles: all that is damaged, missing or cannot be read, sorted by key.
    repaired: what was put right, for `--repair`; it is none of the troubles any more.
    """

    store: str
    quick: bool
    counts: Counts
    orphans: int
    orphan_bytes: int
    troubles: list[Trouble]
    repaired: list[Repaired] = []


def verify(store: Store, *, quick: bool, progress: Progress, mend: bool = False) -> Verified:
    """Look at everything in a store. Raises `NotFound` if there is none, `StoreError` if it cannot be read.

    mend: put right what can be.
    """
    if store.get("store.json") is None:
        raise NotFound(f"there is no store at `{store.uri}`", hint="`-C DIR` and `--stack NAME` look elsewhere")
    return _Verify(store, quick=quick, progress=progress).run(mend=mend)


class _Verify:
    def __init__(self, store: Store, *, quick: bool, progress: Progress) -> None:
        self.store = store
        self.quick = quick
        self.progress = progress
        self.ledger = Ledger(store)
        self.artifacts = Artifacts(store)
        self.blobs = Blobs(store)
        self.counts = Counts()
        self.troubles: dict[str, Trouble] = {}
        self._touched: dict[str, set[Touched]] = {}
        self.seen: set[bytes] = set()
        """The blobs that were looked at, as the digest of their keys."""
        self.bad: set[str] = set()
        """The last part of the keys that something is wrong with: of blobs, their hashes."""
        self._unmarked: dict[str, str] = {}
        """By the key that is told, the runs without a marker."""
        self._entries: dict[str, set[str]] = {}
        """By key, of the entries of the cache that refer to something that is damaged or missing: to what."""
        self.irs: dict[str, PipeglotError | None] = {}
        self.bundles: dict[str, bool | None] = {}
        """By key whether it is whole; None of one that is not there."""

    def run(self, *, mend: bool) -> Verified:
        for run in self._runs():
            self._run(run)
            self.counts.runs += 1
            self.progress(self.counts)
        for key, data in self.store.get_all(self.store.list("cache/")):
            self._cache_entry(key, data)
        self._others()
        orphans, size = self._orphans()
        for key in self.store.list("ir/"):
            if key.removeprefix("ir/") not in self.irs:
                self._ir(key.removeprefix("ir/"), key)
        self._forgive_pruned()
        repaired = self._repaired() if mend else []
        return Verified(
            store=self.store.uri,
            quick=self.quick,
            counts=self.counts,
            orphans=orphans,
            orphan_bytes=size,
            troubles=sorted(self.troubles.values(), key=lambda one: one.key),
            repaired=repaired,
        )

    def _forgive_pruned(self) -> None:
        """What was removed while this looked, with the runs that needed it, is no trouble."""
        for key in [key for key, one in self.troubles.items() if one.kind == "missing"]:
            runs = {one.run_id for one in self._touched[key]}
            if runs and all(self._is_gone(run) for run in runs):
                del self.troubles[key]

    def _repaired(self) -> list[Repaired]:
        hurt = {key for key, one in self.troubles.items() if one.kind in ("damaged", "missing")}
        entries = [key for key, blobs in self._entries.items() if blobs & hurt]
        done = repair(self.store, sorted(hurt), entries, self._unmarked)
        for one in done:
            self.troubles.pop(one.key, None)
        return done

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _runs(self) -> list[str]:
        """Those in the journal, and those that only have records."""
        found: dict[str, None] = {}
        for key, run in self.ledger.markers():
            if run:
                found[run] = None
            else:
                self._trouble(key, "stray", f"`{key}` is no marker of the journal")
        unlisted: dict[str, str] = {}
        for key in self.store.list("runs/"):
            run = key.split("/")[1]
            if run not in found:
                unlisted.setdefault(run, key)
        if unlisted:
            begun = set(self.ledger.runs())  # some may have begun since the journal was read
            for run, key in unlisted.items():
                self._unlisted(key, run, found, begun)
        return list(found)

    def _unlisted(self, key: str, run: str, found: dict[str, None], begun: set[str]) -> None:
        if not run_of(key):
            self._trouble(key, "stray", f"`{key}` belongs to no run")
            return
        found[run] = None
        if run not in begun:
            marker = f"{keys.JOURNAL}…-{run}-…"
            self._trouble(marker, "missing", f"run `{run}` has no marker in the journal", Touched(run))
            self._unmarked[marker] = run

    def _run(self, run: str) -> None:
        whole = True
        start: Start | None = None
        ends: dict[int, End] = {}
        slots = 0
        gone = self._is_gone(run)
        for key, data in self.store.get_all(self.store.list(keys.run_prefix(run))):
            self.counts.records += 1
            record = self._record(key, data, run)
            whole = whole and record is not None
            if isinstance(record, Start):
                start = record
            elif isinstance(record, End):
                ends[record.number] = record
            slots += isinstance(record, Reopened)
            for use in () if gone else uses(record):
                self._use(use)
        if start is None:
            records = next(
                self.store.list(keys.run_prefix(run)), None
            )  # before the look at the start: it may just begin
            if whole and records and self.store.size(keys.start(run)) is None:
                self._trouble(keys.start(run), "missing", f"run `{run}` has records and no start", Touched(run))
            return
        if gone:  # of a pruned run nothing else is needed, and what is left of it goes with the next `store gc`
            return
        if start.bundle:
            self._bundle(start.bundle, Touched(run))
        if self._ir(start.ir, keys.ir(start.ir), Touched(run)) and whole:
            self._derive(run, ends.get(1 + slots))

    def _is_gone(self, run: str) -> bool:
        """Whether it was pruned. A tombstone that cannot be read is told of with the other records."""
        return self.store.size(keys.gone(run)) is not None

    def _record(self, key: str, data: bytes | None, run: str) -> object | None:
        if data is None:  # deleted while we look
            return None
        try:
            record = unpack(data, key)
            if record.run != run or not _lies_right(record, key):
                raise Corrupt(f"`{key}` holds a record of another place")
            if isinstance(record, Start):
                keys.ir(record.ir)  # refuses what is no hash
        except (Corrupt, NewerFormat) as error:
            self._trouble(key, _kind(error), error.message, _named(key, run))
            return None
        return record

    def _derive(self, run: str, end: End | None) -> None:
        """An ended run must be complete: its records give the same status and digest as when it ended."""
        if end is None:
            return
        try:
            _, state = read_run(self.ledger, self.artifacts, run)
            digest = lineage_digest(state)
        except Pruned:  # just now
            return
        except (Corrupt, NewerFormat, NotFound, *UNFIT) as error:
            self._trouble(keys.end(run, 1), "damaged", f"the records of run `{run}` do not fit: {error}", Touched(run))
            return
        if not state.finished:
            for step, index in sorted(state.expected):
                key = keys.verdict(run, step, index)
                self._trouble(key, "missing", f"`{key}` is gone: the run has ended", Touched(run, step, index))
        elif (state.status, digest) != (end.status, end.digest):
            now, then = f"{state.status} with {digest}", f"{end.status} with {end.digest}"
            message = f"the records of run `{run}` give {now}, and when it ended it was {then}"
            self._trouble(keys.end(run, end.number), "damaged", message, Touched(run))

    def _ir(self, sha: str, key: str, *by: Touched) -> bool:
        """Is the pipeline of that hash there, and what its name says?"""
        if sha not in self.irs:
            self.counts.records += 1
            try:
                self.ledger.ir(sha)
                self.irs[sha] = None
            except PipeglotError as error:
                self.irs[sha] = error
        found = self.irs[sha]
        if found is not None:
            kind: Kind = "missing" if isinstance(found, NotFound) else _kind(found)
            self._trouble(key, kind, found.message, *by)
        return found is None

    def _bundle(self, digest: str, *by: Touched) -> None:
        """Is the code that runs need there, and whole?"""
        try:
            key = bundle_key(digest)
        except Corrupt as error:
            for one in by:
                self._trouble(keys.start(one.run_id), "damaged", error.message, one)
            return
        if key not in self.bundles:
            self.counts.records += 1
            data = self.store.get(key)
            sha = key.removeprefix(keys.BUNDLES)
            self.bundles[key] = data if data is None else hashlib.sha256(data).hexdigest() == sha
        whole = self.bundles[key]
        if whole is None:
            self._trouble(key, "missing", f"`{key}` is gone, in which the code of runs travels", *by)
        elif not whole:
            self._trouble(key, "damaged", f"`{key}` does not match its name: its bytes were changed", *by)

    def _others(self) -> None:
        """What was deployed, and what passes of gc have left."""
        kinds: dict[str, type[object]] = {keys.DEPLOYED: Deployment, keys.PASSES: GcPass}
        for prefix, kind in kinds.items():
            for key, data in self.store.get_all(key for key in self.store.list(prefix) if not keys.is_mark(key)):
                self.counts.records += data is not None
                try:
                    record = unpack(data, key) if data is not None else None
                    if record is not None and not isinstance(record, kind):
                        raise Corrupt(f"`{key}` holds a record of another place")
                except (Corrupt, NewerFormat) as error:
                    self._trouble(key, _kind(error), error.message)
                    continue
                if isinstance(record, Deployment) and record.bundle:
                    self._bundle(record.bundle)

    def _cache_entry(self, key: str, data: bytes | None) -> None:
        self.counts.records += 1
        try:
            record = unpack(data, key) if data is not None else None
            if record is not None and (not isinstance(record, CacheEntry) or keys.cache(record.key) != key):
                raise Corrupt(f"`{key}` holds a record of another place")
        except (Corrupt, NewerFormat) as error:
            self._trouble(key, _kind(error), error.message)
            return
        for use in uses(record):
            if hurt := self._use(use):
                self._entries.setdefault(key, set()).update(hurt)
        self.progress(self.counts)

    # --- blobs --------------------------------------------------------------------------------------------------------

    def _use(self, use: Use) -> set[str]:
        """Look at all blobs of a reference, each once whoever refers to it. Returns the keys of those that are bad."""
        bad: set[str] = set()
        parts = self.artifacts.blobs(use.ref)
        while True:
            try:
                part = next(parts, None)
                if part is None:
                    return bad
                key = blob_key(part[0], part[1])
            except PipeglotError as error:  # the list of parts cannot be read: as a blob, it is told of already
                place = f"{keys.BLOBS}{use.ref.week}/{use.ref.blob}"
                if use.ref.blob not in self.bad:
                    self._trouble(place, _kind(error), error.message, use.by)
                return bad | {place}
            self._blob(key, *part, use.by)
            if key in self.troubles:
                bad.add(key)

    def _blob(self, key: str, week: str, sha: str, size: int, by: Touched) -> None:
        if key in self.troubles:
            self._trouble(key, self.troubles[key].kind, "", by)
            return
        mark = hashlib.sha256(key.encode()).digest()[:16]
        if mark in self.seen:
            return
        self.seen.add(mark)
        self.counts.blobs += 1
        self.counts.bytes += size
        found = self.store.size(key)
        if found is None:
            self._trouble(key, "missing", f"`{key}` is gone", by)
        elif found != size:
            self._trouble(key, "damaged", f"`{key}` should have {size} bytes, and has {found}", by)
        elif not self.quick:
            try:
                self.blobs.verify(week, sha, size, f"`{key}`")
            except Corrupt:
                self._trouble(key, "damaged", f"`{key}` does not match its name: its bytes were changed", by)
            except StoreError as error:
                self._trouble(key, "damaged", error.message, by)
        self.progress(self.counts)

    def _orphans(self) -> tuple[int, int]:
        count = size = 0
        for entry in self.store.entries(keys.BLOBS):
            if hashlib.sha256(entry.key.encode()).digest()[:16] not in self.seen:
                count += 1
                size += entry.size
        return count, size

    # --- telling ------------------------------------------------------------------------------------------------------

    def _trouble(self, key: str, kind: Kind, message: str, *by: Touched) -> None:
        found = self.troubles.setdefault(key, Trouble(key=key, kind=kind, message=message, touches=[]))
        self.bad.add(key.rpartition("/")[2])
        known = self._touched.setdefault(key, set())
        for one in by:
            if one not in known and len(found.touches) < MOST_TOUCHED:
                found.touches.append(one)
            known.add(one)
        found.touched = len(known)


def _lies_right(record: AnyRecord, key: str) -> bool:
    """Whether a record lies where it says that it does."""
    match record:
        case Verdict():
            return key == keys.verdict(record.run, record.step, record.index, record.slot)
        case CheckpointRecord():
            return key == keys.checkpoint(record.run, record.step, record.index, record.number)
        case Attempt():
            number = record.observed.attempt
            return key.startswith(keys.attempt(record.run, record.step, record.index, record.slot, number, ""))
        case Beat():
            return key == keys.beat(record.run, record.step, record.index, record.slot, record.nonce, record.number)
        case Start():
            return key == keys.start(record.run)
        case Cancel():
            return key == keys.cancel(record.run) or key.startswith(keys.cancels(record.run))
        case End():
            return key == keys.end(record.run, record.number)
        case Reopened():
            return key == keys.reopening(record.run, record.step, record.index, record.slot)
        case Gone():
            return key == keys.gone(record.run)
        case _:
            return False  # of no run


def _kind(error: PipeglotError) -> Kind:
    return "newer" if isinstance(error, NewerFormat) else "damaged"


def _named(key: str, run: str) -> Touched:
    """The execution that a record's key is of: damaged, the record cannot say so itself."""
    parts = key.split("/")
    if len(parts) < 6 or parts[2] not in ("v", "b", "f", "c", "t"):
        return Touched(run)
    from urllib.parse import unquote

    index = tuple(int(one) for one in parts[4].split(".") if one.isdecimal())
    return Touched(run, unquote(parts[3]), index)
