"""A shared index holds nobody up, whoever stops, waits or sleeps; and it leaves alone what is not its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeglot.core.lineage.index import postgres as module
from pipeglot.core.lineage.index import queries, schema
from pipeglot.core.lineage.index.database import Unavailable
from pipeglot.core.lineage.index.postgres import PostgresConnection, PostgresDatabase
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.records import Gone
from tests.servers.postgres import Postgres
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.conftest import Bench
from tests.unit.lineage.index.ledgers import Written, cached_from, done

FLOW = pipeline(step("a"), step("b", x=out("a")))


@pytest.fixture
def bench(tmp_path: Path, postgres: Postgres) -> Bench:
    found = Bench(tmp_path, postgres)
    done(found.ledger, FLOW)
    return found


def sql(bench: Bench, statement: str) -> list[tuple[object, ...]]:
    assert bench.postgres is not None
    return bench.postgres.run(statement, bench.uris["x"].rpartition("/")[2])


def listed(bench: Bench) -> list[str]:
    return [row.run for row in bench.ask(lambda connection: queries.list_runs(connection, RunFilter()))]


# --- others in the way ------------------------------------------------------------------------------------------------


def test_a_process_that_was_stopped_while_it_wrote(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends what it began, as it holds what others need."""
    bench.sync()
    done(bench.ledger, FLOW)
    with psycopg.connect(bench.uris["x"], autocommit=True) as stopped:
        soon = module._SETTINGS.replace(f"'{module.IDLE}s'", "'500ms'")
        stopped.execute(f"BEGIN; {soon}{module._ALONE}".encode())
        assert bench.sync().read == 1
        with pytest.raises(psycopg.Error, match="idle-in-transaction"):  # an older driver has no name for it
            stopped.execute("SELECT 1")


def test_what_is_set_for_all_of_a_database_is_not_what_counts(bench: Bench) -> None:
    bench.open().close()
    name = bench.uris["x"].rpartition("/")[2]
    limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    for limit in limits:
        sql(bench, f"ALTER DATABASE {name} SET {limit} = '3s'")
    assert bench.sync().read == 1
    shown = bench.ask(lambda connection: [connection.execute(f"SHOW {limit}").fetchone() for limit in limits])
    assert shown == [("1min",), ("10s",), ("1min",)]


def test_the_note_of_the_time_waits_for_nobody(bench: Bench) -> None:
    bench.sync()
    sql(bench, "UPDATE pipeglot.stores SET synced_us = 1")
    with psycopg.connect(bench.uris["x"]) as writer:
        writer.execute(f"SELECT pg_advisory_xact_lock({module._LOCK})".encode())
        assert bench.sync().read == 0
        assert bench.ask(queries.synced) == 1
    with psycopg.connect(bench.uris["x"]) as dump:
        dump.execute("LOCK TABLE pipeglot.stores IN SHARE MODE")
        assert bench.sync().read == 0
        assert bench.ask(queries.synced) == 1
    assert bench.sync().read == 0
    assert (bench.ask(queries.synced) or 0) > 1


def test_in_a_file_too(tmp_path: Path) -> None:
    import sqlite3

    bench = Bench(tmp_path, None)
    done(bench.ledger, FLOW)
    bench.sync()
    writer = sqlite3.connect(bench.path, isolation_level=None)
    writer.execute("UPDATE stores SET synced_us = 1")
    writer.execute("BEGIN IMMEDIATE")
    assert bench.sync().read == 0
    writer.execute("ROLLBACK")
    assert bench.ask(queries.synced) == 1
    bench.sync()
    assert (bench.ask(queries.synced) or 0) > 1
    writer.close()


