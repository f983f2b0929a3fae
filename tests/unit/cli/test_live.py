"""What a run shows while it goes on, on a terminal and in a notebook."""

from __future__ import annotations

import io

import pytest

from pipeglot.client.display.board import Board, Row
from pipeglot.client.display.lines import glyph
from pipeglot.client.display.live import Live, choose
from pipeglot.client.display.notebook import Notebook
from pipeglot.client.display.plain import Plain
from pipeglot.client.display.redrawn import Redrawn
from pipeglot.core import ir
from pipeglot.core.lineage.plan import Plan
from tests.unit.cli.displaying import (
    FLOW,
    ODD,
    START,
    VIEW,
    Clock,
    Terminal,
    done,
    drive,
    drive_hooks,
    step,
)


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
