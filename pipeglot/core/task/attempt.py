"""Attempts at a step, in a worker process of its own: timed, cancelled, and heard of while it goes on.

The engine's process only watches. So a segfault, a C loop and a grandchild that stays end with the step, and what the
engine has loaded meets nothing of the user's.
"""

from __future__ import annotations

import codecs
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import structs

from pipeglot.core.errors import Cancelled, PipeglotError, StoreError
from pipeglot.core.lineage.lease import Pulse, Schedule
from pipeglot.core.lineage.records import Attempt, Verdict
from pipeglot.core.log_tail import last_lines
from pipeglot.core.redact import Redactor
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.task.folders import make_for_attempt
from pipeglot.core.workers.deaths import died, timed_out
from pipeglot.core.workers.folders import remove_folders, write_new
from pipeglot.core.workers.messages import Broken, Called, Calling, Done, Hello, order_of
from pipeglot.core.workers.pool import Ended, Nursery, Pool, Report, Worker

if TYPE_CHECKING:
    from pipeglot.core.task.places import Place, Told

TICK = 0.2
TIMEOUT_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a step that ran out of time."""


class Bench:
    """Where a task runs its attempts: a folder, and a worker that takes the next one if the last has left no traces."""

    def __init__(self, hello: Hello, folder: Path, nursery: Nursery | None = None) -> None:
        _open_streams()
        self.folder = folder
        self._pool = Pool(nursery=nursery)
        self._hello = structs.replace(hello, folder=str(folder), temp=str(make_for_attempt(folder, hello.store)))
        self._logs = (folder / f"{number}.log" for number in itertools.count(1))

    def attempt(
        self, runtime: Runtime, job: Job, schedule: Schedule, place: Place, given: Mapping[str, str]
    ) -> Verdict | Attempt:
        """Run a job to its end, and show what it prints. Returns what the ledger says of it.

        given: the values of its secrets that an engine holds.

        Raises `Cancelled`, and `StoreError` if it cannot be recorded; nothing runs on the bench after that.
        """
        log = next(self._logs)
        job = structs.replace(job, log=log)
        write_new(log, b"")
        with (
            _Shown(log, runtime, place.show) as shown,
            place.listening(cleans=runtime.plan.repeats(job.step.id)) as told,
        ):
            worker = self._worker()
            self._pool.give(worker, order_of(job, [], given))
            found = _Watch(runtime, job, self._pool, worker, schedule, place).until_over(shown, told)
        log.unlink(missing_ok=True)
        return found

    def close(self) -> None:
        """End the worker, whatever it does, and remove the folder."""
        try:
            self._pool.close()
        finally:
            remove_folders(self.folder)

    def is_good(self) -> bool:
        """Whether what makes its workers is still there."""
        try:
            self._pool.wait(0)
        except PipeglotError:
            return False
        return True

    def _worker(self) -> Worker:
        self._pool.wait(0)  # one that waited for work may be gone
        idle = (worker for worker in self._pool.workers.values() if not worker.busy and not worker.ending)
        return next(idle, None) or self._pool.spawn(self._hello)


def _open_streams() -> None:
    """An engine may have closed them: what we open next must not take their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def is_cancelled(runtime: Runtime, job: Job) -> bool:
    """Whether somebody has asked for the end of the run, and the step is none that cleans up or tells after it."""
    return not runtime.plan.repeats(job.step.id) and runtime.ledger.is_cancelled(runtime.start.run)


def lost_alone(place: Place, runtime: Runtime, job: Job) -> bool:
    """Whether an attempt that was told to end is lost with its process, and its run goes on."""
    return place.ends_alone and not is_cancelled(runtime, job)


