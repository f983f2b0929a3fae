"""An index in a file of SQLite's: opened, made, brought to this version, and made anew if it is damaged.

Whoever uses it holds a shared lock beside it; only who holds that lock alone puts another file in its place.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pipeglot.core.errors import StoreError
from pipeglot.core.lineage.index import schema
from pipeglot.core.lineage.index.database import Database, Misfit

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that one process waits for another's transaction."""

_MEMORY = ":memory:"
_ONE_STORE = "INSERT INTO stores (id, name, uri, synced_us) VALUES (1, '', '', 0)"
"""A file is of one store, which its name tells."""
_ANEW = "remove it: it is made anew from the store"
_HINTS = {
    sqlite3.SQLITE_FULL: "free some space; the runs themselves are in the store",
    sqlite3.SQLITE_IOERR: f"is the disk full, or the size of files limited (`ulimit -f`)? If neither, {_ANEW}",
    sqlite3.SQLITE_BUSY: "another process has held it for a minute: try again, or see which one it is",
}
_BROKEN = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Primary codes of a file that is no index of ours: damaged, cut, or with other tables in it."""


class FileConnection(sqlite3.Connection):
    """To a file that is of one store."""

    store = 1
    journal = "''"

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self.executemany(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)

    @contextmanager
    def numbers(self, ids: Sequence[int]) -> Iterator[str]:
        """In a table of this connection's own."""
        self.execute("CREATE TEMP TABLE numbers (id BIGINT PRIMARY KEY)")
        try:
            self.executemany("INSERT INTO numbers VALUES (?) ON CONFLICT DO NOTHING", [(one,) for one in ids])
            yield "numbers"
        finally:
            self.execute("DROP TABLE temp.numbers")


class FileDatabase(Database):
    """One file. `path` None is one in memory, for where no file can be written (or nothing is worth one)."""

    dialect = "sqlite"

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.why_memory = ""
        """Why there is no file, if one was asked for."""
        self._lock = -1
        self._connection: FileConnection | None = None
        self._file: tuple[int, int] | None = None

    @property
    def connection(self) -> FileConnection:
        if self._connection is None:
            self._open()
        assert self._connection is not None
        return self._connection

    @property
    def shown(self) -> str:
        return str(self.path or "")

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):  # a damaged file may not even close well
                self._connection.close()
        self._connection = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def use(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            if not _is_broken(error):
                raise self._failed(error) from error
            self.made_anew = f"it was damaged ({error})"
        self.replace()
        try:
            return work()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def replace(self) -> None:
        """Remove the file, unless another process has just done so; waits until nobody uses it."""
        self.close()
        if self.path is None or self._file is None:
            return
        self._take_lock(fcntl.LOCK_EX)
        if _identity(self.path) == self._file:
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[FileConnection]:
        try:
            with self._between("BEGIN IMMEDIATE") as connection:
                yield connection
        except (OverflowError, UnicodeEncodeError, sqlite3.DataError) as error:
            raise Misfit(str(error)) from error

    @contextmanager
    def attempt(self) -> Iterator[FileConnection | None]:
        connection = self.connection
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            connection.execute("BEGIN IMMEDIATE")
            free = True
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:
                raise
            free = False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
        if not free:
            yield None
            return
        with self._ended(connection):
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[FileConnection]:
        with self._between("BEGIN") as connection:
            yield connection

    def settle(self) -> None:
        """Its ways do not depend on how much there is of what."""

    @contextmanager
    def _between(self, begin: str) -> Iterator[FileConnection]:
        connection = self.connection
        connection.execute(begin)
        with self._ended(connection):
            yield connection

    @contextmanager
    def _ended(self, connection: FileConnection) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._take_lock(fcntl.LOCK_SH)
                _make_private(self.path)
                self._connection = self._connect(str(self.path))
                self._file = _identity(self.path)
            except (OSError, sqlite3.OperationalError) as error:
                if isinstance(error, sqlite3.OperationalError) and not _is_unwritable(error):
                    self._file = _identity(self.path)
                    raise
                self.close()
                self.why_memory = f"`{self.path}` cannot be written ({_reason(error)})"
                self.path = None
        if self._connection is None:
            self._connection = self._connect(_MEMORY)
        self._prepare()

    def _take_lock(self, how: int) -> None:
        self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, how)

    def _connect(self, name: str) -> FileConnection:
        connection = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None, factory=FileConnection)
        if name != _MEMORY:
            try:
                connection.execute("PRAGMA trusted_schema = OFF")  # what somebody put into the file calls no function
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
            except sqlite3.Error:
                self._file = _identity(Path(name))
                connection.close()
                raise
        return connection

    def _prepare(self) -> None:
        """Make the tables, or bring those of an earlier version to this one. Of any other, they are made anew."""
        if self._version() == schema.VERSION:
            return
        with self.transaction() as connection:
            version = self._version()
            if version == schema.VERSION:  # another process was faster
                return
            statements = schema.migrate(version, self.dialect)
            if statements is None:
                self._drop_all(connection)
                statements = [*schema.create(self.dialect), _ONE_STORE]
            for statement in statements:
                connection.execute(statement)

    def _drop_all(self, connection: FileConnection) -> None:
        names = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for kind, name in names:
            quoted = name.replace('"', '""')
            connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')

    def _version(self) -> str:
        try:
            row = self.connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_ERROR:
                raise
            return ""
        return str(row[0]) if row else ""

    def _failed(self, error: sqlite3.Error) -> StoreError:
        where = f"the index `{self.path}`" if self.path else "the index in memory"
        return StoreError(f"{where} cannot be used: {error}", hint=_HINTS.get(_code(error), _ANEW))


def _make_private(path: Path) -> None:
    """For this user only, whatever the umask; what SQLite puts beside it has the same mode. `sqlite3` has no say in it.

    The file is never opened here: to close it would undo the locks that this process may have on it.
    """
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return
    except FileNotFoundError:
        temp = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with suppress(OSError):  # another process was faster, or there are no links: then SQLite makes it
            os.link(temp, path)
    finally:
        temp.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_broken(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.IntegrityError) or _code(error) in _BROKEN


def _is_unwritable(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def _reason(error: OSError | sqlite3.Error) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
