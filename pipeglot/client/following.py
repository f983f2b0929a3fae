"""Follow a run that an orchestrator drives: what its ledger says is told to a listener, until both say it is over."""

from __future__ import annotations

import datetime as dt
import select
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pipeglot.client.engine_runs import engine_logs, numbered
from pipeglot.client.records import Records
from pipeglot.client.text import SHORT_ID
from pipeglot.compilers.remote import Away, EngineTask, Remote
from pipeglot.core.errors import ConfigError, Corrupt, EngineError, NewerFormat, PipeglotError, StoreError, Untrusted
from pipeglot.core.failures import delay_before
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import ended_at
from pipeglot.core.lineage.ledger import now, unpack_verdict
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Cancel, Start, Verdict
from pipeglot.core.lineage.sealing import seal
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import RunView, read_run, slots_of, view
from pipeglot.runtime_local.interrupts import Interrupts
from pipeglot.runtime_local.listener import Listener

T = TypeVar("T")

LOOK = 1.0
"""Seconds between two looks at the ledger, and at the orchestrator."""

TICK = 0.2
"""Seconds between two pictures of a live display."""

LINGER = 5.0
"""Seconds that tasks have to record their end once the orchestrator calls the run over."""

GRACE = 30.0
"""Seconds that a step has to end when it is cancelled, which an orchestrator may not wait for."""

_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)

SILENCE = 1800.0
"""Seconds without a word of the orchestrator or the store, after which a run is not followed any more."""


