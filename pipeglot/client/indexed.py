"""The index of a store, brought up to date before it is asked: it lies beside the checkout, and is never the truth."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from pipeglot.client.records import Records
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.index.database import Database
from pipeglot.core.lineage.index.queries import totals
from pipeglot.core.lineage.index.sync import sync
from pipeglot.stacks.state import STATE

T = TypeVar("T")

Tell = Callable[[str], object]
"""Takes a line of advice for whoever waits."""


class Index:
    """Answers questions about the runs of a store. `tell` gets notes: what is left out, and why it takes long."""

    def __init__(self, records: Records, tell: Tell) -> None:
        self.records = records
        self.tell = tell

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Read what is new in the store, then ask. A damaged index is made anew. Raises `StoreError`."""
        with self._open() as database:

            def answer() -> tuple[T, list[str]]:
                found = sync(database, self.records.ledger, self.records.artifacts, self.tell)
                return question(database.connection), found.unreadable

            result, unreadable = database.use(answer)
            why = database.why_memory
        if why:
            self.tell(f"the index is made anew for this command only: {why}")
        for one in unreadable:
            self.tell(f"a run is left out: {one}")
        return result

    def peek(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        """Ask the index as it is there, however old; None if there is none, or none that can be read."""
        path = self.path
        if not path.exists():
            return None
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", timeout=0.1, uri=True)) as connection:
                return question(connection)
        except sqlite3.Error:  # damaged, or of another version: `ask` makes it anew
            return None

    def rebuild(self) -> Rebuilt:
        """Make the index anew, from nothing but the store."""
        with self._open() as database:
            with suppress(sqlite3.Error):
                database.connection.execute("SELECT 1")
            database.replace()
        found = self.ask(totals)
        path = self.path
        return Rebuilt(path=str(path) if path.exists() else None, **found)

    @property
    def path(self) -> Path:
        """Where the index of this store lies; the folder is made when there is something to put into it."""
        name = hashlib.sha256(self.records.ledger.store.uri.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.records.workspace.root / STATE / "index" / f"{name}.sqlite"

    def _open(self) -> Database:
        """A store without a run is not worth a file."""
        path = self.path
        if not path.exists() and next(self.records.ledger.store.list(keys.JOURNAL), None) is None:
            return Database(None)
        with suppress(OSError):  # a checkout that cannot be written to: the database will say so
            self.records.workspace.state("index")
        return Database(path)


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a new index holds, and where it is.

    path: the file; null if there is none, as for a store without a run.
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
