"""How far a long look at a store has come: one line on a terminal, written anew a few times a second."""

from __future__ import annotations

import sys
import time
from typing import Self

from pipeglot.client.text import is_terminal


class Progress:
    """Nothing is shown of what takes less than half a second."""

    def __init__(self) -> None:
        self._on = is_terminal(sys.stderr)
        self._next = time.monotonic() + 0.5
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, told: str) -> None:
        if self._on and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{told} …")
            sys.stderr.flush()
