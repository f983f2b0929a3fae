"""Which process drives a run, and whether it is still there: on the machine that it is on, nobody knows better."""

from __future__ import annotations

import os
from hashlib import sha256

from pipeglot.core.lineage.ledger import host


def this_process() -> dict[str, str]:
    """What tells this process from all others, later ones of the same number included."""
    known = {"host": host(), "pid": str(os.getpid()), "process": _born(os.getpid()), "space": _space()}
    machine = _machine()
    return known | {"machine": machine} if machine else known


def is_there(engine: dict[str, str]) -> bool | None:
    """Whether the process that `this_process` described still runs; None if nobody here can tell.

    A name is no machine: two may be called `localhost`, and each has a process 4711.
    """
    if engine.get("host") != host() or engine.get("machine", "") not in ("", _machine()):
        return None
    told = engine.get("pid", "")
    if not (told.isascii() and told.isdecimal()) or int(told) <= 0:
        return None  # not written by `this_process`
    if engine.get("space", "") not in ("", _space()):
        return None  # in another container, numbers of processes mean other ones
    return _is_running(int(told), engine.get("process", ""))


def _is_running(pid: int, born: str) -> bool | None:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        found = _born(pid)
        return found == born if found else None  # another user's, who may be hidden from us
    return _born(pid) == born


def _machine() -> str:
    """Linux: what tells this machine from others of its name. Hashed, for the number itself is nobody's business."""
    try:
        with open("/etc/machine-id", "rb") as file:
            told = file.read().strip()
    except OSError:
        return ""
    return sha256(b"pipeglot " + told).hexdigest()[:12] if told else ""


def _space() -> str:
    """Linux: the space that the numbers of processes are of."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


_ZOMBIE = "Z"
"""The state of a process that has ended, and whose parent has not looked yet."""


def _born(pid: int) -> str:
    """Linux: boot id and start time in ticks since then, empty of one that has ended. Elsewhere nothing is known."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot, open(f"/proc/{pid}/stat") as stat:
            told = stat.read().rpartition(")")[2].split()
            return "" if told[0] == _ZOMBIE else f"{boot.read().strip()}:{told[19]}"
    except (OSError, IndexError):
        return ""
