"""The run ledger: small records, written once, under keys that everybody can compute. It is the truth about runs.

A record is the line `pipeglot <format> <sha256>` and then JSON. A torn, cut, swapped or later one is refused by name.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from pipeglot.core import wire
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound, ValueRefused
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.records import (
    AnyRecord,
    Attempt,
    Beat,
    CacheEntry,
    Cancel,
    CheckpointRecord,
    End,
    GcPass,
    Gone,
    Record,
    Reopened,
    Start,
    Verdict,
)
from pipeglot.core.store.base import Store
from pipeglot.core.store.naming import LONGEST

FORMAT = 1
MAX_RECORD = LONGEST
"""Larger ones are refused: no record of ours comes near."""

DAMAGED = (
    "put it back from a copy of the store, or run the pipeline again; `pipeglot store verify` tells all that is damaged"
)

_HEAD = 100
"""Bytes of the first line, at most."""

R = TypeVar("R", bound=Record)

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], AnyRecord] = msgspec.json.Decoder(AnyRecord).decode


def pack(record: Record) -> bytes:
    """A record as it is stored. Raises `ValueRefused` for one that nobody would read."""
    body = _encode(record)
    if len(body) > MAX_RECORD - _HEAD:
        raise ValueRefused(
            f"the record of a {type(record).__name__.lower()} of run `{record.run}` would have {len(body) >> 20} MB,"
            f" and at most {MAX_RECORD >> 20} MB are taken",
            hint="large values belong into outputs of steps, or into files: not into parameters or metrics",
        )
    return b"pipeglot %d %s\n%s" % (FORMAT, hashlib.sha256(body).hexdigest().encode(), body)


def unpack(data: bytes, key: str) -> AnyRecord:
    """Read a stored record. Raises `Corrupt` or `NewerFormat`, naming `key`."""
    if len(data) > MAX_RECORD:
        raise Corrupt(f"`{key}` has more than {MAX_RECORD >> 20} MB: it is no record of pipeglot's", hint=DAMAGED)
    head, newline, body = data.partition(b"\n")
    words = head.split()
    if not newline or len(head) > _HEAD or len(words) != 3 or words[0] != b"pipeglot" or not words[1].isdigit():
        raise Corrupt(f"`{key}` is no record of pipeglot's", hint=DAMAGED)
    if int(words[1]) > FORMAT:
        raise NewerFormat(
            f"`{key}` has format {int(words[1])}; this pipeglot reads up to {FORMAT}",
            hint="upgrade pipeglot to the version that wrote it",
        )
    if hashlib.sha256(body).hexdigest().encode() != words[2]:
        raise Corrupt(f"`{key}` does not match its checksum: it was cut or changed", hint=DAMAGED)
    try:
        record = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NewerFormat(
            f"`{key}` holds a record that this pipeglot does not know: {error}",
            hint="upgrade pipeglot, if a later one has written it; if not, it was changed by a hand",
        ) from error
    for text in _times(record):
        if not _is_time(text):
            raise Corrupt(f"`{key}` says that it is of the time `{text[:40]}`: it was changed", hint=DAMAGED)
    return record


def _times(record: AnyRecord) -> tuple[str, ...]:
    """Those that readers count with."""
    if isinstance(record, Start):
        return record.created, record.logical_date
    if isinstance(record, Cancel | Reopened | Gone):
        return (record.at,)
    return (record.finished,) if isinstance(record, End) else ()


def _moment(text: str) -> dt.datetime:
    """A time of those, for they have been looked at."""
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _is_time(text: str) -> bool:
    """False also for one that the clock of some zone cannot show."""
    try:
        return 1 < dt.datetime.fromisoformat(text).year < 9999
    except ValueError:
        return False


def unpack_verdict(data: bytes, key: str, run: str) -> Verdict:
    """The verdict that is stored at `key` of a run. Raises `Corrupt` if it is that of another cell, `NewerFormat`."""
    found = unpack(data, key)
    if not isinstance(found, Verdict) or found.run != run:
        raise Corrupt(f"`{key}` holds a record of another place", hint=DAMAGED)
    if keys.verdict(run, found.step, found.index, found.slot) != key:
        raise Corrupt(f"`{key}` is the record of another cell", hint=DAMAGED)
    return found


class Ledger:
    """The records of all runs in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._ir = functools.lru_cache(maxsize=64)(self._read_ir)

    # --- pipelines --------------------------------------------------------------------------------------------------

    def put_ir(self, pipeline: Pipeline) -> str:
        """Store a pipeline under the digest of its compact form, which is returned."""
        data = wire.compact(pipeline)
        sha = hashlib.sha256(data).hexdigest()
        if self.store.size(keys.ir(sha)) != len(data):
            self.store.put(keys.ir(sha), data)
        return sha

    def ir(self, sha: str) -> Pipeline:
        """The pipeline of that digest. Raises `NotFound`, `Corrupt`."""
        return self._ir(sha)

    def _read_ir(self, sha: str) -> Pipeline:
        data = self.store.get(keys.ir(sha))
        if data is None:
            raise NotFound(f"the store `{self.store.uri}` has no pipeline `{sha[:12]}`", hint=DAMAGED)
        if hashlib.sha256(data).hexdigest() != sha:
            raise Corrupt(f"`{keys.ir(sha)}` does not match its name: it was cut or changed", hint=DAMAGED)
        return wire.load(data, source=keys.ir(sha))

    # --- runs -------------------------------------------------------------------------------------------------------

    def start(self, record: Start) -> Start:
        """Begin a run, or join it: the first record put is everybody's. The journal's marker comes before it."""
        self.mark(record.run)
        return self._put_first(keys.start(record.run), record)

    def mark(self, run: str) -> None:
        """Note in the journal that there is news of a run."""
        self.store.put(keys.journal(stamp(), run, nonce()), b"")

    def started(self, run: str) -> Start | None:
        return self._get(keys.start(run), Start, run)

    def cancel(self, record: Cancel) -> Cancel:
        """Ask a run to stop. Returns the request that counts: this one, or an earlier one."""
        self._put_first(keys.cancel(record.run), record)
        number = len(self.reopened(record.run))
        return self._cancelled(record.run) or self._put_first(keys.cancel_again(record.run, number), record)

    def is_cancelled(self, run: str) -> bool:
        """Whether somebody asked the run to stop, and nobody had a task of it run again since: that goes on with it.

        Cheap while nobody did: a runner asks again and again.
        """
        return self.store.size(keys.cancel(run)) is not None and self._cancelled(run) is not None

    def _cancelled(self, run: str) -> Cancel | None:
        """The latest request to stop, if it holds."""
        opened = [_moment(one.at) for one in self.reopened(run)]
        found = [self._get(key, Cancel, run) for key in (keys.cancel(run), *self.store.list(keys.cancels(run)))]
        last = max(filter(None, found), key=lambda one: _moment(one.at), default=None)
        return last if last is not None and all(at < _moment(last.at) for at in opened) else None

    def end(self, record: End) -> End:
        return self._put_first(keys.end(record.run, record.number), record)

    def ended(self, run: str, reopened: int = 0) -> End | None:
        """The end of a run of which so many slots were reopened: that ends an end, and there will be another one."""
        key = keys.end(run, 1 + reopened)
        found = self._get(key, End, run)
        if found is not None and found.number != 1 + reopened:
            raise Corrupt(f"`{key}` holds a record of another place", hint=DAMAGED)
        return found

    def runs(self) -> list[str]:
        """The ids of all runs but pruned ones, the latest to arrive last. A crash may have left a marker of a run that
        never started."""
        return self.listed().runs

    def listed(self) -> Listed:
        """One listing of the journal, told apart."""
        found: dict[str, None] = {}
        gone: dict[str, None] = {}
        for key, run in self.markers():
            if run:
                (gone if keys.tells_gone(key) else found)[run] = None
        return Listed([run for run in found if run not in gone], list(gone))

    def markers(self) -> Iterator[tuple[str, str]]:
        """All keys of the journal, in the order of arrival, each with its run; with "" what is no marker of ours."""
        for key in self.store.list(keys.JOURNAL):
            try:
                yield key, keys.run_of_journal(key)[1]
            except Corrupt:  # a stray file must not hide all runs
                yield key, ""

    # --- pruned runs ------------------------------------------------------------------------------------------------

    def gone(self, run: str) -> Gone | None:
        """The tombstone of a run, if it was pruned."""
        return self._get(keys.gone(run), Gone, run)

    def bury(self, record: Gone) -> None:
        """Prune a run, as far as readers go: from now on nothing is taken from it. Its records are still there.

        The tombstone comes first, and then its marker in the journal takes the place of all others.
        """
        found = self._put_first(keys.gone(record.run), record)
        self.store.put(keys.journal_gone(stamp(_moment(found.at).timestamp()), record.run), b"")

    # --- cells ------------------------------------------------------------------------------------------------------

    def commit(self, record: Verdict) -> Verdict:
        """End a slot. Returns the verdict that counts: this one, or the one that was there first."""
        return self._put_first(keys.verdict(record.run, record.step, record.index, record.slot), record)

    def verdict(self, run: str, step: str, index: keys.Index, slot: int = 1) -> Verdict | None:
        found = self._get(keys.verdict(run, step, index, slot), Verdict, run)
        if found is not None and (found.step, found.index) != (step, index):
            raise Corrupt(f"`{keys.verdict(run, step, index, slot)}` is the record of another cell", hint=DAMAGED)
        return found

    def verdicts(self, run: str) -> Iterator[Verdict]:
        """All verdicts of a run, in no useful order."""
        for key, data in self.store.get_all(self.store.list(keys.verdicts(run))):
            if data is not None:
                yield unpack_verdict(data, key, run)

    def failed_attempt(self, record: Attempt) -> None:
        """Note an attempt that will be tried again."""
        number = record.observed.attempt
        self.store.put(keys.attempt(record.run, record.step, record.index, record.slot, number, nonce()), pack(record))

    def reopen(self, record: Reopened) -> Reopened:
        """Open another slot of a cell, or join who has. The journal's marker comes after it: the run moves again."""
        found = self._put_first(keys.reopening(record.run, record.step, record.index, record.slot), record)
        self.mark(record.run)
        return found

    def is_reopened(self, run: str, step: str, index: keys.Index, slot: int) -> bool:
        return self.store.size(keys.reopening(run, step, index, slot)) is not None

    def reopened(self, run: str) -> list[Reopened]:
        """All slots after the first that were opened in a run: one listing. The local runner opens none."""
        found = []
        for key, data in self.store.get_all(self.store.list(keys.reopened(run))):
            record = unpack(data, key) if data is not None else None
            if record is None:
                continue
            if not isinstance(record, Reopened) or keys.reopening(run, record.step, record.index, record.slot) != key:
                raise Corrupt(f"`{key}` holds a record of another place", hint=DAMAGED)
            found.append(record)
        return found

    def attempts(self, run: str, step: str, index: keys.Index) -> list[Attempt]:
        """The failed attempts of a cell that were tried again, in order."""
        prefix = keys.attempt_prefix(run, step, index)
        found = []
        for key in self.store.list(prefix):
            record = self._get(key, Attempt, run)
            if record is not None and not key.startswith(keys.attempt_prefix(record.run, record.step, record.index)):
                raise Corrupt(f"`{key}` is the record of another cell", hint=DAMAGED)
            found += [record] if record is not None else []
        return sorted(found, key=lambda record: (record.slot, record.observed.attempt))

    def tried(self, run: str, settled: Collection[str]) -> list[Attempt]:
        """The newest failed attempts of each slot, but for those slots that have a verdict: as `beats` has them."""
        prefix = keys.attempts(run)
        newest: dict[str, tuple[int, list[str]]] = {}
        for key in self.store.list(prefix):
            place, _, name = key.rpartition("/")
            number = name.partition("-")[0]
            slot = place[len(prefix) :]
            if number.isdecimal() and slot not in settled:
                last, names = newest.get(slot, (0, []))
                newest[slot] = (int(number), [key]) if int(number) > last else (last, [*names, key])
        found = self.store.get_all(key for _, names in newest.values() for key in names)
        return [one for key, data in found if data is not None and (one := _attempt(data, key, run)) is not None]

    # --- beats ------------------------------------------------------------------------------------------------------

    def beat(self, record: Beat) -> None:
        """Say that a step still goes on."""
        place = record.step, record.index, record.slot, record.nonce, record.number
        self.store.put(keys.beat(record.run, *place), pack(record))

    def beats(self, run: str, settled: Collection[str]) -> list[Beat]:
        """The newest beat of each process at work on each slot, but for those slots that have a verdict.

        `settled` has these as `keys.slot_part` names them. What is damaged or of a later pipeglot says nothing.
        """
        prefix = keys.beats(run)
        newest: dict[str, int] = {}
        for key in self.store.list(prefix):
            place, _, number = key.rpartition("/")
            if number.isdecimal() and place[len(prefix) :].rpartition("/")[0] not in settled:
                newest[place] = max(newest.get(place, 0), int(number))
        found = self.store.get_all(f"{place}/{number}" for place, number in newest.items())
        return [beat for key, data in found if data is not None and (beat := _beat(data, key, run)) is not None]

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def save_checkpoint(self, record: CheckpointRecord) -> bool:
        """False if one of that number is there."""
        return self.store.put(keys.checkpoint(record.run, record.step, record.index, record.number), pack(record))

    def last_checkpoint(self, run: str, step: str, index: keys.Index) -> int:
        """The number of the latest; 0 if there is none. They are numbered without a gap, so no listing is needed."""
        low, high = 0, 1
        while self.store.size(keys.checkpoint(run, step, index, high)) is not None:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            there = self.store.size(keys.checkpoint(run, step, index, middle)) is not None
            low, high = (middle, high) if there else (low, middle)
        return low

    def checkpoint(self, run: str, step: str, index: keys.Index, number: int) -> CheckpointRecord | None:
        found = self._get(keys.checkpoint(run, step, index, number), CheckpointRecord, run)
        if found is not None and (found.step, found.index, found.number) != (step, index, number):
            raise Corrupt(f"`{keys.checkpoint(run, step, index, number)}` is the record of another cell", hint=DAMAGED)
        return found

    # --- cache ------------------------------------------------------------------------------------------------------

    def cache_entry(self, key: str, *, tidy: bool = True) -> CacheEntry | None:
        """What was computed under this key. A damaged entry is no entry, and is deleted; a later pipeglot's is left.

        Without `tidy` nothing is deleted.
        """
        try:
            found = self._get(keys.cache(key), CacheEntry, None)
            if found is not None and found.key != key:
                raise Corrupt(f"`{keys.cache(key)}` holds the entry of another key")
        except Corrupt:  # also one of another key: while it is there, no good one can take its place
            if tidy:
                self.forget(key)
            return None
        except NewerFormat:
            return None
        return found

    def remember(self, entry: CacheEntry) -> None:
        self.store.put(keys.cache(entry.key), pack(entry))

    def forget(self, key: str) -> None:
        self.store.delete(keys.cache(key))

    # --- passes of gc -----------------------------------------------------------------------------------------------

    def put_pass(self, record: GcPass) -> None:
        self.store.put(keys.gc_pass(stamp(), nonce()), pack(record))

    def passes(self) -> dict[str, GcPass | None]:
        """By key, what passes have left; None for one that is damaged. Raises `NewerFormat`."""
        found: dict[str, GcPass | None] = {}
        for key in [key for key in self.store.list(keys.PASSES) if key.count("/") == 1]:
            data = self.store.get(key)
            if data is None:
                continue
            try:
                record = unpack(data, key)
            except Corrupt:
                record = None
            found[key] = record if isinstance(record, GcPass) else None
        return found

    # --- records ----------------------------------------------------------------------------------------------------

    def _get(self, key: str, kind: type[R], run: str | None) -> R | None:
        data = self.store.get(key)
        if data is None:
            return None
        record = unpack(data, key)
        if not isinstance(record, kind) or (run is not None and record.run != run):
            raise Corrupt(f"`{key}` holds a record of another place", hint=DAMAGED)
        return record

    def _put_first(self, key: str, record: R) -> R:
        if self.store.put(key, pack(record)):
            return record
        winner = self._get(key, type(record), record.run)
        if winner is None:
            raise Corrupt(f"`{key}` was there and is gone: something deletes records of a run that is not over")
        return winner


