"""A store, its ledger, and an index of it in a file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.index.database import Database
from pipeglot.core.lineage.index.schema import TABLES
from pipeglot.core.lineage.index.sync import Synced, sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from pipeglot.core.store.folder import FolderStore

T = TypeVar("T")


class Counting(FolderStore):
    """A store that counts what is asked of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: Counter[str] = Counter()

    def get(self, key: str) -> bytes | None:
        self.asked["get"] += 1
        return super().get(key)

    def list(self, prefix: str) -> Iterator[str]:
        self.asked["list"] += 1
        return super().list(prefix)


class Bench:
    """What a test of the index needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "index" / "x.sqlite"
        self.ledger = Ledger(open_store(folder / "store"))
        self.told: list[str] = []

    def sync(self, *, store: FolderStore | None = None, path: Path | None = None) -> Synced:
        """As one command does it."""
        found = store or open_store(self.folder / "store")
        with Database(path or self.path) as database:
            return sync(database, Ledger(found), Artifacts(found), self.told.append)

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        with Database(self.path) as database:
            return question(database.connection)

    def rows(self, path: Path | None = None) -> dict[str, list[Any]]:
        """All that an index says, without the ids that it has given."""
        with Database(path or self.path) as database:
            return {name: readable_rows(database.connection, name) for name in TABLES}

    def damage(self, key: str) -> bytes:
        """Cut a record; what it was is returned."""
        path = self.folder / "store" / key
        path.chmod(0o600)
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        return data


def readable_rows(connection: sqlite3.Connection, table: str) -> list[Any]:
    """The rows of a table, with names in place of ids."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    runs = dict(connection.execute("SELECT id, run FROM runs"))
    nodes = {
        row[0]: (runs[row[1]], *row[2:])
        for row in connection.execute("SELECT id, run_id, kind, step, position, name FROM nodes")
    }
    found = []
    for row in connection.execute(f"SELECT * FROM {table}"):
        named = dict(zip(columns, row, strict=True))
        named.pop("id", None)
        if "run_id" in named:
            named["run_id"] = runs[named["run_id"]]
        for column in ("node_id", "source", "target"):
            if column in named:
                named[column] = nodes[named[column]]
        found.append(tuple(named.values()))
    return sorted(found, key=repr)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
