"""A worker process: runs one step at a time and says what became of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.context import Terminated
from pipeglot.core.errors import PipeglotError
from pipeglot.core.ir import Step
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.store import open_store
from pipeglot.runtime_local.messages import Broken, Called, Calling, Done, Hello, Run, receive_order, send


class Reporter:
    """Tells the runner when the user's function begins and ends, and turns SIGTERM into `Terminated` between."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pid = os.getpid()
        self.timed = False
        self.inside = False
        signal.signal(signal.SIGTERM, self._on_term)

    def calling(self) -> None:
        if self.timed:
            send(self.sock, Calling())
        self.inside = True

    def called(self) -> None:
        self.inside = False
        if os.getpid() != self.pid:  # the user's function forked, and this is the child on its way out
            os._exit(0)
        if self.timed:
            send(self.sock, Called())

    def _on_term(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() == self.pid and self.inside:
            self.inside = False
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
    sys.path[:0] = [path for path in hello.roots if path not in sys.path]
    _open_streams()
    worker = _Worker(sock, hello)
    while isinstance(order := receive_order(sock), Run):
        send(sock, worker.run(order))


class _Worker:
    def __init__(self, sock: socket.socket, hello: Hello) -> None:
        store = open_store(hello.store, trusted=hello.trusted)
        ledger = Ledger(store)
        self.runtime = Runtime(hello.start, ledger, Artifacts(store), hello.secrets, pipeline=hello.pipeline)
        self.steps: dict[str, Step] = {step.id: step for step in Plan(hello.pipeline).steps()}
        self.reporter = Reporter(sock)
        self.scratch = Path(hello.folder) / f"scratch-{os.getpid()}"
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)

    def run(self, order: Run) -> Done | Broken:
        step = self.steps[order.step]
        self.reporter.timed = step.timeout is not None
        job = Job(step, order.index, order.args, order.attempt, order.failed, Path(order.log), self.scratch)
        try:
            return Done(self.runtime.execute(job, self.reporter, why=order.why))
        except PipeglotError as error:
            return Broken(error.message, error.hint)
        finally:
            self._empty_scratch()

    def _empty_scratch(self) -> None:
        with os.scandir(self.scratch) as found:
            if next(found, None) is None:
                return
        import shutil

        shutil.rmtree(self.scratch, ignore_errors=True)  # what cannot be removed now goes with the run's folder
        self.scratch.mkdir(mode=0o700, exist_ok=True)


def _open_streams() -> None:
    """No input; lines are written as they come. What is printed between steps goes nowhere (see `zygote`)."""
    logging: Any = sys.modules.get("logging")
    if logging is not None:  # as in a new Python: what the process that forked us had set up is not the steps'
        logging.root.handlers.clear()
    sys.stdin = _stream(0, "r")
    sys.stdout = _stream(1, "w")
    sys.stderr = _stream(2, "w")


def _stream(number: int, mode: str) -> Any:
    return open(number, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _leave(code: int) -> NoReturn:
    import atexit

    atexit._run_exitfuncs()
    os._exit(code)
