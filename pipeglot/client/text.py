"""Text for a terminal: nothing in it that the terminal would obey, times and sizes as people read them, some colour."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import IO, Any

from pipeglot.core.suggest import SHORT_ID as SHORT_ID

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]{0,1000}(?:\x07|\x1b\\|\x9c)"  # titles, links, device strings
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]",
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_CODES = {"red": "1;31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
_COLOURS = frozenset(f"\x1b[{code}m" for code in ("0", *_CODES.values()))
_PAINTED = re.compile(f"({'|'.join(map(re.escape, sorted(_COLOURS)))})")
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def safe(text: str) -> str:
    """Without escape sequences; other control characters and marks that turn text round are shown as `\\x..`."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(_escaped, _ESCAPES.sub("", text.replace("\r\n", "\n")))


def safe_painted(text: str) -> str:
    """The same, but for the colours that `paint` gives."""
    if "\x1b" not in text:
        return safe(text)
    return "".join(part if part in _COLOURS else safe(part) for part in _PAINTED.split(text))


def safe_line(text: str, limit: int = 200) -> str:
    """The same, on one line that is not too long."""
    shown = " ".join(safe(text[: 4 * limit]).split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def safe_log(line: str) -> str:
    """A line of a log as a terminal would leave it: a progress bar writes one line many times over."""
    return safe(line.rstrip("\r\n").rpartition("\r")[2])


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


# --- numbers ----------------------------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """`12 ms`, `0.3 s`, `12.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0:  # a clock was set back
        return f"-{duration(-seconds)}"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, small, small_name in _UNITS:
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name} {rest} {small_name}" if rest else f"{whole // size} {name}"
    return f"{seconds:.1f} s"


def size(count: int) -> str:
    """`812 B`, `3.4 kB`, `1.2 GB`."""
    if count < 1000:
        return f"{count} B"
    number = float(count)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} TB"


def when(iso: str) -> str:
    """A UTC time of the ledger as this machine's local time."""
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return iso


def seconds_between(begin: str, end: str) -> float:
    """Of two times of the ledger, which are UTC if they do not say otherwise."""
    import datetime as dt

    one, other = (dt.datetime.fromisoformat(text) for text in (begin, end))
    aware = [time if time.tzinfo else time.replace(tzinfo=dt.UTC) for time in (one, other)]
    return (aware[1] - aware[0]).total_seconds()


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in backticks, the first few of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more


def cell_name(step: str, index: Sequence[int]) -> str:
    """`train`, `train[3]`, `train[3.7]`."""
    return f"{step}[{'.'.join(map(str, index))}]" if index else step


# --- colour -----------------------------------------------------------------------------------------------------------


def is_terminal(stream: IO[Any]) -> bool:
    """Whether a person looks at it, who has asked for nothing plainer."""
    if os.environ.get("TERM", "") in ("", "dumb") or os.environ.get("NO_COLOR"):
        return False
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def paint(text: str, colour: str, stream: IO[Any] | None = None) -> str:
    """In a colour, on a terminal."""
    if not colour or not is_terminal(stream or sys.stderr):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
