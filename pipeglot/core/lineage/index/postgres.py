"""A shared index in a PostgreSQL database, for everybody who uses the same stores.

Its tables lie in a schema of their own. Whoever writes holds a lock of the whole index for as long as one transaction
lasts; whoever asks sees one state of it. Nothing is set for longer than a transaction, so that a pooler may stand
between. What is wrong there is `Unavailable`: whoever asks can take another index, and has the same answers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeglot.core.errors import ConfigError
from pipeglot.core.lineage.index import schema
from pipeglot.core.lineage.index.database import Database, Unavailable

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

SCHEMA = "pipeglot"
PATIENCE = 60
"""Seconds that one process waits for another's transaction."""
CONNECTING = 5
"""Seconds until a server that says nothing counts as out of reach, unless the URI says otherwise."""

_LOCK = 0x70697065676C6F74
"""The number of the lock that whoever writes holds."""
_TRIES = 3
_SETTINGS = f"SET LOCAL search_path = {SCHEMA}, pg_temp; SET LOCAL lock_timeout = '{PATIENCE}s'; SET LOCAL jit = off"
_NESTED = "; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
"""A walk is a few thousand look-ups by key. The planner cannot know how far one goes, and would read whole tables."""

_NO_RIGHT = frozenset({"42501", "25006"})
_BROKEN = frozenset(
    {
        "42P01",
        "42703",
        "42704",
        "42804",
        "42883",
        "42P10",
        "3F000",
        "22003",
        "23502",
        "23505",
        "XX000",
        "XX001",
        "XX002",
    }
)
"""States of a database with no index of ours in it, or half of one: no such table, column or schema, another type."""
_LET = f"its owner can let them: `CREATE SCHEMA {SCHEMA} AUTHORIZATION …`"
_AGAIN = frozenset({"40001", "40P01"})
_GONE = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006"})


class StoreName(NamedTuple):
    """Which store the rows are of: its own id and its place, for a copy of a store has the id of the first."""

    id: str
    uri: str


class _ForgottenError(Exception):
    """Somebody has just removed what the index had of this store."""


class PostgresConnection:
    """Within a transaction."""

    def __init__(self, raw: psycopg.Connection[Any], store: int) -> None:
        self.raw = raw
        self.store = store

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        return self.raw.execute(_translated(statement), [_clean(value) for value in values])

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        with self.raw.cursor() as cursor:
            cursor.executemany(_translated(statement), [[_clean(one) for one in row] for row in values])

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """By column, in one statement."""
        if rows:
            kinds = schema.columns(table).values()
            given = [[_fit(row[at], kind) for row in rows] for at, kind in enumerate(kinds)]
            self.raw.execute(_insertion(table), given)

    @contextmanager
    def numbers(self, ids: Sequence[int]) -> Iterator[str]:
        yield f"unnest('{{{','.join(map(str, map(int, ids)))}}}'::bigint[]) AS numbers (id)"