class Listed(NamedTuple):
    """The runs that the journal has, in the order of arrival, and those that were pruned."""

    runs: list[str]
    gone: list[str]


def _attempt(data: bytes, key: str, run: str) -> Attempt | None:
    found = _told(data, key)
    if not isinstance(found, Attempt) or found.run != run:
        return None
    return found if key.startswith(keys.attempt_prefix(run, found.step, found.index)) else None


def _told(data: bytes, key: str) -> AnyRecord | None:
    """A sign of life; one that is damaged or of a later pipeglot is none."""
    try:
        return unpack(data, key)
    except (Corrupt, NewerFormat):
        return None


def _beat(data: bytes, key: str, run: str) -> Beat | None:
    found = _told(data, key)
    if not isinstance(found, Beat) or found.run != run:
        return None
    return found if keys.beat(run, found.step, found.index, found.slot, found.nonce, found.number) == key else None


def stamp(at: float | None = None) -> str:
    """A time as keys have it, in UTC: it sorts as time does. Now, if none is given (seconds since 1970)."""
    now = time.time_ns() if at is None else int(at * 10**9)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now // 10**9))}.{now // 1000 % 10**6:06d}"


def nonce() -> str:
    """Eight random hex digits, to keep apart what two processes write at one time."""
    return os.urandom(4).hex()


def now() -> dt.datetime:
    """The time that records are stamped with."""
    return dt.datetime.now(dt.UTC)


def host() -> str:
    return os.uname().nodename