class Follower:
    """Tells a listener what the ledger says of a run that others drive."""

    def __init__(self, records: Records, start: Start, remote: Remote, listener: Listener) -> None:
        self.records = records
        self.start = start
        self.remote = remote
        self.listener = listener
        ledger = records.ledger
        pipeline = ledger.ir(start.ir)
        self.plan = Plan(pipeline, trusted=ledger.store.trusted)
        self.state = RunState(pipeline, start.params, records.artifacts, self.plan, named=start.artifacts)
        self._seen: set[str] = set()
        self._running: dict[Cell, tuple[int, bool]] = {}
        """The attempt of each cell that was told of last, and whether it is only waited for."""
        self._away: dict[str, float] = {}
        """Since when the orchestrator, or the store, does not answer."""
        self._cancelled = False
        self._unheard: list[Callable[[], bool]] = []
        """Those who are still to be told that the run is cancelled."""

    @property
    def engine_run(self) -> str:
        """The orchestrator's own id of the run."""
        return self.start.engine["run"]

    def until_over(self) -> RunView:
        """Follow it to its end. The first Ctrl-C cancels it there; the second one leaves it alone.

        Raises `EngineError` if the orchestrator lets nobody look any more, or is silent for long.
        """
        self.listener.begun(self.start, self.plan)
        with Interrupts() as interrupts:
            over_since: float | None = None
            while True:
                for _ in range(interrupts.take()):
                    self._cancel()
                self._unheard = [tell for tell in self._unheard if not tell()]
                status = self._ask(self.remote.status, self.start.pipeline, self.engine_run)
                is_over = self._look()
                if status in ("succeeded", "failed", "gone"):
                    over_since = over_since or time.monotonic()
                    if is_over or time.monotonic() - over_since > self._linger():
                        found = self._asked_store(self._ended, status)
                        if found is not None:
                            return found
                elif status is not None:
                    over_since = None
                    self._look_at_tasks()
                self._rest(interrupts)

    def _rest(self, interrupts: Interrupts) -> None:
        until = time.monotonic() + LOOK
        while (left := until - time.monotonic()) > 0:
            self.listener.tick()
            if select.select([interrupts.fd], [], [], min(left, TICK))[0]:
                return

    # --- what others say ----------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[..., Any], *words: Any) -> Any:
        """What the orchestrator answers; None while it does not: a server may be started anew meanwhile."""
        try:
            found = question(*words)
        except (Away, ConfigError) as error:  # a token command may need the network, too
            return self._is_away("there", error)
        except EngineError as error:
            raise self._left(error.message, error.hint) from None
        self._is_back("there")
        return found

    def _asked_store(self, question: Callable[..., T], *words: Any) -> T | None:
        """What the store answers; None while it does not."""
        try:
            found = question(*words)
        except StoreError as error:
            if isinstance(error, Corrupt | NewerFormat | Untrusted):
                raise
            self._is_away("store", error)
            return None
        self._is_back("store")
        return found

    def _is_away(self, who: str, error: PipeglotError) -> None:
        if who not in self._away:
            self._away[who] = time.monotonic()
            self.listener.waiting(f"{error.message}; asking again")
        elif time.monotonic() - self._away[who] > SILENCE:
            raise self._left(error.message, error.hint)

    def _is_back(self, who: str) -> None:
        if self._away.pop(who, None) is not None:
            self.listener.waiting("")

    def _left(self, message: str, hint: str) -> EngineError:
        run = self.start.run[:SHORT_ID]
        onward = f"the run may go on there: `pipeglot runs show {run}` tells, `pipeglot runs cancel {run}` stops it"
        return EngineError(
            f"{message}\nrun {run} is not followed any more", hint=f"{hint}\n{onward}" if hint else onward
        )

    # --- the ledger ---------------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Take in what is new in the ledger. Returns whether the run is over by its records."""
        self._asked_store(self._read_new)
        state = self.state
        for cell in state.take_fresh():
            entry = state.entries[cell]
            seen = entry.verdict.observed if entry.verdict is not None else None
            if seen is not None and seen.cached is None and seen.attempt:
                self._tell_attempts(cell, seen.attempt)
            self._running.pop(cell, None)
            self.listener.settled(cell, entry)
        ready = state.take_ready()
        if ready:
            self.listener.expanded(ready)
        return state.finished

    def _read_new(self) -> None:
        store = self.records.ledger.store
        new = [key for key in store.list(keys.verdicts(self.start.run)) if key not in self._seen]
        read = ((key, data) for key, data in store.get_all(new) if data is not None)
        fresh: dict[str, Verdict] = {key: unpack_verdict(data, key, self.start.run) for key, data in read}
        for key in sorted(fresh, key=lambda key: ended_at(fresh[key]) or _NEVER):  # people read them in order of time
            self.state.apply(fresh[key])
            self._seen.add(key)  # not before: what a store does not give now is asked for again

    # --- the tasks ----------------------------------------------------------------------------------------------------

    def _look_at_tasks(self) -> None:
        found = self._ask(
            lambda: list(self.remote.tasks(self.start.pipeline, self.engine_run, ("running", "retrying")))
        )
        for cell, task in numbered(found or (), self.state):
            if cell is not None and cell in self.state.expected:
                self._tell_task(cell, task)

    def _tell_task(self, cell: Cell, task: EngineTask) -> None:
        """An attempt is waited for once the one before has failed, and runs once the orchestrator says so."""
        waits = task.state == "retrying"
        self._tell_attempts(cell, task.attempt + waits, waits=waits)

    def _tell_attempts(self, cell: Cell, attempt: int, *, waits: bool = False) -> None:
        """All up to this one: those before may have begun and ended between two looks."""
        before, waited = self._running.get(cell, (0, False))
        if attempt > max(before, 1):
            self._tell_retries(cell, max(before, 1), attempt)
        if not waits and (attempt > before or waited):
            self.listener.running(cell, attempt)
        if attempt >= before:
            self._running[cell] = attempt, waits

    def _tell_retries(self, cell: Cell, first: int, last: int) -> None:
        """What attempts from the first on have recorded before the last, if they came so far."""
        retry = self.plan.step(cell[0]).retry
        for one in self._asked_store(self.records.ledger.attempts, self.start.run, *cell) or ():
            number, failure = one.observed.attempt, one.observed.failure
            if retry is not None and failure is not None and first <= number < last:
                self.listener.retrying(cell, number + 1, failure, delay_before(retry, number, 0.5))

    # --- the end ------------------------------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._cancelled:
            raise KeyboardInterrupt(f"run {self.start.run[:SHORT_ID]} is being cancelled, and not waited for")
        self._cancelled = True
        self.listener.cancelling(GRACE)
        self._unheard = [self._tell_store, self._tell_there]

    def _tell_store(self) -> bool:
        record = Cancel(run=self.start.run, at=now().isoformat(), by="signal")
        return self._asked_store(self.records.ledger.cancel, record) is not None

    def _tell_there(self) -> bool:
        self._ask(self.remote.cancel, self.start.pipeline, self.engine_run)
        return "there" not in self._away

    def _linger(self) -> float:
        """Of a run that was cancelled an orchestrator says at once that it is over, while its steps still end."""
        is_cancelled = bool(self._running) and self._asked_store(self.records.ledger.is_cancelled, self.start.run)
        return LINGER + GRACE if is_cancelled else LINGER

    def _ended(self, status: str) -> RunView:
        ledger, artifacts, run = self.records.ledger, self.records.artifacts, self.start.run
        if not self.state.finished:
            logs = self._ask(engine_logs, self.start, self.remote, self.state) if status != "gone" else {}
            close(ledger, artifacts, run, logs or {})
            self._look()
        start, state = read_run(ledger, artifacts, run)
        seal(ledger, start, state, len(slots_of(start, ledger)))
        found = view(start, state)
        if status == "gone":
            self.listener.warned("the run is not there any more: somebody has deleted it")
        elif status == "succeeded" and found.status == "cancelled":
            self._ask(self.remote.cancel, self.start.pipeline, self.engine_run)
        self.listener.ended(found)
        return found
