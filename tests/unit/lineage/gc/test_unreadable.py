"""What a pass makes of what it cannot read."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from msgspec import structs

from pipeglot.client.size import store_size
from pipeglot.client.verify import verify
from pipeglot.core.errors import NewerFormat
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.ledger import pack
from pipeglot.core.lineage.records import End
from tests.unit.lineage.gc.conftest import DAY, FLOW, House, entry
from tests.unit.lineage.index.ledgers import Written


def test_a_pass_that_refuses_has_changed_nothing(house: House) -> None:
    runs = [house.run(text) for text in ("a", "b", "c")]
    silent = Written(house.ledger, FLOW, engine={"host": "far"})
    entry(house, runs[0], "a" * 64)
    good = house.folder / keys.verdict(runs[2].run, "a", ())
    whole_record = good.read_bytes()
    good.chmod(0o600)
    wrongs: list[tuple[bytes, Any]] = [
        (b"torn", None),
        (whole_record.replace(b"pipeglot 1", b"pipeglot 9"), NewerFormat),
    ]
    for data, error in wrongs:
        good.write_bytes(data)
        before = house.keys()
        for dry_run in (True, False):
            if error is None:
                found = house.collect(Retention(keep_last=1), dry_run=dry_run)
                assert list(found.damaged) == [keys.verdict(runs[2].run, "a", ())]
                assert (found.pruned, found.runs, found.kept, found.closed, found.records) == ([], 0, 4, 0, 0)
            else:
                with pytest.raises(error):
                    house.collect(Retention(keep_last=1), dry_run=dry_run)
            assert house.keys() == before
    good.write_bytes(whole_record)
    assert house.ledger.ended(silent.run) is None
    found = house.collect(Retention(keep_last=1))
    assert (found.runs, found.kept, found.closed) == (2, 2, 1)


@pytest.mark.parametrize("place", ["gc/20260101T000000.000000-00000000", "deployed/prod/p/{ir}/20260101-0"])
def test_a_record_of_a_later_pipeglot_anywhere_stops_it_first(house: House, place: str) -> None:
    run = house.run()
    house.store.put(place.format(ir=run.start.ir), pack(run.start).replace(b"pipeglot 1", b"pipeglot 9"))
    before = house.keys()
    with pytest.raises(NewerFormat):
        house.collect()
    assert house.keys() == before


def test_a_damaged_note_of_what_is_deployed_stops_it_too(house: House) -> None:
    house.run()
    key = f"deployed/prod/p/{house.ledger.put_ir(FLOW)}/20260101-0"
    house.store.put(key, b"torn")
    before = house.keys()
    assert list(house.collect().damaged) == [key]
    assert house.keys() == before
    assert house.collect(despite_damage=True).runs == 1


def test_a_tombstone_that_cannot_be_read_may_be_none(house: House) -> None:
    """Nothing says that the run was pruned but its key: so nothing of it goes."""
    run = house.run()
    house.store.put(keys.gone(run.run), b"torn")
    before = house.keys()
    assert list(house.collect().damaged) == [keys.gone(run.run)]
    assert house.keys() == before
    house.collect(despite_damage=True)
    assert house.keys(f"runs/{run.run}/") == {keys.start(run.run), keys.gone(run.run)}


@pytest.mark.parametrize("name", ["README", "a" * 24, ".hidden", "x/y/z"])
def test_a_stray_file_among_the_runs_is_passed_over(house: House, name: str) -> None:
    run = house.run()
    path = house.folder / "runs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("notes")
    assert [(one.key, one.kind) for one in verify(house.store, quick=False, progress=lambda _: None).troubles] == [
        (f"runs/{name}", "stray")
    ]
    assert store_size(house.store, [], lambda _: None).pipelines[0].runs == 1
    assert house.collect().runs == 1
    assert path.read_text() == "notes"
    assert house.keys(f"runs/{run.run}/") == {keys.start(run.run), keys.gone(run.run)}


def test_a_stray_file_elsewhere_is_left_alone(house: House) -> None:
    house.run()
    strays = [f"{place}/README" for place in ("blobs", "bundles", "journal")]
    for stray in strays:
        (house.folder / stray).parent.mkdir(exist_ok=True)
        (house.folder / stray).write_text("notes")
    house.later += 100 * DAY
    house.collect()
    house.later += 3 * DAY
    last = house.collect()
    assert (last.freed_blobs, last.waiting_blobs, last.bundles) == (2, 0, 0)
    assert all((house.folder / stray).exists() for stray in strays)


def test_damage_of_a_kept_run_stops_it_unless_it_is_told_to_go_on(house: House) -> None:
    run = house.run()
    loose = house.artifacts.save("loose " * 1000, name="loose", opaque_id=str)
    path = house.folder / keys.verdict(run.run, "a", ())
    path.chmod(0o600)
    path.write_bytes(b"torn")
    for _ in range(2):
        found = house.collect(Retention())
        assert list(found.damaged) == [keys.verdict(run.run, "a", ())]
        assert (found.freed_blobs, found.records) == (0, 0)
        house.later += 3 * DAY
    assert house.collect(Retention(), despite_damage=True).freed_blobs == 0
    house.later += 3 * DAY
    assert house.collect(Retention(), despite_damage=True).freed_blobs == 2, (
        "the loose one, and what only the damaged record knew"
    )
    assert not house.artifacts.exists(loose)


def test_a_list_of_parts_that_is_gone_stops_it_too(house: House) -> None:
    run = Written(house.ledger, FLOW)
    ref = house.artifacts.save([b"a" * 10_000, b"b" * 10_000, {1: b"c" * 10_000}], name="list", opaque_id=str)
    run.commit(("a", ()), refs={"output": ref})
    run.go_on().seal()
    first = next(iter(house.artifacts.keys(ref)))
    assert house.collect(Retention()).damaged == {}
    if ref.codec == "items/1":
        (house.folder / first).unlink()
        assert house.collect(Retention()).damaged


def test_who_cannot_read_all_does_not_collect(house: House) -> None:
    run = house.run()
    house.store.put(f"runs/{run.run}/pack/{'a' * 64}", b"")
    with pytest.raises(NewerFormat, match="is a kind of record that this pipeglot does not know: it may refer to any"):
        house.collect()
    house.store.delete(f"runs/{run.run}/pack/{'a' * 64}")
    house.store.put(keys.verdict(run.run, "c", ()), pack(run.start).replace(b"pipeglot 1", b"pipeglot 9"))
    with pytest.raises(NewerFormat, match="has format 9"):
        house.collect(Retention())


def test_runs_of_a_pipeline_that_nobody_can_read_any_more(house: House) -> None:
    """Of a version so old that this one does not read it: of them only the count and the age are known."""
    old = b'{"ir_version":0,"name":"p","nodes":[]}'
    sha = hashlib.sha256(old).hexdigest()
    house.store.put(keys.ir(sha), old)
    runs = [keys.run_id("local", "p", str(number)) for number in range(4)]
    start = house.run().start
    for run in runs:
        house.ledger.start(structs.replace(start, run=run, ir=sha))
    for run in runs[:3]:
        ended = End(run=run, number=1, status="succeeded", finished=start.created, digest=None)
        house.ledger.end(ended)
    assert house.collect(Retention(keep_last=2, keep_tags=(("release", None),))).runs == 2
    assert house.ledger.listed() == ([start.run, *runs[2:]], runs[:2])
