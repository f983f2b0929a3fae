"""Secrets are taken out of every text before it is stored: the value, and the forms in which programs write it.

Those are JSON, Python's `repr`, URLs, HTML, shells, hex and base64.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, quote_plus

MASK = b"***"
MIN_LENGTH = 6
"""Shorter secrets are left: they would blacken every text that holds the word by chance."""

CHUNK = 1 << 20
_LINE = 16
_PERCENT = re.compile("%[0-9A-F]{2}")


class Redactor:
    """Replaces all forms of the given secrets by `***`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form.encode("utf-8", "surrogatepass") for value in secrets for form in _forms(value)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if forms else None
        self._forms = tuple(longest_first)
        self.longest = len(longest_first[0]) if forms else 0

    def text(self, text: str) -> str:
        """`text` without the secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def file(self, source: Path, target: Path) -> None:
        """Copy a file without the secrets, also those that lie across the border of two chunks."""
        with source.open("rb") as read, open(target, "wb", opener=_private) as write:
            write.writelines(self._stream(read))

    def live(self, read: int, write: int) -> None:
        """The same from one descriptor to another, until the first one ends.

        What may be the beginning of a secret is held back until more is known; all else goes on at once.
        """
        kept = b""
        while chunk := os.read(read, CHUNK):
            cleaned, kept = self.part(kept + chunk)
            _write_all(write, cleaned)
        _write_all(write, self.part(kept, last=True)[0])

    def part(self, data: bytes, *, last: bool = False) -> tuple[bytes, bytes]:
        """Of a text that comes in parts: what can be shown now, cleaned, and what has to wait for the next part."""
        cleaned, done = self._clean(data, len(data) if last else self._decided(data))
        return cleaned, data[done:]

    def end(self, data: bytes, *, cut: bool) -> bytes:
        """The end of a longer text without the secrets. If its beginning is `cut`, what may be in a secret there goes.

        What may be the beginning of a secret that is not all there yet goes as well.
        """
        start = self._clean(data, min(self.longest, len(data)))[1] if cut else 0
        return self._clean(data[start:], self._decided(data) - start)[0] if self._pattern else data

    def _decided(self, data: bytes) -> int:
        """How much of it cannot be the beginning of a form that goes on after it."""
        for start in range(max(0, len(data) - self.longest + 1), len(data)):
            tail = data[start:]
            if any(form.startswith(tail) for form in self._forms):
                return start
        return len(data)

    def _stream(self, read: BinaryIO) -> Iterator[bytes]:
        """Whole matches only: what begins in the last bytes of a chunk, where a form may be cut, waits for the next."""
        kept = b""
        while chunk := read.read(CHUNK):
            kept += chunk
            cleaned, done = self._clean(kept, len(kept) - self.longest + 1)
            yield cleaned
            kept = kept[done:]
        yield self._clean(kept, len(kept))[0]

    def _clean(self, data: bytes, limit: int) -> tuple[bytes, int]:
        """Clean what begins before `limit`; also returns how far that reached."""
        parts, done = [], 0
        for match in self._pattern.finditer(data) if self._pattern else ():
            if match.start() >= limit:
                break
            parts += [data[done : match.start()], MASK]
            done = match.end()
        end = max(done, limit)
        return b"".join([*parts, data[done:end]]), end


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _forms(value: str) -> Iterator[str]:
    if len(value) < MIN_LENGTH:
        return
    yield value
    yield from (line for line in value.splitlines() if len(line) >= MIN_LENGTH)  # a key file is logged line by line
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    raw = value.encode("utf-8", "surrogatepass")
    yield from (repr(value)[1:-1], ascii(value)[1:-1], repr(raw)[2:-1])
    yield from (escape(value), escape(value, quote=False), shlex.quote(value).strip("'"))
    yield from (raw.hex(), raw.hex().upper())
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield _PERCENT.sub(lambda found: found[0].lower(), quoted)
    yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """As it stands, and as it looks inside a longer text at each of the three offsets (without the border letters).

    And of a long one in lines, as it stands in letters and key files.
    """
    whole = base64.b64encode(raw).decode()
    for width in (64, 76):
        yield from (line for at in range(0, len(whole), width) if len(line := whole[at : at + width]) >= _LINE)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        yield encode(raw).decode().rstrip("=")
        for offset in (0, 1, 2):
            text = encode(b"\0" * offset + raw).decode().rstrip("=")
            inner = text[(offset * 8 + 5) // 6 :]
            inner = inner[: len(inner) - 1] if (offset + len(raw)) % 3 else inner
            if len(inner) >= MIN_LENGTH:
                yield inner
