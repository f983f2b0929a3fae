"""A pass of `store gc`: read all, prune, mark, put down what is dead and since when, then remove.

The order is all. First everything is read, for a pass that has to refuse changes nothing. Then come the tombstones, so
that nobody reads what goes; then the look at what is referred to; then the record of what is dead; and only then is
anything removed, bytes and records. Whoever is killed anywhere leaves what the next pass finds again. Two at once do no
harm: who comes to write down what is dead after a later one gives way.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.gc.code import Deployed, read_deployed, sweep_bundles, tidy_busy, unused_bundles
from pipeglot.core.lineage.gc.marking import Marking, Marks, mark_of
from pipeglot.core.lineage.gc.retention import YOUNG, Asked, Retention, choose
from pipeglot.core.lineage.gc.shapes import UNREADABLE, Shapes
from pipeglot.core.lineage.gc.survey import Seen, store_time, survey, try_rights
from pipeglot.core.lineage.lease import lease_of
from pipeglot.core.lineage.ledger import Ledger, nonce
from pipeglot.core.lineage.records import End, GcPass, Gone, Start
from pipeglot.core.lineage.sealing import seal
from pipeglot.core.lineage.view import read_run, slots_of

HOUR = 3600.0
GRACE = 48 * HOUR
"""Seconds in which each pass must have found a blob dead. Who read a reference just before that has used it by then."""

VOID = 24 * HOUR
"""A pass that takes longer to look than this has seen a store that never was."""

SILENT = 30 * 24 * HOUR
"""A run that was not heard of for so long is closed."""

RIPE = 2
"""Weeks. In those before, nobody saves any more, so nobody finds there what he is about to save."""

SKEW = 6 * 24 * HOUR
"""Seconds by which the clock of the store may be wrong for a while; what it showed beyond that says nothing."""

NEAR = 60.0
"""Seconds. A pass that has marked later than this after now did so by a clock that was ahead."""

_BATCH = 1000

MOST_DEAD = 300_000
"""Blobs that a pass writes down; others wait for the next."""

_BLOB = re.compile(rf"{keys.BLOBS}(\d{{4}})-W(\d\d)/([0-9a-f]{{64}})")

Dead = dict[str, float]
"""By key, since when each blob is dead."""


class Pruned(Struct, kw_only=True):
    """The runs of a pipeline that are pruned.

    pipeline: its name.
    runs: how many of its runs.
    oldest: when the first of them began: UTC, in ISO 8601.
    newest: when the last of them began.
    blobs: how many blobs only these runs refer to, of the runs that are pruned with them too.
    bytes: their size together; they are freed by later passes.
    """

    pipeline: str
    runs: int
    oldest: str
    newest: str
    blobs: int = 0
    bytes: int = 0


class Collected(Struct, kw_only=True):
    """What a pass did, or would do.

    store: its address.
    dry_run: whether nothing was changed.
    pruned: the runs that were pruned, by pipeline.
    runs: how many were pruned.
    kept: how many runs stay.
    closed: how many runs that nobody had heard of for 30 days were recorded as lost.
    cache_entries: how many entries of the cache were removed: those that no kept run has made or used.
    checkpoints: how many states of steps that have succeeded since were removed.
    records: how many objects that tell of runs, or of the cache, were removed.
    freed_blobs: how many blobs were removed: nothing had referred to them for 48 hours.
    freed_bytes: their size together.
    waiting_blobs: how many blobs nothing refers to any more, which later passes remove.
    waiting_bytes: their size together.
    kept_blobs: how many blobs are in use.
    kept_bytes: their size together.
    bundles: how many archives of code were removed.
    bundle_bytes: their size together.
    next: when the first of the waiting blobs can be removed, if nothing refers to them: UTC, in ISO 8601; null if none
        waits.
    damaged: what cannot be read, so that it may refer to anything: while there is such, no blobs are removed.
    gave_way: why no blobs were looked at, in a pass that met another one, or took too long; empty if it did not.
    """

    store: str
    dry_run: bool
    pruned: list[Pruned] = []
    runs: int = 0
    kept: int = 0
    closed: int = 0
    cache_entries: int = 0
    checkpoints: int = 0
    records: int = 0
    freed_blobs: int = 0
    freed_bytes: int = 0
    waiting_blobs: int = 0
    waiting_bytes: int = 0
    kept_blobs: int = 0
    kept_bytes: int = 0
    bundles: int = 0
    bundle_bytes: int = 0
    next: str | None = None
    damaged: dict[str, str] = {}
    gave_way: str = ""


class Pass:
    """One pass over a store. `tick` is called from time to time. Raises `StoreError`, `NewerFormat`.

    now: what time it is for the store, for a pass that changes nothing. despite_damage: what cannot be read protects
    nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        artifacts: Artifacts,
        wanted: Retention,
        *,
        dry_run: bool,
        now: Callable[[], float],
        despite_damage: bool = False,
        tick: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.ledger = ledger
        self.store = ledger.store
        self.artifacts = artifacts
        self.wanted = wanted
        self.dry_run = dry_run
        self.despite_damage = despite_damage
        self._now = now
        self._tick = tick
        self._shapes = Shapes(ledger, artifacts)
        self._status: dict[str, str] = {}
        self.found = Collected(store=ledger.store.uri, dry_run=dry_run, pruned=[], damaged={})

    def run(self) -> Collected:
        began = self._time()
        try_rights(self.store, nonce(), delete=not self.dry_run)
        self.ledger.passes()  # one of a later pipeglot is refused
        look = self._look(began, record=False)
        if not self.dry_run and (look.over or look.goes) and not self.found.damaged:
            began = self._time()  # all was read, so what is decided is done: anew, for others have gone on meanwhile
            look = self._look(began, record=True)
        if self.found.damaged:
            return self.found
        if not self.dry_run:
            self._bury_again(look.runs)
        if self._blobs(look, began):
            self._code(look, began)
            self._remove(look.marks)
        return self.found

    def _look(self, began: float, *, record: bool) -> _Look:
        """Decide which runs go, and look at what is referred to without them.

        With `record` they get their tombstones before that: from then on nobody takes up what they had.
        """
        runs, deployed = survey(self.ledger), read_deployed(self.ledger)
        over = self._settle(runs, began, record=record)
        goes = self._chosen(runs, began, deployed)
        if record:
            self._prune(runs, goes, began)
        gone = runs | {run: runs[run]._replace(gone=True) for run in goes}
        marks = Marking(self.ledger, self.artifacts, gone, self._ticker("looking for what is referred to")).run(
            young=began - YOUNG
        )
        damaged = {**marks.damaged, **deployed.damaged}
        if damaged and not self.despite_damage:
            self.found.damaged = dict(sorted(damaged.items()))
        if record or not self.found.damaged:
            self._tell(runs, goes)
        else:
            self.found.closed = 0
        self.found.kept = sum(not seen.gone for seen in runs.values()) - self.found.runs
        return _Look(gone, deployed, goes, over, marks)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _settle(self, runs: dict[str, Seen], now: float, *, record: bool) -> dict[str, str]:
        """Runs that are over though nobody has put that on record; and those that nobody heard of for too long.

        Returns how each has ended, and says so in `runs`; with `record`, in the store first.
        """
        found: dict[str, str] = {}
        self._status.clear()
        self.found.closed = 0
        for run, seen in runs.items():
            if seen.ended or seen.gone or seen.start is None or now - seen.last <= YOUNG:
                continue
            with suppress(*UNREADABLE):  # damaged, which is told later; or pruned by another pass just now
                status = self._settled(seen.start, now, silent=now - seen.last > SILENT, record=record)
                if status:
                    self._status[run] = found[run] = status
                    runs[run] = seen._replace(ended=True)
        return found

    def _settled(self, start: Start, now: float, *, silent: bool, record: bool) -> str:
        """How a run has ended; empty if it goes on."""
        _, state = read_run(self.ledger, self.artifacts, start.run)
        if not state.finished:
            at = dt.datetime.fromtimestamp(now, dt.UTC)
            if not silent or lease_of(self.ledger, start, state, at).status != "lost":
                return ""
            self.found.closed += 1
        if not record:
            return state.status if state.finished else "lost"
        if state.finished and start.backend != "local":
            end = seal(self.ledger, start, state, len(slots_of(start, self.ledger)))
        else:
            end = close(self.ledger, self.artifacts, start.run)
        return end.status if end is not None else ""

    def _chosen(self, runs: Mapping[str, Seen], began: float, deployed: Deployed) -> list[str]:
        shapes = self._shapes
        asked = Asked(self._status_of, shapes.words, shapes.names, shapes.outputs, shapes.made)
        irs = sorted({one.ir for one in deployed.kept(began)})
        return choose(runs, self._order(runs), self.wanted, began, asked, irs)

    def _order(self, runs: Mapping[str, Seen]) -> list[str]:
        """As they arrived; what the journal does not have came before all."""
        listed = self.ledger.listed().runs
        known = set(listed)
        return [*(run for run in runs if run not in known), *listed]

    def _status_of(self, seen: Seen) -> str:
        if seen.run not in self._status:
            self._status[seen.run] = self._recorded(seen)
        return self._status[seen.run]

    def _recorded(self, seen: Seen) -> str:
        try:
            end: End | None = self.ledger.ended(seen.run, seen.slots)
        except Corrupt:
            return ""
        return end.status if end is not None else ""

    def _prune(self, runs: Mapping[str, Seen], goes: Iterable[str], now: float) -> None:
        at = dt.datetime.fromtimestamp(now, dt.UTC).isoformat()
        for run in goes:
            self.ledger.bury(Gone(run=run, at=at, status=self._status_of(runs[run])))
            self._tick("pruning runs")

    def _tell(self, runs: Mapping[str, Seen], goes: Iterable[str]) -> None:
        """Which runs are pruned."""
        by_pipeline: dict[str, Pruned] = {}
        for run in goes:
            start = runs[run].start
            assert start is not None, "only what can be read is chosen"
            name, created = start.pipeline, start.created
            told = by_pipeline.setdefault(name, Pruned(pipeline=name, runs=0, oldest=created, newest=created))
            told.runs += 1
            told.oldest, told.newest = min(told.oldest, created), max(told.newest, created)
        self.found.pruned = sorted(by_pipeline.values(), key=lambda one: one.pipeline)
        self.found.runs = sum(one.runs for one in self.found.pruned)

    def _bury_again(self, runs: Mapping[str, Seen]) -> None:
        """Where a pass was killed between a tombstone and its marker."""
        told = set(self.ledger.listed().gone)
        for run in [run for run, seen in runs.items() if seen.gone and run not in told]:
            with suppress(Corrupt):  # only if it is to go on despite damage
                gone = self.ledger.gone(run)
                if gone is not None:
                    self.ledger.bury(gone)

    def _remove(self, marks: Marks) -> None:
        """What is unlinked goes last: as long as it is there, a pass sees what it referred to."""
        self.found.cache_entries, self.found.checkpoints = marks.entries, marks.checkpoints
        self.found.records += len(marks.condemned)
        for at in range(0, 0 if self.dry_run else len(marks.condemned), _BATCH):
            self.store.delete_all(marks.condemned[at : at + _BATCH])
            self._tick("removing records")

    # --- blobs --------------------------------------------------------------------------------------------------------

    def _blobs(self, look: _Look, began: float) -> bool:
        """Put down what is dead, and remove what has been for long. False if this pass has nothing to say."""
        passes, marked = self.ledger.passes(), self._time()
        times = [one.marked for one in passes.values() if one is not None]
        strange = {key for key, one in passes.items() if one is None or one.marked > marked + NEAR}
        if not self.dry_run and any(began <= one <= marked + NEAR for one in times):
            self.found.gave_way = "another `store gc` began later and was faster"
            return False
        newest = max([*times, *(seen.last for seen in look.runs.values())], default=marked)
        # of those that cannot be read, or are of a time that has not come, one may be the last: all begins anew
        before = None if strange else _before(passes, began)
        dead, sizes = self._dead(look.marks, _known(before), marked, newest)
        if self._time() - began > VOID:
            self.found.gave_way = "it took more than 24 hours, and the store is another one by now"
            return False
        sure = [key for key, since in dead.items() if began - since > GRACE]
        if not self.dry_run:
            self.ledger.put_pass(GcPass(run="", marked=marked, dead=_by_week(dead)))
            self._sweep(sure)
            self._tidy(passes, before, strange, began)
        self.found.freed_blobs, self.found.freed_bytes = len(sure), sum(sizes[key] for key in sure)
        self.found.waiting_blobs -= self.found.freed_blobs
        self.found.waiting_bytes -= self.found.freed_bytes
        first = min((since for since in dead.values() if began - since <= GRACE), default=None)
        if first is not None:
            self.found.next = dt.datetime.fromtimestamp(first + GRACE, dt.UTC).isoformat(timespec="seconds")
        return True

    def _dead(
        self, marks: Marks, known: Mapping[str, float], marked: float, newest: float
    ) -> tuple[Dead, dict[str, int]]:
        """The dead blobs of ripe weeks, each since when: what this pass unlinks is dead from now on.

        newest: the latest time that anything in the store is of. If that is later than now, then the clock was ahead
        once, or is behind now. In that case it is as late as that in truth, and 48 hours from now are over too soon.
        """
        dead: dict[str, float | None] = {}
        sizes: dict[str, int] = {}
        freed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        week = _week_of(dt.datetime.fromtimestamp(marked, dt.UTC).date())
        for entry in self.store.entries(keys.BLOBS):
            saved, mark = _week_saved(entry.key), mark_of(entry.key)
            newest = max(newest, entry.modified)
            if saved is None:  # a stray file
                continue
            if mark in marks.live:
                self.found.kept_blobs += 1
                self.found.kept_bytes += entry.size
                continue
            self.found.waiting_blobs += 1
            self.found.waiting_bytes += entry.size
            if mark in marks.unlinked:
                freed[marks.unlinked[mark]].update(blobs=1, bytes=entry.size)
            if week - saved >= RIPE and len(dead) < MOST_DEAD:
                dead[entry.key] = None if mark in marks.unlinked else known.get(entry.key)
                sizes[entry.key] = entry.size
        now = marked + min(max(newest - marked, 0.0), SKEW)
        for told in self.found.pruned:
            told.blobs, told.bytes = freed[told.pipeline]["blobs"], freed[told.pipeline]["bytes"]
        return {key: now if since is None else since for key, since in dead.items()}, sizes

    def _sweep(self, sure: list[str]) -> None:
        for at in range(0, len(sure), _BATCH):
            self.store.delete_all(sure[at : at + _BATCH])
            self._tick("removing blobs")

    def _tidy(
        self, passes: Mapping[str, GcPass | None], before: GcPass | None, strange: Iterable[str], began: float
    ) -> None:
        """What earlier passes said: the oldest first, for whoever reads them takes the newest. The last one stays."""
        old = sorted((one.marked, key) for key, one in passes.items() if one and before and one.marked < before.marked)
        for key in [*(key for _, key in old), *strange]:
            self.store.delete(key)
        for entry in self.store.entries(keys.CLOCKS):
            if abs(began - entry.modified) > VOID:  # of a pass that was killed
                self.store.delete(entry.key)

    def _code(self, look: _Look, began: float) -> None:
        deployed = look.deployed
        found = unused_bundles(self.ledger, look.runs, look.marks.bundles, deployed, began)
        self.found.bundles, self.found.bundle_bytes = len(found), sum(found.values())
        followed = sorted(deployed.followed(began))
        self.found.records += len(followed)
        if self.dry_run:
            return
        self.store.delete_all(followed)  # before what they refer to
        tidy_busy(self.store, began)
        if found:
            known = {one.key for one in deployed.noted}
            done = sweep_bundles(
                self.ledger, found, lambda: (one.record.bundle for one in read_deployed(self.ledger, known).noted)
            )
            self.found.bundles, self.found.bundle_bytes = done["bundles"], done["bytes"]

    # --- time ---------------------------------------------------------------------------------------------------------

    def _time(self) -> float:
        return self._now() if self.dry_run else store_time(self.store, nonce())

    def _ticker(self, doing: str) -> Callable[[], object]:
        return lambda: self._tick(doing)


