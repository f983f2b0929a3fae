"""The process that makes workers: small, without threads, and with nothing of the user's in it.

Forking is cheap, and safe only from a process without threads: NumPy alone starts some when it is imported. So the
command forks this process first, before it imports the user's code, and this one forks every worker. Where the caller
has threads already (a notebook), it is started as a new Python instead.

It also watches: when the runner dies, however it dies, every worker and what the workers started is ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import NoReturn

EVENT = struct.Struct("!cii")
"""What the zygote says: `P` pid 0 for a new worker, `X` pid wait-status for one that ended."""

IDLE_GRACE = 1.0
"""Seconds that workers have to end by themselves, with what the user's code registered for the exit."""

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for the workers of a runner that is gone."""


def serve(control: socket.socket) -> NoReturn:
    """Fork a worker for each socket that arrives, report the ends of workers, and stop when `control` closes."""
    os.setpgid(0, 0)  # Ctrl-C in the terminal is for the runner, which decides what it means
    _detach_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    wake, wake_write = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    workers: set[int] = set()
    while True:
        ready, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(workers, control)
        if control.fileno() in ready and not _obey(control, workers):
            _end_all(workers)
            os._exit(0)


def _detach_streams() -> None:
    """Whoever reads the command's output must not wait for this process to end."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def _obey(control: socket.socket, workers: set[int]) -> bool:
    """Take one order: a socket to fork a worker for. False when the runner is gone."""
    try:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
    except ConnectionError:
        return False
    if not message:
        return False
    pid = os.fork()
    if pid == 0:
        control.close()
        _become_worker(fds[0])
    os.close(fds[0])
    with suppress(PermissionError, ProcessLookupError):  # the child was faster, or is over
        os.setpgid(pid, pid)
    workers.add(pid)
    return _tell(control, b"P", pid, 0)


def _become_worker(fd: int) -> NoReturn:
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    from pipeglot.runtime_local.worker import main

    main(socket.socket(fileno=fd))


def _reap(workers: set[int], control: socket.socket) -> None:
    for pid in list(workers):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            workers.discard(pid)
            _kill_group(pid, signal.SIGKILL)  # what it started and left behind
            _tell(control, b"X", pid, status)


def _tell(control: socket.socket, kind: bytes, pid: int, status: int) -> bool:
    try:
        control.sendall(EVENT.pack(kind, pid, status))
    except OSError:
        return False
    return True


def _end_all(workers: set[int]) -> None:
    """The runner is gone. Idle workers end by themselves (their sockets closed); busy ones are asked, then made to."""
    if not _await_end(workers, IDLE_GRACE):
        for pid in workers:
            _kill_group(pid, signal.SIGTERM)
        _await_end(workers, GRACE)
    for pid in workers:
        _kill_group(pid, signal.SIGKILL)


def _await_end(workers: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.001
    while workers and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
        workers.difference_update([pid for pid in workers if os.waitpid(pid, os.WNOHANG)[0]])
    return not workers


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def preload() -> None:
    """Import what every worker needs, once, so that each fork has it."""
    import pipeglot.runtime_local.worker  # noqa: F401  # for its effect on sys.modules


if __name__ == "__main__":
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])))
