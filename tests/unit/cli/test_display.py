"""What a run shows line by line, which display is chosen, and what is told of one that fails."""

from __future__ import annotations

import io

import pytest

from pipeglot.client.display import make_display
from pipeglot.client.display.board import Board
from pipeglot.client.display.guard import Guard
from pipeglot.client.display.live import Live
from pipeglot.client.display.plain import MOST_LINES, Plain
from pipeglot.client.display.report import blamed_steps
from pipeglot.core import ir
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure
from pipeglot.core.lineage.state import Entry
from tests.unit.cli.displaying import (
    FLOW,
    START,
    VIEW,
    Clock,
    Terminal,
    done,
    drive,
    drive_hooks,
    out,
    skipped,
    step,
)

# --- plain ------------------------------------------------------------------------------------------------------------


def test_plain_lines() -> None:
    clock, stream = Clock(), io.StringIO()
    drive(Plain(Board(clock), stream), clock)
    assert stream.getvalue().splitlines() == [
        "load: succeeded in 1.5 s",
        "train[2]: attempt 1 of 3 failed (ValueError: odd), the next in 3.0 s",
        "train[2]: failed (ValueError: odd)",
        "best: skipped",
        "train: 2 of 3 succeeded, 1 cached, 1 failed in 5.0 s",
    ]


def test_plain_lines_of_hooks() -> None:
    clock, stream = Clock(), io.StringIO()
    drive_hooks(Plain(Board(clock), stream), clock)
    assert stream.getvalue().splitlines() == [
        "load: succeeded in 1.5 s",
        "hook glad: succeeded in 1.5 s",
        "hook proud: failed: ValueError: odd",
    ]


def test_plain_lines_are_few() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Plain(Board(clock), stream)
    names = [f"s{number}" for number in range(1000)]
    display.begun(START, Plan(ir.Pipeline(name="p", nodes=tuple(step(name) for name in names))))
    for name in names:
        display.settled(*done((name, ()), "failed" if name == "s900" else "succeeded"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == "s900: failed: ValueError: odd"


def test_plain_failures_of_a_map_are_few() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Plain(Board(clock), stream)
    display.begun(START, Plan(FLOW))
    display.expanded([("train", (i,)) for i in range(1000)])
    for number in range(1000):
        display.settled(*done(("train", (number,)), "failed"))
        display.tick()
    assert len(stream.getvalue().splitlines()) == 12


def test_plain_says_that_it_is_alive() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Plain(Board(clock), stream)
    display.begun(START, Plan(FLOW))
    display.running(("load", ()), 1)
    display.expanded([("train", (i,)) for i in range(4)])
    display.running(("train", (0,)), 1)
    for _ in range(4):
        clock.now += 31
        display.tick()
    assert stream.getvalue().splitlines() == [
        "… after 1 min 2 s: load, train 0/4",
        "… after 2 min 4 s: load, train 0/4",
    ]


def test_plain_nested_and_empty_maps_are_told_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    inner = ir.Map(id="i", over={"y": out("a")}, body=(step("deep"),))
    flow = ir.Pipeline(
        name="p",
        nodes=(
            ir.Map(id="o", over={"x": out("a")}, body=(step("mid"), inner)),
            ir.Map(id="e", over={"x": out("a")}, body=(step("none"),)),
        ),
    )
    display = Plain(Board(clock), stream)
    display.begun(START, Plan(flow))
    display.expanded([("mid", (0,)), ("mid", (1,)), ("deep", (0, 0))])
    display.settled(*done(("deep", (0, 0))))
    display.tick()
    assert stream.getvalue() == ""
    display.expanded([("deep", (1, 0))])
    display.settled(*done(("deep", (1, 0))))
    display.settled(*done(("mid", (0,))))
    display.settled(*done(("mid", (1,)), cached=True))
    display.tick()
    assert stream.getvalue().splitlines() == ["mid: 2 of 2 succeeded, 1 cached"]
    display.ended(VIEW)
    assert stream.getvalue().splitlines()[1:] == ["deep: 2 of 2 succeeded", "none: no items"]


def test_a_map_that_never_expanded_is_one_skipped_entry() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Plain(Board(clock), stream)
    display.begun(START, Plan(FLOW))
    display.settled(*done(("load", ()), "failed"))
    display.settled(*skipped(("train", ())))
    display.settled(*skipped(("best", ())))
    display.tick()
    assert stream.getvalue().splitlines()[-2:] == ["best: skipped", "train: skipped"]


def test_user_text_is_made_safe() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Plain(Board(clock), stream)
    display.begun(START, Plan(FLOW))
    bad = Failure(cause="raised", type="ValueError", message="\x1b[2J\x07[red]x[/red]")
    display.settled(("load", ()), Entry("failed", None, bad))
    assert stream.getvalue() == "load: failed: ValueError: \\x07[red]x[/red]\n"


# --- which, and what if it fails --------------------------------------------------------------------------------------


def test_which_display(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_display(terminal).display, Live)
    assert isinstance(make_display(io.StringIO()).display, Plain)
    monkeypatch.setenv("CI", "true")
    assert isinstance(make_display(terminal).display, Plain)
    monkeypatch.delenv("CI")
    monkeypatch.setenv("NO_COLOR", "1")
    assert isinstance(make_display(terminal).display, Plain)


def test_a_display_that_fails_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.delenv("PIPEGLOT_DEBUG", raising=False)
    clock = Clock()
    guard = Guard(Plain(Board(clock), Closed()))
    guard.begun(START, Plan(FLOW))
    guard.settled(*done(("load", ())))
    assert guard.display is None
    guard.tick()
    guard.close()
    monkeypatch.setenv("PIPEGLOT_DEBUG", "1")
    guard = Guard(Plain(Board(clock), Closed()))
    guard.begun(START, Plan(FLOW))
    with pytest.raises(BrokenPipeError):
        guard.settled(*done(("load", ())))


# --- whose fault ------------------------------------------------------------------------------------------------------


def test_blamed_steps() -> None:
    branch = ir.Branch(id="when_1", when=ir.Truth(value=out("b")), then=(step("yes"),), otherwise=(step("no"),))
    mapped = ir.Map(id="a", over={"x": out("c")}, body=(step("item"),))
    either = ir.OneOf(options=(out("yes"), out("other")))
    flow = ir.Pipeline(
        name="p",
        nodes=(
            step("a"),
            step("other"),
            step("b", inputs={"x": out("a")}),
            step("c", after=("b",)),
            branch,
            mapped,
            step("end", inputs={"x": out("item")}),
            step("saved", inputs={"x": either}),
        ),
    )
    assert blamed_steps(Plan(flow), {"a"}) == {"b", "c", "when_1", "yes", "no", "item", "end"}
    assert blamed_steps(Plan(flow), {"when_1"}) == {"yes", "no"}
    assert blamed_steps(Plan(flow), {"other"}) == set()
