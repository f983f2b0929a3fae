"""A run tells others that it goes on; and hears when they have closed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.errors import RunClosed, StoreError
from pipeglot.core.ir import Retry, Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Beat, Start
from pipeglot.core.log_tail import last_lines
from pipeglot.core.secret_values import Secrets
from pipeglot.runtime_local import beating, runner
from pipeglot.runtime_local.listener import Silent
from tests.unit.runtime_local.conftest import Bench, work

OFTEN = Schedule(0.1, 0.1, 0.2)


class Watched(Silent):
    """Does something when the run has beaten for the first time."""

    def __init__(self, bench: Bench, then: Callable[[str], object] = lambda _: None) -> None:
        self.bench = bench
        self.then = then
        self.run = ""
        self.heard = False
        self.warnings: list[str] = []

    def begun(self, start: Start, plan: Plan) -> None:
        self.run = start.run

    def tick(self) -> None:
        if not self.heard and next(beats(self.bench, self.run), None):
            self.heard = True
            self.then(self.run)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


def beats(bench: Bench, run: str) -> Iterator[Beat]:
    """All of them, in order."""
    for key, data in bench.store.get_all(bench.store.list(keys.beats(run))):
        found = unpack(data or b"", key)
        assert isinstance(found, Beat)
        yield found


def prints(text: str = "working", seconds: float = 0.7, name: str = "prints") -> Step:
    return work(name, "prints_and_waits", given={"text": text, "seconds": seconds})


def test_a_step_that_takes_long_beats_and_says_what_it_prints(bench: Bench) -> None:
    view = bench.run(prints("one\ntwo"), beats=OFTEN)
    found = list(beats(bench, view.run_id))
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert len(found) >= 3
    assert [one.next for one in found[:3]] == [0.1, 0.2, 0.2]
    assert found[-1].tail == "one\ntwo"
    assert view.status == "succeeded"


def test_a_short_run_costs_no_beat_and_no_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beating.Beats, "look", None)
    view = bench.run(work("one"))
    assert list(beats(bench, view.run_id)) == []


def test_what_waits_to_be_tried_again_beats(bench: Bench, marks: Path) -> None:
    step = work("flaky", given={"folder": str(marks), "times": 1}, retry=Retry(attempts=2, delay=0.6))
    view = bench.run(step, beats=OFTEN)
    assert view.status == "succeeded"
    assert {one.step for one in beats(bench, view.run_id)} == {"flaky"}


def test_a_beat_that_the_store_does_not_take_ends_nothing_and_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def beat(*_: object) -> None:
        asked.append(1)
        raise StoreError("the disk is full")

    monkeypatch.setattr(Ledger, "beat", beat)
    ears = Watched(bench)
    view = bench.run(prints(), prints("more", name="another"), listener=ears, beats=OFTEN)
    assert view.status == "succeeded"
    assert len(asked) > 1
    assert ears.warnings == [
        "no sign of life can be given, and the run may be shown as lost elsewhere: the disk is full"
    ]


def test_a_run_that_was_closed_stops_at_its_next_beat(bench: Bench) -> None:
    listener = Watched(bench, lambda run: close(bench.ledger, bench.artifacts, run))
    began = time.monotonic()
    with pytest.raises(RunClosed) as caught:
        bench.run(prints(seconds=30), listener=listener, beats=OFTEN)
    assert time.monotonic() - began < 20
    run = listener.run[:10]
    assert str(caught.value) == (
        f"run `{run}` was recorded as lost by another process, for this one was not heard of: what it has done since"
        f" then is not taken\n\nhint: what had finished before is kept: `pipeglot runs resume {run}` goes on with it,"
        " unless another run does already (`pipeglot runs list`)"
    )


@pytest.mark.parametrize("inline", [False, True])
def test_a_success_after_the_run_was_closed_is_not_taken(bench: Bench, inline: bool) -> None:
    class Closes(Silent):
        run = ""

        def running(self, cell: Any, attempt: int) -> None:
            (self.run,) = bench.ledger.runs()
            close(bench.ledger, bench.artifacts, self.run)

    listener = Closes()
    with pytest.raises(RunClosed, match="was recorded as lost by another process"):
        bench.run(work("one"), work("never", "one", after=("one",)), listener=listener, inline=inline)
    found = bench.ledger.verdict(listener.run, "one", ())
    assert found is not None
    assert found.status == "lost"
    assert list(bench.store.list("cache/")) == []
    assert bench.ledger.verdict(listener.run, "never", ()) is None


def test_a_runner_that_stood_still_looks_before_it_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that was closed: the step that is ready would run a second time, beside that of the resumed run."""

    class Sleeps(Silent):
        def settled(self, cell: Any, entry: Any) -> None:
            if cell[0] == "one":
                (run,) = bench.ledger.runs()
                close(bench.ledger, bench.artifacts, run)
                monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + 3600)

        def running(self, cell: Any, attempt: int) -> None:
            assert cell[0] == "one", "its function must not be called"

    with pytest.raises(RunClosed):
        bench.run(work("one"), work("two", "one", after=("one",)), listener=Sleeps())


def test_a_request_to_stop_is_answered_by_a_beat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked may think that the run is lost, for its clock is wrong."""
    monkeypatch.setattr(runner, "CANCEL_POLL", 0.05)
    monkeypatch.setattr(Ledger, "is_cancelled", lambda *_: True)
    view = bench.run(prints(seconds=30))
    assert view.status == "cancelled"
    assert [one.number for one in beats(bench, view.run_id)] == [1]


# --- the last lines ---------------------------------------------------------------------------------------------------


def tail_of(folder: Path, data: bytes, secret: str = "") -> str:
    log = folder / "log"
    log.write_bytes(data)
    source = folder / "secret"
    source.write_text(secret)
    step = work("one", secrets=("TOKEN",) if secret else ())
    secrets = Secrets({"TOKEN": f"file:{source}"})
    secrets.of(step)
    return last_lines(log, secrets, step)


def test_the_last_lines_are_few_and_whole(tmp_path: Path) -> None:
    assert tail_of(tmp_path, b"a\nb\n") == "a\nb"
    assert tail_of(tmp_path, b"") == ""
    assert tail_of(tmp_path, b"".join(b"%d\n" % n for n in range(100))).split("\n") == [str(n) for n in range(80, 100)]
    assert tail_of(tmp_path, b"x" * 3000 + b"\n" + b"y" * 1500 + b"\nend") == "y" * 1500 + "\nend"
    assert len(tail_of(tmp_path, b"x" * 10_000_000)) == 2000
    assert tail_of(tmp_path, b"10 %\r50 %\r90 %\r\nnext: 1\rnext: 2\r") == "90 %\nnext: 2"
    assert tail_of(tmp_path, "…é\n".encode()[1:]) == "\ufffd\ufffdé"


@pytest.mark.parametrize("size", [0, 1900, 1990, 1995, 2000, 2010, 2030, 5000])
def test_no_part_of_a_secret_is_in_them_wherever_they_are_cut(tmp_path: Path, size: int) -> None:
    secret = "correct-horse-battery-staple"
    for shift in range(0, 2 * len(secret), 3):
        told = tail_of(tmp_path, b"." * 40 + secret.encode() + b"-" * (size + shift), secret)
        assert not any(secret[at : at + 6] in told for at in range(len(secret) - 5))
        unfinished = tail_of(tmp_path, b"." * size + secret.encode()[: 6 + shift // 3], secret)
        assert "corr" not in unfinished
