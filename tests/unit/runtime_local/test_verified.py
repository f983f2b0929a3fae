"""Of a large value, one process of a run hashes the bytes; the others take its word, for this very file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.artifacts import blobs
from pipeglot.core.ir import Step
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import Bench, work

BIG = 400_000


def counting(name: str, function: str, **more: Any) -> Step:
    return work(name, function, module="counting", **more)


def readers(marks: Path, count: int) -> Any:
    given = {"folder": str(marks), "others": count - 1}
    body = counting("read", "hashes", given=given, inputs={"x": out("make"), "n": item("read")})
    inputs = {name: source for name, source in body.inputs.items() if name != "n"}
    return mapped("read", const(list(range(count))), structs.replace(body, inputs=inputs))


def test_it_is_hashed_where_it_is_made_and_nowhere_else(bench: Bench, marks: Path) -> None:
    view = bench.run(counting("make", "large", given={"n": BIG}), readers(marks, 2))
    assert view.status == "succeeded"
    found = [bench.value(view, "read", i) for i in range(2)]
    assert len({process for process, _ in found}) == 2
    assert [count for _, count in found] == [0, 0]


def test_from_an_earlier_run_each_blob_is_verified(bench: Bench, marks: Path) -> None:
    make = counting("make", "large", given={"n": BIG})
    bench.run(make)
    view = bench.run(make, readers(marks, 1))
    assert bench.step(view, "make").cached
    assert bench.value(view, "read", 0)[1] == 1


def test_what_was_damaged_since_is_seen(bench: Bench, marks: Path) -> None:
    """Another file is not the one that was verified."""
    spoils = work("spoil", "spoils_blobs", given={"store": str(bench.folder / "store")}, after=("make",))
    reads = structs.replace(readers(marks, 1), body=(structs.replace(readers(marks, 1).body[0], after=("spoil",)),))
    view = bench.run(counting("make", "large", given={"n": BIG}), spoils, reads)
    assert bench.step(view, "read", 0).error is not None
    assert bench.step(view, "read", 0).error.type == "Corrupt"  # type: ignore[union-attr]


def test_news_is_told_once_and_of_large_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "_verified", {})
    blobs.news()
    large, small = (1, 2, 3, blobs.WORTH_TELLING), (1, 3, 3, 10)
    blobs._remember(large, "a")
    blobs._remember(small, "b")
    assert blobs.news() == [("a", *large)]
    assert blobs.news() == []
    blobs.learn([("c", 5, 6, 7, 8)])
    assert blobs._verified == {large: "a", small: "b", (5, 6, 7, 8): "c"}
    assert blobs.news() == []
