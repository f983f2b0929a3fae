"""Faults that the rules must notice: each is put into the code of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeglot.core.lineage import closing, keys
from pipeglot.core.lineage.gc import passes
from pipeglot.core.lineage.gc.retention import choose
from pipeglot.core.lineage.index import sync
from pipeglot.core.lineage.ledger import Ledger, nonce, pack
from pipeglot.core.lineage.records import End, Start
from pipeglot.core.lineage.resuming import Resumed
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run
from tests.model.world import World


def _own_counts() -> None:
    """The loser of a commit goes on with what it has itself."""

    def put_first(self: Ledger, key: str, record: Any) -> Any:
        self.store.put(key, pack(record))
        return record

    Ledger._put_first = put_first  # type: ignore[method-assign]


def _last_wins() -> None:
    """A record may be written twice."""
    inner = World.put

    def put(self: World, process: Any, key: str, data: bytes) -> bool:
        if key.startswith("runs/"):
            self.data.pop(key, None)
        return inner(self, process, key, data)

    World.put = put  # type: ignore[method-assign]


def _marker_last() -> None:
    """A run begins before the journal has it."""

    def start(self: Ledger, record: Start) -> Start:
        found = self._put_first(keys.start(record.run), record)
        self.store.put(keys.journal("20260101T000000.000000", record.run, nonce()), b"")
        return found

    Ledger.start = start  # type: ignore[method-assign]


def _no_fence() -> None:
    """A run is closed by its end alone: nothing keeps its process from going on."""

    def close(ledger: Ledger, artifacts: Any, run: str, logs: Any = {}) -> End:  # noqa: B006
        _, state = read_run(ledger, artifacts, run)
        status: Any = state.status if state.finished else "lost"
        return ledger.end(End(run=run, number=1, status=status, finished="2026-01-01T00:00:00+00:00", digest=None))

    from tests.model import actors

    closing.close = actors.close = close  # type: ignore[attr-defined]


def _open_forgotten() -> None:
    """The index reads each run once."""
    inner = sync._known

    def known(connection: Any) -> Any:
        return inner(connection)._replace(open={})

    vars(sync)["_known"] = known


def _in_order_only() -> None:
    """A reader drops the verdicts that come before those that they need."""
    inner = RunState.apply

    def apply(self: RunState, verdict: Any) -> None:
        if (verdict.step, verdict.index) in self.expected:
            inner(self, verdict)

    RunState.apply = apply  # type: ignore[method-assign]


def _nothing_taken() -> None:
    """A run that resumes another asks the cache only."""
    Resumed.take = lambda *_: "not asked"  # type: ignore[method-assign]
    Ledger.cache_entry = lambda *_, **__: None  # type: ignore[method-assign]


def _one_pass() -> None:
    """What nothing refers to at this moment is removed at once."""
    passes.GRACE = -1e9
    passes.RIPE = -9


def _open_pruned() -> None:
    """A run is pruned by its age alone."""

    def chosen(runs: Any, *known: Any) -> list[str]:
        return choose({run: seen._replace(ended=True) for run, seen in runs.items()}, *known)

    vars(passes)["choose"] = chosen


def _no_tombstone() -> None:
    """Of a pruned run, the records go without a word."""
    inner = Ledger.bury

    def bury(self: Ledger, record: Any) -> None:
        inner(self, record)
        self.store.delete(keys.gone(record.run))

    Ledger.bury = bury  # type: ignore[method-assign]


DRAFTS: dict[str, Callable[[], None]] = {
    "own-counts": _own_counts,
    "last-wins": _last_wins,
    "marker-last": _marker_last,
    "no-fence": _no_fence,
    "open-forgotten": _open_forgotten,
    "in-order-only": _in_order_only,
    "nothing-taken": _nothing_taken,
    "one-pass": _one_pass,
    "open-pruned": _open_pruned,
    "no-tombstone": _no_tombstone,
}
