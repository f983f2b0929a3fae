"""`store verify --repair`: what is put right, from what; and what is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.client.verify import Verified, verify
from pipeglot.core.artifacts.blobs import blob_key
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import CacheEntry, Origin
from pipeglot.core.store import open_store
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.ledgers import Written, done

FLOW = pipeline(step("a"), step("b", x=out("a")))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(folder)
        self.ledger = Ledger(self.store)
        self.first = self.run()

    def run(self) -> Written:
        return done(self.ledger, FLOW, lambda name, _: f"{name} " * 5000)

    def verify(self, *, mend: bool = False) -> Verified:
        return verify(self.store, quick=False, progress=lambda _: None, mend=mend)

    def spoil(self, key: str) -> None:
        path = self.folder / key
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data[:-1] + b"?")

    def blob(self, run: Written, name: str = "a") -> str:
        ref = run.ref((name, ()))
        return blob_key(ref.week, ref.blob)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "store")


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "gone"])
def test_a_blob_is_put_back_from_the_same_value_of_another_week(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    key = bench.blob(bench.first)
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.this_week", lambda: "2020-W05")
    bench.run()
    (bench.folder / key).unlink() if gone else bench.spoil(key)
    found = bench.verify(mend=True)
    (told,) = found.repaired
    assert (told.key, told.message) == (key, f"`{key}` was put back from the same value of 2020-W05")
    assert found.troubles == bench.verify().troubles == []


def test_one_that_nobody_has_stays_as_it_is_and_the_cache_forgets_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bench.blob(bench.first)
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.this_week", lambda: "2020-W05")
    other = bench.run()
    origin, refs = Origin(run=bench.first.run, step="a"), {"output": bench.first.ref(("a", ()))}
    for name in "ab":
        given = refs if name == "a" else {"output": bench.first.ref(("b", ()))}
        made = CacheEntry(run=bench.first.run, key=name * 64, origin=origin, computed="2026-01-01", refs=given)
        bench.ledger.remember(made)
    for one in (key, bench.blob(other)):
        bench.spoil(one)
    found = bench.verify(mend=True)
    assert [one.key for one in found.troubles] == sorted([key, bench.blob(other)])
    assert [one.key for one in found.repaired] == [keys.cache("a" * 64)]
    assert found.repaired[0].message.endswith("what it tells of is computed again when it is asked for")
    assert list(bench.store.list("cache/")) == [keys.cache("b" * 64)]


def test_a_damaged_entry_of_the_cache_is_removed(bench: Bench) -> None:
    bench.store.put(keys.cache("a" * 64), b"torn")
    assert [one.kind for one in bench.verify().troubles] == ["damaged"]
    assert bench.verify(mend=True).troubles == []
    assert list(bench.store.list("cache/")) == []


def test_a_run_that_is_not_listed_is_listed_again(bench: Bench) -> None:
    for key in list(bench.store.list("journal/")):
        bench.store.delete(key)
    assert bench.ledger.runs() == []
    (told,) = bench.verify(mend=True).repaired
    assert told.message == f"run `{bench.first.run}` has a marker in the journal again: it is listed, as a new one"
    assert bench.ledger.runs() == [bench.first.run]
    assert bench.verify().troubles == []


def test_what_a_pass_of_gc_has_left(bench: Bench) -> None:
    bench.store.put("gc/20260101T000000.000000-abcd", b"torn")
    (told,) = bench.verify(mend=True).repaired
    assert told.message.endswith("the next `store gc` begins anew to wait for 48 hours")
    assert bench.verify().troubles == []


def test_records_of_runs_are_left_alone(bench: Bench) -> None:
    key = keys.verdict(bench.first.run, "a", ())
    bench.spoil(key)
    before = (bench.folder / key).read_bytes()
    found = bench.verify(mend=True)
    assert (found.repaired, [one.key for one in found.troubles]) == ([], [key])
    assert (bench.folder / key).read_bytes() == before
