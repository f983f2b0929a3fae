"""The runs of a backfill, where the orchestrator makes them by itself: begun there, and followed from here."""

from __future__ import annotations

import datetime as dt
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import msgspec

from pipeglot.client.backfill.work import Done, Status, first_error
from pipeglot.client.records import Records
from pipeglot.compilers.remote import Away, Backfilling, BackfillRun, Remote
from pipeglot.core.errors import NotFound
from pipeglot.core.lineage.keys import run_id
from pipeglot.core.stack import Stack

LOOK = 1.0
"""Seconds between two looks at how far it is."""

LINGER = 30.0
"""Seconds that the ledger of a run has to come to its end once the orchestrator calls it over."""

_OVER: Mapping[str, Status] = {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled", "lost": "failed"}


class Native:
    """A backfill that the orchestrator of a stack does. tell: hears of each run that is over."""

    def __init__(
        self,
        pipeline: str,
        stack: Stack,
        records: Records,
        remote: Remote,
        filling: Backfilling,
        tell: Callable[[Done], None],
    ) -> None:
        self.pipeline = pipeline
        self.stack = stack
        self.records = records
        self.remote = remote
        self.filling = filling
        self.tell = tell
        self._asked: dict[dt.datetime, str] = {}
        """Each moment as it was asked for: the orchestrator tells it in UTC."""
        self._signals = 0
        self._done: dict[dt.datetime, Done] = {}
        self._ended: dict[str, float] = {}
        """Since when the orchestrator calls a run over."""

    def do(self, moments: Sequence[dt.datetime], most: int, conf: Mapping[str, Any]) -> list[Done]:
        """All moments, to the end. The first signal ends what runs and begins no more, the second one leaves it alone.

        Raises `EngineError`, `StoreError`.
        """
        self._asked = {moment: moment.isoformat() for moment in moments}
        backfill = self.filling.start(moments, most, conf)
        with self._heard():
            while len(self._done) < len(moments) and self._signals < 2:
                time.sleep(LOOK)
                try:
                    self._look(moments)
                    if self._signals == 1 and backfill:
                        self.filling.stop(backfill)
                        backfill = ""
                        self._cancel(moments)
                    if not backfill and not any(one.state == "running" for one in self.filling.runs(moments)):
                        self._look(moments)
                        break
                except Away:  # it may be started anew just now
                    continue
        return list(self._done.values())

    def _look(self, moments: Sequence[dt.datetime]) -> None:
        for one in self.filling.runs(moments):
            if one.moment in self._asked and one.state in ("succeeded", "failed") and one.moment not in self._done:
                done = self._over(one)
                if done is not None:
                    self._done[one.moment] = done
                    self.tell(done)

    def _over(self, one: BackfillRun) -> Done | None:
        """What became of it, by the ledger; None as long as that is not at its end."""
        run = run_id(self.stack.name, self.pipeline, one.id)
        waited = time.monotonic() - self._ended.setdefault(one.id, time.monotonic())
        try:
            view = self.records.run(run).view
        except NotFound:
            if waited < LINGER and not self._signals:
                return None
            return self._told(one, None, "cancelled" if self._signals else "failed", "no task of it has begun")
        if view.status == "running" and waited < LINGER:
            return None
        status = _OVER.get(view.status, "failed")
        why = "" if status == "succeeded" else first_error(msgspec.to_builtins(view)) or f"the run is {view.status}"
        return self._told(one, run, status, why)

    def _told(self, one: BackfillRun, run: str | None, status: Status, why: str) -> Done:
        return Done(
            logical_date=self._asked[one.moment], status=status, run_id=run, seconds=round(one.seconds, 3), message=why
        )

    def _cancel(self, moments: Sequence[dt.datetime]) -> None:
        for one in self.filling.runs(moments):
            if one.state == "running":
                self.remote.cancel(self.pipeline, one.id)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._count) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