def test_somebody_who_holds_a_table(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.sync()
    monkeypatch.setattr(module, "_SETTINGS", module._SETTINGS.replace(f"'{module.WAIT}s'", "'100ms'", 1))
    with psycopg.connect(bench.uris["x"]) as other:
        other.execute("LOCK TABLE pipeglot.runs")
        with pytest.raises(Unavailable, match=r"^another process has held it for 30 seconds$"):
            bench.sync()
    assert bench.sync().read == 0


def test_a_server_that_stops_in_the_middle(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pooler that is paused, or a machine that is suspended: the connection stands, and nothing comes over it."""
    bench.sync()
    monkeypatch.setattr(module, "SILENT", 3)
    stopped: list[int] = []
    with bench.open() as database:
        assert isinstance(database, PostgresDatabase)

        def work() -> None:
            with database.snapshot() as connection:
                ((backend,),) = connection.execute("SELECT pg_backend_pid()").fetchall()
                stopped.append(int(backend))
                os.kill(stopped[0], signal.SIGSTOP)
                queries.list_runs(connection, RunFilter())

        try:
            with pytest.raises(Unavailable, match=r"^it has not answered for 3 seconds$"):
                database.use(work)
        finally:
            os.kill(stopped[0], signal.SIGCONT)
        assert len(stopped) == 1, "it is not waited for once more"
    assert len(listed(bench)) == 1


# --- many that go -----------------------------------------------------------------------------------------------------


def test_many_runs_are_forgotten_with_few_statements(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = done(bench.ledger, FLOW)
    many = [done(bench.ledger, FLOW).run for _ in range(300)]
    last = Written(bench.ledger, FLOW)
    last.commit(("a", ()), **cached_from(first, ("a", ())))
    last.go_on().seal()
    bench.sync()
    kept = listed(bench)
    for run in [first.run, *many]:
        bench.ledger.bury(Gone(run=run, at="2026-11-22T00:00:00+00:00"))
    statements: list[str] = []
    execute = PostgresConnection.execute

    def counted(connection: PostgresConnection, statement: str, values: Sequence[Any] = (), /) -> Any:
        statements.append(statement)
        return execute(connection, statement, values)

    monkeypatch.setattr(PostgresConnection, "execute", counted)
    bench.sync()
    assert len(statements) < 50
    monkeypatch.undo()
    assert listed(bench) == [run for run in kept if run not in {first.run, *many}]
    assert sql(bench, "SELECT COUNT(*) FROM pipeglot.cells") == [(4,)]
    known = sql(bench, "SELECT run, known FROM pipeglot.runs ORDER BY known, id")
    assert (first.run, 0) in known, "what a later run took from it stays as a name"
    assert len(known) == 3
    assert bench.sync().read == 0


# --- what is not ours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE pipeglot.runs (mine TEXT)",
        "CREATE TABLE pipeglot.meta (key TEXT, value TEXT)",
        "CREATE TABLE pipeglot.meta (name TEXT, value TEXT)",
        "CREATE VIEW pipeglot.edges AS SELECT 1 AS mine",
    ],
)
def test_a_schema_of_somebody_elses_is_left_alone(bench: Bench, theirs: str) -> None:
    assert bench.postgres is not None
    bench.uris["x"] = bench.postgres.uri(bench.postgres.database())
    sql(bench, f"CREATE SCHEMA pipeglot; {theirs}")
    table = theirs.split()[2].removeprefix("pipeglot.")
    with pytest.raises(Unavailable) as caught:
        bench.sync()
    assert str(caught.value) == (
        f"in its schema `pipeglot` there is a `{table}` that pipeglot did not make: it needs a database without one"
    )
    there = "SELECT relname::text FROM pg_class WHERE relnamespace = 'pipeglot'::regnamespace AND relkind IN ('r', 'v')"
    assert sql(bench, there) == [(table,)]


def test_what_others_made_of_its_tables_outlives_them(bench: Bench) -> None:
    bench.sync()
    sql(bench, "CREATE VIEW public.dashboard AS SELECT run, status FROM pipeglot.runs")
    sql(bench, "ALTER TABLE pipeglot.cells DROP COLUMN code")
    done(bench.ledger, FLOW)
    assert bench.sync().read == 2
    assert sql(bench, "SELECT status FROM public.dashboard") == [("succeeded",)] * 2
    sql(bench, "ALTER TABLE pipeglot.runs DROP COLUMN digest")
    with pytest.raises(Unavailable) as caught:
        listed(bench)
    assert str(caught.value) == (
        "it is damaged, and what others have made of its tables is in the way of new ones (cannot drop table runs "
        "because other objects depend on it)"
    )
    assert sql(bench, "SELECT status FROM public.dashboard") == [("succeeded",)] * 2
    sql(bench, "DROP VIEW public.dashboard")
    done(bench.ledger, FLOW)
    assert bench.sync().read == 3


def test_one_of_version_5_goes_on_and_says_whose_it_is(bench: Bench) -> None:
    bench.sync()
    before = bench.rows()
    sql(bench, "UPDATE pipeglot.meta SET value = '5' WHERE name = 'version'")
    sql(bench, "CREATE INDEX artifacts_by_value ON pipeglot.artifacts (value)")
    for table in schema.TABLES:
        sql(bench, f"COMMENT ON TABLE pipeglot.{table} IS NULL")
    assert bench.sync().read == 0
    assert bench.rows() == before
    assert sql(bench, "SELECT to_regclass('pipeglot.artifacts_by_value')") == [(None,)]
    sql(bench, "DROP TABLE pipeglot.meta")
    assert bench.sync().read == 1, "its tables are known for ours"


def test_a_database_with_other_letters(bench: Bench, postgres: Postgres) -> None:
    name = f"{postgres.database()}_latin"
    postgres.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    bench.uris["x"] = postgres.uri(name)
    with pytest.raises(Unavailable, match=r"^the database has the encoding LATIN1, and it needs one with UTF8$"):
        bench.sync()
