"""A worker process: runs one step at a time and says what became of it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from pipeglot.core import session
from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.calling import Watch
from pipeglot.core.context import Terminated
from pipeglot.core.errors import PipeglotError
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.sources import use_roots
from pipeglot.core.store import open_store
from pipeglot.core.workers.messages import Broken, Called, Calling, Done, Hello, Run, receive_order, send


class Reporter:
    """Tells the runner when the user's function begins and ends, and turns SIGTERM into `Terminated` between.

    Once it has, the attempt is over, whatever the user's code makes of the exception.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pid = os.getpid()
        self.timed = False
        self.inside = False
        self.terminated = False

    def arm(self, *, timed: bool) -> None:
        """Before each attempt: a step before may have set handlers and alarms of its own."""
        self.timed = timed
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._on_term)

    def calling(self) -> None:
        if self.timed:
            send(self.sock, Calling())
        self.inside = True

    def called(self) -> None:
        self.inside = False
        if os.getpid() != self.pid:  # the user's function forked, and this is the child on its way out
            os._exit(0)
        if self.terminated:
            raise Terminated
        if self.timed:
            send(self.sock, Called())

    def _on_term(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() == self.pid and self.inside:
            self.inside = False
            self.terminated = True
            raise Terminated
        os._exit(128 + number)


def main(sock: socket.socket) -> NoReturn:
    """Serve a runner until it closes the socket. Ends the process without the interpreter's long good-bye."""
    code = 1
    try:
        _serve(sock)
        code = 0
    except Terminated:
        code = 143
    finally:
        _leave(code)


def _serve(sock: socket.socket) -> None:
    hello = receive_order(sock)
    if not isinstance(hello, Hello):
        return
    os.chdir(hello.root)
    use_roots(hello.roots, hello.sources)
    _open_streams()
    _warn_debuggers()
    session.become_worker()
    worker = StepRunner(hello, Reporter(sock))
    broken = _restored(hello.session) if hello.session else None
    while isinstance(order := receive_order(sock), Run):
        done = broken or worker.run(order)
        send(sock, done)
        if isinstance(done, Done) and done.last:
            return


def _restored(path: str) -> Broken | None:
    """Define here what the caller's `__main__` did; what stands against it, if anything."""
    try:
        session.restore(Path(path).read_bytes())
    except Exception as error:  # noqa: BLE001  # whatever the user's classes raise
        import traceback

        told = "".join(traceback.format_exception(error)[-2:]).rstrip()
        message = f"a worker cannot define what the notebook defined:\n\n{told}"
        return Broken(message, "write it in a file in the project, and import it", recording=False)
    return None


class Armed(Watch, Protocol):
    """A watch that is told of each attempt before."""

    def arm(self, *, timed: bool) -> None: ...


class StepRunner:
    """Runs what a runner orders, in this process. Without `keep_logs` what steps print is not caught."""

    def __init__(self, hello: Hello, watch: Armed, *, keep_logs: bool = True) -> None:
        copies = Path(hello.copies) if hello.copies else None
        store = open_store(hello.store, trusted=hello.trusted, durable=hello.durable, copies=copies)
        self.plan = Plan(hello.pipeline)
        self.runtime = Runtime(
            hello.start,
            Ledger(store),
            Artifacts(store, sharing=True),
            hello.secrets,
            plan=self.plan,
            cache=hello.cache,
            anew=hello.anew,
        )
        self.watch = watch
        self.keep_logs = keep_logs
        self.scratch = Path(hello.folder, f"in-{os.getpid()}")
        self.temp = Path(hello.temp, str(os.getpid()))
        self.streams = (sys.stdin, sys.stdout, sys.stderr)

    def run(self, order: Run) -> Done | Broken:
        blobs.learn(order.verified)
        self.runtime.secrets.give(order.given)
        job = Job(
            step=self.plan.step(order.step),
            index=order.index,
            args=order.args,
            attempt=order.attempt,
            failed=order.failed,
            log=Path(order.log) if self.keep_logs else None,
            scratch=self.scratch,
            temp=self.temp,
            why=order.why,
            started=order.started,
            key=order.key,
            slot=order.slot,
            first=order.first,
            engine=order.engine,
            reopened=order.reopened,
        )
        ended = _ended_children()
        for folder in (self.scratch, self.temp):
            if not os.path.isdir(folder):  # the first step, or one that has removed it
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.watch.arm(timed=job.step.timeout is not None)
        try:
            return Done(self.runtime.execute(job, self.watch), last=_has_traces(), verified=blobs.news())
        except PipeglotError as error:
            return Broken(error.message, error.hint)
        except Exception as error:  # noqa: BLE001  # ours: it must be seen, and this process has no screen
            import traceback

            return Broken(f"this is a bug in pipeglot: {error!r}\n\n{traceback.format_exc()}")
        finally:
            sys.stdin, sys.stdout, sys.stderr = self.streams
            _empty(self.scratch)
            _empty(self.temp)
            if job.log is not None and _ended_children() != ended:
                job.log.unlink(missing_ok=True)  # a grandchild may have it open still: the next step gets a new one


def _has_traces() -> bool:
    """Whether a step has left threads or child processes behind, which would go on into the steps after it."""
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        return True
    try:
        fd = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # not Linux: they end with the worker
        return False
    try:
        return bool(os.read(fd, 1))
    finally:
        os.close(fd)


def _ended_children() -> tuple[float, ...]:
    """Changes when a child process has ended: whoever let one go for good had it end its own parent first. Where the
    step has told the system not to keep count of them, no two answers are alike."""
    if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
        return (time.monotonic(),)
    return tuple(resource.getrusage(resource.RUSAGE_CHILDREN))


def _empty(folder: Path) -> None:
    try:
        with os.scandir(folder) as found:
            if next(found, None) is None:
                return
    except OSError:
        return  # the step removed it
    import shutil

    shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed now goes with the run's folder


_callers: list[Any] = []
"""The streams of the process that we were forked from. An engine's own may close the descriptors when they go."""


def _open_streams() -> None:
    """No input; lines are written as they come. What is printed between steps goes nowhere (see `zygote`)."""
    logging: Any = sys.modules.get("logging")
    if logging is not None:  # as in a new Python: what the process that forked us had set up is not the steps'
        logging.root.handlers.clear()
    _callers.extend((sys.stdin, sys.stdout, sys.stderr))
    sys.stdin = _stream(0, "r")
    sys.stdout = _stream(1, "w")
    sys.stderr = _stream(2, "w")


def _warn_debuggers() -> None:
    """`breakpoint()` finds no terminal here. Whoever has set up a debugger of another kind is left alone."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _no_terminal


def _no_terminal(*_: Any, **__: Any) -> NoReturn:
    from bdb import BdbQuit

    raise BdbQuit("`breakpoint()` finds no terminal: steps run in processes of their own")


def _stream(number: int, mode: str) -> Any:
    return open(number, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _leave(code: int) -> NoReturn:
    import atexit

    atexit._run_exitfuncs()
    os._exit(code)
