"""A shared index in a PostgreSQL database, for everybody who uses the same stores.

Its tables lie in a schema of their own. Whoever writes holds a lock of the whole index for as long as one transaction
lasts; whoever asks sees one state of it. Nothing is set for longer than a transaction, so that a pooler may stand
between, and nothing there takes longer than it may. What is wrong there is `Unavailable`: whoever asks can take another
index, and has the same answers.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeglot.core.lineage.index import catalog, schema
from pipeglot.core.lineage.index.address import read_address, said
from pipeglot.core.lineage.index.catalog import SCHEMA
from pipeglot.core.lineage.index.database import Database, Misfit, Unavailable

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

WAIT = 10
"""Seconds that a process waits for another's transaction before it looks what that one has done."""
IDLE = 60
"""Seconds after which the server ends a transaction of which it hears nothing: that of a process that was stopped."""
LONGEST = 60
"""Seconds that a statement may take."""
SILENT = 90
"""Seconds after which no answer is waited for any more: the server may be stopped, or a pooler keep us waiting."""
ROWS = 20_000
"""So many are put in with one statement, for it to be done in time."""

_LOCK = 0x70697065676C6F74
"""The number of the lock that whoever writes holds."""
_TRIES = 3
_SETTINGS = (
    f"SET LOCAL search_path = {SCHEMA}, pg_temp; SET LOCAL lock_timeout = '{WAIT}s'; "
    f"SET LOCAL statement_timeout = '{LONGEST}s'; SET LOCAL idle_in_transaction_session_timeout = '{IDLE}s'; "
    "SET LOCAL jit = off"
)
_NESTED = "; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
"""A walk is a few thousand look-ups by key. The planner cannot know how far one goes, and would read whole tables."""
_UNHURRIED = "; SET LOCAL statement_timeout = 0"
_MADE = "INSERT INTO meta (name, value) VALUES ('made', '%s')"
_BRIEFLY = "; SET LOCAL lock_timeout = '200ms'"
_ALONE = f"; SELECT pg_advisory_xact_lock({_LOCK})"

_NO_RIGHT = frozenset({"42501", "25006"})
_OTHER_TABLES = frozenset({"42P01", "42601", "42703", "42704", "42804", "42809", "42846", "42883", "3F000"})
"""States of a database with no index of ours in it, or half of one: no such table, column or schema, another type.
The catalog says whether it is so."""
_DAMAGED = frozenset({"XX001", "XX002"})
"""Bytes on the server's disk, of a table or an index."""
_HELD = "55P03"
_AGAIN = frozenset({"40001", "40P01", "XX000", _HELD})
"""Two in each other's way. An internal error is one too, if tables are changed while they are asked."""
_GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "08000", "08003", "08006"})
_LET = f"its owner can let them: `CREATE SCHEMA {SCHEMA} AUTHORIZATION …`"


class StoreName(NamedTuple):
    """Which store the rows are of: its own id and its place, for a copy of a store has the id of the first."""

    id: str
    uri: str


class _ForgottenError(Exception):
    """Somebody has just removed what the index had of this store."""


