"""What a run shows while it goes on, driven by hand on a clock of its own."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pipeglot.client.display import make_display
from pipeglot.client.display.board import Board, Row
from pipeglot.client.display.guard import Display, Guard
from pipeglot.client.display.lines import glyph
from pipeglot.client.display.live import Live, choose
from pipeglot.client.display.notebook import Notebook
from pipeglot.client.display.plain import MOST_LINES, Plain
from pipeglot.client.display.redrawn import Redrawn
from pipeglot.client.display.report import blamed_steps
from pipeglot.core import ir
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Observed, Origin, Portable, Start, Verdict
from pipeglot.core.lineage.state import Entry

CODE = ir.CodeRef(module="m", qualname="f")
START: Any = Start(run="r", pipeline="p", stack="s", backend="local", ir="", params={}, created="", logical_date="")
VIEW: Any = None
ODD = Failure(cause="raised", type="ValueError", message="odd\nsecond line")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def step(name: str, **fields: Any) -> ir.Step:
    return ir.Step(id=name, code=CODE, **fields)


def out(name: str) -> ir.OutputRef:
    return ir.OutputRef(step=name, output="output")


FLOW = ir.Pipeline(
    name="p",
    nodes=(
        step("load"),
        ir.Map(id="train", over={"x": out("load")}, body=(step("train", retry=ir.Retry(attempts=3)),)),
        step("best", inputs={"xs": out("train")}),
    ),
)


def done(cell: Cell, status: Any = "succeeded", *, cached: bool = False, seconds: float = 1.5) -> tuple[Cell, Entry]:
    failure = ODD if status == "failed" else None
    origin = Origin(run="r", step=cell[0]) if cached else None
    seen = Observed(backend="local", seconds=seconds, cached=origin, failure=failure)
    verdict = Verdict(
        run="r",
        step=cell[0],
        index=cell[1],
        status=status,
        portable=Portable(code=""),
        observed=seen,
    )
    return cell, Entry(status, verdict, failure)


def skipped(cell: Cell) -> tuple[Cell, Entry]:
    return cell, Entry("skipped")


def drive(display: Display, clock: Clock) -> None:
    """A whole run: one item of three fails after a retry, one is cached."""
    display.begun(START, Plan(FLOW))
    display.expanded([("load", ())])
    display.running(("load", ()), 1)
    clock.now += 2
    display.settled(*done(("load", ())))
    display.expanded([("train", (i,)) for i in range(3)])
    display.settled(*done(("train", (0,)), cached=True))
    display.running(("train", (1,)), 1)
    display.running(("train", (2,)), 1)
    clock.now += 1
    display.tick()
    display.settled(*done(("train", (1,))))
    display.retrying(("train", (2,)), 2, ODD, 3.0)
    display.tick()
    clock.now += 3
    display.running(("train", (2,)), 2)
    clock.now += 1
    display.settled(*done(("train", (2,)), "failed"))
    display.settled(*skipped(("best", ())))
    display.tick()
    display.ended(VIEW)
    display.close()


HOOKED = ir.Pipeline(
    name="p", nodes=(step("load"),), on_failure=(step("sad"),), on_success=(step("glad"), step("proud"))
)


def drive_hooks(display: Display, clock: Clock) -> None:
    """A run that succeeds, with one of its hooks failing."""
    display.begun(START, Plan(HOOKED))
    display.expanded([("load", ())])
    display.running(("load", ()), 1)
    clock.now += 2
    display.settled(*done(("load", ())))
    display.settled(*skipped(("sad", ())))
    display.expanded([("glad", ()), ("proud", ())])
    for name in ("glad", "proud"):
        display.running((name, ()), 1)
        clock.now += 1
        display.tick()
        display.settled(*done((name, ()), "failed" if name == "proud" else "succeeded"))
    display.ended(VIEW)
    display.close()


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


# --- live -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def screen(text: str, width: int = 60) -> list[str]:
    """What a terminal shows after all that: cursor up, carriage return and erase-line are obeyed, colours left out."""
    import re

    lines: list[str] = [""]
    row = 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token.endswith("A") and token.startswith("\x1b"):
            row -= 1
        elif token.endswith("K") and token.startswith("\x1b"):
            lines[row] = ""
        elif token != "\r" and not token.startswith("\x1b"):
            assert len(lines[row]) + len(token) <= width
            lines[row] += token
    return [line.rstrip() for line in lines]


def test_live_lines(terminal: Terminal) -> None:
    clock = Clock()
    drive(Live(Board(clock), terminal), clock)
    assert screen(terminal.getvalue()) == [
        "✓ load   1.5 s",
        "✗ train  3/3  1 failed  1 cached  5.0 s",
        "– best   skipped",
        "",
    ]
    text = terminal.getvalue()
    assert "\x1b[?25l" in text
    assert text.rstrip().endswith("\x1b[?25h")


def test_live_lines_of_hooks(terminal: Terminal) -> None:
    clock = Clock()
    drive_hooks(Live(Board(clock), terminal), clock)
    assert [line.rstrip() for line in screen(terminal.getvalue()) if line.strip()] == [
        "✓ load   1.5 s",
        "✓ glad   hook  1.5 s",
        "✗ proud  hook  failed after 1.5 s",
    ]


def test_lines_of_hooks_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, bundle: dict[str, str], *, raw: bool) -> None:
            assert raw
            drawn.append(bundle["text/plain"])

    def display(bundle: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        drawn.append(bundle["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    clock = Clock()
    drive_hooks(Notebook(Board(clock)), clock)
    assert [line.split() for line in drawn[0].splitlines()] == [
        ["✓", "load", "1.5", "s"],
        ["●", "glad", "hook", "1.0", "s"],
    ]
    assert drawn[-1] == ""  # it goes with the end


def test_live_lines_in_between(terminal: Terminal) -> None:
    clock = Clock()
    display = Live(Board(clock), terminal)
    display.begun(START, Plan(FLOW))
    display.expanded([("load", ())])
    display.running(("load", ()), 1)
    display.tick()
    assert terminal.getvalue() == ""
    clock.now += 2
    display.tick()
    assert screen(terminal.getvalue()) == ["● load   2.0 s", "· train", "· best", "2.0 s"]
    display.settled(*done(("load", ())))
    display.expanded([("train", (i,)) for i in range(12)])
    display.running(("train", (0,)), 1)
    display.retrying(("train", (0,)), 2, ODD, 3.0)
    display.running(("train", (1,)), 1)
    clock.now += 1
    display.tick()
    assert screen(terminal.getvalue())[1] == "● train  0/12  1 to be tried again  1 running  1.0 s"
    display.cancelling(30.0)
    assert screen(terminal.getvalue())[-1].startswith("cancelling, 3.0 s: running steps may end what they do")
    display.close()
    display.close()


def test_what_is_no_matter_of_a_step_is_told_and_stays(terminal: Terminal) -> None:
    clock, stream = Clock(), io.StringIO()
    plain = Plain(Board(clock), stream)
    live = Live(Board(clock), terminal)
    for display in (plain, live):
        display.begun(START, Plan(FLOW))
        display.warned("no sign of life can be given")
        clock.now += 1
        display.tick()
        display.ended(VIEW)
        display.close()
    assert stream.getvalue().splitlines()[0] == "note: no sign of life can be given"
    assert "note: no sign of life can be given" in screen(terminal.getvalue())
    board = Board(clock)
    board.notes.append("<b>")
    assert "note: &lt;b&gt;" in Notebook(board)._html()


def test_live_draws_at_most_ten_times_a_second(terminal: Terminal) -> None:
    clock = Clock()
    display = Live(Board(clock), terminal)
    display.begun(START, Plan(FLOW))
    clock.now += 1
    display.tick()
    before = len(terminal.getvalue())
    for _ in range(9):
        clock.now += 0.01
        display.tick()
    assert len(terminal.getvalue()) == before
    clock.now += 0.02
    display.tick()
    assert len(terminal.getvalue()) > before
    display.close()


def test_drawing_that_takes_long_is_done_seldom() -> None:
    """Of ten thousand steps, all are looked at for a drawing: a twentieth of the time may go into it, and no more."""
    clock, drawn = Clock(), list[float]()

    class Slow(Redrawn):
        def draw(self) -> None:
            drawn.append(clock.now)
            clock.now += 0.5

        def close(self) -> None: ...

    display = Slow(Board(clock), after=0.25, between=0.1)
    display.begun(START, Plan(FLOW))
    began = clock.now
    while clock.now < began + 60:
        clock.now += 0.01
        display.tick()
    assert 5 <= len(drawn) <= 7
    assert drawn[0] < began + 0.3


def test_a_short_run_is_shown_when_it_is_over(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Live, "_start", None)
    clock = Clock()
    display = Live(Board(clock), terminal)
    display.begun(START, Plan(FLOW))
    display.settled(*done(("load", ()), cached=True))
    display.tick()
    assert terminal.getvalue() == ""
    display.ended(VIEW)
    assert screen(terminal.getvalue()) == ["✓ load   cached", "· train  no items", "· best   not reached", ""]


def test_more_steps_than_lines(terminal: Terminal) -> None:
    clock = Clock()
    display = Live(Board(clock), terminal)
    names = [f"s{number:02}" for number in range(40)]
    display.begun(START, Plan(ir.Pipeline(name="p", nodes=tuple(step(name) for name in names))))
    for name in names[:10]:
        display.settled(*done((name, ()), cached=True))
    display.settled(*done(("s20", ()), "failed"))
    display.running(("s30", ()), 1)
    clock.now += 1
    display.tick()
    lines = screen(terminal.getvalue())
    assert len(lines) <= 12
    assert "✗ s20  failed after 1.5 s" in lines
    assert "● s30  1.0 s" in lines
    assert lines[-2] == "  … and 3 cached, 28 waiting"
    display.close()


def test_long_names_do_not_wrap(terminal: Terminal) -> None:
    clock = Clock()
    display = Live(Board(clock), terminal)
    display.begun(START, Plan(ir.Pipeline(name="p", nodes=(step("x" * 200),))))
    clock.now += 1
    display.tick()
    assert all(len(line) <= 60 for line in screen(terminal.getvalue()))
    display.close()


def test_choose() -> None:
    rows = [Row(f"s{number}", (), 1, set()) for number in range(5)]
    assert choose(rows, 5) == (rows, [])
    rows[4].running["s4", ()] = 1
    shown, hidden = choose(rows, 3)
    assert [row.step for row in shown] == ["s0", "s4"]
    assert [row.step for row in hidden] == ["s1", "s2", "s3"]


def test_a_terminal_without_unicode() -> None:
    assert glyph("failed", "utf-8") == "✗"
    assert glyph("failed", "ascii") == "x"
    assert glyph("failed", None) == "x"
    assert glyph("failed", "no-such-encoding") == "x"


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
