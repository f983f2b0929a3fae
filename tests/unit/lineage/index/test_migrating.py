"""An index of an earlier version goes on with all that it has; whoever comes first brings it there, and once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage.index import queries, schema
from pipeglot.core.lineage.index.database import Connection, Unavailable
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.index.sqlite import FileConnection
from tests.servers.postgres import Postgres
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.conftest import Bench, Counting
from tests.unit.lineage.index.ledgers import Written, cached_from, done

FLOW = pipeline(step("a"), step("b", x=out("a")))

AS_OF_4 = """
ALTER TABLE runs RENAME TO newer_runs;
ALTER TABLE journal RENAME TO newer_journal;
DROP INDEX runs_by_arrival;
DROP INDEX runs_by_pipeline;
CREATE TABLE runs (id BIGINT PRIMARY KEY, run TEXT NOT NULL UNIQUE, known INTEGER NOT NULL, final INTEGER NOT NULL,
    records INTEGER NOT NULL, arrival TEXT NOT NULL, pipeline TEXT NOT NULL, stack TEXT NOT NULL,
    backend TEXT NOT NULL, status TEXT NOT NULL, created TEXT NOT NULL, created_us BIGINT NOT NULL,
    logical_date TEXT NOT NULL, finished TEXT, digest TEXT, ir TEXT NOT NULL, resumes TEXT, ended INTEGER NOT NULL,
    reopened INTEGER NOT NULL);
CREATE TABLE journal (marker TEXT PRIMARY KEY, run_id BIGINT NOT NULL);
INSERT INTO runs SELECT id, run, known, final, records, arrival, pipeline, stack, backend, status, created, created_us,
    logical_date, finished, digest, ir, resumes, ended, reopened FROM newer_runs;
INSERT INTO journal SELECT marker, run_id FROM newer_journal;
DROP TABLE newer_runs;
DROP TABLE newer_journal;
DROP TABLE stores;
CREATE INDEX runs_by_arrival ON runs (arrival);
CREATE INDEX runs_by_pipeline ON runs (pipeline, arrival);
UPDATE meta SET value = '4' WHERE name = 'version';
"""
"""What the first index with a version of its own in a release was; it was of one store."""


def test_a_file_of_version_4_keeps_all_that_it_has(tmp_path: Path) -> None:
    bench = Bench(tmp_path, None)
    first = done(bench.ledger, FLOW, tags={"team": "risk"})
    second = Written(bench.ledger, FLOW)
    second.commit(("a", ()), **cached_from(first, ("a", ())))
    bench.sync()
    before = bench.rows()
    connection = sqlite3.connect(bench.path)
    connection.executescript(AS_OF_4)
    connection.close()
    store = Counting(bench.folder / "store")
    assert bench.sync(store=store).read == 0
    assert store.asked["get"] <= 1, "only the one that goes on is looked at"
    assert bench.rows() == before
    new = sqlite3.connect(bench.path.with_name("new.sqlite"), factory=FileConnection)
    for statement in schema.create("sqlite"):
        new.execute(statement)
    assert shape(sqlite3.connect(bench.path)) == shape(new), "it has become what a new one is"


def shape(connection: sqlite3.Connection) -> set[tuple[Any, ...]]:
    """The columns of each table, in their order, and the indexes."""
    rows = connection.execute(
        'SELECT t.name, c.cid, c.name, c.pk, c."notnull" FROM sqlite_master t, pragma_table_info(t.name) c '
        "WHERE t.type = 'table' UNION SELECT tbl_name, 0, name, 0, 0 FROM sqlite_master WHERE type = 'index' "
        "AND name NOT LIKE 'sqlite_%'"
    )
    found = set(rows.fetchall())
    connection.close()
    return found


# --- a version to come ------------------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and this is a pipeglot whose runs have one more column."""

    def upgrade() -> None:
        monkeypatch.setattr(schema, "VERSION", "7")
        monkeypatch.setitem(
            schema.MIGRATIONS, "6", ("7", lambda _: ["ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'old'"])
        )
        tables = {
            **schema.TABLES,
            "runs": (*schema.TABLES["runs"][:-1], "note TEXT NOT NULL DEFAULT 'new'", "UNIQUE (store_id, run)"),
        }
        monkeypatch.setattr(schema, "TABLES", tables)

    return upgrade


def notes(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT note FROM runs ORDER BY arrival")]


def test_of_several_processes_one_brings_it_to_the_next_version(bench: Bench, later: Callable[[], None]) -> None:
    for _ in range(3):
        done(bench.ledger, FLOW)
    bench.sync()
    later()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            assert bench.ask(queries.totals)["runs"] == 3
        except BaseException as error:  # noqa: BLE001  # it is told by the test
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert bench.ask(notes) == ["old"] * 3, "it was made anew by nobody"
    assert bench.ask(lambda c: c.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()) == ("7",)


def test_what_fails_on_the_way_leaves_it_as_it_was(
    tmp_path: Path, postgres: Postgres, later: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, postgres)
    done(bench.ledger, FLOW)
    bench.sync()
    later()
    broken = [*schema.MIGRATIONS["6"][1](""), "ALTER TABLE words DROP COLUMN nothing_like_it"]
    monkeypatch.setitem(schema.MIGRATIONS, "6", ("7", lambda _: broken))
    with pytest.raises(Unavailable, match='column "nothing_like_it" of relation "words" does not exist'):
        bench.ask(queries.totals)
    monkeypatch.undo()
    assert bench.sync().read == 0
    assert len(bench.ask(lambda c: queries.list_runs(c, RunFilter()))) == 1


def test_what_a_later_pipeglot_made_is_left_to_it(bench: Bench, later: Callable[[], None]) -> None:
    """A file is this checkout's own, and is made anew; what others use as well is not touched."""
    done(bench.ledger, FLOW)
    with pytest.MonkeyPatch.context() as now:
        now.setattr(schema, "VERSION", "8")
        bench.sync()
    if bench.postgres is None:
        assert bench.sync().read == 1
        return
    with pytest.raises(Unavailable, match=r"a later pipeglot made it \(version 8, and this one has 6\)"):
        bench.sync()
    assert bench.postgres.run("SELECT COUNT(*) FROM pipeglot.runs", bench.uris["x"].rpartition("/")[2]) == [(1,)]


def test_one_of_an_earlier_version_is_left_to_its_owner(tmp_path: Path, postgres: Postgres) -> None:
    bench = Bench(tmp_path, postgres)
    run = done(bench.ledger, FLOW).run
    bench.sync()
    owner = bench.uris["x"]
    name = owner.rpartition("/")[2]
    postgres.run("UPDATE pipeglot.meta SET value = '5' WHERE name = 'version'", name)
    postgres.run(
        f"CREATE USER team_{name} PASSWORD 'x'; GRANT USAGE ON SCHEMA pipeglot TO team_{name}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pipeglot TO team_{name}",
        name,
    )
    bench.uris["x"] = postgres.uri(name, f"team_{name}", "x")
    with pytest.raises(Unavailable) as caught:
        bench.sync()
    assert str(caught.value) == (
        "an earlier pipeglot made it, and only its owner can bring it to this one's version "
        "(must be owner of table meta)"
    )
    bench.uris["x"] = owner
    assert bench.sync().read == 0
    bench.uris["x"] = postgres.uri(name, f"team_{name}", "x")
    second = done(bench.ledger, FLOW).run
    assert bench.sync().read == 1
    assert [row.run for row in bench.ask(lambda c: queries.list_runs(c, RunFilter()))] == [second, run]
