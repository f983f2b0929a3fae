"""The local runner: drives a run to its end on this machine. It is the oracle that every backend is compared with.

One thread and one loop: take what is ready, answer from the cache or give it to a worker, wait for something to happen.
What a step's end makes ready, skipped or finished is derived by `RunState`, as for any reader of the ledger.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from pipeglot.core import failures
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import Verified
from pipeglot.core.errors import (
    Corrupt,
    PipeglotError,
    StepError,
    StoreError,
    UsageError,
    ValueRefused,
)
from pipeglot.core.ir import Pipeline, Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.closing import close, was_closed
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.processes import this_process
from pipeglot.core.lineage.records import Attempt, Cancel, End, Start, Verdict
from pipeglot.core.lineage.resuming import read_resumed
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import RunView, view
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.store.base import Store
from pipeglot.core.store.waiting import attended, hasty
from pipeglot.core.workers.deaths import died, timed_out
from pipeglot.core.workers.folders import make_folders, remove_folders, write_new
from pipeglot.core.workers.messages import Broken, Called, Calling, Done, Hello, order_of
from pipeglot.core.workers.pool import Ended, Pool, Report, Worker
from pipeglot.runtime_local.beating import Beats, closed
from pipeglot.runtime_local.interrupts import LAST_WORD, Interrupts
from pipeglot.runtime_local.listener import Listener
from pipeglot.runtime_local.queue import Ready, ReadyQueue
from pipeglot.runtime_local.settings import Origins, Settings
from pipeglot.runtime_local.timers import Timer, Timers

if TYPE_CHECKING:
    from pipeglot.runtime_local.ahead import Ahead
    from pipeglot.runtime_local.inline import InlinePool

__all__ = ["LocalRun", "Origins", "Settings"]

CANCEL_GRACE = 30.0
"""Seconds that a cancelled step has between SIGTERM and SIGKILL."""

TIMEOUT_GRACE = 2.0
"""The same for a step that ran out of time."""

TICK = 0.1
CANCEL_POLL = 1.0
"""Seconds between two looks for a request to cancel in the ledger."""

_POLL = 5.0
"""Seconds that a bucket has to answer that: a busy one is asked again a second later."""

LOOKUPS_A_TURN = 64
"""How many cells are answered from the cache before the loop looks at its workers again."""


class _Busy:
    """A worker at work on a cell."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.began = time.monotonic()
        self.called_at: float | None = None
        self.timed_out = False
        self.timers: list[Timer] = []


