"""The processes of a sandbox: started detached, found again by the mark that they all inherit, and ended, all of them.

Whatever the engine forks inherits its environment, and so the mark, also into sessions and groups of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeglot.core.errors import SandboxError

MARK = "PIPEGLOT_SANDBOX"
"""The variable whose value is the sandbox's folder, in the environment of all its processes."""

_PAUSE = 0.1
_ENDED = "ZX"
"""The states of processes that have ended, and whose parent has not looked yet."""


class Process(NamedTuple):
    """One that runs. `born` tells it from a later one of the same number; `memory` is in bytes."""

    pid: int
    parent: int
    born: str
    memory: int


class Child(subprocess.Popen[bytes]):
    """It outlives this process, and that is meant: nothing warns of it."""

    def __del__(self) -> None:
        pass


_children: list[Child] = []
"""Those of this very process: it must look at them once they have ended, or they stay as zombies."""


def start(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    stdin: int = subprocess.DEVNULL,
) -> Child:
    """In a session of its own, so that no terminal's Ctrl-C or hangup reaches it. Raises `SandboxError`."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = Child(
            words,
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=fd,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"`{words[0]}` cannot be started: {error.strerror}") from None
    finally:
        os.close(fd)
    _children.append(child)
    return child


def end(find: Callable[[], Collection[int]], steps: Iterable[tuple[int, float]]) -> None:
    """Send each signal to every process that `find` finds, new ones too, until none is left or its seconds are over.

    Raises `SandboxError` if some are left after the last step.
    """
    left: Collection[int] = ()
    for number, patience in steps:
        deadline = time.monotonic() + patience
        told: set[int] = set()
        while left := find():
            for pid in set(left) - told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told.update(left)
            if time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE)
            reap()
        else:
            return
    pids = [str(pid) for pid in sorted(left)]
    raise SandboxError(
        f"processes of the sandbox do not end: {', '.join(pids)}", hint=f"end them: `kill -9 {' '.join(pids)}`"
    )


TERMINATE = ((signal.SIGTERM, 8.0), (signal.SIGKILL, 10.0))
"""What is usual: time to end by itself, and then none."""


def reap() -> None:
    """Look at the children of this process that have ended."""
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)


# --- which there are --------------------------------------------------------------------------------------------------


def table() -> dict[int, Process]:
    """All processes of this machine that have not ended, by their numbers."""
    found = _of_proc() if _is_linux() else _of_ps()
    return {one.pid: one for one in found}


def marked(home: Path, processes: Collection[int]) -> set[int]:
    """Those whose environment says that they belong to the sandbox in this folder."""
    if _is_linux():
        wanted = f"{MARK}={home}".encode()
        return {pid for pid in processes if wanted in _environment(pid)}
    told = _ps("-axwwE", "-o", "pid=,command=")  # macOS: with the environment behind the command
    pairs = [line.split(None, 1) for line in told if f"{MARK}={home} " in f"{line} "]
    return {int(pair[0]) for pair in pairs} & set(processes)


def strays(home: Path, environment: Path, processes: Collection[int]) -> set[int]:
    """Linux: those that wrote over their environment, as PostgreSQL's do: a program of the sandbox's own environment
    that works in the sandbox's folder."""
    found = set()
    for pid in processes if _is_linux() else ():
        with contextlib.suppress(OSError):
            program, folder = Path(os.readlink(f"/proc/{pid}/exe")), Path(os.readlink(f"/proc/{pid}/cwd"))
            if program.is_relative_to(environment) and folder.is_relative_to(home):
                found.add(pid)
    return found


def with_descendants(roots: Iterable[int], processes: Mapping[int, Process]) -> set[int]:
    """The roots that there are, and all that they and theirs have started."""
    children: dict[int, list[int]] = {}
    for one in processes.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return found


def memory(pids: Iterable[int], processes: Mapping[int, Process]) -> int:
    """Bytes. On Linux, what several share is counted once, in parts."""
    return sum(_share(processes[pid]) for pid in pids if pid in processes)


def _is_linux() -> bool:
    return sys.platform == "linux"


def _share(process: Process) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    return process.memory


def _of_proc() -> Iterable[Process]:
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    page = os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                told = file.read().rpartition(b")")[2].split()
                if told and told[0].decode() not in _ENDED:
                    yield Process(int(name), int(told[1]), f"{boot}:{int(told[19])}", int(told[21]) * page)


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:  # ended, or another user's
        return []


def _of_ps() -> Iterable[Process]:
    for line in _ps("-ax", "-o", "pid=,ppid=,rss=,stat=,lstart="):
        pid, parent, size, state, born = line.split(None, 4)
        if state[0] not in _ENDED:
            yield Process(int(pid), int(parent), born.strip(), int(size) << 10)


def _ps(*words: str) -> list[str]:
    done = subprocess.run(["ps", *words], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return done.stdout.splitlines()
