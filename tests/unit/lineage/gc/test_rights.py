"""Who may not list, write or delete everywhere: a sentence that says so, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeglot.client.gc import collect
from pipeglot.client.verify import verify
from pipeglot.core.errors import StoreError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.passes import Collected
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.gc.survey import store_time
from pipeglot.core.lineage.records import CacheEntry, Origin
from pipeglot.core.store.answers import Forbidden
from pipeglot.core.store.folder import FolderStore
from pipeglot.core.store.naming import Entry
from tests.unit.lineage.gc.conftest import DAY, House

PLACES = (keys.RUNS, keys.JOURNAL, keys.CACHE, keys.BLOBS, keys.BUNDLES, keys.DEPLOYED, keys.PASSES)
KEEP = Retention(keep_last=1)


class Guarded(FolderStore):
    """A folder that answers as a bucket does to credentials that may not do one thing at one place."""

    may_not: tuple[str, str] = ("", "-")
    only_what_is_there = False
    """A bucket may keep objects for a time (a lock, a legal hold): what is not there can be deleted."""

    def _ask(self, doing: str, key: str) -> None:
        if self.may_not[0] == doing and key.startswith(self.may_not[1]):
            raise Forbidden(f"cannot {doing} `{key}`: the server answered 403 (AccessDenied)", hint="allow it")

    def put(self, key: str, data: bytes | Path) -> bool:
        self._ask("write", key)
        return super().put(key, data)

    def list(self, prefix: str) -> Iterator[str]:
        self._ask("list", prefix)
        return super().list(prefix)

    def entries(self, prefix: str) -> Iterator[Entry]:
        self._ask("list", prefix)
        return super().entries(prefix)

    def delete(self, key: str) -> None:
        if not self.only_what_is_there or self.size(key) is not None:
            self._ask("delete", key)
        super().delete(key)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)


@pytest.fixture
def guarded(house: House) -> Guarded:
    """Three runs, of which two would be pruned."""
    runs = [house.run(text) for text in ("a", "b", "c")]
    made = CacheEntry(
        run=runs[0].run,
        key="a" * 64,
        origin=Origin(run=runs[0].run, step="a"),
        computed="2026-01-01",
        refs={"output": runs[0].ref(("a", ()))},
    )
    house.ledger.remember(made)
    return Guarded(house.folder)


def refused(store: Guarded) -> str:
    with pytest.raises(StoreError) as caught:
        gc(store)
    return caught.value.message


def gc(store: Guarded, *, dry_run: bool = False) -> Collected:
    return collect(store, KEEP, dry_run=dry_run, despite_damage=False, tick=lambda _: None)


def objects(house: House) -> set[str]:
    return set(house.store.list(""))


@pytest.mark.parametrize("doing", ["list", "delete"])
@pytest.mark.parametrize("place", PLACES)
def test_who_may_not_is_told_so_before_anything_is_changed(
    house: House, guarded: Guarded, place: str, doing: str
) -> None:
    guarded.may_not = (doing, place)
    before = house.keys()
    told = refused(guarded)
    assert told.startswith(f"`store gc` needs to list, write and delete in `{guarded.uri}`, and these credentials may")
    assert f"cannot {doing} `{place}" in told
    assert house.keys() == before
    guarded.may_not = ("", "-")
    assert gc(guarded).runs == 2, "nothing stands in the way of who may"


def test_a_dry_run_asks_for_no_right_to_write_or_delete(
    house: House, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda inner=time.time: inner() + house.later)
    before = objects(house)
    for doing in ("write", "delete"):
        guarded.may_not = (doing, "")
        assert gc(guarded, dry_run=True).runs == 2
    assert objects(house) == before


@pytest.mark.parametrize("place", [keys.RUNS, keys.JOURNAL, "gc/2"])
def test_who_may_not_write_loses_nothing(house: House, guarded: Guarded, place: str) -> None:
    guarded.may_not = ("write", place)
    assert f"cannot write `{place}" in refused(guarded)
    goes_on(house, guarded)


@pytest.mark.parametrize("place", [keys.RUNS, keys.JOURNAL, keys.CACHE, keys.BLOBS])
def test_a_bucket_that_keeps_what_it_has_loses_nothing(house: House, guarded: Guarded, place: str) -> None:
    guarded.may_not, guarded.only_what_is_there = ("delete", place), True
    if place == keys.BLOBS:
        gc(guarded)
        house.later += 3 * DAY
    assert f"cannot delete `{place}" in refused(guarded)
    goes_on(house, guarded)


def goes_on(house: House, guarded: Guarded) -> None:
    """Nothing that is kept is hurt, and who has the right goes on."""
    assert verify(house.store, quick=False, progress=lambda _: None).troubles == []
    guarded.may_not = ("", "-")
    for _ in range(3):
        gc(guarded)
        house.later += 3 * DAY
    assert len(house.ledger.listed().gone) == 2
    assert len(house.blobs()) == 2
    assert house.keys(keys.CACHE) == set()
    assert verify(house.store, quick=False, progress=lambda _: None).troubles == []


def test_the_clock_is_not_asked_for_by_who_may_not_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that a pass does is to put an object."""
    house.run()
    monkeypatch.undo()
    store = Guarded(house.folder)
    for doing in ("write", "list", "delete"):
        store.may_not = (doing, keys.CLOCKS)
        assert f"cannot {doing} `gc/clock/" in refused(store)
    assert store_time(house.store, "n") > 0
