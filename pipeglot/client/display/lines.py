"""A row of the board in words: the same on every kind of screen."""

from __future__ import annotations

from typing import NamedTuple

from pipeglot.client.display.board import Mood, Row
from pipeglot.client.text import duration

_GLYPHS: dict[Mood, tuple[str, str]] = {
    "waiting": ("·", "."),
    "running": ("●", "*"),
    "retrying": ("↻", "~"),
    "succeeded": ("✓", "+"),
    "cached": ("✓", "+"),
    "failed": ("✗", "x"),
    "skipped": ("–", "-"),
    "cancelled": ("■", "#"),
}
_COLOURS: dict[Mood, str] = {
    "waiting": "dim",
    "running": "cyan",
    "retrying": "yellow",
    "succeeded": "green",
    "cached": "green",
    "failed": "red",
    "skipped": "dim",
    "cancelled": "yellow",
}
_COUNTED = (("failed", "red"), ("cancelled", "yellow"), ("cached", ""), ("skipped", "dim"))


class Span(NamedTuple):
    """Text in a colour."""

    text: str
    colour: str = ""


def glyph(mood: Mood, encoding: str | None) -> str:
    """The sign for a state, or its plain substitute where the stream cannot show it."""
    sign, plain = _GLYPHS[mood]
    try:
        sign.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return plain
    return sign


def row_line(row: Row, width: int, now: float, encoding: str | None, *, over: bool = False) -> list[Span]:
    """`✓ ingest  1.2 s`; `● train  12/16  1 failed  2 cached  3.4 s`."""
    mood = row.mood
    dim = "dim" if mood in ("waiting", "skipped") else ""
    spans = [Span(f"{glyph(mood, encoding)} ", _COLOURS[mood]), Span(f"{row.step:{width}}", dim)]
    if row.hook:
        spans.append(Span("  hook", "dim"))
    details = _folded(row, now) if row.folded else _single(row, mood, now)
    if over and mood == "waiting":
        details = [Span("no items" if row.folded else "not reached", "dim")]
    for detail in details:
        spans += [Span("  "), detail]
    return spans


def _single(row: Row, mood: Mood, now: float) -> list[Span]:
    tries = [Span(f"attempt {row.tries} of {row.attempts}", "yellow")] if row.tries > 1 else []
    match mood:
        case "waiting":
            return []
        case "running":
            return [Span(duration(row.elapsed(now))), *tries]
        case "retrying":
            retry = next(iter(row.retrying.values()))
            left = max(0.0, retry.until - now)
            told = f"attempt {retry.attempt} of {row.attempts} failed, the next in {duration(left)}"
            return [Span(told, "yellow")]
        case "succeeded":
            return [Span(duration(row.seconds), "dim"), *tries]
        case "cached" | "skipped":
            return [Span(mood, "dim")]
        case "failed" | "cancelled":
            lasted = f" after {duration(row.seconds)}" if row.seconds else ""
            return [Span(f"{mood}{lasted}", _COLOURS[mood]), *tries]


def _folded(row: Row, now: float) -> list[Span]:
    if row.mood == "waiting":
        return []
    if row.mood == "skipped" and row.total == 1:
        return [Span("skipped", "dim")]
    total = row.total
    spans = [Span(f"{row.settled}/{total}")]
    spans += [Span(f"{row.counts[name]} {name}", colour) for name, colour in _COUNTED if row.counts.get(name)]
    if row.retrying:
        spans.append(Span(f"{len(row.retrying)} to be tried again", "yellow"))
    if row.running:
        spans.append(Span(f"{len(row.running)} running", "cyan"))
    if row.began is not None:
        spans.append(Span(duration(row.elapsed(now)), "dim" if row.over else ""))
    return spans