class PostgresDatabase(Database):
    """What a database has of one store. Raises `ConfigError` for a URI that is none, and if there is no driver."""

    dialect = "postgresql"

    def __init__(self, uri: str, store: StoreName) -> None:
        self.name = store
        self._shown, self._given = _checked(uri)
        self._uri = uri
        self._raw: psycopg.Connection[Any] | None = None
        self._store = 0
        self._made = ""
        """Which of several indexes that lay here one after the other."""

    @property
    def shown(self) -> str:
        return self._shown

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
            except psycopg.Error as error:
                self._mend(error, last=tries == _TRIES - 1)
        raise Unavailable("others make it anew all the time")

    def _mend(self, error: psycopg.Error, *, last: bool) -> None:
        """Do what there is to do about an error before the work is done again. Raises `Unavailable`."""
        state = error.sqlstate or ""
        lost = state in _GONE or (self._raw is not None and self._raw.closed)
        if last or not (lost or state in _BROKEN or state in _AGAIN):
            raise Unavailable(self._reason(error)) from error
        if lost:
            self.close()
        elif state in _BROKEN:
            self.made_anew = f"it was damaged, or removed ({self._said(error)})"
            self._guarded(self._make)

    def replace(self) -> None:
        """Of no other store is anything lost."""

        def remove() -> None:
            self._open()
            with self.transaction() as connection:
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
        with self._between(f"BEGIN; {_SETTINGS}; SELECT pg_advisory_xact_lock({_LOCK})") as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[PostgresConnection]:
        with self._between(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}{_NESTED}") as connection:
            yield connection

    def settle(self) -> None:
        """Only its owner may; for others the server does it in its own time."""
        with self._bare(f"BEGIN; {_SETTINGS}") as raw:
            raw.execute(f"ANALYZE {', '.join(schema.TABLES)}")

    @contextmanager
    def _between(self, begin: str) -> Iterator[PostgresConnection]:
        """Within a transaction that knows this store; all in one request."""
        with self._bare(f"{begin}; SELECT COUNT(*) FROM stores WHERE id = {self._store:d}") as raw:
            yield PostgresConnection(raw, self._store)

    @contextmanager
    def _bare(self, begin: str) -> Iterator[psycopg.Connection[Any]]:
        assert self._raw is not None, "it is opened by `use`"
        raw = self._raw
        try:
            answers = raw.execute(begin.encode())
            found = answers.fetchall() if _to_the_last(answers) else [(1,)]
            if "FROM stores" in begin and found == [(0,)]:
                raise _ForgottenError
            yield raw
            raw.execute("COMMIT")
        except BaseException:
            if not raw.closed:
                with suppress(Exception):  # what went wrong before is what is told
                    raw.execute("ROLLBACK")
            raise

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._raw is None:
            self._guarded(self._connect)
        if not self._store:
            self._guarded(self._find_store)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Whatever goes wrong there is told, but for a connection that was lost, which is made once more."""
        import psycopg

        try:
            work()
        except psycopg.Error as error:
            if (error.sqlstate or "") in _GONE and self._raw is not None:
                raise
            raise Unavailable(self._reason(error)) from error

    def _connect(self) -> None:
        import psycopg

        self._raw = psycopg.connect(self._uri, autocommit=True, prepare_threshold=None, **self._given)
        if self._version()[0] != schema.VERSION:
            self._make()

    def _version(self) -> tuple[str, str]:
        """Of the index that is there, and which one it is; empty if there is none."""
        assert self._raw is not None
        there = self._raw.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.meta"]).fetchone()
        if there == (None,):
            return "", ""
        found = dict(self._raw.execute(f"SELECT name, value FROM {SCHEMA}.meta").fetchall())
        return found.get("version", ""), found.get("made", "")

    def _make(self) -> None:
        """Make the tables, or bring those of an earlier version to this one; of several processes, one does it."""
        with self._bare(f"BEGIN; {_SETTINGS}; SELECT pg_advisory_xact_lock({_LOCK})") as raw:
            version, made = self._version()
            if schema.is_later(version):
                raise Unavailable(
                    f"a later pipeglot made it (version {version}, and this one has {schema.VERSION}): update this one"
                )
            if version == schema.VERSION and made != self._made:  # another process was faster
                self._made = made
                return
            statements = schema.migrate(version, self.dialect) or self._anew()
            for statement in statements:
                raw.execute(statement.encode())
            self._made = self._version()[1]
        self._store = 0

    def _anew(self) -> Iterator[str]:
        assert self._raw is not None
        if self._raw.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
            yield f"CREATE SCHEMA {SCHEMA}"
        for table in schema.TABLES:
            yield f"DROP TABLE IF EXISTS {SCHEMA}.{table} CASCADE"
        yield from schema.create(self.dialect)
        yield f"INSERT INTO meta (name, value) VALUES ('made', '{secrets.token_hex(8)}')"

    def _find_store(self) -> None:
        """The id of the store, given to it the first time. It is drawn, so that none is ever given twice."""
        assert self._raw is not None
        name = f"{self.name.id} {self.name.uri}"
        with self._bare(f"BEGIN; {_SETTINGS}") as raw:
            self._made = self._version()[1]
            found = raw.execute("SELECT id FROM stores WHERE name = %s", [name]).fetchone()
            row = raw.execute(
                "SELECT current_setting('transaction_read_only') = 'off' AND has_table_privilege('runs', 'INSERT') "
                "AND has_table_privilege('runs', 'UPDATE') AND has_table_privilege('runs', 'DELETE')"
            ).fetchone()
            self.writable = row == (True,)
        if found is None:
            with self._bare(f"BEGIN; {_SETTINGS}; SELECT pg_advisory_xact_lock({_LOCK})") as raw:
                raw.execute(
                    "INSERT INTO stores (id, name, uri, synced_us) VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING",
                    [secrets.randbits(48) + 1, name, self.name.uri],
                )
                found = raw.execute("SELECT id FROM stores WHERE name = %s", [name]).fetchone()
        assert found is not None
        self._store = int(found[0])

    # --- telling ------------------------------------------------------------------------------------------------------

    def _reason(self, error: psycopg.Error) -> str:
        state = error.sqlstate or ""
        if state in _NO_RIGHT:
            said = f"this user may not write what is new into it ({self._said(error)})"
            return f"{said}; {_LET}" if "for database" in said else said
        if state == "55P03":
            return f"another process has held it for {PATIENCE} seconds"
        return self._said(error)

    def _said(self, error: psycopg.Error) -> str:
        """The first line of what the server or the driver said; a password would not be in it."""
        text = str(error).strip().splitlines() or [type(error).__name__]
        return text[0].removeprefix("connection failed: ").strip()


def _checked(uri: str) -> tuple[str, dict[str, Any]]:
    """How a URI is shown, and what is added to it: no user, password or option is ever shown."""
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise ConfigError(
            "the stack's `metadata` is a PostgreSQL database, and the package `psycopg` that reads it cannot be used"
            f" ({error})",
            hint="pip install 'pipeglot[postgres]'",
        ) from None
    try:
        if not uri.startswith(("postgresql://", "postgres://")):
            raise ProgrammingError
        found = conninfo_to_dict(uri)
    except ProgrammingError:
        raise ConfigError(
            "the stack's `metadata` is no URI of a PostgreSQL database",
            hint="as in `postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full`",
        ) from None
    defaults = {"connect_timeout": CONNECTING, "tcp_user_timeout": PATIENCE * 1000, "application_name": "pipeglot"}
    host, port = str(found.get("host") or "localhost"), found.get("port")
    shown = f"{host}{f':{port}' if port else ''}/{found.get('dbname', '')}"
    return f"postgresql://{shown}", {name: value for name, value in defaults.items() if name not in found}


# --- statements -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?", "%s").encode()


@lru_cache(maxsize=32)
def _insertion(table: str) -> bytes:
    kinds = {"BLOB": "bytea", "DOUBLE": "double precision"}
    arrays = ", ".join(f"%s::{kinds.get(kind, kind.lower())}[]" for kind in schema.columns(table).values())
    return f"INSERT INTO {table} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING".encode()


def _clean(value: Any) -> Any:
    """PostgreSQL's texts hold no NUL."""
    return value.replace("\0", "\\x00") if isinstance(value, str) and "\0" in value else value


def _fit(value: Any, kind: str) -> Any:
    return float(value) if kind == "DOUBLE" and value is not None else _clean(value)


def _to_the_last(answers: psycopg.Cursor[Any]) -> bool:
    """Of several statements in one request, whether the last gives rows."""
    while answers.nextset():
        pass
    return answers.description is not None
