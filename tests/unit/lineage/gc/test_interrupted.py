"""What happens at each single write of a pass: it is killed there, another pass goes by, or a run does."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pipeglot.client.verify import verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import code
from pipeglot.core.lineage.gc.code import note_deployed
from pipeglot.core.lineage.gc.passes import Pass
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Beat, CacheEntry, CheckpointRecord, Origin
from pipeglot.core.store.base import Store
from pipeglot.core.store.folder import FolderStore
from tests.unit.lineage.build import Failed
from tests.unit.lineage.gc.conftest import DAY, FLOW, House, large
from tests.unit.lineage.index.ledgers import Written

KEEP = Retention(keep_last=2)


class Killed(BaseException):
    pass


class Watched(FolderStore):
    """A folder in which something happens before a certain write."""

    at = 10**9
    writes = 0

    def then(self) -> None:
        """What happens."""

    def _count(self) -> None:
        self.writes += 1
        if self.writes == self.at:
            self.then()

    def put(self, key: str, data: bytes | Path) -> bool:
        self._count()
        return super().put(key, data)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)


class Mortal(Watched):
    """Nothing is done after that moment, not even what a process does at its end."""

    def _count(self) -> None:
        self.writes += 1
        if self.writes >= self.at:
            raise Killed


def entry(house: House, run: Written, key: str) -> None:
    refs = {"output": run.ref(("a", ()))}
    house.ledger.remember(
        CacheEntry(run=run.run, key=key, origin=Origin(run=run.run, step="a"), computed="2026-01-01", refs=refs)
    )


def bundle(house: House, text: str) -> str:
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    house.store.put(bundle_key(digest), text.encode())
    return digest


class Furnished(House):
    """old: a run that is pruned, and whose results are in the cache."""

    old = ""


def furnish(house: House) -> str:
    """Something of all that a pass has to do with, and what an earlier pass has found to be dead. Returns `old`."""
    ir, old = house.ledger.put_ir(FLOW), bundle(house, "old")
    for number, digest in enumerate((old, bundle(house, "new"))):
        note_deployed(house.store, "prod", "p", ir, digest)
        for key in house.keys(keys.DEPLOYED):
            at = os.stat(house.folder / key).st_mtime - 1 + number
            os.utime(house.folder / key, (at, at))
    house.artifacts.save("loose " * 1000, name="loose", opaque_id=str)
    house.later = 20 * DAY
    house.collect(Retention())
    runs = [house.run(text) for text in ("a", "b", "c", "d")]
    failed = Written(house.ledger, FLOW, resumes=runs[0].run).go_on(lambda *_: Failed).seal()
    for run, key in zip(runs, "abcd", strict=True):
        entry(house, run, key * 64)
    ref = house.artifacts.save("state " * 1000, name="checkpoint", opaque_id=str)
    house.ledger.save_checkpoint(
        CheckpointRecord(
            run=runs[3].run,
            step="a",
            index=(),
            number=1,
            key="k",
            attempt=1,
            at=failed.start.created,
            ref=ref,
        )
    )
    Written(house.ledger, FLOW, engine={"host": "far"})
    created = failed.start.created
    house.ledger.beat(Beat(run=runs[3].run, step="a", index=(), nonce="n", number=1, at=created, next=60.0))
    house.later = 100 * DAY
    return runs[1].run


def collect(house: House, store: Store) -> None:
    Pass(Ledger(store), Artifacts(store), KEEP, dry_run=False, now=house.time).run()


def settle(house: House) -> set[str]:
    """What is left after some undisturbed passes."""
    for _ in range(3):
        house.later += 3 * DAY
        assert house.collect(KEEP).gave_way == ""
    return set(map(_without_time, house.keys()))


def _without_time(key: str) -> str:
    return key.split("-", 1)[1] if key.startswith(keys.JOURNAL) else key


def whole(house: House) -> bool:
    found = verify(house.store, quick=False, progress=lambda _: None).troubles
    print(*((one.key, one.kind, one.message) for one in found), sep="\n")
    return found == []


Make = Callable[[], Furnished]


@pytest.fixture
def furnished(tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The same store again and again: copied from a first one."""
    import shutil

    from pipeglot.core.lineage.gc import passes

    monkeypatch.setattr(code, "_LOOK", 0.0)
    old = furnish(house)
    count = iter(range(10_000))

    def make() -> Furnished:
        folder = tmp_path / f"copy-{next(count)}"
        shutil.copytree(house.folder, folder, copy_function=shutil.copy2)
        made = Furnished(folder)
        made.old = old
        made.later = house.later
        monkeypatch.setattr(passes, "store_time", made.time)
        return made

    return make


def writes_of_a_pass(house: House) -> int:
    store = Watched(house.folder)
    collect(house, store)
    return store.writes


def test_it_may_be_killed_anywhere(furnished: Make) -> None:
    plain = furnished()
    count = writes_of_a_pass(plain)
    assert count > 30
    wanted = settle(plain)
    assert len([key for key in wanted if key.startswith(keys.BLOBS)]) == 4
    for at in range(1, count + 1):
        house = furnished()
        store = Mortal(house.folder)
        store.at = at
        with pytest.raises(Killed):
            collect(house, store)
        assert whole(house), at
        assert settle(house) == wanted, at
        assert whole(house), at


def test_another_pass_may_go_by_anywhere(furnished: Make) -> None:
    plain = furnished()
    count = writes_of_a_pass(plain)
    wanted = settle(plain)
    for at in range(1, count + 1):
        house = furnished()
        store = Watched(house.folder)
        store.at, store.then = at, functools.partial(collect, house, house.store)  # type: ignore[method-assign]
        collect(house, store)
        assert whole(house), at
        assert settle(house) == wanted, at
        assert whole(house), at


@pytest.mark.parametrize("how", ["cache", "resume"])
def test_a_run_may_begin_anywhere_and_take_what_is_about_to_go(furnished: Make, how: str) -> None:
    house = furnished()
    count, hits = writes_of_a_pass(house), 0
    fresh = house.artifacts.save(large("taken")("a", ()), name="a", opaque_id=str).value
    for at in range(1, count + 1):
        house = furnished()
        took: list[Written] = []

        def begin(house: Furnished = house, took: list[Written] = took) -> None:
            took.append(from_the_cache(house) if how == "cache" else from_another(house))

        store = Watched(house.folder)
        store.at, store.then = at, begin  # type: ignore[method-assign]
        collect(house, store)
        assert whole(house), at
        settle(house)
        assert whole(house), at
        (run,) = took
        hits += run.ref(("a", ())).value != fresh
        assert all(house.artifacts.exists(run.ref((name, ()))) for name in ("a", "b")), at
    assert 0 < hits < count, "it finds what is about to go, and later it does not"


def from_the_cache(house: Furnished) -> Written:
    """A run that finds the result of an old one, if its entry is still there."""
    run = Written(house.ledger, FLOW)
    found = house.ledger.cache_entry("b" * 64)
    if found is not None:
        assert all(house.artifacts.exists(ref) for ref in found.refs.values())
        run.commit(("a", ()), key="b" * 64, cached=found.origin, refs=found.refs)
    return run.go_on(large("taken")).seal()


def from_another(house: Furnished) -> Written:
    """A run that goes on with an old one, as far as that is not pruned."""
    run = Written(house.ledger, FLOW, resumes=house.old)
    verdict = house.ledger.verdict(house.old, "a", ())
    if verdict is not None and house.ledger.gone(house.old) is None:
        run.commit(("a", ()), cached=Origin(run=house.old, step="a"), refs=verdict.observed.refs)
    return run.go_on(large("taken")).seal()
