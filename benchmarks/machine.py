"""What a page must tell of the machine that its numbers are of; nothing that names it."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.accounting import spent

_TICKS = os.sysconf("SC_CLK_TCK")


class Machine(NamedTuple):
    """Processor, system and interpreter."""

    cpu: str
    cores: int
    system: str
    python: str


def this_machine() -> Machine:
    return Machine(
        _cpu_model(),
        os.cpu_count() or 1,
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"{platform.python_implementation()} {platform.python_version()}",
    )


def commit() -> str:
    """What is checked out, in few characters; empty outside a checkout, or without git."""
    if shutil.which("git") is None:
        return ""
    git = ["git", "-C", str(Path(__file__).parent)]
    found = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "../pipeglot"], check=False).returncode == 1
    return found.stdout.strip() + (", with changes" if changed else "")


class Neighbours:
    """How much of the machine others use while this process measures."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy()
        self._own = _own()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def share(self) -> float | None:
        """Of all cores, from 0 to 1; None where the system does not tell."""
        busy = _busy()
        if busy is None or self._busy is None:
            return None
        others = (busy - self._busy) - (_own() - self._own)
        return max(0.0, others / (self.seconds * (os.cpu_count() or 1)))


def _own() -> float:
    here = resource.getrusage(resource.RUSAGE_SELF)
    return here.ru_utime + here.ru_stime + spent()


def _busy() -> float | None:
    """Seconds that all cores together have worked since the machine was started."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except FileNotFoundError:
        return None
    user, nice, system, _idle, _waiting, irq, softirq, stolen = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + stolen) / _TICKS


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
