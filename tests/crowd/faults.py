"""What is done to a crowd: kills of its processes, and what the network makes of their requests."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from tests.servers.proxy import Request

OFTEN = 0.3
"""The share of processes that are to be killed. Some are over before."""

LOOK = 0.05
"""Seconds between two looks at a process that is to be killed."""

REQUESTS = {"503": 10, "429": 5, "lose": 5, "error": 5, "refuse": 5, "cut": 3, "slow": 5}
"""So many of a thousand requests each: see `tests/servers/proxy.py`."""


class Faults:
    """Draws them, and counts those that came. `quick`: seconds within which a process is killed that is to be."""

    def __init__(self, seed: int, quick: float) -> None:
        self.count: Counter[str] = Counter()
        self.quick = quick
        self._draw = random.Random(seed)
        self._lock = threading.Lock()

    def drawn(self, chance: float) -> bool:
        with self._lock:
            return self._draw.random() < chance

    def note(self, what: str) -> None:
        with self._lock:
            self.count[what] += 1

    def on_request(self, _: Request) -> str:
        """For a proxy."""
        with self._lock:
            at = self._draw.randrange(1000)
            for what, share in REQUESTS.items():
                if at < share:
                    self.count[f"request: {what}"] += 1
                    return what
                at -= share
        return ""

    def watch(self, process: subprocess.Popen[str], what: str) -> bool:
        """Perhaps kill it, or one that it has started, some time after it began. Returns whether that was done."""
        with self._lock:
            after = self._draw.random() * self.quick if self._draw.random() < OFTEN else None
            whole = self._draw.random() < 0.5
        if after is None:
            return False
        until = time.monotonic() + after
        while process.poll() is None:
            if time.monotonic() >= until:
                if whole:
                    return self._kill(process.pid, f"killed: {what}")
                if self.below(process.pid, what):
                    return True
            time.sleep(LOOK)
        return False

    def below(self, pid: int, what: str) -> bool:
        """Kill one of those that a process has started, if there is one; it itself goes on."""
        others = descendants(pid)
        with self._lock:
            chosen = self._draw.choice(others) if others else 0
        return bool(chosen) and self._kill(chosen, f"killed: below {what}")

    def _kill(self, pid: int, what: str) -> bool:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.note(what)
        return True


def descendants(pid: int) -> list[int]:
    """All processes that it has started, and those that they have."""
    found, todo = list[int](), [pid]
    while todo:
        below = _children(todo.pop())
        found += below
        todo += below
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue  # it is over
    return found
