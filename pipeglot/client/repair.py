"""`store verify --repair`: put right what can be, from bytes that are proved to be the right ones.

A blob is named by the hash of its bytes, so the same value, saved in another week, is as good. What a record of a run
told is nowhere else: it is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from msgspec import Struct

from pipeglot.core.artifacts.blobs import Blobs, blob_key
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store.base import Store


class Repaired(Struct, kw_only=True):
    """An object that was put right.

    key: where it lies in the store.
    message: what was done.
    """

    key: str
    message: str


class Repairs:
    """Repairs one store. Raises `StoreError` if it cannot be written to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.blobs = Blobs(store)
        self._weeks: dict[str, list[str]] | None = None

    def blob(self, key: str) -> Repaired | None:
        """From the same value of another week. None if there is none that is whole."""
        _, week, sha = key.split("/")
        for other in self._weeks_of(sha):
            if other == week or not self._put_from(blob_key(other, sha), key, other, sha):
                continue
            return Repaired(key=key, message=f"`{key}` was put back from the same value of {other}")
        return None

    def entry(self, key: str) -> Repaired:
        """An entry of the cache that cannot be used is none: the step is computed again, and puts a good one."""
        self.store.delete(key)
        return Repaired(
            key=key, message=f"`{key}` was removed: what it tells of is computed again when it is asked for"
        )

    def marker(self, run: str, key: str) -> Repaired:
        """Nothing else is in a marker but the name of its run."""
        Ledger(self.store).mark(run)
        return Repaired(key=key, message=f"run `{run}` has a marker in the journal again: it is listed, as a new one")

    def note(self, key: str) -> Repaired:
        """What a pass of gc has left: the next one looks for itself."""
        self.store.delete(key)
        return Repaired(key=key, message=f"`{key}` was removed: the next `store gc` begins anew to wait for 48 hours")

    def _put_from(self, source: str, key: str, week: str, sha: str) -> bool:
        size = self.store.size(source)
        if size is None:
            return False
        with suppress(Corrupt):
            self.blobs.verify(week, sha, size, f"`{source}`")
            path = self.store.local(source)
            if path is not None:
                self.store.delete(key)
                self.store.put(key, path)
                self.blobs.verify(key.split("/")[1], sha, size, f"`{key}`")
                return True
        return False

    def _weeks_of(self, sha: str) -> Iterable[str]:
        if self._weeks is None:
            self._weeks = {}
            for key in self.store.list(keys.BLOBS):
                _, week, *rest = key.split("/")
                self._weeks.setdefault("/".join(rest), []).append(week)
        return self._weeks.get(sha, [])


def repair(store: Store, hurt: Collection[str], entries: Iterable[str], unlisted: dict[str, str]) -> list[Repaired]:
    """Put right what can be of the objects at `hurt`, by key.

    entries: those of the cache that refer to hurt blobs. unlisted: by key, runs that have no marker in the journal.
    """
    made = Repairs(store)
    found = [made.marker(run, key) for key, run in unlisted.items()]
    found += [one for key in hurt if key.startswith(keys.BLOBS) and (one := made.blob(key))]
    whole = {one.key for one in found}
    bad = {key for key in hurt if key.startswith(keys.CACHE)}
    if any(key.startswith(keys.BLOBS) and key not in whole for key in hurt):
        bad.update(entries)
    found += [made.entry(key) for key in sorted(bad)]
    found += [made.note(key) for key in hurt if key.startswith(keys.PASSES)]
    return found
