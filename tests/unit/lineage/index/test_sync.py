"""The index follows the ledger: each run is read once, open ones go on, and nothing odd in the store stops it."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.ir import Param, ParamRef, Pipeline, ScalarType
from pipeglot.core.lineage import keys, processes
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index import sync as sync_module
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.ledger import pack
from pipeglot.core.lineage.processes import this_process
from pipeglot.core.lineage.records import Beat, Gone
from tests.unit.lineage.build import Failed, mapped, out, pipeline, step
from tests.unit.lineage.index.conftest import Bench, Counting
from tests.unit.lineage.index.ledgers import Written, cached_from, done

FLOW = pipeline(step("a"), mapped("m", out("a")), step("sum", xs=out("m")))


def answer(name: str, index: Index) -> Any:
    return [1, 2, 3] if name == "a" else 7


def listed(bench: Bench) -> list[tuple[str, str]]:
    return [(row.run, row.status) for row in bench.ask(lambda c: queries.list_runs(c, RunFilter()))]


def test_what_is_indexed_bit_by_bit_is_what_a_new_index_has(bench: Bench) -> None:
    first = done(bench.ledger, FLOW, answer, tags={"team": "risk"})
    bench.sync()
    second = Written(bench.ledger, structs.replace(FLOW, tags=("ml",)), params={}).go_on(answer, most=2)
    bench.sync()
    second.go_on(answer, most=1)
    bench.sync()
    second.go_on(answer).seal()
    third = Written(bench.ledger, FLOW)
    third.commit(("a", ()), **cached_from(first, ("a", ())))
    third.go_on(lambda *_: Failed, most=2)
    bench.sync()
    bench.sync(name="new")
    assert bench.rows() == bench.rows("new")
    assert [run for run, _ in listed(bench)] == [third.run, second.run, first.run]
    counts = bench.ask(queries.totals)
    assert counts["runs"] == 3
    assert counts["cells"] == 5 + 5 + 3


def test_a_finished_run_is_read_once(bench: Bench) -> None:
    for _ in range(3):
        done(bench.ledger, FLOW, answer)
    assert bench.sync().read == 3
    store = Counting(bench.folder / "store")
    assert bench.sync(store=store).read == 0
    assert store.asked == {"list": 1}


def test_of_an_open_run_only_new_records_are_read(bench: Bench) -> None:
    run = Written(bench.ledger, FLOW).go_on(answer, most=3)
    bench.sync()
    run.go_on(answer, most=1)
    store = Counting(bench.folder / "store")
    bench.sync(store=store)
    assert store.asked == {"list": 3, "get": 3}  # journal, verdicts, beats; is there an end, the new one, the IR
    store = Counting(bench.folder / "store")
    assert bench.sync(store=store).read == 0
    assert store.asked == {"list": 3, "get": 1}
    assert bench.ask(lambda c: c.execute("SELECT COUNT(*) FROM pending").fetchone()) == (5,)
    run.go_on(answer).seal()
    bench.sync()
    assert bench.ask(lambda c: c.execute("SELECT COUNT(*) FROM pending").fetchone()) == (0,)
    assert listed(bench) == [(run.run, "succeeded")]


def test_the_status_of_an_open_run_is_that_of_its_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = this_process()
    here = Written(bench.ledger, FLOW, engine=engine).go_on(answer, most=1)
    gone = Written(bench.ledger, FLOW, engine={**engine, "process": "of an earlier boot"})
    elsewhere = Written(bench.ledger, FLOW, engine={**engine, "host": "another", "process": ""})
    bench.sync()
    assert dict(listed(bench)) == {here.run: "running", gone.run: "lost", elsewhere.run: "running"}
    born = processes._born
    monkeypatch.setattr(processes, "_born", lambda pid: f"{born(pid)} and later")
    bench.sync()
    assert dict(listed(bench)) == {here.run: "lost", gone.run: "lost", elsewhere.run: "running"}


def test_of_a_process_that_nobody_here_can_look_at_its_beats_tell(bench: Bench) -> None:
    now = dt.datetime.now(dt.UTC)
    engine = {**this_process(), "host": "another"}
    hours_ago = (now - dt.timedelta(hours=2)).isoformat()
    run = Written(bench.ledger, FLOW, engine=engine, created=hours_ago).go_on(answer, most=1)
    bench.sync()
    assert listed(bench) == [(run.run, "lost")], "nothing for an hour"
    step, index = run.state.ready[0]
    beat = Beat(run=run.run, step=step, index=index, nonce="a", number=1, at=now.isoformat(), next=60.0)
    bench.ledger.beat(beat)
    bench.sync()
    assert listed(bench) == [(run.run, "running")], "it was only silent"
    run.commit((step, index), answer(step, index), started=hours_ago)
    bench.sync()
    assert listed(bench) == [(run.run, "lost")], "the beats of what is over count no more"
    bench.sync()
    assert listed(bench) == [(run.run, "lost")]


def test_a_run_that_was_over_when_its_process_died_is_what_it_came_to(bench: Bench) -> None:
    run = Written(bench.ledger, FLOW, engine={**this_process(), "process": "gone"}).go_on(answer)
    bench.sync()
    bench.sync()
    assert listed(bench) == [(run.run, "succeeded")]


def test_runs_that_are_gone_from_the_store_go_from_the_index(bench: Bench) -> None:
    first = done(bench.ledger, FLOW, answer)
    second = Written(bench.ledger, pipeline(step("a")))
    second.commit(("a", ()), **cached_from(first, ("a", ())))
    second.seal()
    bench.sync()
    before = bench.rows()
    hidden = bench.folder / "hidden"
    for key in list(bench.ledger.store.list(keys.JOURNAL)):
        if first.run in key:
            shutil.move(bench.folder / "store" / key, hidden)
    bench.sync()
    assert [run for run, _ in listed(bench)] == [second.run]
    node = bench.ask(lambda c: queries.node_id(c, second.run, "artifact", "a", "", "output"))
    assert node is not None
    nodes = bench.ask(lambda c: queries.nodes(c, queries.walk(c, [node], "up", None, 100)))
    assert {(one.run, one.kind, one.known) for one in nodes} == {
        (second.run, "artifact", 1),
        (second.run, "cell", 1),  # the other run cannot tell any more, so this one does
        (first.run, "artifact", 0),
    }
    shutil.move(hidden, bench.folder / "store" / before["journal"][0][0])
    for row in before["journal"]:
        path = bench.folder / "store" / row[0]
        path.touch()
    bench.sync()
    assert bench.rows() == before


def test_a_store_that_was_made_anew_at_its_place(bench: Bench) -> None:
    done(bench.ledger, FLOW, answer)
    bench.sync()
    shutil.rmtree(bench.folder / "store")
    fresh = bench.again()
    run = done(fresh.ledger, FLOW, answer)
    fresh.sync()
    assert listed(fresh) == [(run.run, "succeeded")]
    assert {row[0] for row in fresh.rows()["runs"] if row[1]} == {run.run}


def test_the_id_of_a_run_is_never_anothers(bench: Bench) -> None:
    """A process that has read what the index knows, and then waits, takes it for the one that it was."""
    first = done(bench.ledger, FLOW, answer)
    bench.sync()
    bench.ledger.bury(Gone(run=first.run, at="2026-11-22T00:00:00+00:00"))
    bench.sync()
    second = done(bench.ledger, FLOW, answer)
    bench.sync()
    ids = bench.ask(lambda c: dict(c.execute("SELECT run, id FROM runs").fetchall()))
    assert ids[second.run] != ids.get(first.run, 1)
    assert listed(bench) == [(second.run, "succeeded")]


@pytest.mark.parametrize("part", ["start", "end/1", "v/m/1/1"])
def test_a_damaged_run_is_left_out_and_tried_again(bench: Bench, part: str) -> None:
    good, bad = done(bench.ledger, FLOW, answer), done(bench.ledger, FLOW, answer)
    key = f"runs/{bad.run}/{part}"
    data = bench.damage(key)
    for _ in range(2):
        assert bench.sync().unreadable == [f"`{key}` does not match its checksum: it was cut or changed"]
        assert listed(bench) == [(good.run, "succeeded")]
    (bench.folder / "store" / key).write_bytes(data)
    assert bench.sync().unreadable == []
    assert len(listed(bench)) == 2


def test_a_run_of_a_later_pipeglot_is_left_out(bench: Bench) -> None:
    good, later = done(bench.ledger, FLOW, answer), done(bench.ledger, FLOW, answer)
    path = bench.folder / "store" / keys.start(later.run)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"pipeglot 1 ", b"pipeglot 9 "))
    (told,) = bench.sync().unreadable
    assert told == f"`runs/{later.run}/start` has format 9; this pipeglot reads up to 1"
    assert listed(bench) == [(good.run, "succeeded")]


def test_a_run_without_its_pipeline_is_left_out(bench: Bench) -> None:
    run = done(bench.ledger, FLOW, answer)
    (bench.folder / "store" / keys.ir(run.start.ir)).unlink()
    (told,) = bench.sync().unreadable
    assert "has no pipeline" in told
    assert listed(bench) == []


def test_records_that_do_not_fit_together_are_left_out(bench: Bench) -> None:
    """Each is whole, but the start names a pipeline that has a parameter more."""
    good, bad = done(bench.ledger, FLOW, answer), done(bench.ledger, FLOW, answer)
    more = Pipeline(
        name="p",
        params=(Param(name="n", type=ScalarType(name="int")),),
        nodes=(mapped("m", ParamRef(name="n")),),
    )
    path = bench.folder / "store" / keys.start(bad.run)
    path.chmod(0o600)
    path.write_bytes(pack(structs.replace(bad.start, ir=bench.ledger.put_ir(more))))
    (told,) = bench.sync().unreadable
    assert told == f"the records of run `{bad.run}` do not fit together (KeyError: 'n')"
    assert listed(bench) == [(good.run, "succeeded")]


def test_a_stray_file_in_the_journal_hides_nothing(bench: Bench) -> None:
    run = done(bench.ledger, FLOW, answer)
    (bench.folder / "store/journal/notes.txt").write_text("mine")
    assert bench.sync().unreadable == ["`journal/notes.txt` is no marker of the journal"]
    assert listed(bench) == [(run.run, "succeeded")]
    assert bench.ledger.runs() == [run.run]


def test_a_marker_of_a_run_that_never_began_is_nothing(bench: Bench) -> None:
    run = keys.run_id("local", "p", "never")
    bench.ledger.store.put(keys.journal("20260101T000000.000000", run, "0" * 8), b"")
    assert bench.sync() == (0, [])
    assert listed(bench) == []


def test_a_second_marker_of_a_run_changes_nothing(bench: Bench) -> None:
    """Every task of an engine's run puts one; the first says when the run came."""
    first, second = done(bench.ledger, FLOW, answer), done(bench.ledger, FLOW, answer)
    bench.sync()
    before = listed(bench)
    bench.ledger.start(first.start)
    bench.sync()
    assert listed(bench) == before == [(second.run, "succeeded"), (first.run, "succeeded")]
    assert len(bench.rows()["journal"]) == 3


def test_who_waits_is_told_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeglot.core.lineage.index.sync.SLOW", 0.0)
    for _ in range(3):
        done(bench.ledger, FLOW, answer)
    bench.sync()
    (told,) = bench.told
    assert told.startswith("reading 3 runs of `file://")


def test_many_runs_are_written_in_several_transactions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeglot.core.lineage.index.sync.BATCH_RUNS", 2)
    runs = [done(bench.ledger, FLOW, answer).run for _ in range(5)]
    assert bench.sync().read == 5
    assert [run for run, _ in listed(bench)] == runs[::-1]


def test_a_run_that_another_process_puts_in_meanwhile_is_read_to_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one has found it open; it is over since."""
    run = Written(bench.ledger, FLOW).go_on(answer, most=1)
    listed_so_far = sync_module._Sync._listed

    def meanwhile(mine: sync_module._Sync) -> tuple[set[str], list[str]]:
        monkeypatch.undo()
        bench.sync()
        assert listed(bench) == [(run.run, "running")]
        run.go_on(answer).seal()
        return listed_so_far(mine)

    monkeypatch.setattr(sync_module._Sync, "_listed", meanwhile)
    bench.sync()
    assert listed(bench) == [(run.run, "succeeded")]
