"""The index of a store, brought up to date before it is asked: of this checkout, or shared. It is never the truth."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from pipeglot.client.records import Records
from pipeglot.core.errors import StoreError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection, Database, Unavailable
from pipeglot.core.lineage.index.sqlite import FileConnection, FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.store.base import Store
from pipeglot.core.variables import expand
from pipeglot.stacks.state import STATE

if TYPE_CHECKING:
    from pipeglot.core.lineage.index.postgres import PostgresDatabase

T = TypeVar("T")

Tell = Callable[[str], object]
"""Takes a line of advice for whoever waits."""


class Index:
    """Answers questions about the runs of a store. `tell` gets notes: what is left out, and why it takes long.

    Of a stack with `metadata`, the shared index is asked. Where that is out of reach, or may not be written, that of
    this checkout is: it is brought up from the same store, so the answer is the same, if only later.
    """

    def __init__(self, records: Records, tell: Tell) -> None:
        self.records = records
        self.tell = tell

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Read what is new in the store, then ask. A damaged index is made anew.

        Raises `StoreError`; `ConfigError` if `metadata` names no database, or there is no driver for it.
        """
        return self._either(lambda database: self._ask(database, question))

    def _either(self, work: Callable[[Database], T]) -> T:
        if self.is_shared and self._has_runs():
            try:
                with self.shared() as database:
                    return work(database)
            except Unavailable as error:
                self.tell(f"the shared index is not used: {error}; the index of this checkout answers")
        with self._own() as database:
            return work(database)

    def _ask(self, database: Database, question: Callable[[Connection], T]) -> T:
        def answer() -> tuple[T, list[str]]:
            found = sync(database, self.records.ledger, self.records.artifacts, self.tell)
            with database.snapshot() as connection:
                return question(connection), found.unreadable

        result, unreadable = database.use(answer)
        if isinstance(database, FileDatabase) and database.why_memory:
            self.tell(f"the index is made anew for this command only: {database.why_memory}")
        elif database.made_anew:
            self.tell(f"the index was made anew from the store: {database.made_anew}")
        for one in unreadable:
            self.tell(f"a run is left out: {one}")
        return result

    def peek(self, question: Callable[[Connection], T]) -> T | None:
        """Ask the index of this checkout as it is there, however old; None if there is none that can be read."""
        path = self.path
        if not path.exists():
            return None
        try:
            uri = f"{path.as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, timeout=0.1, uri=True, factory=FileConnection)) as connection:
                return question(connection)
        except sqlite3.Error:  # damaged, or of another version: `ask` makes it anew
            return None

    def rebuild(self) -> Rebuilt:
        """Make the index anew, from nothing but the store."""

        def work(database: Database) -> Rebuilt:
            if isinstance(database, FileDatabase):
                with suppress(sqlite3.Error):
                    database.connection.execute("SELECT 1")
            database.replace()
            found = self._ask(database, queries.totals)
            return Rebuilt(path=database.shown or None, **found)

        return self._either(work)

    def look(self) -> Look:
        """What the shared index has, as it is there, and how far it is behind. Raises `ConfigError`, `Unavailable`."""
        with self.shared() as database:

            def ask() -> Look:
                with database.snapshot() as connection:
                    known, at = queries.markers(connection), queries.synced(connection)
                there = list(self.records.ledger.markers())
                pruned = {run for key, run in there if keys.tells_gone(key)}
                behind = len({run for key, run in there if run and key not in known} - pruned)
                seconds = time.time() - at / 1e6 if at else None
                return Look(database.shown, len(set(known.values())), behind, seconds, database.writable)

            return database.use(ask)

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def is_shared(self) -> bool:
        return self.records.stack is not None and self.records.stack.metadata is not None

    @property
    def path(self) -> Path:
        """Where the index of this checkout lies; the folder is made when there is something to put into it."""
        name = hashlib.sha256(self.records.ledger.store.uri.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.records.workspace.root / STATE / "index" / f"{name}.sqlite"

    def shared(self) -> PostgresDatabase:
        """Raises `ConfigError`, and `Unavailable` for a store that cannot be named."""
        from pipeglot.core.lineage.index.postgres import PostgresDatabase, StoreName

        stack, store = self.records.stack, self.records.ledger.store
        assert stack is not None
        uri = expand(stack.metadata or "", f"stack `{stack.name}`: `metadata`")
        return PostgresDatabase(uri, StoreName(_id_of(store), store.uri))

    def _own(self) -> FileDatabase:
        """A store without a run is not worth a file."""
        path = self.path
        if not path.exists() and not self._has_runs():
            return FileDatabase(None)
        with suppress(OSError):  # a checkout that cannot be written to: the database will say so
            self.records.workspace.state("index")
        return FileDatabase(path)

    def _has_runs(self) -> bool:
        return next(self.records.ledger.store.list(keys.JOURNAL), None) is not None


def _id_of(store: Store) -> str:
    """The id that the store was given when it first came into a shared index: places alone may mean several stores."""
    data = store.get(keys.INDEX_ID)
    if data is None:
        try:
            store.put(keys.INDEX_ID, f"{os.urandom(12).hex()}\n".encode())
        except StoreError as error:
            raise Unavailable(
                f"it does not know the store yet, which gets its id by writing ({error.message})"
            ) from None
        data = store.get(keys.INDEX_ID)
    return hashlib.sha256(data or b"").hexdigest()[:24]


class Look(NamedTuple):
    """How a shared index is: how many runs it has and lacks, and how many seconds ago it had all that there was."""

    shown: str
    runs: int
    behind: int
    seconds: float | None
    writable: bool


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a new index holds, and where it is.

    path: the file, or the address of the shared one without user and password; null if there is none, as for a store
        without a run.
    runs: how many runs.
    cells: how many executions of steps, with those that were skipped.
    artifacts: how many outputs of executions.
    edges: how many edges the graph of lineage has.
    """

    path: str | None
    runs: int
    cells: int
    artifacts: int
    edges: int