class LocalRun:
    """One run. `execute` drives it to its end and returns what became of it.

    given: the parameters. named: what each parameter that names an artifact was resolved to.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        given: Mapping[str, Any],
        store: Store,
        settings: Settings,
        pool: Pool | InlinePool,
        listener: Listener,
        origins: Origins = Origins(),  # noqa: B008  # it is frozen
    ) -> None:
        self.plan = Plan(pipeline)
        self.settings = settings
        self.pool = pool
        self.listener = listener
        self.ledger = Ledger(store)
        self.artifacts = Artifacts(store)
        resumed = read_resumed(self.ledger, self.artifacts, origins.resumes) if origins.resumes else None
        self.start = self._start(pipeline, given, origins)
        self.state = RunState(pipeline, self.start.params, self.artifacts, self.plan, named=self.start.artifacts)
        self.runtime = Runtime(
            self.start,
            self.ledger,
            self.artifacts,
            settings.secrets,
            plan=self.plan,
            cache=settings.cache,
            anew=settings.anew,
            resumed=resumed,
        )
        self.queue = ReadyQueue(self.plan, settings.pools)
        self._ahead = self._make_ahead(store.at_once) if store.at_once > 1 else None
        self.folder = Path(settings.work) / f"{self.start.run}-{os.getpid()}"
        self.limit = min(settings.max_parallel, pipeline.max_parallel or settings.max_parallel)
        self.cancelled = 0
        self._failed = False
        self._verified: list[Verified] = []
        self._busy: dict[Worker, _Busy] = {}
        self._timers = Timers()
        self._beats = Beats(self.ledger, self.start.run, self.runtime.secrets, settings.beats, listener.warned)
        self._delayed: dict[Cell, int] = {}
        self._count = itertools.count()
        self._hello = Hello(
            pipeline=pipeline,
            start=self.start,
            store=store.uri,
            trusted=store.trusted,
            durable=settings.durable,
            root=settings.root,
            roots=settings.roots,
            sources=settings.sources,
            secrets=settings.secrets,
            folder=str(self.folder),
            cache=settings.cache,
            anew=settings.anew,
            temp="",
            copies=settings.copies,
        )

    def execute(self) -> RunView:
        """Run to the end. Raises `StoreError` if the store no longer takes records: then nothing more is claimed."""
        try:
            temp = make_folders(self.folder, self.ledger.store.uri)
            self._hello = structs.replace(self._hello, temp=str(temp), session=self._keep_session())
            with Interrupts() as interrupts, attended(self.listener.waiting, interrupts.left):
                self.listener.begun(self.start, self.plan)
                self._timers.after(CANCEL_POLL, self._look_for_cancel)
                self._timers.after(self.settings.beats.first, self._beat)
                self._take_up()
                while not self.state.finished:
                    self._turn(interrupts)
            return self._seal()
        except BaseException:
            self._give_up()
            raise
        finally:
            self._clean_up()

    def _make_ahead(self, at_once: int) -> Ahead:
        from pipeglot.runtime_local.ahead import Ahead  # here, for it needs threads, which a folder does not

        return Ahead(self.runtime.reuse, at_once, self.ledger.store.uri)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _turn(self, interrupts: Interrupts) -> None:
        if self._beats.has_slept():
            self._beats.refuse_closed()
        self._dispatch()
        for event in self.pool.wait(self._patience(), interrupts.fd):
            if isinstance(event, Report):
                self._heard(event.worker, event.message)
            else:
                self._lost(event)
        self._timers.fire()
        for _ in range(interrupts.take()):
            self._cancel("signal")
        self.listener.tick()

    def _patience(self) -> float:
        if self.state.finished or (self.queue and len(self._busy) < self.limit):
            return 0.0
        return max(0.0, min(TICK, self._timers.until_next()))

    def _take_up(self) -> None:
        """Act on what the last verdict made of the run: new entries and newly ready cells."""
        for cell in self.state.take_fresh():
            entry = self.state.entries[cell]
            self._failed = self._failed or entry.status == "failed"
            self.listener.settled(cell, entry)
        ready = self.state.take_ready()
        if ready:
            self.listener.expanded(ready)
        for cell in ready:
            self.queue.push(cell)
        if self.cancelled:
            self._cancel_waiting()

    # --- giving out work --------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        for _ in range(LOOKUPS_A_TURN):
            if len(self._busy) >= self.limit:
                return
            ready = self.queue.pop()
            if ready is None:
                return
            self._begin(ready)

    def _begin(self, ready: Ready) -> None:
        job = Job(step=self.plan.step(ready.step), index=ready.at, attempt=ready.attempt, started=now().isoformat())
        try:
            job = self._with_args(job)
        except (Corrupt, ValueRefused) as error:
            self._answer(job.step, self.runtime.fail_unread(job, error))
            return
        if job.step.trigger == "all_done" or job.step.id in self.plan.hooks:
            job = structs.replace(job, failed=self._has_failed())
        if ready.attempt == 1:
            found = self._ahead.ask(job, self._coming) if self._ahead is not None else self.runtime.reuse(job)
            if isinstance(found, Verdict):
                self._answer(job.step, found)
                return
            job = structs.replace(job, why=found)
        self._give(job)

    def _with_args(self, job: Job) -> Job:
        """Raises `Corrupt` or `ValueRefused` for a list that cannot be read."""
        job = structs.replace(job, args=self.state.arguments.of_step(*job.cell))
        return structs.replace(job, key=self.runtime.key(job))

    def _coming(self, known: Container[Cell]) -> Iterator[Job]:
        """The jobs that come next, but for those whose arguments cannot be told: they fail when it is their turn."""
        for ready in self.queue.some(LOOKUPS_A_TURN):
            if ready.attempt == 1 and ready.cell not in known:
                with suppress(Corrupt, ValueRefused):
                    yield self._with_args(
                        Job(step=self.plan.step(ready.step), index=ready.at, started=now().isoformat())
                    )

    def _answer(self, step: Step, verdict: Verdict) -> None:
        """End a cell without a worker."""
        self.queue.release(step.id)
        self._settle(verdict)

    def _give(self, job: Job) -> None:
        given: dict[str, str] = {}
        with suppress(StepError):  # the worker will fail the step for it; this is also to clean the log of a dead one
            self.runtime.secrets.of(job.step)
            given = self.runtime.secrets.of_clouds(job.step)
        idle = (worker for worker in self.pool.workers.values() if not worker.busy and not worker.ending)
        worker = next(idle, None) or self.pool.spawn(self._hello)
        if worker.log is None:
            worker.log = self.folder / f"{next(self._count)}.log"
        job = structs.replace(job, log=worker.log)
        self._busy[worker] = _Busy(job)
        self.pool.give(worker, order_of(job, self._verified[worker.told :], given))
        worker.told = len(self._verified)
        self.listener.running(job.cell, job.attempt)

    def _has_failed(self) -> bool:
        """Whether a step of the run has failed or was cancelled so far; hooks are told the outcome."""
        outcome = self.state.outcome
        if outcome != "running":
            return outcome != "succeeded"
        return bool(self.cancelled) or self._failed

    # --- hearing from workers ---------------------------------------------------------------------------------------

    def _heard(self, worker: Worker, message: Calling | Called | Done | Broken) -> None:
        busy = self._busy.get(worker)
        if busy is None:
            return
        if isinstance(message, Calling):
            busy.called_at = time.monotonic()
            busy.timers.append(self._timers.after(busy.job.step.timeout or 0.0, lambda: self._time_out(worker, busy)))
        elif isinstance(message, Called):
            busy.called_at = None
        elif isinstance(message, Broken):
            if not message.recording:
                raise UsageError(message.message, hint=message.hint)
            raise StoreError(f"step `{busy.job.step.id}` could not be recorded: {message.message}", hint=message.hint)
        else:
            self._finish(worker, message)

    def _finish(self, worker: Worker, done: Done) -> None:
        busy = self._busy.pop(worker)
        self._verified += done.verified
        self._timers.cancel(busy.timers)
        worker.busy = False
        if done.last or worker.ending:
            self.pool.retire(worker)
        self._take(busy.job, done.record)

    def _take(self, job: Job, record: Verdict | Attempt) -> None:
        """Go on from what the ledger says of an attempt."""
        self.queue.release(job.step.id)
        if isinstance(record, Verdict):
            self._settle(record)
        elif self._may_run(job.step):
            self._retry_later(job, record)
        else:
            self._settle(self.runtime.cancel(structs.replace(job, log=None)))

    def _may_run(self, step: Step) -> bool:
        """Whether steps like this one are still started: once cancelled, clean-up steps and hooks; twice, none."""
        cleans_up = step.trigger == "all_done" or step.id in self.plan.hooks
        return self.cancelled == 0 or (self.cancelled == 1 and cleans_up)

    def _settle(self, verdict: Verdict) -> None:
        if self._ahead is not None:
            self._ahead.computed(verdict.observed.key)
        self._apply(verdict)
        self._take_up()

    def _apply(self, verdict: Verdict) -> None:
        if was_closed(verdict):
            raise closed(self.start.run, verdict.status)
        self.state.apply(verdict)

    def _retry_later(self, job: Job, record: Attempt) -> None:
        retry, failure = job.step.retry, record.observed.failure
        assert retry is not None, "only a step with a retry leaves a failed attempt"
        assert failure is not None, "a failed attempt says why"
        delay = failures.delay_before(retry, job.attempt, int.from_bytes(os.urandom(4), "big") / 2**32)
        self._delayed[job.cell] = job.attempt + 1
        self._timers.after(delay, lambda: self._retry(job.cell, job.attempt + 1))
        self.listener.retrying(job.cell, job.attempt + 1, failure, delay)

    def _retry(self, cell: Cell, attempt: int) -> None:
        if self._delayed.get(cell) == attempt:
            del self._delayed[cell]
            self.queue.push(cell, attempt)

    # --- ends of workers --------------------------------------------------------------------------------------------

    def _time_out(self, worker: Worker, busy: _Busy) -> None:
        if self._busy.get(worker) is not busy or busy.called_at is None:
            return
        busy.timed_out = True
        self._end(worker, busy, TIMEOUT_GRACE)

    def _end(self, worker: Worker, busy: _Busy, grace: float) -> None:
        """SIGTERM now, SIGKILL after the grace."""
        self.pool.signal(worker, signal.SIGTERM)
        busy.timers.append(self._timers.after(grace, lambda: self._kill(worker, busy)))

    def _kill(self, worker: Worker, busy: _Busy) -> None:
        if self._busy.get(worker) is busy:
            self.pool.signal(worker, signal.SIGKILL)

    def _lost(self, event: Ended) -> None:
        """A worker's process is over. If it was at work, its attempt is recorded here, for nobody else is left to."""
        busy = self._busy.pop(event.worker, None)
        if busy is None:
            return
        self._timers.cancel(busy.timers)
        known = {"pid": event.worker.pid, "seconds": time.monotonic() - (busy.called_at or busy.began)}
        if self.cancelled and not busy.timed_out and event.worker.ending:
            self._take(busy.job, self.runtime.cancel(busy.job, why=busy.job.why, **known))
            return
        failure, mro = timed_out(busy.job.step) if busy.timed_out else died(event.status)
        self._take(busy.job, self.runtime.fail_from_outside(busy.job, failure, mro, **known))

    def _beat(self) -> None:
        self._timers.after(self._beats.pace, self._beat)
        self._beats.look([(busy.job, busy.began) for busy in self._busy.values()], self._delayed)

    def _tell_alive(self) -> None:
        """To somebody who waits for an answer, however far apart our clocks are."""
        busy = [(busy.job, 0.0) for busy in self._busy.values()]
        self._beats.answer()
        self._beats.look(busy, self._delayed)

    # --- cancelling -------------------------------------------------------------------------------------------------

    def _look_for_cancel(self) -> None:
        """`pipeglot runs cancel` leaves its request in the ledger, from whatever machine."""
        if self.cancelled:
            return
        self._timers.after(CANCEL_POLL, self._look_for_cancel)
        try:
            with hasty(_POLL):
                asked = self.ledger.is_cancelled(self.start.run)
        except StoreError:  # a store that is gone for good is told by the next record that it does not take
            return
        if asked:
            self._tell_alive()
            self._cancel("request")

    def _cancel(self, by: str) -> None:
        """The first time: ask running steps to end, and start only clean-up steps. The second time: make all end."""
        self.cancelled = min(self.cancelled + 1, 2)
        if self.cancelled == 1:
            self.listener.cancelling(CANCEL_GRACE)
            with hasty(LAST_WORD):
                self.ledger.cancel(Cancel(run=self.start.run, at=now().isoformat(), by=by))
        for worker, busy in list(self._busy.items()):
            if self.cancelled == 2:
                self.pool.signal(worker, signal.SIGKILL)
            elif not self._may_run(busy.job.step):
                self._end(worker, busy, CANCEL_GRACE)
        self._cancel_waiting()

    def _cancel_waiting(self) -> None:
        """End what was not begun and what waits for another attempt, but for clean-up steps."""
        waiting = [(ready.cell, ready.attempt) for ready in self.queue.clear()]
        ended = 0
        for cell, attempt in [*waiting, *self._delayed.items()]:
            step = self.plan.step(cell[0])
            if not self._may_run(step):
                self._delayed.pop(cell, None)
                self._apply(self.runtime.cancel(Job(step=step, index=cell[1], attempt=attempt - 1)))
                ended += 1
            elif cell not in self._delayed:
                self.queue.push(cell, attempt)
        if ended:
            self._take_up()

    # --- begin and end ----------------------------------------------------------------------------------------------

    def _start(self, pipeline: Pipeline, given: Mapping[str, Any], origins: Origins) -> Start:
        engine_run = os.urandom(16).hex()
        created = now().isoformat()
        return self.ledger.start(
            Start(
                run=keys.run_id(self.settings.stack, pipeline.name, engine_run),
                pipeline=pipeline.name,
                stack=self.settings.stack,
                backend="local",
                ir=self.ledger.put_ir(pipeline),
                params=dict(given),
                created=created,
                logical_date=origins.logical_date or created,
                resumes=origins.resumes,
                artifacts=origins.artifacts,
                tags=origins.tags,
                asked=origins.asked,
                engine={"run": engine_run, **this_process()},
            )
        )

    def _seal(self) -> RunView:
        status = self.state.status
        assert status != "running", "the loop ends when the run has"
        self.ledger.end(
            End(
                run=self.start.run,
                number=1,
                status=status,
                finished=now().isoformat(),
                digest=lineage_digest(self.state),
            )
        )
        found = view(self.start, self.state)
        self.listener.ended(found)
        return found

    def _give_up(self) -> None:
        """Record as lost what is open: this process may live on, as a notebook's does, and would pass for a run's."""
        self.pool.close()
        with suppress(PipeglotError), hasty(LAST_WORD):  # it is for the same reason that the run cannot go on
            close(self.ledger, self.artifacts, self.start.run)

    def _keep_session(self) -> str:
        """A file, for it may be large, and every worker reads it."""
        if not self.settings.session:
            return ""
        path = self.folder / "session.pickle"
        write_new(path, self.settings.session)
        return str(path)

    def _clean_up(self) -> None:
        self.pool.close()
        remove_folders(self.folder)
