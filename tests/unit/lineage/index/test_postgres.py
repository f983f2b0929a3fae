"""A shared index: whatever is done to it, nobody gets a wrong answer of it, and what it cannot do it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import ConfigError
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Unavailable
from pipeglot.core.lineage.index.postgres import PostgresDatabase, StoreName
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.process import free_ports
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.conftest import Bench
from tests.unit.lineage.index.ledgers import Written, done

FLOW = pipeline(step("a"), step("b", x=out("a")))


@pytest.fixture
def bench(tmp_path: Path, postgres: Postgres) -> Bench:
    return Bench(tmp_path, postgres)


def runs(bench: Bench) -> list[str]:
    return [row.run for row in bench.ask(lambda c: queries.list_runs(c, RunFilter()))]


def name_of(bench: Bench) -> str:
    return bench.uris["x"].rpartition("/")[2]


def sql(bench: Bench, statement: str) -> list[tuple[object, ...]]:
    assert bench.postgres is not None
    return bench.postgres.run(statement, name_of(bench))


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        "DROP SCHEMA pipeglot CASCADE",
        "DROP TABLE pipeglot.journal",
        "DROP TABLE pipeglot.meta",
        "ALTER TABLE pipeglot.runs DROP COLUMN digest",
        "ALTER TABLE pipeglot.runs ALTER COLUMN known TYPE TEXT",
        "DELETE FROM pipeglot.meta",
        "UPDATE pipeglot.meta SET value = '3' WHERE name = 'version'",
        "DROP TABLE pipeglot.runs; DROP TABLE pipeglot.meta",
        "TRUNCATE pipeglot.meta, pipeglot.stores",
    ],
)
def test_one_that_is_damaged_is_made_anew(bench: Bench, harm: str) -> None:
    made = [done(bench.ledger, FLOW).run for _ in range(3)]
    bench.sync()
    before = bench.rows()
    sql(bench, harm)
    with bench.open() as database:

        def work() -> list[str]:
            sync(database, bench.ledger, Artifacts(bench.ledger.store), print)
            with database.snapshot() as connection:
                return [row.run for row in queries.list_runs(connection, RunFilter())]

        assert database.use(work) == made[::-1]
    assert bench.rows() == before
    assert bench.sync().read == 0


def test_one_that_is_removed_while_it_is_asked(bench: Bench) -> None:
    """It is told, and the answer is whole."""
    done(bench.ledger, FLOW)
    store = open_store(bench.folder / "store")
    turns = []
    with bench.open() as database:

        def work() -> int:
            sync(database, Ledger(store), Artifacts(store), print)
            turns.append(1)
            if len(turns) == 1:
                sql(bench, "DROP SCHEMA pipeglot CASCADE")
            with database.snapshot() as connection:
                return queries.totals(connection)["runs"]

        assert database.use(work) == 1
        assert database.made_anew == 'it was damaged, or removed (relation "stores" does not exist)'


def test_what_it_has_of_a_store_is_forgotten_while_another_asks(bench: Bench) -> None:
    """As `store reindex` does; the one that asks finds nothing of its own, and does not take that for the answer."""
    done(bench.ledger, FLOW)
    bench.sync()
    store = open_store(bench.folder / "store")
    turns = []
    with bench.open() as database:

        def work() -> int:
            sync(database, Ledger(store), Artifacts(store), print)
            turns.append(1)
            if len(turns) == 1:
                with bench.open() as other:
                    other.replace()
            with database.snapshot() as connection:
                return queries.totals(connection)["runs"]

        assert database.use(work) == 1
    assert len(turns) == 2


def test_a_connection_that_is_cut_is_made_once_more(bench: Bench) -> None:
    done(bench.ledger, FLOW)
    bench.sync()
    turns = []
    with bench.open() as database:

        def work() -> int:
            turns.append(1)
            if len(turns) == 1:
                sql(
                    bench,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
            with database.snapshot() as connection:
                return queries.totals(connection)["runs"]

        assert database.use(work) == 1
        assert len(turns) == 2
        assert database.made_anew == ""


# --- several stores ---------------------------------------------------------------------------------------------------


def test_two_stores_in_one_database_know_nothing_of_each_other(tmp_path: Path, postgres: Postgres) -> None:
    one, other = Bench(tmp_path / "one", postgres), Bench(tmp_path / "other", postgres)
    run = done(one.ledger, FLOW, tags={"team": "risk"}).run
    one.sync()
    other.uris = one.uris
    second = done(other.ledger, structs.replace(pipeline(step("z")), name="q")).run
    other.sync()
    one.sync()
    assert (runs(one), runs(other)) == ([run], [second])
    assert one.ask(queries.totals) == {"runs": 1, "cells": 2, "artifacts": 2, "edges": 3}
    assert other.ask(queries.totals) == {"runs": 1, "cells": 1, "artifacts": 1, "edges": 1}
    assert other.ask(lambda c: queries.known_names(c, "tags")) == []
    assert other.ask(lambda c: queries.known_names(c, "pipelines")) == ["q"]
    assert other.ask(lambda c: queries.node_id(c, run, "cell", "a", "", "")) is None
    with one.open() as database:
        database.replace()
    assert (runs(one), runs(other)) == ([], [second])


def test_a_copy_of_a_store_has_the_same_runs_and_goes_its_own_way(tmp_path: Path, postgres: Postgres) -> None:
    one = Bench(tmp_path / "one", postgres)
    first = done(one.ledger, FLOW).run
    one.sync()
    shutil.copytree(tmp_path / "one" / "store", tmp_path / "other" / "store")
    other = Bench(tmp_path / "other", postgres)
    other.uris = one.uris
    assert other.sync().read == 1
    second = done(other.ledger, FLOW).run
    other.sync()
    assert (runs(one), runs(other)) == ([first], [second, first])
    assert one.sync().read == 0


# --- rights -----------------------------------------------------------------------------------------------------------


def as_reader(bench: Bench) -> str:
    """The URI of a user who may read."""
    name = f"reader_{name_of(bench)}"
    sql(bench, f"CREATE USER {name} PASSWORD 'only-reads'")
    sql(bench, f"GRANT USAGE ON SCHEMA pipeglot TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA pipeglot TO {name}")
    assert bench.postgres is not None
    return bench.postgres.uri(name_of(bench), name, "only-reads")


def test_who_may_only_read_asks_what_is_there_if_that_is_all(bench: Bench) -> None:
    run = done(bench.ledger, FLOW).run
    bench.sync()
    bench.uris["x"], owner = as_reader(bench), bench.uris["x"]
    assert bench.sync().read == 0
    assert runs(bench) == [run]
    done(bench.ledger, FLOW)
    with pytest.raises(Unavailable, match=r"^this user may only read it, and it lacks what is new in the store$"):
        bench.sync()
    bench.uris["x"] = owner
    assert bench.sync().read == 1


def test_who_may_only_read_and_a_store_that_it_does_not_know(bench: Bench, tmp_path: Path) -> None:
    done(bench.ledger, FLOW)
    bench.sync()
    uri = as_reader(bench)
    with (
        PostgresDatabase(uri, StoreName("another", "file:///x")) as database,
        pytest.raises(
            Unavailable, match=r"^this user may not write what is new into it \(permission denied for table stores\)$"
        ),
    ):
        database.use(lambda: None)


def test_a_server_that_only_reads(bench: Bench) -> None:
    """As one that follows another does."""
    run = done(bench.ledger, FLOW).run
    bench.sync()
    sql(bench, f"ALTER DATABASE {name_of(bench)} SET default_transaction_read_only = on")
    assert runs(bench) == [run]
    done(bench.ledger, FLOW)
    with pytest.raises(Unavailable, match=r"^this user may only read it"):
        bench.sync()


def test_who_may_make_no_schema_is_told_so(bench: Bench) -> None:
    bench.open().close()
    sql(bench, f"CREATE USER stranger_{name_of(bench)} PASSWORD 'x'")
    assert bench.postgres is not None
    bench.uris["x"] = bench.postgres.uri(name_of(bench), f"stranger_{name_of(bench)}", "x")
    with pytest.raises(Unavailable) as caught:
        bench.sync()
    assert str(caught.value) == (
        "this user may not write what is new into it (permission denied for database "
        f"{name_of(bench)}); its owner can let them: `CREATE SCHEMA pipeglot AUTHORIZATION …`"
    )


# --- out of reach -----------------------------------------------------------------------------------------------------


def database_at(uri: str) -> PostgresDatabase:
    return PostgresDatabase(uri, StoreName("a", "file:///x"))


def reason(uri: str) -> str:
    with database_at(uri) as database, pytest.raises(Unavailable) as caught:
        database.use(lambda: None)
    assert PASSWORD not in str(caught.value)
    assert "wrong-password" not in str(caught.value)
    return str(caught.value)


def test_why_it_is_out_of_reach(postgres: Postgres) -> None:
    (port,) = free_ports(1)
    assert reason(f"postgresql://u:{'x' * 9}@127.0.0.1:{port}/d").startswith(
        f'connection to server at "127.0.0.1", port {port} failed: Connection refused'
    )
    assert "password authentication failed" in reason(postgres.uri(password="wrong-password"))
    assert 'database "none" does not exist' in reason(postgres.uri("none"))
    away = reason("postgresql://no-such-host.invalid/d")
    assert "failed to resolve host 'no-such-host.invalid'" in away or "Name or service not known" in away
    assert "server does not support SSL, but SSL was required" in reason(f"{postgres.uri()}?sslmode=require")


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("pipeglot.core.lineage.index.address.CONNECTING", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "timeout expired" in reason(f"postgresql://127.0.0.1:{port}/d")


def test_another_process_that_holds_it_for_too_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeglot.core.lineage.index import postgres as module

    done(bench.ledger, FLOW)
    bench.sync()
    done(bench.ledger, FLOW)
    monkeypatch.setattr(module, "_SETTINGS", module._SETTINGS.replace("lock_timeout = '10s'", "lock_timeout = '200ms'"))
    with psycopg.connect(bench.uris["x"]) as holder:
        holder.execute(f"SELECT pg_advisory_xact_lock({module._LOCK})".encode())
        with pytest.raises(Unavailable, match=r"^another process has held it for 30 seconds$"):
            bench.sync()
    assert bench.sync().read == 1


# --- what a URI is ----------------------------------------------------------------------------------------------------


def test_a_uri_is_shown_without_user_password_and_options() -> None:
    assert database_at("postgresql://u:secret@db.example:5433/lineage?sslmode=require").shown == (
        "postgresql://db.example:5433/lineage"
    )
    assert database_at("postgres://u@/lineage?host=/run/pg&password=secret").shown == "postgresql:///run/pg/lineage"
    assert database_at("postgresql://u:p@one:1,two:2/d?target_session_attrs=any").shown == "postgresql://one,two:1,2/d"
    assert database_at("postgresql:///?service=lineage").shown == "postgresql:///?service=lineage"


@pytest.mark.parametrize("uri", ["mysql://h/d", "host=h dbname=d", "postgresql://h/%zz", "postgresql://h/d?what=1"])
def test_what_is_no_uri_of_a_database(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        database_at(uri)
    assert caught.value.message == "the stack's `metadata` is no URI of a PostgreSQL database"
    assert caught.value.hint == (
        "as in `postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full`; in a password, "
        "`@` is written `%40`, `/` `%2F`, `%` `%25`, and a space `%20`"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://u:hush@hush@h/d",
        "postgresql://u:hush/hush@h/d",
        "postgresql://u:12/hush@h/d",
        "postgresql://u:1?hush/x@h/d",
        "postgresql://u:hush%hush@h/d",
        "postgresql://u:hush hush@h/d",
        "postgresql://u:hush",
        "postgresql://u:hush/d",
        "postgresql://h/d?hush",
    ],
)
def test_a_password_that_is_written_as_it_is(uri: str) -> None:
    """To libpq, what stands behind some letters of it is a host, a port or a database, and it tells of them."""
    with pytest.raises(ConfigError) as caught:
        database_at(uri)
    assert caught.value.message == "the stack's `metadata` is no URI of a PostgreSQL database"
    assert "hush" not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_what_the_driver_says_is_looked_through_for_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "of-the-environment")

    def connect(*_: object, **given: object) -> None:
        raise psycopg.OperationalError(
            "cannot use 's3cret/ü', s3cret%2F%C3%BC, a-key's or of-the-environment\nsecond line"
        )

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(Unavailable) as caught:
        database_at("postgresql://u:s3cret%2F%C3%BC@h/d?sslpassword=a-key's").use(lambda: None)
    assert str(caught.value) == "cannot use '***', ***, *** or ***"


@pytest.mark.parametrize("uri", ["postgresql://u:x#y?z:[]!@h:1/d", "postgresql://u:x@[::1]:5432/d\n", "postgresql:///"])
def test_what_is_a_uri_though_it_looks_odd(uri: str) -> None:
    assert "x" not in database_at(uri).shown


def test_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError) as caught:
        database_at("postgresql://h/d")
    assert caught.value.message.startswith(
        "the stack's `metadata` is a PostgreSQL database, and the package `psycopg` that reads it cannot be used ("
    )
    assert caught.value.hint == "pip install 'pipeglot[postgres]'"


# --- odd values -------------------------------------------------------------------------------------------------------


def test_texts_that_postgresql_does_not_hold(bench: Bench) -> None:
    run = done(bench.ledger, FLOW, tags={"odd": "a\0b", "ü": "%s ? {}"}).run
    bench.sync()
    found = bench.ask(lambda c: queries.list_runs(c, RunFilter(tags=(("odd", "a\0b"), ("ü", "%s ? {}")))))
    assert [row.run for row in found] == [run]


def test_it_can_be_seen_how_old_it_is(bench: Bench) -> None:
    Written(bench.ledger, FLOW)
    assert bench.ask(queries.synced) is None
    bench.sync()
    before = bench.ask(queries.synced)
    assert before is not None
    bench.sync()
    assert bench.ask(queries.synced) == before, "it is not noted each time"
    sql(bench, "UPDATE pipeglot.stores SET synced_us = synced_us - 60 * 1000000")
    bench.sync()
    assert (bench.ask(queries.synced) or 0) > before


# --- many at once -----------------------------------------------------------------------------------------------------

WRITER = """\
import sys
from pathlib import Path
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.postgres import PostgresDatabase, StoreName
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from tests.unit.lineage.index.ledgers import done
from tests.unit.lineage.index.test_postgres import FLOW
folder, number, uri = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = open_store(folder / "store")
for turn in range(5):
    made = done(Ledger(store), FLOW, params={}, created=f"2026-01-0{turn + 1}T00:00:0{number}+00:00").run
    with PostgresDatabase(uri, StoreName("a", store.uri)) as database:
        def work():
            found = sync(database, Ledger(store), Artifacts(store), print)
            assert found.unreadable == [], found
            with database.snapshot() as connection:
                return queries.list_runs(connection, queries.RunFilter())
        rows = database.use(work)
        assert made in {row.run for row in rows}
        assert len({row.run for row in rows}) == len(rows)
        if number == 0 and turn == 2:
            database.replace()
"""


def test_eight_processes_at_once(bench: Bench) -> None:
    """They write runs and ask for them; one forgets all of the store in between, and somebody removes all tables."""
    bench.open().close()
    root = Path(__file__).parents[4]
    many = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(bench.folder), str(number), bench.uris["x"]],
            cwd=root,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in range(8)
    ]
    many[0].wait()
    sql(bench, "DROP SCHEMA IF EXISTS pipeglot CASCADE")
    errors = [process.communicate()[1] for process in many]
    assert [process.returncode for process in many] == [0] * 8, "\n".join(errors)
    bench.sync()
    assert len(runs(bench)) == 40
    bench.sync(name="new")
    assert bench.rows() == bench.rows("new")
