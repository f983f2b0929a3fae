"""What records may hold and a database may not take: one run must not keep the others out, nor harm what is there."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.lineage.index import queries, schema
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.index.sqlite import FileConnection
from tests.servers.postgres import Postgres
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.conftest import Bench
from tests.unit.lineage.index.ledgers import Written, done

FLOW = pipeline(step("a"), step("b", x=out("a")))
A = ("a", ())


def long_text(letters: int) -> str:
    """One that no database makes shorter."""
    return "".join(random.Random(7).choices(string.ascii_letters + "ü", k=letters))


def listed(bench: Bench, wanted: RunFilter = RunFilter()) -> list[str]:  # noqa: B008  # it is frozen
    return [row.run for row in bench.ask(lambda connection: queries.list_runs(connection, wanted))]


def test_names_of_any_length_are_found(bench: Bench) -> None:
    tag, metric, word = long_text(9000), long_text(8000), long_text(7000)
    run = Written(bench.ledger, FLOW, tags={tag: "x"}, params={})
    run.commit(A, metrics={metric: 3})
    run.go_on().seal()
    other = done(bench.ledger, FLOW, tags={tag[:-1]: "x"}).run
    assert bench.sync().unreadable == []
    assert listed(bench) == [other, run.run]
    assert listed(bench, RunFilter(tags=((tag, "x"),))) == [run.run]
    assert listed(bench, RunFilter(tags=((tag, None),))) == [run.run]
    assert listed(bench, RunFilter(metrics=((metric, ">", 2.0),))) == [run.run]
    assert listed(bench, RunFilter(tags=((word, None),))) == []
    (names,) = bench.ask(lambda connection: queries.tags_of(connection, [1])).values()
    assert [name[:100] for name in names] == [tag[:100]]


def test_a_number_of_attempts_that_nobody_had(bench: Bench) -> None:
    run = Written(bench.ledger, FLOW)
    run.commit(A, attempt=2**40)
    run.go_on().seal()
    assert bench.sync().unreadable == []
    assert listed(bench) == [run.run]


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Call it with a run's id, and a name of it is not made short: there is always one that nobody thought of."""

    def make(tag: str) -> None:
        monkeypatch.setattr("pipeglot.core.lineage.index.writing.short", lambda name: name)
        assert len(tag) > schema.LONG

    return make


def test_one_that_does_not_fit_is_named_and_the_others_are_there(
    tmp_path: Path, postgres: Postgres, odd: Callable[[str], None]
) -> None:
    bench, neighbour = Bench(tmp_path / "one", postgres), Bench(tmp_path / "other", postgres)
    bench.open().close()
    neighbour.uris = bench.uris
    theirs = done(neighbour.ledger, FLOW).run
    neighbour.sync()
    tag = long_text(9000)
    odd(tag)
    before = done(bench.ledger, FLOW).run
    bad = done(bench.ledger, FLOW, tags={tag: "x"}).run
    after = done(bench.ledger, FLOW).run
    found = bench.sync()
    assert found.read == 2
    (told,) = found.unreadable
    assert told.startswith(f"run `{bad}` does not fit into the index: index row ")
    assert listed(bench) == [after, before]
    last = done(bench.ledger, FLOW).run
    assert bench.sync().read == 1
    assert listed(bench) == [last, after, before]
    assert listed(neighbour) == [theirs], "nobody else lost anything"


def test_what_a_file_does_not_take_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, None)
    good = done(bench.ledger, FLOW, tags={"a": "1"}).run
    bad = done(bench.ledger, FLOW, tags={"a": "2"}).run
    insert = FileConnection.insert

    def picky(connection: FileConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        insert(connection, table, [tuple(2**70 if one == "2" else one for one in row) for row in rows])

    monkeypatch.setattr(FileConnection, "insert", picky)
    found = bench.sync()
    assert found.unreadable == [
        f"run `{bad}` does not fit into the index: Python int too large to convert to SQLite INTEGER"
    ]
    assert listed(bench) == [good]
