"""`store verify`: every kind of damage is named, with what it touches; and a whole store has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from msgspec import structs

from pipeglot.client.verify import Touched, Verified, verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import blob_key
from pipeglot.core.errors import NotFound, StoreError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger, pack
from pipeglot.core.lineage.records import Beat, CacheEntry, CheckpointRecord, Origin
from pipeglot.core.store import open_store
from tests.unit.lineage.build import mapped, out, pipeline, step
from tests.unit.lineage.index.ledgers import Written, done

FLOW = pipeline(step("a"), mapped("m", out("a")), step("sum", xs=out("m")))
LARGE = "x" * 10_000


def answer(name: str, index: tuple[int, ...]) -> Any:
    return [1, 2, 3] if name == "a" else LARGE + str(index)


class Bench:
    """A store with two runs that have large values."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(folder)
        self.ledger = Ledger(self.store)
        self.first, self.second = (done(self.ledger, FLOW, answer) for _ in range(2))

    def verify(self, *, quick: bool = False) -> Verified:
        return verify(self.store, quick=quick, progress=lambda _: None)

    def change(self, key: str, change: Any) -> None:
        path = self.folder / key
        path.chmod(0o600)
        path.write_bytes(change(path.read_bytes()))

    def blob(self, name: str, index: tuple[int, ...] = ()) -> str:
        ref = self.first.ref((name, index))
        return f"blobs/{ref.week}/{ref.blob}"

    def both(self, name: str, index: tuple[int, ...] = (), part: str = "output") -> list[Touched]:
        return sorted(Touched(one.run, name, index, part) for one in (self.first, self.second))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "store")


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def test_a_whole_store(bench: Bench) -> None:
    for quick in (True, False):
        found = bench.verify(quick=quick)
        assert found.troubles == []
        assert (found.counts.runs, found.counts.blobs, found.orphans) == (2, 4, 0)
        assert found.counts.records == 2 * (1 + 5 + 1) + 1


def test_a_changed_blob_is_found_by_its_bytes_and_a_cut_one_by_its_size(bench: Bench) -> None:
    bench.change(bench.blob("m", (1,)), flip)
    bench.change(bench.blob("sum"), lambda data: data[:-3])
    (cut,) = bench.verify(quick=True).troubles
    assert (cut.key, cut.kind) == (bench.blob("sum"), "damaged")
    assert cut.message.endswith("bytes, and has 10001")
    changed = next(one for one in bench.verify().troubles if one.key == bench.blob("m", (1,)))
    assert changed.message == f"`{changed.key}` does not match its name: its bytes were changed"
    assert sorted(changed.touches) == bench.both("m", (1,))
    assert changed.touched == 2


def test_a_missing_blob(bench: Bench) -> None:
    (bench.folder / bench.blob("m", (0,))).unlink()
    (gone,) = bench.verify(quick=True).troubles
    assert (gone.kind, gone.message) == ("missing", f"`{gone.key}` is gone")
    assert sorted(gone.touches) == bench.both("m", (0,))


def test_a_part_of_a_list_that_is_gone(bench: Bench) -> None:
    artifacts = Artifacts(bench.store)
    ref = artifacts.save([numpy.zeros(1000), numpy.ones(1000)], name="list", opaque_id=str)
    run = Written(bench.ledger, pipeline(step("a")))
    run.commit(("a", ()), refs={"output": ref})
    run.seal()
    parts = list(artifacts.keys(ref))
    assert len(parts) == 2
    (bench.folder / parts[-1]).unlink()
    (gone,) = bench.verify().troubles
    assert (gone.key, gone.touches) == (parts[-1], [Touched(run.run, "a", (), "output")])


def test_what_is_touched_is_counted_once_each_and_named_up_to_a_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeglot.client.verify.MOST_TOUCHED", 1)
    run, ref = bench.first.run, bench.first.ref(("m", (1,)))
    origin, refs = Origin(run=run, step="m", index=(1,)), {"one": ref, "other": ref}
    bench.ledger.remember(CacheEntry(run=run, key="a" * 64, origin=origin, computed="2026-01-01", refs=refs))
    bench.change(bench.blob("m", (1,)), flip)
    (bad,) = bench.verify().troubles
    assert (len(bad.touches), bad.touched) == (1, 3)  # two runs, and the cache


def test_a_list_of_parts_that_is_damaged(bench: Bench) -> None:
    """Its parts cannot be told any more; the list itself is told once."""
    ref = Artifacts(bench.store).save([numpy.full(1000, i) for i in range(50)], name="list", opaque_id=str)
    run = Written(bench.ledger, pipeline(step("a")))
    run.commit(("a", ()), refs={"output": ref})
    run.seal()
    bench.change(f"blobs/{ref.week}/{ref.blob}", flip)
    found = bench.verify()
    assert [(bad.key, bad.touched) for bad in found.troubles] == [(f"blobs/{ref.week}/{ref.blob}", 1)]
    assert found.orphans == 50


