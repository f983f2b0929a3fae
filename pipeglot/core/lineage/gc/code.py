"""The archives of code that no deployed pipeline and no kept run needs.

A bundle lies under the hash of its bytes for all time, so somebody may deploy the same one again while it is removed.
So who deploys says so first, then waits for whoever is removing bundles, and only then looks whether his is there; and
who removes them says so first, and then looks once more at what was deployed. Pipelines (`ir/`) are small, and stay.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.ledger import Ledger, nonce, now, pack, stamp, unpack
from pipeglot.core.lineage.records import Deployment
from pipeglot.core.store.base import Store

STALE = 90 * 86_400.0
"""Seconds in which a deployment that another one has followed, and a bundle that nobody refers to, are kept."""

BUSY = f"{keys.BUSY}code"
MOST = 30.0
"""Seconds that one removes bundles, at most; who deploys waits twice as long for one who was killed while at it."""

_LOOK = 0.5


def note_deployed(store: Store, stack: str, pipeline: str, ir: str, bundle: str) -> None:
    """Say that a pipeline is deployed, before what it needs is looked for in the store: it is kept from now on."""
    record = Deployment(run="", stack=stack, pipeline=pipeline, ir=ir, bundle=bundle, at=now().isoformat())
    store.put(keys.deployed(stack, pipeline, ir, stamp(), nonce()), pack(record))
    deadline = time.monotonic() + 2 * MOST
    while store.size(BUSY) is not None and time.monotonic() < deadline:
        time.sleep(_LOOK)


def stale_deployments(ledger: Ledger, at: float) -> list[str]:
    """Those that another one of the same pipeline and stack has followed, and long ago."""
    found: dict[str, list[tuple[float, str]]] = {}
    for entry in ledger.store.entries(keys.DEPLOYED):
        found.setdefault(entry.key.rsplit("/", 2)[0], []).append((entry.modified, entry.key))
    return [key for each in found.values() for modified, key in sorted(each)[:-1] if at - modified > STALE]


def unused_bundles(
    ledger: Ledger, runs: Mapping[str, Seen], needed: Iterable[str], at: float, leaving: Iterable[str]
) -> dict[str, int]:
    """By key the sizes of the bundles that nothing refers to. `leaving`: deployments that do not count."""
    live = {bundle_key(one) for one in (*needed, *_deployed(ledger, set(leaving)), *_latest(runs)) if one}
    entries = ledger.store.entries(keys.BUNDLES)
    return {one.key: one.size for one in entries if one.key not in live and at - one.modified > STALE}


def sweep_bundles(ledger: Ledger, unused: Callable[[], Mapping[str, int]], at: float) -> Counter[str]:
    """Remove them, unless another pass is at it. `unused` looks anew, after this process has said what it does."""
    store, done = ledger.store, Counter[str]()
    for entry in store.entries(keys.BUSY):
        if at - entry.modified > 3600.0:  # of one that was killed
            store.delete(entry.key)
    if not store.put(BUSY, b""):
        return done
    try:
        deadline = time.monotonic() + MOST
        for key, size in unused().items():
            if time.monotonic() > deadline:
                break
            store.delete(key)
            done.update(bundles=1, bytes=size)
    finally:
        store.delete(BUSY)
    return done


def _deployed(ledger: Ledger, leaving: set[str]) -> Iterator[str]:
    """Raises `Corrupt` for a record that does not say which bundle is needed."""
    wanted = [key for key in ledger.store.list(keys.DEPLOYED) if key not in leaving]
    for key, data in ledger.store.get_all(wanted):
        record = unpack(data, key) if data is not None else None
        if record is None:
            continue
        if not isinstance(record, Deployment):
            raise Corrupt(f"`{key}` holds a record of another place", hint="deploy that pipeline again, and remove it")
        yield record.bundle


def _latest(runs: Mapping[str, Seen]) -> Iterator[str]:
    """What the latest run of each pipeline on each stack ran from, pruned or not: it may be deployed still."""
    latest: dict[tuple[str, str], tuple[str, str]] = {}
    for seen in runs.values():
        if seen.start is not None:
            place = seen.start.stack, seen.start.pipeline
            latest[place] = max(latest.get(place, ("", "")), (seen.start.created, seen.start.bundle or ""))
    return (bundle for _, bundle in latest.values())
