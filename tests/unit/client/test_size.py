"""`store size`: what each pipeline and step has, as values and as bytes, what is shared, and what is large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.client.size import StoreSize, store_size
from pipeglot.core.errors import NotFound
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Gone
from pipeglot.core.store import open_store
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.ledgers import done

FLOW = pipeline(step("a"), step("b", x=out("a")))
OTHER = structs.replace(FLOW, name="other")
LARGE = "x" * 10_000


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(folder)
        self.ledger = Ledger(self.store)

    def size(self, *pipelines: str) -> StoreSize:
        return store_size(self.store, pipelines, lambda _: None)

    def run(self, text: str, flow: Any = FLOW) -> str:
        return done(self.ledger, flow, lambda name, _: text if name == "a" else LARGE).run


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "store")


def test_equal_values_are_counted_as_values_and_once_as_bytes(bench: Bench) -> None:
    for number in range(3):
        bench.run("small" if number else "y" * 20_000)
    (found,) = bench.size().pipelines
    assert (found.pipeline, found.runs, found.values) == ("p", 3, 4)
    first, second = found.steps
    assert (first.step, first.values, first.bytes, first.stored) == ("a", 1, 20_002, 20_002)
    assert (second.step, second.values, second.bytes, second.stored) == ("b", 3, 30_006, 10_002)
    assert (found.bytes, found.stored, found.shared) == (50_008, 30_004, 0)
    assert found.records > 0


def test_what_two_pipelines_have_in_common(bench: Bench) -> None:
    bench.run("one")
    bench.run("two", OTHER)
    assert [(one.pipeline, one.stored, one.shared) for one in bench.size().pipelines] == [
        ("other", 10_002, 10_002),
        ("p", 10_002, 10_002),
    ]
    (asked,) = bench.size("p").pipelines
    assert asked.shared == 10_002
    with pytest.raises(NotFound, match="has no run of a pipeline `othr`") as caught:
        bench.size("othr")
    assert "did you mean `other`?" in caught.value.hint


def test_all_that_lies_there_is_added_up(bench: Bench) -> None:
    bench.run("one")
    bench.store.put(f"blobs/2026-W01/{'a' * 64}", b"nobody's")
    found = bench.size()
    files = [path for path in bench.folder.rglob("*") if path.is_file() and path.parent.name != "tmp"]
    assert (found.objects, found.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert found.unreferenced == 8
    parts = {one.name: one.objects for one in found.parts}
    assert parts == {"blobs/": 2, "ir/": 1, "journal/": 1, "runs/": 4, "store.json": 1}


def test_the_largest_are_named(bench: Bench) -> None:
    run = bench.run("z" * 50_000)
    bench.run("z" * 50_000)
    found = bench.size().largest
    assert [(one.stored, one.codec, one.pipeline) for one in found] == [
        (50_002, "json/1", "p"),
        (10_002, "json/1", "p"),
    ]
    assert {one.id.rpartition("/")[0].rpartition("/")[2] for one in found} == {"a", "b"}
    assert all(len(one.id.split("/")[0]) == len(run) for one in found)


def test_pruned_runs_and_records_that_cannot_be_read(bench: Bench) -> None:
    first, second = bench.run("one"), bench.run("two")
    bench.ledger.bury(Gone(run=first, at="2026-11-22T00:00:00+00:00"))
    path = bench.folder / keys.verdict(second, "a", ())
    path.chmod(0o600)
    path.write_bytes(b"torn")
    found = bench.size()
    assert (found.pipelines[0].runs, found.pipelines[0].values, found.unreadable) == (1, 1, 1)


def test_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no store at"):
        store_size(open_store(tmp_path / "none"), (), lambda _: None)
