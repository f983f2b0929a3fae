"""A store, its ledger, and an index of it in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.index.database import Connection, Database
from pipeglot.core.lineage.index.postgres import PostgresDatabase, StoreName
from pipeglot.core.lineage.index.schema import TABLES, columns
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import Synced, sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from pipeglot.core.store.folder import FolderStore
from tests.servers.postgres import Postgres

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
    """What a test of the index needs. An index is of a name, and there may be several of the store."""

    def __init__(self, folder: Path, postgres: Postgres | None) -> None:
        self.folder = folder
        self.postgres = postgres
        self.path = folder / "index" / "x.sqlite"
        self.ledger = Ledger(open_store(folder / "store"))
        self.told: list[str] = []
        self.uris: dict[str, str] = {}

    def again(self) -> Bench:
        """The same store and index, for a store that was made anew."""
        found = Bench(self.folder, self.postgres)
        found.uris = self.uris
        return found

    def open(self, name: str = "x") -> Database:
        if self.postgres is None:
            return FileDatabase(self.path.with_name(f"{name}.sqlite"))
        if name not in self.uris:
            self.uris[name] = self.postgres.uri(self.postgres.database())
        return PostgresDatabase(self.uris[name], StoreName("a", self.ledger.store.uri))

    def sync(self, *, store: FolderStore | None = None, name: str = "x") -> Synced:
        """As one command does it."""
        found = store or open_store(self.folder / "store")
        with self.open(name) as database:
            return database.use(lambda: sync(database, Ledger(found), Artifacts(found), self.told.append))

    def ask(self, question: Callable[[Connection], T], name: str = "x") -> T:
        with self.open(name) as database:

            def ask() -> T:
                with database.snapshot() as connection:
                    return question(connection)

            return database.use(ask)

    def rows(self, name: str = "x") -> dict[str, list[Any]]:
        """All that an index says of a store, without the ids and times that it has given."""
        tables = [table for table in TABLES if table not in ("meta", "stores")]
        return self.ask(lambda connection: {table: readable_rows(connection, table) for table in tables}, name)

    def damage(self, key: str) -> bytes:
        """Cut a record; what it was is returned."""
        path = self.folder / "store" / key
        path.chmod(0o600)
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        return data


def readable_rows(connection: Connection, table: str) -> list[Any]:
    """The rows of a table, with names in place of ids."""
    runs = dict(connection.execute("SELECT id, run FROM runs"))
    nodes = {
        row[0]: (runs[row[1]], *row[2:])
        for row in connection.execute("SELECT id, run_id, kind, step, position, name FROM nodes")
    }
    found = []
    for row in connection.execute(f"SELECT * FROM {table}"):
        named = dict(zip(columns(table), row, strict=True))
        named.pop("id", None)
        named.pop("store_id", None)
        if "run_id" in named:
            named["run_id"] = runs[named["run_id"]]
        for column in ("node_id", "source", "target"):
            if column in named:
                named[column] = nodes[named[column]]
        found.append(tuple(named.values()))
    return sorted(found, key=repr)


class Traced:
    """A connection, and the statements that it was given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    @property
    def store(self) -> int:
        return self._connection.store

    @property
    def journal(self) -> str:
        return self._connection.journal

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        self.statements.append(statement)
        return self._connection.execute(statement, values)

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> object:
        return self._connection.executemany(statement, values)

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.insert(table, rows)

    def numbers(self, ids: Sequence[int]) -> AbstractContextManager[str]:
        return self._connection.numbers(ids)


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, dialect: str, request: pytest.FixtureRequest) -> Bench:
    """Every test that takes it is run on both."""
    return Bench(tmp_path, request.getfixturevalue("postgres") if dialect == "postgresql" else None)
