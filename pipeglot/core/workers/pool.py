"""The runner's side of its worker processes: make them, talk to them, end them, hear of their end."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from pipeglot.core.errors import PipeglotError
from pipeglot.core.workers import zygote
from pipeglot.core.workers.messages import FromWorker, Hello, Run, receive_report, send


class Worker:
    """A worker process. `busy` from when it is given work until it has answered or ended; `log` is where it lets its
    steps print."""

    def __init__(self, pid: int, sock: socket.socket | None) -> None:
        self.pid = pid
        self.sock: socket.socket | None = sock
        self.busy = False
        self.ending = False
        self.log: Path | None = None
        self.told = 0
        """How much of what the workers have verified it was told of."""


class Report(NamedTuple):
    """A worker said something."""

    worker: Worker
    message: FromWorker


class Ended(NamedTuple):
    """A worker's process is over; `status` is as `os.waitpid` gives it."""

    worker: Worker
    status: int


class Nursery:
    """For a process with threads, where each of several pools belongs to one of them: a new Python is started once, and
    the zygote of each pool is a fork of it."""

    def __init__(self) -> None:
        self._control, other = socket.socketpair()
        self._child = _start_zygote(self._control, other, fresh=True)
        other.close()

    def start_zygote(self, theirs: socket.socket) -> None:
        """One that serves this socket. Raises `PipeglotError`."""
        try:
            socket.send_fds(self._control, [zygote.ANOTHER], [theirs.fileno()])
        except OSError as error:
            raise PipeglotError(f"the process that makes workers is gone: {error}") from error

    def close(self) -> None:
        """Once its pools are closed."""
        self._control.close()
        os.waitpid(self._child, 0)


class Pool:
    """Worker processes, forked by a zygote. Make it before importing user code: then the zygote costs a fork only.

    Where user code is imported already, ask for a `fresh` one: a new Python. A fork would have the modules as they are
    here, which may be older than the files that the digests are taken of. Or let it come from a `nursery`.
    """

    def __init__(self, *, fresh: bool = False, nursery: Nursery | None = None) -> None:
        self._control, other = socket.socketpair()
        self._child = 0
        try:
            if nursery is not None:
                nursery.start_zygote(other)
            else:
                self._child = _start_zygote(self._control, other, fresh=fresh)
        except BaseException:
            self._control.close()
            raise
        finally:
            other.close()
        self._open = True
        self.workers: dict[int, Worker] = {}
        self._early: list[Report | Ended] = []

    def spawn(self, hello: Hello) -> Worker:
        """Make a worker and introduce it to the run."""
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        except OSError as error:
            raise PipeglotError(f"the process that makes workers is gone: {error}") from error
        finally:
            theirs.close()
        pid = self._await_pid()
        worker = Worker(pid, ours)
        self.workers[pid] = worker
        self._tell(worker, hello)
        return worker

    def give(self, worker: Worker, order: Run) -> None:
        worker.busy = True
        self._tell(worker, order)

    def wait(self, seconds: float | None, wake: int | None = None) -> list[Report | Ended]:
        """What happened within that time (None: for ever). Returns early when the descriptor `wake` is readable."""
        found: list[Report | Ended] = list(self._early)
        self._early.clear()
        by_fd = {worker.sock.fileno(): worker for worker in self.workers.values() if worker.sock}
        watched = [*by_fd, self._control.fileno(), *([wake] if wake is not None else [])]
        for fd in readable(watched, 0 if found else seconds):
            if fd in by_fd:
                found += self._report(by_fd[fd])
            elif fd == self._control.fileno():
                found += self._ends()
        return found

    def retire(self, worker: Worker) -> None:
        """Give it no more work: it ends by itself."""
        worker.ending = True
        _close(worker)

    def signal(self, worker: Worker, number: int) -> None:
        """Send a signal to the worker and to all that it started."""
        worker.ending = True
        try:
            os.killpg(worker.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it is over: the zygote tells

    def close(self) -> None:
        """End all workers, and wait until they and the zygote are gone."""
        for worker in self.workers.values():
            _close(worker)
            if worker.busy:
                self.signal(worker, signal.SIGKILL)
        self.workers.clear()
        if not self._open:
            return
        self._open = False
        with suppress(OSError):  # it was killed
            self._control.sendall(zygote.QUIT)
            while not self._child and self._control.recv(4096):  # a nursery's: it is heard of by its silence
                pass
        self._control.close()
        if self._child:
            os.waitpid(self._child, 0)

    def _tell(self, worker: Worker, message: Hello | Run) -> None:
        try:
            if worker.sock:
                send(worker.sock, message)
        except OSError:
            return  # it is over: the zygote tells

    def _report(self, worker: Worker) -> list[Report | Ended]:
        message = receive_report(worker.sock) if worker.sock else None
        if message is None:
            _close(worker)  # the zygote tells how it ended
            return []
        return [Report(worker, message)]

    def _ends(self) -> list[Report | Ended]:
        event = self._event()
        if event[0] == b"P":
            raise PipeglotError("the process that makes workers answers out of turn")
        return self._end_of(event[1], event[2])

    def _end_of(self, pid: int, status: int) -> list[Report | Ended]:
        """A worker's end; what it said before comes first."""
        worker = self.workers.pop(pid, None)
        if worker is None:
            return []
        found: list[Report | Ended] = []
        while worker.sock and readable([worker.sock.fileno()], 0):
            found += self._report(worker)
        _close(worker)
        return [*found, Ended(worker, status)]

    def _await_pid(self) -> int:
        while True:
            kind, pid, status = self._event()
            if kind == b"P":
                return pid
            if kind == b"E":
                raise PipeglotError(f"no worker process can be started: {os.strerror(pid)}")
            self._early += self._end_of(pid, status)

    def _event(self) -> tuple[bytes, int, int]:
        data = b""
        while len(data) < zygote.EVENT.size:
            part = self._control.recv(zygote.EVENT.size - len(data))
            if not part:
                raise PipeglotError(
                    "the process that makes workers was killed", hint="run again: finished steps are kept"
                )
            data += part
        return zygote.EVENT.unpack(data)


def _start_zygote(ours: socket.socket, theirs: socket.socket, *, fresh: bool) -> int:
    """Start the process that makes workers; returns its pid."""
    if not fresh and _may_fork():
        zygote.preload()
        pid = os.fork()
        if pid == 0:
            ours.close()
            zygote.forget_exits()
            _serve(theirs)
        return pid
    import json

    given = 3 if theirs.fileno() != 3 else 4  # made inheritable here, it would go to what other threads start as well
    words = [_HOME, str(given), json.dumps([os.path.abspath(path) for path in sys.path])]
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-c", _PROGRAM, *words],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), given)],
    )


_HOME = __file__.rpartition(f"{os.sep}pipeglot{os.sep}")[0]

_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from pipeglot.core.workers import zygote; zygote.main()"
"""Our own modules come before the caller's `sys.path`, or a `queue.py` of the user's would be found before Python's."""


def _serve(control: socket.socket) -> NoReturn:
    try:
        zygote.serve(control)
    finally:
        os._exit(1)


def _close(worker: Worker) -> None:
    if worker.sock:
        worker.sock.close()
        worker.sock = None


def _may_fork() -> bool:
    """Only a process with one thread may; elsewhere than on Linux nobody says how many the system's libraries made."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def readable(fds: list[int], seconds: float | None) -> list[int]:
    """Those that can be read now, after waiting at most that long. Unlike `select`, it takes numbers above 1023."""
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return [fd for fd, _ in poller.poll(None if seconds is None else seconds * 1000)]
