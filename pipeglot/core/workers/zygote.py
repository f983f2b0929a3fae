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
from typing import Any, NoReturn

EVENT = struct.Struct("!cii")
"""What the zygote says: `P` pid 0: a new worker; `X` pid wait-status: one has ended; `E` errno 0: none can be made."""

QUIT = b"q"
"""What the runner says before it closes: all workers are idle."""

ANOTHER = b"z"
"""Before a socket: not a worker is to serve it, but a process like this one."""

IDLE_GRACE = 5.0
"""Seconds that idle workers have to end by themselves, with what the user's code registered for the exit."""

LOST_GRACE = 1.0
"""The same for the workers of a runner that is gone without a word: they may be busy."""

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for those that are."""


def serve(control: socket.socket) -> NoReturn:
    """Fork a worker for each socket that arrives, report the ends of workers, and stop when `control` closes."""
    os.setpgid(0, 0)  # Ctrl-C in the terminal is for the runner, which decides what it means
    _detach_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)  # ignored, but kept for a worker that is just being made: see `obey`
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    wake, wake_write = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    zygote = _Zygote(control, (wake, wake_write))
    while True:
        ready, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            zygote.reap()
        if control.fileno() in ready and not zygote.obey():
            zygote.end_all()
            os._exit(0)


class _Zygote:
    """The workers that were forked and still run, and the socket to the runner."""

    def __init__(self, control: socket.socket, wake: tuple[int, int]) -> None:
        self.control = control
        self.wake = wake
        self.workers: set[int] = set()
        self.others: set[int] = set()
        """Processes like this one. They end by themselves, once whoever they serve is gone."""
        self.quitting = False

    def obey(self) -> bool:
        """Take one order: a socket to fork a worker for. False when there is nothing more to come."""
        try:
            message, fds, _, _ = socket.recv_fds(self.control, 1, 1)
        except ConnectionError:
            return False
        if message == QUIT:
            self.quitting = True
        if not message or self.quitting:
            return False
        if message == ANOTHER:
            self._fork_another(fds[0])
            return True
        _hold(signal.SIG_BLOCK)  # a worker that is told to end before it can hear of it hears of it then
        try:
            pid = os.fork()
        except OSError as error:
            _hold(signal.SIG_UNBLOCK)
            os.close(fds[0])
            return self._tell(b"E", error.errno or 0, 0)
        if pid == 0:
            self._become_worker(fds[0])
        _hold(signal.SIG_UNBLOCK)
        os.close(fds[0])
        with suppress(PermissionError, ProcessLookupError):  # the child was faster, or is over
            os.setpgid(pid, pid)
        self.workers.add(pid)
        return self._tell(b"P", pid, 0)

    def _fork_another(self, fd: int) -> None:
        """Where none can be made, whoever asked sees the socket close."""
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)
            return
        if pid:
            os.close(fd)
            self.others.add(pid)
            return
        self._leave_to_parent()
        try:
            serve(socket.socket(fileno=fd))
        finally:
            os._exit(1)

    def reap(self) -> None:
        self.others -= {pid for pid in self.others if os.waitpid(pid, os.WNOHANG)[0]}
        for pid in list(self.workers):
            status = self._ended(pid)
            if status is not None:
                self._tell(b"X", pid, status)

    def end_all(self) -> None:
        """Workers end by themselves, for their sockets are closed; those that do not are asked, then made to."""
        if not self._await_end(IDLE_GRACE if self.quitting else LOST_GRACE) and not self.quitting:
            for pid in self.workers:
                _kill_group(pid, signal.SIGTERM)
            self._await_end(GRACE)
        for pid in self.workers:
            _kill_group(pid, signal.SIGKILL)

    def _await_end(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        pause = 0.001
        while self.workers and time.monotonic() < deadline:
            for pid in list(self.workers):
                self._ended(pid)
            if self.workers:
                time.sleep(pause)
                pause = min(2 * pause, 0.05)
        return not self.workers

    def _ended(self, pid: int) -> int | None:
        """The wait status of a worker that is over; what it started and left behind is ended with it."""
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            return None
        self.workers.discard(pid)
        _kill_group(pid, signal.SIGKILL)
        return status

    def _become_worker(self, fd: int) -> NoReturn:
        os.setpgid(0, 0)
        self._leave_to_parent()
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)) or number == signal.SIGHUP:  # ours, and those of an engine around us
                signal.signal(number, signal.SIG_DFL)
        _hold(signal.SIG_UNBLOCK)
        from pipeglot.core.workers.worker import main

        main(socket.socket(fileno=fd))

    def _leave_to_parent(self) -> None:
        """In a fork: what this process itself hears by."""
        self.control.close()
        signal.set_wakeup_fd(-1)
        for end in self.wake:
            os.close(end)

    def _tell(self, kind: bytes, number: int, status: int) -> bool:
        try:
            self.control.sendall(EVENT.pack(kind, number, status))
        except OSError:
            return False
        return True


def _hold(how: int) -> None:
    signal.pthread_sigmask(how, {signal.SIGTERM})


def _detach_streams() -> None:
    """Whoever reads the command's output must not wait for this process to end. Some of them may be closed already."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number != null:
            os.dup2(null, number)
        os.set_inheritable(number, True)
    if null > 2:
        os.close(null)


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def forget_exits() -> None:
    """In a fork: what the caller registered for its own exit is not ours to do, such as to remove temporary folders.

    What the standard library registered when it was imported, the steps still need.
    """
    import atexit

    atexit._clear()
    weakref: Any = sys.modules.get("weakref")
    if weakref is not None:
        weakref.finalize._registry.clear()
        weakref.finalize._registered_with_atexit = False  # the next one registers anew
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        logging._handlerList.clear()  # the caller's: what waits in them is written by the caller
        atexit.register(logging.shutdown)
    processes: Any = sys.modules.get("multiprocessing.util")
    if processes is not None:
        atexit.register(processes._exit_function)


def preload() -> None:
    """Import what every worker needs, once, so that each fork has it."""
    import pipeglot.core.workers.worker  # noqa: F401  # for its effect on sys.modules


def main() -> NoReturn:
    """In a new Python: argument 2 is the socket, 3 the caller's `sys.path`, which our own modules do not need."""
    import json

    preload()
    sys.path[:] = json.loads(sys.argv[3])
    serve(socket.socket(fileno=int(sys.argv[2])))
