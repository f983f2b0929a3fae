"""Text for a terminal: nothing in it that the terminal would obey."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.client.text import (
    cell_name,
    duration,
    is_terminal,
    listed,
    paint,
    plural,
    safe,
    safe_line,
    safe_log,
    size,
    when,
)

SAFE = [
    ("plain", "plain"),
    ("ünïcödé ✓ 日本", "ünïcödé ✓ 日本"),
    ("tab\tand\nline", "tab\tand\nline"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07rest", "rest"),
    ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1bP1$r\x1b\\rest", "rest"),
    ("\x1b]never ends", "never ends"),
    ("\x1b", "\\x1b"),
    ("\x9b31mred", "red"),
    ("a\rb\x08c\x00", "a\\x0db\\x08c\\x00"),
    ("a\r\nb", "a\nb"),
    ("\u202eabc\u2066", "\\u202eabc\\u2066"),
    ("\ud800", "\\ud800"),
    ("\x7f", "\\x7f"),
]


@pytest.mark.parametrize(("text", "shown"), SAFE)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text() | st.text("\x1b[]0;m\x07\x9b\\P31a"))
def test_nothing_safe_holds_a_control_character(text: str) -> None:
    shown = safe(text)
    assert not [char for char in shown if char != "\n" and char != "\t" and (ord(char) < 32 or 127 <= ord(char) < 160)]
    assert safe(shown) == shown


def test_it_takes_no_time() -> None:
    assert len(safe("\x1b]" * 50_000)) == 0
    assert len(safe("\x1b[" * 50_000)) == 0


def test_lines() -> None:
    assert safe_line("a\n  b\tc") == "a b c"
    assert safe_line("x" * 300) == "x" * 199 + "…"
    assert safe_log(" 10%|# |\r 20%|## |\r100%|#### |\n") == "100%|#### |"
    assert safe_log("line\r\n") == "line"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.0996, "0.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        (-3, "-3.0 s"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_words() -> None:
    assert [size(n) for n in (0, 999, 1000, 1_234_567, 999_960_000, 5 * 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "1.0 GB",
        "5.0 TB",
    ]
    assert plural(1, "step") == "1 step"
    assert plural(2, "step") == "2 steps"
    assert listed(["a", "b"]) == "`a`, `b`"
    assert listed(["a", "b", "c"], 2) == "`a`, `b` and 1 more"
    assert cell_name("train", ()) == "train"
    assert cell_name("train", (3, 7)) == "train[3.7]"
    assert when("no time") == "no time"
    assert len(when("2026-01-02T03:04:05+00:00")) == len("2026-01-02 03:04:05")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("x", "red", Terminal()) == "\x1b[1;31mx\x1b[0m"
    assert paint("x", "", Terminal()) == "x"
    assert paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "red", Terminal()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(Terminal())
    closed = Terminal()
    closed.close()
    monkeypatch.setenv("TERM", "xterm")
    assert is_terminal(closed) in (True, False)