@pytest.mark.parametrize(
    ("part", "touched"),
    [("start", ("", ())), ("end/1", ("", ())), ("v/m/2/1", ("m", (2,)))],
)
def test_a_damaged_record(bench: Bench, part: str, touched: tuple[str, tuple[int, ...]]) -> None:
    key = f"runs/{bench.first.run}/{part}"
    bench.change(key, lambda data: data[:-2])
    (bad,) = bench.verify().troubles
    assert (bad.key, bad.kind) == (key, "damaged")
    assert bad.message == f"`{key}` does not match its checksum: it was cut or changed"
    assert bad.touches == [Touched(bench.first.run, *touched)]


def test_a_verdict_that_is_gone_from_a_run_that_ended(bench: Bench) -> None:
    key = keys.verdict(bench.first.run, "sum", ())
    (bench.folder / key).unlink()
    (gone,) = bench.verify().troubles
    assert (gone.key, gone.kind) == (key, "missing")
    assert gone.touches == [Touched(bench.first.run, "sum")]


def test_a_start_that_is_gone(bench: Bench) -> None:
    (bench.folder / keys.start(bench.first.run)).unlink()
    (gone,) = bench.verify().troubles
    assert (gone.key, gone.kind) == (keys.start(bench.first.run), "missing")


def test_records_that_were_swapped(bench: Bench) -> None:
    """Whole both, but each in the place of the other."""
    one, two = (bench.folder / keys.verdict(bench.first.run, "m", (i,)) for i in (0, 1))
    data = one.read_bytes(), two.read_bytes()
    for path, bytes_ in ((one, data[1]), (two, data[0])):
        path.chmod(0o600)
        path.write_bytes(bytes_)
    assert {bad.message for bad in bench.verify().troubles} == {
        f"`{keys.verdict(bench.first.run, 'm', (i,))}` holds a record of another place" for i in (0, 1)
    }


def test_a_pipeline_that_is_damaged_or_gone(bench: Bench) -> None:
    key = keys.ir(bench.first.start.ir)
    bench.change(key, lambda data: data.replace(b'"sum"', b'"mus"'))
    (bad,) = bench.verify().troubles
    assert (bad.key, bad.kind, bad.touched) == (key, "damaged", 2)
    (bench.folder / key).unlink()
    (gone,) = bench.verify().troubles
    assert (gone.key, gone.kind, gone.touched) == (key, "missing", 2)


def test_a_record_of_a_later_pipeglot(bench: Bench) -> None:
    key = keys.start(bench.first.run)
    bench.change(key, lambda data: data.replace(b"pipeglot 1 ", b"pipeglot 7 "))
    (newer,) = bench.verify().troubles
    assert (newer.key, newer.kind) == (key, "newer")


def test_cache_entries_are_looked_at(bench: Bench) -> None:
    ref = bench.first.ref(("sum", ()))
    origin = Origin(run=bench.first.run, step="sum")
    entry = CacheEntry(run=bench.first.run, key="a" * 64, origin=origin, computed="2026-01-01", refs={"output": ref})
    bench.ledger.remember(entry)
    bench.store.put(keys.cache("b" * 64), b"torn")
    (bad,) = bench.verify().troubles
    assert (bad.key, bad.message) == (f"cache/{'b' * 64}", f"`cache/{'b' * 64}` is no record of pipeglot's")


def test_orphans_are_counted_and_no_trouble(bench: Bench) -> None:
    Artifacts(bench.store).save("y" * 5000, name="nobody's", opaque_id=str)
    found = bench.verify()
    assert found.troubles == []
    assert (found.orphans, found.orphan_bytes) == (1, 5002)


def saved(bench: Bench) -> str:
    """A run with a checkpoint of two states; returns the blob of the second."""
    open_run = Written(bench.ledger, FLOW).go_on(answer, most=1)
    ref = None
    for number in (1, 2):
        folder = bench.folder.parent / f"state-{number}"
        folder.mkdir()
        (folder / "large").write_text(f"{number}" * 10_000)
        ref = Artifacts(bench.store).save(folder, name="state", opaque_id=str)
        record = CheckpointRecord(
            run=open_run.run, step="m", index=(1,), number=number, key="k", attempt=1, at="2026-01-01", ref=ref
        )
        assert bench.ledger.save_checkpoint(record)
    assert ref is not None
    return next(blob_key(week, sha) for week, sha, _ in Artifacts(bench.store).blobs(ref))


