"""Bring the index up to the ledger: one listing of the journal, then each new run once, and each open one again.

The whole journal is listed: a folder has no cheaper way to list a part of it, no clock can hide a run, and runs that
are gone from the store go from the index too. Of an open run only new records are read. Runs are read outside of
transactions and written many at a time; of two processes that read the same run, the one that saw more of it wins.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, PipeglotError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection, Database, Misfit, Unavailable
from pipeglot.core.lineage.index.rows import run_rows
from pipeglot.core.lineage.index.writing import Found, Writer
from pipeglot.core.lineage.lease import lease_of, read_lease, time_after
from pipeglot.core.lineage.ledger import Ledger, unpack, unpack_verdict
from pipeglot.core.lineage.processes import is_there
from pipeglot.core.lineage.records import Start
from pipeglot.core.lineage.sealing import seal
from pipeglot.core.lineage.state import UNFIT
from pipeglot.core.lineage.view import derive, slots_of, unfit

BATCH_RUNS = 200
BATCH_ROWS = 50_000
MANY = 20_000
"""Edges after which the database is asked to look at its tables."""
SYNCED_EVERY = 30_000_000
"""Microseconds that the noted time of the last sync may be behind."""
SLOW = 2.0
"""Seconds after which somebody who waits is told why."""


_STATUS = {True: "running", False: "lost"}
"""Of an open run, by whether its process is there."""


class Synced(NamedTuple):
    """What a sync found. `unreadable` tells of each run that is left out, and is tried again at the next sync."""

    read: int
    unreadable: list[str]


class _Known(NamedTuple):
    """What the index has already."""

    open: dict[str, int]
    """Id by run, of those without an end."""
    journal: str
    """Stands for the markers that were read."""
    synced_us: int


def sync(database: Database, ledger: Ledger, artifacts: Artifacts, tell: Callable[[str], object]) -> Synced:
    """Read what is new. `tell` is called once if it takes long."""
    return database.use(lambda: _Sync(database, ledger, artifacts, tell).run())


class _Sync:
    def __init__(self, database: Database, ledger: Ledger, artifacts: Artifacts, tell: Callable[[str], object]) -> None:
        self.database = database
        self.ledger = ledger
        self.artifacts = artifacts
        self.tell = tell
        self.unreadable: list[str] = []
        self.began = time.monotonic()
        self.began_us = time.time_ns() // 1000
        self.told = False
        self.put = self.rows = 0
        self.judged: set[str] = set()
        """The runs of which it was found out just now whether they go on."""

    def run(self) -> Synced:
        known = self._known()
        pruned, listed = self._listed()
        new: dict[str, list[str]] = {}
        if _stands_for(listed) != known.journal:
            new, known = self._new(listed, pruned)
        self._forget_pruned(pruned)
        todo = {**{run: new.get(run, []) for run in known.open if run not in pruned}, **new}
        read = self._read_all(todo, known)
        if known.open:
            self._refresh()
        self._note_time(known.synced_us)
        if self.rows > MANY:
            self.database.settle()
        return Synced(read, self.unreadable)

    def _known(self) -> _Known:
        with self.database.snapshot() as connection:
            return _known(connection)

    def _run_of(self, marker: str) -> str:
        try:
            return keys.run_of_journal(marker)[1]
        except Corrupt:  # a stray file must not hide all runs
            self.unreadable.append(f"`{marker}` is no marker of the journal")
            return ""

    def _note_time(self, before: int) -> None:
        """Not at each sync: for people and dashboards, who read the index with no command of ours."""
        began = self.began_us
        if not self.database.writable or began - before <= SYNCED_EVERY:
            return
        with self.database.attempt() as connection:
            if connection is not None:
                connection.execute(
                    "UPDATE stores SET synced_us = ? WHERE id = ? AND synced_us < ?", (began, connection.store, began)
                )

    # --- the journal --------------------------------------------------------------------------------------------------

    def _listed(self) -> tuple[set[str], list[str]]:
        """The runs that were pruned, which are as if nothing were there, and the markers of the others."""
        keys_there = list(self.ledger.store.list(keys.JOURNAL))
        pruned = {self._run_of(key) for key in keys_there if keys.tells_gone(key)} - {""}
        if not pruned:
            return pruned, keys_there
        return pruned, [key for key in keys_there if pruned.isdisjoint(key.split("-")[1:2])]

    def _new(self, listed: Sequence[str], pruned: set[str]) -> tuple[dict[str, list[str]], _Known]:
        """The markers that are to be read, by run. Those runs are forgotten that have none any more.

        And what was known when it was looked for what is new: of a run that another process has put in meanwhile, there
        may be more to read than that one has found.
        """
        with self.database.snapshot() as connection:
            known, meanwhile = queries.markers(connection), _known(connection)
        new: dict[str, list[str]] = {}
        for key in listed:
            run = self._run_of(key) if key not in known else ""
            if run:
                new.setdefault(run, []).append(key)
        if not known.keys() <= set(listed):  # or another process read what came after the listing
            again = (key for key in self.ledger.store.list(keys.JOURNAL) if pruned.isdisjoint(key.split("-")[1:2]))
            self._forget(known, set(again))
        return new, meanwhile

    def _forget(self, known: dict[str, int], listed: set[str]) -> None:
        """Remove the runs that have no marker any more."""
        gone: dict[int, list[str]] = {}
        for marker, run_id in known.items():
            if marker not in listed:
                gone.setdefault(run_id, []).append(marker)
        self._drop(gone, kept={run_id for marker, run_id in known.items() if marker in listed})

    def _forget_pruned(self, pruned: set[str]) -> None:
        """Those that another process had just read, and put in after they were removed."""
        if not pruned:
            return
        with self.database.snapshot() as connection:
            rows = connection.execute(
                "SELECT run, id FROM runs WHERE id IN (SELECT id FROM runs WHERE store_id = ? AND known = 1 "
                "EXCEPT SELECT run_id FROM journal WHERE store_id = ?)",
                (connection.store, connection.store),
            ).fetchall()
        self._drop({run_id: [] for run, run_id in rows if run in pruned})

    def _drop(self, gone: dict[int, list[str]], kept: Collection[int] = ()) -> None:
        """Some at a time, so that nobody has to wait for long."""
        runs = list(gone)
        for begin in range(0, len(runs), BATCH_RUNS):
            chunk = runs[begin : begin + BATCH_RUNS]
            with self._transaction() as connection:
                writer = Writer(connection)
                writer.drop_markers([marker for run_id in chunk for marker in gone[run_id]])
                writer.drop_runs([run_id for run_id in chunk if run_id not in kept])

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read_all(self, todo: dict[str, list[str]], known: _Known) -> int:
        size = 0
        batch: list[Found] = []
        for number, (run, markers) in enumerate(todo.items()):
            found = self._guarded(run, markers, known.open.get(run))
            if found is not None:
                batch.append(found)
                size += len(found.rows.cells) + len(found.rows.edges)
            if len(batch) >= BATCH_RUNS or size >= BATCH_ROWS:
                self._write(batch)
                batch, size = [], 0
            self._say(number + 1, len(todo))
        self._write(batch)
        return self.put

    def _guarded(self, run: str, markers: list[str], known: int | None) -> Found | None:
        try:
            return self._read(run, markers, known)
        except PipeglotError as error:
            said = error.message
            self.unreadable.append(said if run in said else f"the records of run `{run}` cannot be read: {said}")
        except UNFIT as error:
            self.unreadable.append(unfit(run, error).message)
        return None

    def _read(self, run: str, markers: list[str], known: int | None) -> Found | None:
        """A run, unless it has not begun, or an open one has nothing new."""
        records = self._pending(known) if known is not None else {}
        seen = set(records)
        head = records.pop(keys.start(run), None) or self.ledger.store.get(keys.start(run))
        if head is None:
            return None
        start = unpack(head, keys.start(run))
        if not isinstance(start, Start) or start.run != run:
            raise PipeglotError(f"`{keys.start(run)}` holds a record of another place")
        slots = slots_of(start, self.ledger)
        end = self.ledger.ended(run, len(slots))  # before the listing: whatever an end counts, the listing has
        listed = self.ledger.store.list(keys.verdicts(run))
        got = self.ledger.store.get_all(key for key in listed if key not in seen)
        fresh = {key: data for key, data in got if data is not None}
        if known is not None and not fresh and end is None and not markers:
            return None
        records |= fresh
        if keys.start(run) not in seen:
            fresh[keys.start(run)] = head
        verdicts = (unpack_verdict(data, key, run) for key, data in records.items())
        state = derive(start, self.ledger, self.artifacts, verdicts, slots)
        end = end or seal(self.ledger, start, state, len(slots))
        there = True if end or state.finished else is_there(start.engine)
        open_as = _STATUS[there] if there is not None else lease_of(self.ledger, start, state).status
        self.judged.add(run)
        rows = run_rows(start, end, state, records=len(records), reopened=len(slots), open_as=open_as)
        return Found(rows, markers, {} if end else fresh)

    def _pending(self, run_id: int) -> dict[str, bytes]:
        with self.database.snapshot() as connection:
            return dict(connection.execute("SELECT place, record FROM pending WHERE run_id = ?", (run_id,)).fetchall())

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if not self.database.writable:
            raise Unavailable("this user may only read it, and it lacks what is new in the store")
        with self.database.transaction() as connection:
            yield connection

    def _write(self, batch: list[Found]) -> None:
        if not batch:
            return
        try:
            with self._transaction() as connection:
                Writer(connection).put(batch)
        except Misfit as error:
            if len(batch) > 1:  # one must not keep the others out
                for found in batch:
                    self._write([found])
                return
            self.unreadable.append(f"run `{batch[0].rows.run['run']}` does not fit into the index: {error}")
            return
        self.put += len(batch)
        self.rows += sum(len(found.rows.edges) for found in batch)

    def _refresh(self) -> None:
        """Whether an open run still goes on is asked each time."""
        with self.database.snapshot() as connection:
            rows = connection.execute(
                "SELECT r.id, r.status, p.place, p.record FROM runs r JOIN pending p ON p.run_id = r.id "
                "WHERE r.store_id = ? AND r.known = 1 AND r.final = 0 AND r.ended = 0 "
                "AND p.place = 'runs/' || r.run || '/start'",
                (connection.store,),
            ).fetchall()
        changed = []
        for run_id, status, place, record in rows:
            start = unpack(record, place)
            if not isinstance(start, Start) or start.run in self.judged:
                continue
            now = self._open_status(run_id, start)
            if now != status:
                changed.append((now, run_id))
        if changed:
            with self._transaction() as connection:
                connection.executemany("UPDATE runs SET status = ? WHERE id = ? AND final = 0", changed)

    def _open_status(self, run_id: int, start: Start) -> str:
        """From what the index has of its verdicts, for they may be many; and a look at the beats, if that is needed."""
        there = is_there(start.engine)
        if there is not None:
            return _STATUS[there]
        prefix = keys.verdicts(start.run)
        with self.database.snapshot() as connection:
            places = connection.execute("SELECT place FROM pending WHERE run_id = ?", (run_id,)).fetchall()
            rows = connection.execute("SELECT started, seconds FROM cells WHERE run_id = ?", (run_id,)).fetchall()
        settled = {place.removeprefix(prefix) for (place,) in places}
        heard = max(filter(None, (time_after(*row) for row in rows)), default=None)
        return read_lease(self.ledger, start, settled, heard).status

    def _say(self, done: int, total: int) -> None:
        if not self.told and time.monotonic() - self.began > SLOW:
            self.told = True
            runs = "1 run" if total == 1 else f"{total} runs"
            self.tell(f"reading {runs} of `{self.ledger.store.uri}` into the index ({done} so far)")


def _known(connection: Connection) -> _Known:
    runs = connection.execute(
        "SELECT run, id FROM runs WHERE store_id = ? AND known = 1 AND final = 0", (connection.store,)
    ).fetchall()
    return _Known(dict(runs), *queries.journal(connection))


def _stands_for(markers: Iterable[str]) -> str:
    """As `Connection.journal` has it: the same if the index has all of them, and no other."""
    return hashlib.sha256("\n".join(markers).encode("utf-8", "surrogateescape")).hexdigest()
