"""Whatever lies where the file should be, there is an index afterwards; and two processes do not harm each other."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.index.sqlite import FileDatabase
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.conftest import Bench
from tests.unit.lineage.index.ledgers import done


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, None)


FLOW = pipeline(step("a"), step("b", x=out("a")))


def runs(bench: Bench) -> list[str]:
    return [row.run for row in bench.ask(lambda c: queries.list_runs(c, RunFilter()))]


def damage_whole(path: Path) -> None:
    path.write_bytes(b"this is no database, and was never one" * 100)


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def other_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '0'")
        connection.execute("ALTER TABLE runs DROP COLUMN digest")
    connection.close()


def other_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cells (mine TEXT)")
        connection.execute("CREATE VIEW runs AS SELECT mine FROM cells")
    connection.close()


def same_version_less_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE journal")
    connection.close()


def removed(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "harm",
    [
        damage_whole,
        damage_middle,
        damage_end,
        other_version,
        other_tables,
        same_version_less_tables,
        removed,
        emptied,
    ],
)
def test_a_bad_index_is_made_anew(bench: Bench, harm: object) -> None:
    made = [done(bench.ledger, FLOW).run for _ in range(3)]
    bench.sync()
    before = bench.rows()
    harm(bench.path)  # type: ignore[operator]
    bench.sync()
    assert runs(bench) == made[::-1]
    assert bench.rows() == before
    assert bench.sync().read == 0


def test_damage_while_it_is_open(bench: Bench) -> None:
    done(bench.ledger, FLOW)
    bench.sync()
    with FileDatabase(bench.path) as database:
        assert database.use(lambda: queries.totals(database.connection))["runs"] == 1
        broken = sqlite3.DatabaseError("database disk image is malformed")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        tries = []

        def work() -> int:
            tries.append(1)
            if len(tries) == 1:
                raise broken
            return queries.totals(database.connection)["runs"]

        assert database.use(work) == 0, "the file is a new one"
        with pytest.raises(StoreError, match="cannot be used: database disk image is malformed"):
            database.use(_raise(broken))


def _raise(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_full_disk_is_told_and_nothing_is_removed(bench: Bench) -> None:
    done(bench.ledger, FLOW)
    bench.sync()
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with FileDatabase(bench.path) as database, pytest.raises(StoreError) as found:
        database.use(_raise(full))
    assert found.value.message == f"the index `{bench.path}` cannot be used: database or disk is full"
    assert found.value.hint == "free some space; the runs themselves are in the store"
    assert len(runs(bench)) == 1


def test_where_no_file_can_be_the_index_is_in_memory(bench: Bench) -> None:
    done(bench.ledger, FLOW)
    bench.path.parent.write_text("a file where the folder should be")
    with FileDatabase(bench.path) as database:
        assert queries.totals(database.connection)["runs"] == 0
        assert database.why_memory == f"`{bench.path}` cannot be written (File exists)"
        assert database.path is None


WRITER = """\
import sys
from collections.abc import Callable
from pathlib import Path
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from tests.unit.lineage.index.ledgers import done
from tests.unit.lineage.index.test_sqlite import FLOW
folder, number = Path(sys.argv[1]), int(sys.argv[2])
store = open_store(folder / "store")
for turn in range(5):
    made = done(Ledger(store), FLOW, params={}, created=f"2026-01-0{turn + 1}T00:00:0{number}+00:00").run
    with FileDatabase(folder / "index" / "x.sqlite") as database:
        found = database.use(lambda: sync(database, Ledger(store), Artifacts(store), print))
        assert found.unreadable == [], found
        rows = queries.list_runs(database.connection, queries.RunFilter())
        assert made in {row.run for row in rows}
        assert len({row.run for row in rows}) == len(rows)
        if number == 0 and turn == 2:
            database.replace()
"""


def test_eight_processes_at_once(bench: Bench) -> None:
    """They write runs and ask for them, and one makes the index anew in between."""
    root = Path(__file__).parents[4]
    many = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(bench.folder), str(number)],
            cwd=root,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in range(8)
    ]
    errors = [process.communicate()[1] for process in many]
    assert [process.returncode for process in many] == [0] * 8, "\n".join(errors)
    assert len(runs(bench)) == 40
    bench.sync(name="new")
    bench.sync()
    assert bench.rows() == bench.rows("new")