class _Watch:
    """Waits for the end of one attempt, and sees to it that there is one."""

    def __init__(
        self, runtime: Runtime, job: Job, pool: Pool, worker: Worker, schedule: Schedule, place: Place
    ) -> None:
        self.place = place
        self.runtime = runtime
        self.job = job
        self.pool = pool
        self.worker = worker
        self.began = time.monotonic()
        self.deadline: float | None = None
        self.kill_at: float | None = None
        self.timed_out = False
        self.cancelled = False
        run = runtime.start.run
        self.pulse = Pulse(runtime.ledger, run, job.cell, began=self.began, slot=job.slot, schedule=schedule)

    def until_over(self, shown: _Shown, told: Told) -> Verdict | Attempt:
        while True:
            for event in self.pool.wait(TICK):
                found = self._heard(event)
                if found is not None:
                    return found
            shown.show()
            if told() and not self.cancelled:
                self._cancel()
            self._look_at_the_clock()

    def _heard(self, event: Report | Ended) -> Verdict | Attempt | None:
        if event.worker is not self.worker:
            return None  # the end of one that took an attempt before this
        if isinstance(event, Ended):
            return self._over(event.status)
        message = event.message
        if isinstance(message, Done):
            self.worker.busy = False
            if message.last:
                self.pool.retire(self.worker)
            return message.record
        if isinstance(message, Broken):
            raise StoreError(f"step `{self.job.step.id}` could not be recorded: {message.message}", hint=message.hint)
        timeout = self.job.step.timeout
        if isinstance(message, Calling) and timeout is not None:
            self.deadline = time.monotonic() + timeout
        elif isinstance(message, Called):
            self.deadline = None
        return None

    def _over(self, status: int) -> Verdict | Attempt:
        """The worker is gone without a word: what became of the step is recorded here."""
        known = {"pid": self.worker.pid, "seconds": time.monotonic() - self.began}
        if self.cancelled and not self.timed_out:
            if not lost_alone(self.place, self.runtime, self.job):
                self.runtime.cancel(self.job, why=self.job.why, **known)
                raise Cancelled(f"step `{self.job.step.id}` was cancelled")
            status = signal.SIGTERM
        failure, mro = timed_out(self.job.step) if self.timed_out else died(status)
        return self.runtime.fail_from_outside(self.job, failure, mro, **known)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if self.kill_at is not None:
            if now >= self.kill_at:
                self.pool.signal(self.worker, signal.SIGKILL)
        elif self.deadline is not None and now >= self.deadline:
            self.timed_out = True
            self._end(TIMEOUT_GRACE)
        elif self.pulse.due <= now:
            self._beat()

    def _beat(self) -> None:
        """Say that the step goes on, and hear whether it still should."""
        try:
            if is_cancelled(self.runtime, self.job):
                self._cancel()
            known = self.runtime.secrets.known(self.job.step) and self.job.log is not None
            tail = last_lines(self.job.log, self.runtime.secrets, self.job.step) if known and self.job.log else ""
            self.pulse.beat(attempt=self.job.attempt, tail=tail)
        except StoreError as error:
            print(f"pipeglot: no sign of life can be given: {error.message}", file=sys.stderr)

    def _cancel(self) -> None:
        self.cancelled = True
        self._end(self.place.grace)

    def _end(self, grace: float) -> None:
        self.pool.signal(self.worker, signal.SIGTERM)
        self.kill_at = time.monotonic() + grace


class _Shown:
    """What a step prints into its log, shown here as it comes, without its secrets.

    The file stays open: whoever stores it removes it, and its last lines are shown all the same.
    """

    def __init__(self, log: Path, runtime: Runtime, show: Callable[[str], None]) -> None:
        self._show = show
        self._file = log.open("rb")
        self._redactor: Redactor | None = runtime.secrets.redactor() if runtime.secrets.any() else None
        self._kept = b""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.show(last=True)
        self._file.close()

    def show(self, *, last: bool = False) -> None:
        data = self._file.read()
        if self._redactor is not None:
            data, self._kept = self._redactor.part(self._kept + data, last=last)
        text = self._decode(data, last)
        if text:
            self._show(text)
