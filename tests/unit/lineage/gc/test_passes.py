"""A pass of gc: what goes and when, what stays, and what the next pass makes of one that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.client.verify import verify
from pipeglot.core.errors import Pruned
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import passes
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.index.queries import RunFilter, list_runs
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.records import Beat, CheckpointRecord, GcPass
from pipeglot.core.lineage.runs import Runs
from pipeglot.core.lineage.view import read_run
from tests.unit.lineage.build import Failed
from tests.unit.lineage.gc.conftest import DAY, FLOW, HOUR, House, entry, large, whole
from tests.unit.lineage.index.ledgers import Written, cached_from

# --- what goes, and when ----------------------------------------------------------------------------------------------


def test_records_go_at_once_and_bytes_after_two_days_without_a_reference(house: House) -> None:
    run = house.run()
    found = house.collect()
    (told,) = found.pruned
    assert (told.pipeline, told.runs, told.blobs) == ("p", 1, 2)
    assert (found.runs, found.kept, found.freed_blobs, found.waiting_blobs) == (1, 0, 0, 2)
    assert house.keys("runs/") == {keys.start(run.run), keys.gone(run.run)}
    (marker,) = house.keys("journal/")
    assert keys.tells_gone(marker)
    assert found.next is not None
    house.later += 47 * HOUR
    found = house.collect()
    assert (found.runs, found.freed_blobs, found.waiting_blobs, len(house.blobs())) == (0, 0, 2, 2)
    house.later += 2 * HOUR
    found = house.collect()
    assert (found.freed_blobs, found.freed_bytes, house.blobs()) == (2, told.bytes, set())
    assert whole(house)


def test_a_dry_run_says_the_same_and_changes_nothing(house: House) -> None:
    house.run()
    before = house.keys(), list(house.store.list("gc/"))
    said = house.collect(dry_run=True)
    assert (house.keys(), list(house.store.list("gc/"))) == before
    done = house.collect()
    assert structs.replace(said, dry_run=False, next=None) == structs.replace(done, next=None)


def test_what_a_kept_run_refers_to_stays(house: House) -> None:
    old, new = house.run("old"), house.run("same")
    other = Written(house.ledger, FLOW)
    other.commit(("a", ()), **cached_from(old, ("a", ())))
    other.go_on(large("same")).seal()
    shared = next(iter(house.artifacts.keys(old.ref(("a", ())))))
    for _ in range(3):
        assert house.collect(Retention(keep_last=2)).kept == 2
        house.later += 3 * DAY
    assert house.blobs() == house.blobs_of(new) | {shared}
    assert whole(house)


def test_bytes_of_this_week_and_the_last_are_left_alone(house: House) -> None:
    house.later = 2 * DAY
    house.run()
    for _ in range(3):
        assert house.collect(Retention(keep_last=0)).freed_blobs == 0
        house.later += 2.5 * DAY
    assert len(house.blobs()) == 2
    house.later = 30 * DAY
    assert house.collect().freed_blobs == 0
    house.later += 3 * DAY
    assert house.collect().freed_blobs == 2


def test_an_entry_of_the_cache_goes_with_the_last_kept_run_that_made_or_used_it(house: House) -> None:
    old = house.run("old")
    user = Written(house.ledger, FLOW)
    user.commit(("a", ()), key="a" * 64, **cached_from(old, ("a", ())))
    user.go_on(large("new")).seal()
    for key in ("a" * 64, "b" * 64):
        entry(house, old, key)
    found = house.collect(Retention(keep_last=1))
    assert (found.runs, found.cache_entries) == (1, 1)
    assert house.keys("cache/") == {keys.cache("a" * 64)}
    house.ledger.store.put(keys.cache("c" * 64), b"torn")
    house.collect(Retention(keep_last=1))
    assert house.keys("cache/") == {keys.cache("a" * 64)}, "what is damaged is no entry"


def test_an_entry_of_today_stays(house: House) -> None:
    house.later = 0.0
    run = house.run()
    entry(house, run, "a" * 64)
    assert house.collect().cache_entries == 0


def test_beats_and_checkpoints_that_nobody_needs_any_more_go(house: House) -> None:
    run = house.run()
    ref = house.artifacts.save("state " * 1000, name="checkpoint", opaque_id=str)
    at = run.start.created
    for name in ("a", "c"):
        record = CheckpointRecord(run=run.run, step=name, index=(), number=1, key="k", attempt=1, at=at, ref=ref)
        house.ledger.save_checkpoint(record)
    house.ledger.beat(Beat(run=run.run, step="a", index=(), nonce="n", number=1, at=at, next=60.0))
    found = house.collect(Retention())
    assert (found.runs, found.checkpoints, found.records) == (0, 1, 2)
    assert len(house.keys(f"runs/{run.run}/c/")) == 1, "that of a step that never succeeded"
    assert house.keys(keys.beats(run.run)) == set()


# --- what stays -------------------------------------------------------------------------------------------------------


def test_an_open_run_stays_and_what_it_resumes(house: House) -> None:
    first = house.run("first")
    second = Written(house.ledger, FLOW, resumes=first.run).go_on(lambda *_: Failed).seal()
    third = Written(house.ledger, FLOW, resumes=second.run, engine={"host": "far"})
    house.later = 20 * DAY
    assert house.collect(Retention(keep_last=0)).runs == 0
    third.go_on(large("third")).seal()
    assert {one.pipeline: one.runs for one in house.collect(Retention(keep_last=0)).pruned} == {"p": 3}


def test_a_run_that_nobody_heard_of_for_a_month_is_closed(house: House) -> None:
    run = Written(house.ledger, FLOW, engine={"host": "far"})
    house.later = 29 * DAY
    assert house.collect(Retention()).closed == 0
    house.later = 31 * DAY
    assert house.collect(Retention(), dry_run=True).closed == 1
    assert house.ledger.ended(run.run) is None
    assert house.collect(Retention()).closed == 1
    ended = house.ledger.ended(run.run)
    assert ended is not None
    assert ended.status == "lost"


def test_an_engines_run_that_is_over_though_nobody_has_said_so(house: House) -> None:
    start = Written(house.ledger, FLOW).start
    run = keys.run_id("engine", "p", "1")
    house.ledger.start(structs.replace(start, run=run, backend="engine", stack="engine"))
    made = Written(house.ledger, FLOW)
    for verdict in (made.commit(("a", ())), made.commit(("b", ()))):
        house.ledger.commit(structs.replace(verdict, run=run))
    found = house.collect(Retention(older_than=90 * DAY, keep_last=0))
    assert found.runs == 3
    gone = house.ledger.gone(run)
    assert gone is not None
    assert gone.status == "succeeded"


# --- kills, and several at once ---------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def killed(*_: object) -> Any:
    raise Killed


def interrupt(house: House, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """Begin a pass, which is killed as it comes to that."""
    with monkeypatch.context() as patched:
        patched.setattr(where, name, killed)
        with pytest.raises(Killed):
            house.collect()


@pytest.mark.parametrize("at", ["bury", "put_pass", "passes"])
def test_a_pass_that_is_killed_is_gone_on_with(house: House, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    house.run("one"), house.run("two")
    interrupt(house, monkeypatch, type(house.ledger), at)
    house.later += 3 * DAY
    assert house.collect().freed_blobs == 0, "its references are dead only now"
    house.later += 3 * DAY
    assert house.collect().freed_blobs == 4
    assert len(house.keys("runs/")) == 4
    assert whole(house)


def test_one_that_is_killed_between_a_tombstone_and_its_marker(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = house.run()
    interrupt(house, monkeypatch, keys, "journal_gone")
    with pytest.raises(Pruned):
        read_run(house.ledger, house.artifacts, run.run)
    house.collect(Retention())
    assert house.ledger.listed() == ([], [run.run])
    assert house.keys("runs/") == {keys.start(run.run), keys.gone(run.run)}


def test_one_that_is_killed_while_it_removes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.run()
    house.collect()
    house.run("other")
    house.later += 3 * DAY
    interrupt(house, monkeypatch, type(house.store), "delete_all")
    assert house.collect().freed_blobs == 2
    assert whole(house)


def test_the_grace_of_what_a_killed_pass_unlinked_begins_anew(house: House) -> None:
    """An earlier pass had taken it for dead: by mistake, for a run was just taking it up."""
    run = house.run()
    week, sha = next(iter(house.blobs_of(run))).split("/")[1:]
    house.ledger.put_pass(GcPass(run="", marked=house.time() - 60 * HOUR, dead={week: {repr(1.0): [sha]}}))
    assert house.collect().freed_blobs == 0
    house.later += 49 * HOUR
    assert house.collect().freed_blobs == 2


def test_only_the_newest_pass_counts_and_it_must_be_readable(house: House) -> None:
    run = house.run()
    house.collect()
    house.later += 3 * DAY
    (newest,) = house.store.list("gc/")
    house.ledger.put_pass(GcPass(run="", marked=house.time() - HOUR))
    assert house.collect(dry_run=True).freed_blobs == 0, "the newest has found nothing dead"
    path = house.folder / newest
    path.chmod(0o600)
    path.write_bytes(b"torn")
    assert house.collect().freed_blobs == 0
    assert newest not in set(house.store.list("gc/"))
    house.later += 3 * DAY
    assert house.collect().freed_blobs == 2
    assert run.run in house.ledger.listed().gone


def test_who_meets_a_later_pass_gives_way(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = house.run()
    inner = type(house.ledger).passes

    def passes(self: Any) -> Any:
        if house.ledger.gone(run.run) is not None and not list(self.store.list("gc/")):
            self.put_pass(GcPass(run="", marked=house.time()))  # by one that began just now
        return inner(self)

    monkeypatch.setattr(type(house.ledger), "passes", passes)
    found = house.collect()
    assert found.gave_way == "another `store gc` began later and was faster"
    assert found.freed_blobs == found.records == 0
    assert keys.end(run.run, 1) in house.keys("runs/"), "what is unlinked goes with a pass that counts"


def test_a_pass_that_takes_a_day_is_void(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.run()

    def slow(*_: object) -> float:
        house.later += 13 * HOUR
        return house.time()

    monkeypatch.setattr(passes, "store_time", slow)
    assert "more than 24 hours" in house.collect().gave_way
    assert not any(key.startswith("gc/2") for key in house.store.list("gc/"))


def test_old_passes_are_removed(house: House) -> None:
    for _ in range(4):
        house.collect()
        house.later += HOUR
    assert len(list(house.store.list("gc/"))) == 2


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [DAY, 400 * DAY])
def test_a_clock_that_was_ahead_once_stops_no_later_pass(house: House, ahead: float) -> None:
    house.run()
    house.later += ahead
    house.collect()
    house.later -= ahead
    for _ in range(3):
        found = house.collect()
        assert (found.gave_way, found.freed_blobs) == ("", 0)
        house.later += DAY
    house.later += 7 * DAY
    assert house.collect().freed_blobs == 2, "six days are waited longer, at most"
    assert len(list(house.store.list("gc/"))) == 2, "and the one of a time to come is gone"


@pytest.mark.parametrize("wrong", [DAY, -DAY])
@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_clock_that_is_wrong_by_a_day_leaves_a_day_to_who_read_a_reference(
    house: House, when: int, wrong: float
) -> None:
    """In one of three passes, 11 hours apart. Who read a reference needs 12 hours."""
    house.run()
    for number in range(3):
        house.later += wrong if number == when else 0.0
        assert house.collect().freed_blobs == 0
        house.later -= wrong if number == when else 0.0
        house.later += 11 * HOUR
    assert len(house.blobs()) == 2
    house.later += 3 * DAY
    assert house.collect().freed_blobs == 2


def test_a_clock_that_is_behind_is_seen_by_what_lies_there(house: House) -> None:
    """48 hours that begin three days ago would be over at once."""
    run = house.run()
    house.collect(Retention())  # nothing is dead yet
    house.later += 3 * DAY
    house.ledger.put_pass(GcPass(run="", marked=house.time()))
    house.later -= 3 * DAY
    house.collect()
    house.later += 3 * DAY + HOUR
    assert house.collect().freed_blobs == 0
    house.later += 2 * DAY
    assert house.collect().freed_blobs == 2
    assert run.run in house.ledger.listed().gone


# --- readers ----------------------------------------------------------------------------------------------------------


def test_readers_say_that_a_run_was_pruned(house: House, tmp_path: Path) -> None:
    run, other = house.run("one"), house.run("two")
    with FileDatabase(tmp_path / "index") as database:

        def listed() -> list[str]:
            sync(database, house.ledger, house.artifacts, lambda _: None)
            return [row.run for row in list_runs(database.connection, RunFilter())]

        assert set(listed()) == {run.run, other.run}
        house.collect(Retention(keep_last=1))
        assert listed() == [other.run]
    runs = Runs(house.ledger, house.artifacts)
    assert runs.run_id("latest") == other.run
    for text in (run.run, run.run[:8]):
        with pytest.raises(Pruned, match=rf"run `{run.run}` of pipeline `p` .* was pruned on "):
            runs.run(text)


def test_a_reader_that_began_before_is_told_so_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take what is left of the records for all of them."""
    run = house.run()
    inner = type(house.ledger).verdicts

    def verdicts(self: Any, name: str) -> Any:
        found = list(inner(self, name))[:1]
        house.collect()
        return iter(found)

    monkeypatch.setattr(type(house.ledger), "verdicts", verdicts)
    with pytest.raises(Pruned):
        read_run(house.ledger, house.artifacts, run.run)


def test_verify_holds_a_pruned_run_for_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = house.run()
    interrupt(house, monkeypatch, type(house.ledger), "put_pass")
    for blob in house.blobs_of(run):
        (house.folder / blob).unlink()
    found = verify(house.store, quick=False, progress=lambda _: None)
    assert found.troubles == []
