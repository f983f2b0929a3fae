"""Whether a run goes on, told from its beats: the schedule, the rule, and what is read of a ledger."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import StoreError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.closing import close, was_closed
from pipeglot.core.lineage.lease import QUIET, QUIET_RUNNER, Lease, Pulse, Schedule, is_silent, lease_of, quiet_of
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.processes import this_process
from pipeglot.core.lineage.records import Asked, Attempt, Beat, Observed, Start
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run, read_view, view
from pipeglot.core.store import open_store
from tests.unit.lineage.build import RUN, mapped, out, pipeline, step, verdict

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
MADE = pipeline(step("numbers"), mapped("m", out("numbers")), step("other"))
FAR = {**this_process(), "host": "far away"}


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def beat(seconds_ago: float, step: str = "numbers", *index: int, **known: Any) -> Beat:
    told: dict[str, Any] = {"nonce": "a", "number": 1, "next": 60.0} | known
    return Beat(run=RUN, step=step, index=index, at=ago(seconds_ago).isoformat(), **told)


# --- the rule ---------------------------------------------------------------------------------------------------------


def test_beats_come_after_ten_seconds_and_then_in_growing_intervals() -> None:
    assert [Schedule().after(number) for number in (1, 2, 3, 4, 5, 6, 10_000)] == [60, 120, 240, 480, 600, 600, 600]
    assert Schedule().first == 10


@pytest.mark.parametrize(
    ("beats", "heard", "silent"),
    [
        ([], 0, False),
        ([], QUIET, False),
        ([], QUIET + 1, True),
        ([beat(179)], 5000, False),
        ([beat(181)], 5000, True),
        ([beat(1799, next=600.0)], 5000, False),
        ([beat(1801, next=600.0)], 5000, True),
        ([beat(181), beat(10, "other")], 5000, False),
        ([beat(400)], 100, False),
        ([beat(400)], 181, True),
        ([beat(-86400)], 5000, False),
    ],
    ids=[
        *("just begun", "nothing for an hour", "nothing for longer"),
        *("late", "overdue", "late by its own interval", "overdue by it"),
        *("another beats", "another record is new", "no other record is", "a clock that is ahead"),
    ],
)
def test_it_is_silent_when_what_was_to_come_is_overdue(beats: list[Beat], heard: float, silent: bool) -> None:
    assert is_silent(beats, ago(heard), NOW) == silent


@pytest.mark.parametrize(
    ("backend", "asked", "quiet"),
    [
        ("local", Asked(), QUIET_RUNNER),
        ("local", Asked(inline=True), QUIET),
        ("local", None, QUIET),
        ("airflow", Asked(), QUIET),
    ],
)
def test_who_would_beat_is_not_waited_for_as_long(backend: str, asked: Asked | None, quiet: float) -> None:
    at = NOW.isoformat()
    start = Start(
        run=RUN,
        pipeline="p",
        stack="s",
        backend=backend,
        ir="a" * 64,
        params={},
        created=at,
        logical_date=at,
        asked=asked,
    )
    assert quiet_of(start) == quiet
    assert not is_silent([], ago(quiet), NOW, quiet)
    assert is_silent([], ago(quiet + 1), NOW, quiet)


# --- what writes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_store(tmp_path / "store"))


def test_a_pulse_beats_in_its_slot_and_knows_when_it_is_due_again(ledger: Ledger) -> None:
    clock = [100.0]
    pulse = Pulse(ledger, RUN, ("m", (3,)), began=95.0, slot=2, clock=lambda: clock[0])
    assert pulse.due == 105.0
    clock[0] = 106.0
    pulse.beat(attempt=4, tail="epoch 1")
    assert pulse.due == 166.0
    pulse.beat()
    assert pulse.due == 226.0
    first, second = (ledger.store.get(key) for key in ledger.store.list(keys.beats(RUN)))
    assert first is not None
    assert second is not None
    (found,) = ledger.beats(RUN, ())
    assert (found.step, found.index, found.slot, found.number, found.next) == ("m", (3,), 2, 2, 120.0)
    assert ledger.beats(RUN, {"m/3/1"}) == [found]
    assert ledger.beats(RUN, {"m/3/2"}) == [], "its slot has a verdict"


def test_a_beat_that_is_not_taken_is_tried_again_soon(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    pulse = Pulse(ledger, RUN, ("a", ()), began=0.0, clock=lambda: clock[0])
    for _ in range(4):
        pulse.beat()

    def put(*_: object) -> bool:
        raise StoreError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(type(ledger.store), "put", put)
        with pytest.raises(StoreError):
            pulse.beat()
    assert pulse.due == 60.0, "and not after ten minutes"
    pulse.beat()
    assert ledger.beats(RUN, ())[0].number == 5


# --- what is read -----------------------------------------------------------------------------------------------------


class Far:
    """A run of another machine, as far as it has come."""

    def __init__(self, ledger: Ledger, *, created: float = 7200) -> None:
        self.ledger = ledger
        self.artifacts = Artifacts(ledger.store)
        at = ago(created).isoformat()
        ir = ledger.put_ir(MADE)
        known: dict[str, Any] = {"pipeline": "p", "stack": "s", "backend": "local", "ir": ir, "params": {}}
        self.start = ledger.start(Start(run=RUN, created=at, logical_date=at, engine=FAR, **known))

    def commit(self, cell: keys.Cell, value: Any, seconds_ago: float, seconds: float = 0.0) -> None:
        made = verdict(cell, value)
        seen = structs.replace(made.observed, started=ago(seconds_ago).isoformat(), seconds=seconds)
        self.ledger.commit(structs.replace(made, observed=seen))

    def state(self) -> RunState:
        return read_run(self.ledger, self.artifacts, RUN)[1]

    def lease(self) -> Lease:
        return lease_of(self.ledger, self.start, self.state(), NOW)


@pytest.fixture
def far(ledger: Ledger) -> Far:
    return Far(ledger)


def test_a_run_of_elsewhere_is_lost_after_an_hour_without_a_sign(far: Far) -> None:
    assert (far.lease().status, far.lease().seen, far.lease().quiet) == ("lost", ago(7200), 7200)
    far.commit(("other", ()), 1, seconds_ago=5000, seconds=1500)
    assert (far.lease().status, far.lease().seen) == ("running", ago(3500))


def test_its_beats_tell_that_it_goes_on_and_what_its_steps_print(far: Far) -> None:
    far.ledger.beat(beat(50, "other", number=1, tail="before"))
    far.ledger.beat(beat(20, "other", number=2, tail="now", next=120.0))
    far.ledger.beat(beat(6000, "numbers", tail="long ago"))
    lease = far.lease()
    assert (lease.status, lease.certain, lease.seen) == ("running", False, ago(20))
    shown = {one.id: one for one in view(far.start, far.state(), lease).steps}
    assert (shown["other"].status, shown["other"].tail, shown["other"].seen) == ("running", "now", ago(20).isoformat())
    assert (shown["numbers"].status, shown["numbers"].tail) == ("lost", "long ago"), "of many, one may be lost"


def failed(seconds_ago: float, step: str = "numbers", *, number: int = 1, slot: int = 1) -> Attempt:
    seen = Observed(backend="airflow", attempt=number, started=ago(seconds_ago + 60).isoformat(), seconds=60.0)
    return Attempt(run=RUN, step=step, index=(), slot=slot, observed=seen)


def test_what_failed_and_is_tried_again_was_there(far: Far) -> None:
    """Between two attempts there may be many minutes, in which nobody beats."""
    far.ledger.failed_attempt(failed(3000, number=1))
    assert (far.lease().status, far.lease().seen) == ("running", ago(3000))
    far.ledger.failed_attempt(failed(3700, "other"))
    far.ledger.beat(beat(3050))
    assert far.lease().status == "running", "what beat has failed since"
    far.ledger.beat(beat(900, attempt=2, number=2))
    assert far.lease().status == "lost", "the next attempt did beat, and does not any more"


def test_what_failed_an_hour_ago_tells_when_it_was_last_heard_of(far: Far) -> None:
    far.ledger.failed_attempt(failed(4000, number=1))
    far.ledger.failed_attempt(failed(3700, number=2))
    assert (far.lease().status, far.lease().seen) == ("lost", ago(3700))
    far.ledger.store.put(f"{keys.attempts(RUN)}numbers/-/1/3-x", b"torn")
    assert far.lease().seen == ago(7200), "what is damaged says nothing, and hides what was before it"
    assert far.ledger.tried(RUN, {"numbers/-/1"}) == []


def test_beats_of_what_is_over_count_no_more(far: Far) -> None:
    far.ledger.beat(beat(20))
    assert far.lease().status == "running"
    far.commit(("numbers", ()), [1, 2], seconds_ago=4000)
    assert (far.lease().status, far.lease().beats) == ("lost", {})


def test_of_several_processes_at_one_cell_the_last_heard_counts(far: Far) -> None:
    far.ledger.beat(beat(300, nonce="zombie", number=7, tail="old"))
    far.ledger.beat(beat(30, nonce="again", number=1, tail="new"))
    assert [one.tail for one in far.lease().beats.values()] == ["new"]


def test_what_is_no_beat_says_nothing(far: Far) -> None:
    store = far.ledger.store
    store.put(f"{keys.beats(RUN)}numbers/-/1/a/1", b"torn")
    store.put(f"{keys.beats(RUN)}numbers/-/1/README", b"")
    store.put(f"{keys.beats(RUN)}other/-/1/a/1", store.get(keys.start(RUN)) or b"")
    far.ledger.beat(structs.replace(beat(1), at="yesterday"))
    far.ledger.beat(structs.replace(beat(1, "gone"), nonce="b"))
    assert [step for step, _ in far.lease().beats] == ["gone"], "of a step that the pipeline does not have"
    assert far.lease().of(("numbers", ())) == ("running", None)


def test_a_process_of_this_machine_is_looked_at_whatever_its_beats_say(far: Far) -> None:
    far.ledger.beat(beat(5000))
    here = structs.replace(far.start, engine=this_process())
    gone = structs.replace(far.start, engine=this_process() | {"process": "of an earlier boot"})
    states = [lease_of(far.ledger, start, far.state(), NOW) for start in (here, gone)]
    assert [(one.status, one.certain) for one in states] == [("running", True), ("lost", True)]
    assert states[0].of(("numbers", ()))[0] == "running", "it may have slept"


def test_a_reader_writes_nothing(far: Far) -> None:
    before = list(far.ledger.store.list("runs/"))
    assert read_view(far.ledger, far.artifacts, RUN).status == "lost"
    assert list(far.ledger.store.list("runs/")) == before


def test_whoever_closes_it_keeps_the_last_lines(far: Far) -> None:
    far.ledger.beat(beat(5000, attempt=3, tail="epoch 7\nepoch 8"))
    assert close(far.ledger, far.artifacts, RUN).status == "lost"
    found = far.ledger.verdict(RUN, "numbers", ())
    assert found is not None
    assert was_closed(found)
    assert (found.status, found.observed.attempt) == ("lost", 3)
    assert found.observed.log is not None
    folder = Path(far.ledger.store.uri.removeprefix("file://")).parent / "scratch"
    folder.mkdir()
    path = far.artifacts.load(found.observed.log, name="log", scratch=folder)
    assert isinstance(path, Path)
    assert path.read_text() == "epoch 7\nepoch 8"
