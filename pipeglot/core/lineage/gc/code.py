"""The archives of code that no deployed pipeline and no kept run needs.

A bundle lies under the hash of its bytes for all time, so somebody may deploy the same one again while it is removed.
So who deploys says so first, then waits for whoever is removing bundles, and only then looks whether his is there; and
who removes them says so first, and then looks once more at what was deployed. Pipelines (`ir/`) are small, and stay.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.ledger import Ledger, nonce, now, pack, stamp, unpack
from pipeglot.core.lineage.records import Deployment
from pipeglot.core.store.base import Store

STALE = 90 * 86_400.0
"""Seconds that a deployment is kept after another one has followed it, and a bundle that nobody refers to."""

BUSY = f"{keys.BUSY}code"
MOST = 30.0
"""Seconds that one removes bundles, at most; who deploys waits twice as long, and then takes him for killed."""

_LOOK = 0.5
_KILLED = 600.0
"""Seconds after which a mark of one that removes bundles is of one that was killed; the clock may have been set."""


class Noted(NamedTuple):
    """A deployment, and when it was, by the clock of the store."""

    key: str
    modified: float
    record: Deployment


class Deployed(NamedTuple):
    """Those that a pass has read. damaged: by key what is wrong with those that cannot be: they may need any bundle."""

    noted: list[Noted]
    damaged: dict[str, str]

    def followed(self, at: float) -> set[str]:
        """The keys of those that nobody needs: another one of the same place has followed long ago, or says the same.

        What counts is when it was followed: a pipeline that was deployed once, years ago, may have run until then.
        """
        places: dict[str, list[Noted]] = {}
        for one in self.noted:
            places.setdefault(one.key.rsplit("/", 2)[0], []).append(one)
        found: set[str] = set()
        for place in places.values():
            place.sort(key=lambda one: (one.modified, one.key))
            for one, following in itertools.pairwise(place):
                same = (one.record.ir, one.record.bundle) == (following.record.ir, following.record.bundle)
                if same or at - following.modified > STALE:
                    found.add(one.key)
        return found

    def kept(self, at: float) -> list[Deployment]:
        gone = self.followed(at)
        return [one.record for one in self.noted if one.key not in gone]


def note_deployed(store: Store, stack: str, pipeline: str, ir: str, bundle: str) -> None:
    """Say that a pipeline is deployed, before what it needs is looked for in the store: it is kept from now on."""
    record = Deployment(run="", stack=stack, pipeline=pipeline, ir=ir, bundle=bundle, at=now().isoformat())
    store.put(keys.deployed(stack, pipeline, ir, stamp(), nonce()), pack(record))
    deadline = time.monotonic() + 2 * MOST
    while store.size(BUSY) is not None:
        if time.monotonic() >= deadline:
            store.delete(BUSY)  # nobody else need wait for it; and if he is only slow, he stops when it is gone
            return
        time.sleep(_LOOK)


def read_deployed(ledger: Ledger, known: Collection[str] = ()) -> Deployed:
    """All deployments, but those with a key that is known. Raises `NewerFormat`."""
    times = {one.key: one.modified for one in ledger.store.entries(keys.DEPLOYED) if one.key not in known}
    found = Deployed([], {})
    for key, data in ledger.store.get_all(times):
        try:
            record = unpack(data, key) if data is not None else None
            if record is not None and not isinstance(record, Deployment):
                raise Corrupt(f"`{key}` holds a record of another place")
            if record is not None and record.bundle:
                bundle_key(record.bundle)  # refuses what is no digest
            if record is not None:
                found.noted.append(Noted(key, times[key], record))
        except Corrupt as error:
            found.damaged[key] = error.message
    return found


def unused_bundles(
    ledger: Ledger, runs: Mapping[str, Seen], needed: Iterable[str], deployed: Deployed, at: float
) -> dict[str, int]:
    """By key the sizes of the bundles that nothing refers to. `needed`: by kept runs."""
    live = set(_keys([*needed, *(one.bundle for one in deployed.kept(at)), *_latest(runs)]))
    entries = ledger.store.entries(keys.BUNDLES)
    return {
        one.key: one.size
        for one in entries
        if one.key not in live and at - one.modified > STALE and one.key in _keys([one.key.removeprefix(keys.BUNDLES)])
    }


def sweep_bundles(ledger: Ledger, unused: Mapping[str, int], needed: Callable[[], Iterable[str]]) -> Counter[str]:
    """Remove them, unless another pass is at it. `needed` looks once more, after this process has said what it does,
    and tells the bundles that were deployed meanwhile; it must be quick, for its time counts too."""
    store, done, mine = ledger.store, Counter[str](), nonce().encode()
    if not store.put(BUSY, mine):
        return done
    try:
        deadline = time.monotonic() + MOST
        spared = set(_keys(needed()))
        for key in unused.keys() - spared:
            if time.monotonic() > deadline or store.get(BUSY) != mine:
                break
            store.delete(key)
            done.update(bundles=1, bytes=unused[key])
    finally:
        if store.get(BUSY) == mine:
            store.delete(BUSY)
    return done


def tidy_busy(store: Store, at: float) -> None:
    """Remove the marks of those that were killed while they removed bundles: who deploys would wait for them."""
    for entry in store.entries(keys.BUSY):
        if abs(at - entry.modified) > _KILLED:
            store.delete(entry.key)


def _keys(digests: Iterable[str]) -> Iterator[str]:
    """Of those that are digests."""
    for one in digests:
        try:
            yield bundle_key(one)
        except Corrupt:  # of a forged record, or a stray file
            continue


def _latest(runs: Mapping[str, Seen]) -> Iterator[str]:
    """What the latest run of each pipeline on each stack ran from, pruned or not: it may be deployed still."""
    latest: dict[tuple[str, str], tuple[str, str]] = {}
    for seen in runs.values():
        if seen.start is not None:
            place = seen.start.stack, seen.start.pipeline
            latest[place] = max(latest.get(place, ("", "")), (seen.start.created, seen.start.bundle or ""))
    return (bundle for _, bundle in latest.values())