class PostgresConnection:
    """Within a transaction."""

    journal = (
        "(SELECT encode(sha256(convert_to(string_agg(marker, chr(10) ORDER BY marker), 'UTF8')), 'hex') "
        "FROM journal WHERE store_id = stores.id)"
    )

    def __init__(self, raw: psycopg.Connection[Any], store: int, asks: Callable[[], object]) -> None:
        self.raw = raw
        self.store = store
        self._asks = asks
        """Called before each request, of which the answer is then waited for."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        self._asks()
        return self.raw.execute(_translated(statement), [_clean(value) for value in values])

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        self._asks()
        with self.raw.cursor() as cursor:
            cursor.executemany(_translated(statement), [[_clean(one) for one in row] for row in values])

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """By column, many in one statement."""
        kinds = schema.columns(table).values()
        for begin in range(0, len(rows), ROWS):
            chunk = rows[begin : begin + ROWS]
            given = [[_fit(row[at], kind) for row in chunk] for at, kind in enumerate(kinds)]
            self._asks()
            self.raw.execute(_insertion(table), given)

    @contextmanager
    def numbers(self, ids: Sequence[int]) -> Iterator[str]:
        yield f"unnest('{{{','.join(map(str, map(int, ids)))}}}'::bigint[]) AS numbers (id)"


class PostgresDatabase(Database):
    """What a database has of one store. Raises `ConfigError` for a URI that is none, and if there is no driver."""

    dialect = "postgresql"

    def __init__(self, uri: str, store: StoreName) -> None:
        self.name = store
        self._address = read_address(uri)
        self._raw: psycopg.Connection[Any] | None = None
        self._store = 0
        self._asked = 0.0
        """When something was last asked of the server."""
        self._cut = False
        """Whether this process cut the connection, as nothing came over it."""

    @property
    def shown(self) -> str:
        return self._address.shown

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()
        self._raw = None

    def use(self, work: Callable[[], T]) -> T:
        import psycopg

        for tries in range(_TRIES):
            try:
                self._open()
                return work()
            except _ForgottenError:
                self._store = 0
            except Misfit as error:
                raise Unavailable(str(error)) from error
            except psycopg.Error as error:
                self._mend(error, last=tries == _TRIES - 1)
        raise Unavailable("others make it anew all the time")

    def _mend(self, error: psycopg.Error, *, last: bool) -> None:
        """Do what there is to do about an error before the work is done again. Raises `Unavailable`."""
        state = error.sqlstate or ""
        lost = not self._cut and (state in _GONE or (self._raw is not None and self._raw.closed))
        if last or not (lost or state in _AGAIN or state in _OTHER_TABLES or state in _DAMAGED):
            reason = self._reason(error)
            self.close()
            raise Unavailable(reason) from error
        if lost:
            self.close()
        elif state not in _AGAIN and self._make(damaged=state in _DAMAGED):
            self.made_anew = f"it was damaged, or removed ({said(self._address, error)})"

    def replace(self) -> None:
        """Of no other store is anything lost."""

        def remove() -> None:
            self._open()
            with self._between(f"BEGIN; {_SETTINGS}{_UNHURRIED}{_ALONE}", limited=False) as connection:
                for table in (*schema.DETAILS, "nodes"):
                    connection.execute(
                        f"DELETE FROM {table} USING runs WHERE {table}.run_id = runs.id AND runs.store_id = ?",
                        (self._store,),
                    )
                connection.execute("DELETE FROM runs WHERE store_id = ?", (self._store,))
                connection.execute("DELETE FROM journal WHERE store_id = ?", (self._store,))
                connection.execute("DELETE FROM stores WHERE id = ?", (self._store,))

        self.use(remove)
        self._store = 0

    @contextmanager
    def transaction(self) -> Iterator[PostgresConnection]:
        import psycopg

        try:
            with self._between(f"BEGIN; {_SETTINGS}{_ALONE}") as connection:
                yield connection
        except (psycopg.Error, UnicodeEncodeError) as error:
            if _is_misfit(error):
                raise Misfit(self._address.cleaned(str(error).partition("\n")[0])) from error
            raise

    @contextmanager
    def attempt(self) -> Iterator[PostgresConnection | None]:
        """Also for somebody who holds one of the tables, nobody waits."""
        import psycopg

        with (
            suppress(psycopg.errors.LockNotAvailable),
            self._between(f"BEGIN; {_SETTINGS}{_BRIEFLY}") as connection,
        ):
            free = connection.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})").fetchone() == (True,)
            yield connection if free else None

    @contextmanager
    def snapshot(self) -> Iterator[PostgresConnection]:
        with self._between(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}{_NESTED}") as connection:
            yield connection

    def settle(self) -> None:
        """Only its owner may, and one is enough; else the server does it in its own time."""
        import psycopg

        with suppress(psycopg.errors.LockNotAvailable), self._bare(f"BEGIN; {_SETTINGS}{_BRIEFLY}") as raw:
            raw.execute(f"ANALYZE {', '.join(schema.TABLES)}")

    @contextmanager
    def _between(self, begin: str, *, limited: bool = True) -> Iterator[PostgresConnection]:
        """Within a transaction that knows this store; all in one request."""
        with self._bare(f"{begin}; SELECT COUNT(*) FROM stores WHERE id = {self._store:d}", limited=limited) as raw:
            yield PostgresConnection(raw, self._store, self._ask)

    @contextmanager
    def _bare(self, begin: str, *, limited: bool = True) -> Iterator[psycopg.Connection[Any]]:
        assert self._raw is not None, "it is opened by `use`"
        raw = self._raw
        with self._watched(raw) if limited else nullcontext():
            try:
                answers = raw.execute(begin.encode())
                found = answers.fetchall() if _to_the_last(answers) else [(1,)]
                if "FROM stores" in begin and found == [(0,)]:
                    raise _ForgottenError
                yield raw
                self._ask()
                raw.execute("COMMIT")
            except BaseException:
                if not raw.closed:
                    with suppress(Exception):  # what went wrong before is what is told
                        raw.execute("ROLLBACK")
                raise

    def _ask(self) -> None:
        self._asked = time.monotonic()

    @contextmanager
    def _watched(self, raw: psycopg.Connection[Any]) -> Iterator[None]:
        """Cut the connection if an answer does not come: the server's own limits need a server that runs."""
        self._ask()
        over = threading.Event()
        with socket.socket(fileno=os.dup(raw.fileno())) as line:

            def watch() -> None:
                while (left := self._asked + SILENT - time.monotonic()) > 0:
                    if over.wait(left):
                        return
                self._cut = True
                with suppress(OSError):  # it is closed already
                    line.shutdown(socket.SHUT_RDWR)

            threading.Thread(target=watch, daemon=True).start()
            try:
                yield
            finally:
                over.set()

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._raw is None:
            self._connect()
        if not self._store:
            self._find_store()

    def _connect(self) -> None:
        import psycopg

        self._cut = False
        try:
            raw = psycopg.connect(self._address.uri, autocommit=True, prepare_threshold=None, **self._address.given)
        except psycopg.Error as error:
            raise Unavailable(self._reason(error)) from error
        encoding = raw.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raw.close()
            raise Unavailable(f"the database has the encoding {encoding}, and it needs one with UTF8")
        self._raw = raw

    def _find_store(self) -> None:
        """The id of the store, given to it the first time. It is drawn, so that none is ever given twice."""
        uri = _clean(self.name.uri.encode("utf-8", "backslashreplace").decode())
        name = f"{self.name.id} {uri}"
        version, found = self._known_as(name)
        if version != schema.VERSION:
            self._make()
            _, found = self._known_as(name)
        if not found:
            with self._bare(f"BEGIN; {_SETTINGS}{_ALONE}") as raw:
                raw.execute(
                    "INSERT INTO stores (id, name, uri, synced_us) VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING",
                    [secrets.randbits(48) + 1, name, uri],
                )
            _, found = self._known_as(name)
        self._store = found

    def _known_as(self, name: str) -> tuple[str, int]:
        """The version of the index, and the id of a store, or 0; and whether this user may write. In one request."""
        import psycopg

        assert self._raw is not None
        with self._watched(self._raw):
            begin = f"BEGIN; {_SETTINGS}; SELECT value FROM meta WHERE name = 'version'; "
            ask = psycopg.ClientCursor(self._raw)
            try:
                ask.execute(
                    f"{begin}SELECT COALESCE(MAX(id), 0), "
                    "current_setting('transaction_read_only') = 'off' AND has_table_privilege('runs', 'INSERT') "
                    "AND has_table_privilege('runs', 'UPDATE') AND has_table_privilege('runs', 'DELETE') "
                    "FROM stores WHERE name = %s; COMMIT".encode(),
                    [name],
                )
            except psycopg.Error as error:
                if not self._raw.closed:
                    with suppress(psycopg.Error):  # what went wrong before is what is told
                        self._raw.execute("ROLLBACK")
                if error.sqlstate in _OTHER_TABLES:
                    return "", 0
                raise
        version, stores = (rows for rows in _answers(ask) if rows is not None)
        ((found, self.writable),) = stores
        return version[0][0] if version else "", int(found)

    def _make(self, *, damaged: bool = False) -> bool:
        """Make the tables, or bring those of an earlier version to this one; of several processes, one does it.

        Says whether it had to be made anew. Raises `Unavailable` if it cannot be.
        """
        import psycopg

        self._store = 0
        found = None
        try:
            with self._bare(f"BEGIN; {_SETTINGS}{_UNHURRIED}{_ALONE}", limited=False) as raw:
                found = catalog.look(raw)
                if found.is_whole and not damaged:  # another process was faster
                    return False
                if schema.is_later(found.version):
                    raise Unavailable(
                        f"a later pipeglot made it (version {found.version}, and this one has {schema.VERSION}): "
                        "update this one"
                    )
                onwards = schema.migrate(found.version, self.dialect)
                for statement in onwards or [*catalog.anew(found), _MADE % secrets.token_hex(8)]:
                    raw.execute(statement.encode())
                return not onwards
        except psycopg.Error as error:
            if self._raw is not None and self._raw.closed:
                raise
            reason = self._reason(error)
            if found is not None and found.version in schema.MIGRATIONS and error.sqlstate == "42501":
                text = said(self._address, error)
                reason = f"an earlier pipeglot made it, and only its owner can bring it to this one's version ({text})"
            raise Unavailable(reason) from error

    # --- telling ------------------------------------------------------------------------------------------------------

    def _reason(self, error: psycopg.Error) -> str:
        state, text = error.sqlstate or "", said(self._address, error)
        if self._cut:
            return f"it has not answered for {SILENT} seconds"
        if state in _NO_RIGHT:
            text = f"this user may not write what is new into it ({text})"
            return f"{text}; {_LET}" if "for database" in text else text
        if state == _HELD:
            return f"another process has held it for {_TRIES * WAIT} seconds"
        if state == "2BP01":
            return f"it is damaged, and what others have made of its tables is in the way of new ones ({text})"
        return text