def test_checkpoints_are_looked_at(bench: Bench) -> None:
    blob = saved(bench)
    found = bench.verify()
    assert (found.troubles, found.orphans) == ([], 0)
    bench.change(blob, flip)
    (bad,) = bench.verify().troubles
    assert (bad.key, bad.kind) == (blob, "damaged")
    assert [(one.step, one.index, one.part) for one in bad.touches] == [("m", (1,), "checkpoint")]


def test_records_of_checkpoints_that_are_damaged_or_swapped(bench: Bench) -> None:
    saved(bench)
    first, second = (key for key in bench.store.list("runs/") if "/c/" in key)
    record = (bench.folder / second).read_bytes()
    bench.change(first, lambda _: record)
    bench.change(second, lambda data: data[:-5])
    told = {bad.key: bad for bad in bench.verify().troubles}
    assert told.keys() == {first, second}
    assert told[first].message == f"`{first}` holds a record of another place"
    assert [(one.step, one.index) for one in told[second].touches] == [("m", (1,))]


def test_beats_that_are_damaged_or_swapped(bench: Bench) -> None:
    run = bench.first.run
    for number in (1, 2):
        told = {"at": "2026-11-21T12:00:00+00:00", "next": 60.0, "nonce": "a", "number": number}
        bench.ledger.beat(Beat(run=run, step="m", index=(1,), **told))  # type: ignore[arg-type]
    first, second = bench.store.list(keys.beats(run))
    record = (bench.folder / second).read_bytes()
    bench.change(first, lambda _: record)
    bench.change(second, lambda data: data[:-5])
    found = {bad.key: bad for bad in bench.verify().troubles}
    assert found.keys() == {first, second}
    assert found[first].message == f"`{first}` holds a record of another place"
    assert [(one.step, one.index) for one in found[second].touches] == [("m", (1,))]


def test_an_end_that_tells_another_status_than_its_records(bench: Bench) -> None:
    end = bench.ledger.ended(bench.first.run)
    assert end is not None
    bench.change(keys.end(bench.first.run, 1), lambda _: pack(structs.replace(end, status="failed")))
    (bad,) = bench.verify().troubles
    assert bad.message == (
        f"the records of run `{bench.first.run}` give succeeded with {end.digest},"
        f" and when it ended it was failed with {end.digest}"
    )


def test_strays(bench: Bench) -> None:
    (bench.folder / "journal/note").write_text("")
    (bench.folder / "runs/mine").mkdir()
    (bench.folder / "runs/mine/start").write_text("")
    assert [(bad.key, bad.kind) for bad in bench.verify().troubles] == [
        ("journal/note", "stray"),
        ("runs/mine/start", "stray"),
    ]


def test_a_run_without_a_marker(bench: Bench) -> None:
    for key in list(bench.store.list(keys.JOURNAL)):
        if bench.first.run in key:
            (bench.folder / key).unlink()
    (gone,) = bench.verify().troubles
    assert gone.message == f"run `{bench.first.run}` has no marker in the journal"
    assert gone.touches == [Touched(bench.first.run)]


def test_an_open_run_is_no_trouble(bench: Bench) -> None:
    Written(bench.ledger, FLOW).go_on(answer, most=2)
    assert bench.verify().troubles == []


def test_no_store_and_a_foreign_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no store at `file://"):
        verify(open_store(tmp_path / "nothing"), quick=False, progress=lambda _: None)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/file").write_text("mine")
    with pytest.raises(StoreError, match="is not empty and is no store"):
        open_store(tmp_path / "foreign")


def test_a_run_that_begins_while_it_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marker was not there yet when the journal was read, its records are when the runs are."""
    listed = bench.store.list

    def then_begin(prefix: str) -> Any:
        yield from listed(prefix)
        if prefix == keys.JOURNAL:
            monkeypatch.setattr(bench.store, "list", listed)
            done(bench.ledger, FLOW, answer)

    monkeypatch.setattr(bench.store, "list", then_begin)
    found = bench.verify()
    assert found.troubles == []
    assert found.counts.runs == 3


def test_a_run_that_begins_between_two_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marker is there, and its first record comes while it is looked for."""
    start = structs.replace(bench.first.start, run="a" * 24)
    bench.store.put(keys.journal("20260101T000000.000000", start.run, "00000000"), b"")
    size = bench.store.size

    def then_begin(key: str) -> int | None:
        found = size(key)
        if key == keys.start(start.run):
            bench.store.put(key, pack(start))
        return found

    monkeypatch.setattr(bench.store, "size", then_begin)
    assert bench.verify().troubles == []
