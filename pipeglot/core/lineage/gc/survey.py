"""All runs of a store as a listing shows them: whether they have ended, when they were written to, how they began."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from pipeglot.core.errors import Corrupt, NewerFormat
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.records import Start
from pipeglot.core.store.base import Store
from pipeglot.core.store.naming import Entry

PARTS = frozenset({"start", "v", "b", "f", "c", "t", "end", "cancel", "cancelled", "gone"})
"""What lies below a run. A later pipeglot may add kinds of records that refer to values: who meets one does not gc."""


class Seen(NamedTuple):
    """A run. `start` is None if it cannot be read, or is not there.

    last: when it was last written to, its end and its tombstone aside. size: of its records. cells: those that have a
    verdict, as `keys.cell_part` names them.
    """

    run: str
    start: Start | None
    last: float
    ended: bool
    slots: int
    gone: bool
    size: int
    cells: frozenset[str] = frozenset()


def survey(ledger: Ledger) -> dict[str, Seen]:
    """All runs that have records, pruned ones too. Raises `NewerFormat` where a later pipeglot has written."""
    found: dict[str, Seen] = {}
    same: dict[frozenset[str], frozenset[str]] = {}  # most runs of a pipeline have the same cells
    for run, entries in itertools.groupby(ledger.store.entries(keys.RUNS), key=lambda entry: run_of(entry.key)):
        if run:
            seen = _seen(run, entries)
            found[run] = seen._replace(cells=same.setdefault(seen.cells, seen.cells))
    for key, data in ledger.store.get_all([keys.start(run) for run in found]):
        run = key.split("/")[1]
        found[run] = found[run]._replace(start=_start(data, key, run))
    return found


def run_of(key: str) -> str:
    """The run whose record lies there; empty for a stray file, which `store verify` tells of."""
    _, run, *rest = key.split("/", 2)
    try:
        keys.run_prefix(run)
    except Corrupt:
        return ""
    return run if rest else ""


def _seen(run: str, entries: Iterable[Entry]) -> Seen:
    ends: set[str] = set()
    cells: set[str] = set()
    slots = size = 0
    last = ended = 0.0
    gone = False
    for entry in entries:
        part, rest = part_of(entry.key)
        size += entry.size
        if part == "end":
            ends.add(rest)
            ended = max(ended, entry.modified)
        elif part == "gone":
            gone = True
        else:
            slots += part == "b"
            if part == "v":
                cells.add(rest.rpartition("/")[0])
            last = max(last, entry.modified)
    return Seen(run, None, last or ended, str(1 + slots) in ends, slots, gone, size, frozenset(cells))


def part_of(key: str) -> tuple[str, str]:
    """What kind of record of a run lies at a key, and what follows in it. Raises `NewerFormat` for an unknown one."""
    part, _, rest = key.split("/", 2)[2].partition("/")
    if part not in PARTS:
        raise NewerFormat(
            f"`{key}` is a kind of record that this pipeglot does not know: it may refer to anything",
            hint="upgrade pipeglot to the version that wrote it; until then, nothing is removed",
        )
    return part, rest


def _start(data: bytes | None, key: str, run: str) -> Start | None:
    """Raises `NewerFormat`."""
    try:
        record = unpack(data, key) if data is not None else None
    except Corrupt:
        return None
    return record if isinstance(record, Start) and record.run == run else None


def try_rights(store: Store, nonce: str, *, delete: bool) -> None:
    """Who may not list or delete somewhere is told so before anything is changed. Raises `StoreError`.

    A bucket refuses who may not delete, also if nothing is there.
    """
    for prefix in (keys.RUNS, keys.JOURNAL, keys.CACHE, keys.BLOBS, keys.BUNDLES, keys.DEPLOYED, keys.PASSES):
        next(iter(store.entries(prefix)), None)
        if delete:
            store.delete(f"{prefix}{nonce}")


def store_time(store: Store, nonce: str) -> float:
    """What time it is for the store: that of an object which is put for it, and removed. Raises `StoreError`."""
    key = f"{keys.CLOCKS}{nonce}"
    store.put(key, b"")
    try:
        times = [entry.modified for entry in store.entries(keys.CLOCKS) if entry.key == key]
    finally:
        store.delete(key)
    if not times:
        raise Corrupt(f"the store `{store.uri}` does not list `{key}`, which was just put there")
    return times[0]