# --- statements -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?", "%s").encode()


@lru_cache(maxsize=32)
def _insertion(table: str) -> bytes:
    arrays = ", ".join(f"%s::{catalog.type_of(kind)}[]" for kind in schema.columns(table).values())
    return f"INSERT INTO {table} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING".encode()


def _clean(value: Any) -> Any:
    """PostgreSQL's texts hold no NUL."""
    return value.replace("\0", "\\x00") if isinstance(value, str) and "\0" in value else value


def _fit(value: Any, kind: str) -> Any:
    return float(value) if kind == "DOUBLE" and value is not None else _clean(value)


def _is_misfit(error: Exception) -> bool:
    """A number out of range, a text that is none or has no room in an index: classes 22 and 54."""
    import psycopg

    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, psycopg.DataError | UnicodeEncodeError) or state[:2] == "54"


def _answers(cursor: psycopg.Cursor[Any]) -> Iterator[list[Any] | None]:
    """Of several statements in one request, the rows of each; None of one that gives none."""
    yield cursor.fetchall() if cursor.description is not None else None
    while cursor.nextset():
        yield cursor.fetchall() if cursor.description is not None else None


def _to_the_last(answers: psycopg.Cursor[Any]) -> bool:
    """Of several statements in one request, whether the last gives rows."""
    while answers.nextset():
        pass
    return answers.description is not None
