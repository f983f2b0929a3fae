"""CPU seconds of everything that this process started, whoever its parent is now: servers and daemons too.

Linux gives orphans to the nearest ancestor that asked for them. So whatever a command leaves behind becomes a child of
ours, is ended, and is counted; nothing gets away but a child whose parent ignores `SIGCHLD`, which the kernel forgets
(`control_group` finds out whether there were any).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ON_LINUX = sys.platform == "linux"

_SET_CHILD_SUBREAPER = 36  # of prctl(2)
_TICKS = os.sysconf("SC_CLK_TCK")
OWN_WAY = 10.0
"""Seconds in which what a command left behind may end by itself."""
_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
_LOOK = 0.02


class Process(NamedTuple):
    """A process as /proc tells of it; `cpu` includes what it has waited for."""

    parent: int
    state: str
    cpu: float


def adopt_orphans() -> None:
    """From now on, orphans among our descendants become our children."""
    if not ON_LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def spent() -> float:
    """CPU seconds of all descendants so far: those that are over, and those that live.

    To be asked when nothing is just ending. Of the living, the clock is coarse: 10 ms each.
    """
    over = resource.getrusage(resource.RUSAGE_CHILDREN)
    return over.ru_utime + over.ru_stime + sum(one.cpu for one in descendants(os.getpid()).values())


def cpu_of(pids: Collection[int]) -> float:
    """CPU seconds of processes that live, with all below them: those that live, and those that were waited for."""
    own = (_read(str(pid)) for pid in pids)
    below = (one for pid in pids for one in descendants(pid).values())
    return sum(one.cpu for one in (*own, *below) if one is not None)


def descendants(root: int) -> dict[int, Process]:
    """All living ones, and those that nobody has waited for yet."""
    if not ON_LINUX:
        return {}
    table = {int(name): one for name in os.listdir("/proc") if name.isdigit() and (one := _read(name))}
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    found, todo = dict[int, Process](), list(children.get(root, ()))
    while todo:
        pid = todo.pop()
        found[pid] = table[pid]
        todo += children.get(pid, ())
    return found


def end_strays(keep: Collection[int] = ()) -> int:
    """End and reap all descendants but those in `keep` and theirs. Gives how many did not end by themselves."""
    began, stage, left = time.monotonic(), 0, 0
    while strays := _strays(keep):
        waited = time.monotonic() - began
        if waited > OWN_WAY and stage == 0:
            left, stage = len(strays), 1
            _signal(strays, signal.SIGTERM)
        elif waited > OWN_WAY + _GRACE:
            _signal(strays, signal.SIGKILL)
        time.sleep(_LOOK)
    return left


def _strays(keep: Collection[int]) -> list[int]:
    """Those that still live; the dead among them are reaped."""
    found = descendants(os.getpid())
    for pid in keep:
        for kept in (pid, *descendants(pid)):
            found.pop(kept, None)
    for pid, one in found.items():
        if one.state == "Z" and one.parent == os.getpid():
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return [pid for pid, one in found.items() if one.state != "Z"]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _read(pid: str) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return None
    fields = text[text.rindex(")") + 2 :].split()  # a name may hold anything, also `)`
    user, system, of_children, system_of_children = map(int, fields[11:15])
    return Process(int(fields[1]), fields[0], (user + system + of_children + system_of_children) / _TICKS)