class _Look(NamedTuple):
    """What a pass has seen. runs: as surveyed, those that go with `gone`. over: how those have ended that are over."""

    runs: Mapping[str, Seen]
    deployed: Deployed
    goes: list[str]
    over: dict[str, str]
    marks: Marks


def _before(passes: Mapping[str, GcPass | None], began: float) -> GcPass | None:
    """The pass that counts: the one that looked last before this one began."""
    older = (one for one in passes.values() if one is not None and one.marked < began)
    return max(older, key=lambda one: one.marked, default=None)


def _known(before: GcPass | None) -> Dead:
    """By key, since when a pass knew each blob to be dead."""
    if before is None:
        return {}
    try:
        return {
            f"{keys.BLOBS}{week}/{sha}": float(since)
            for week, times in before.dead.items()
            for since, hashes in times.items()
            for sha in hashes
        }
    except ValueError:  # written by nobody of ours
        return {}


def _by_week(dead: Dead) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for key, since in dead.items():
        _, week, sha = key.split("/")
        found.setdefault(week, {}).setdefault(repr(since), []).append(sha)
    return found


def _week_saved(key: str) -> int | None:
    """The week of a blob, counted on; None of what is no blob."""
    found = _BLOB.fullmatch(key)
    if found is None:
        return None
    try:
        return _week_of(dt.date.fromisocalendar(int(found[1]), int(found[2]), 1))
    except ValueError:
        return None


def _week_of(day: dt.date) -> int:
    """Weeks begin on Monday, and so does the calendar that counts its days from 1."""
    return (day.toordinal() - 1) // 7
