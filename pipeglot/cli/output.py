"""Results on stdout: tables for people, JSON for programs, and nothing that user code prints in between."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from pipeglot.client.text import paint, safe_line, safe_painted


def print_json(value: Any) -> None:
    """Indented JSON and a newline. On a terminal, what it would obey is written as its escape: the same JSON."""
    data = as_json(value)
    sys.stdout.buffer.write(escaped(data) if sys.stdout.isatty() else data)
    sys.stdout.buffer.flush()


def escaped(json: bytes) -> bytes:
    """JSON in which no control character and no mark that turns text round stands as such."""
    if json.isascii():
        return json
    text = "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in json.decode())
    return text.encode()


def _escape(char: str) -> str:
    """As JSON has it: characters beyond 16 bits as two."""
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def as_json(value: Any) -> bytes:
    """Indented JSON in UTF-8. What has no UTF-8, as a file's name may have none, is written as its escape."""
    import msgspec

    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    except UnicodeEncodeError:
        import json

        text = json.dumps(msgspec.to_builtins(value, str_keys=True), ensure_ascii=False, indent=2)
        return text.encode("utf-8", "backslashreplace") + b"\n"


def say(text: str = "", stream: IO[str] | None = None) -> None:
    """Lines in which records may have a say: what they name, a terminal does not obey."""
    print(safe_painted(text), file=stream or sys.stdout)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns, as wide as they need to be. The first lines up its words, and so do all others."""
    shown = [[safe_line(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(head, *shown, strict=True)]
    print(paint(_line(head, widths), "dim", sys.stdout))
    for row in shown:
        print(_line(row, widths))


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        print(f"{paint(f'{name:{width}}', 'dim', sys.stdout)}  {safe_line(value, 1000)}".rstrip())


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


@contextmanager
def results_only() -> Iterator[None]:
    """Whatever is printed while user code may run goes to stderr; after that, stdout is for the result again."""
    sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:  # closed by whoever started us
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            os.dup2(saved, 1)
            os.close(saved)
