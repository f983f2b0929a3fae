"""Where the store's answers take their time, the cache is asked about many cells at once: with the same outcome."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store.folder import FolderStore
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import Bench, work

AT_ONCE = 4
PATIENCE = 30.0


class Distant(FolderStore):
    """A folder as if it were far away. With `together`, its cache answers only when several ask at the same time."""

    at_once = AT_ONCE
    together: threading.Barrier | None = None
    broken = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = Counter[str]()
        self.put_to = Counter[str]()
        self.busiest = self._under_way = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        if not key.startswith("cache/"):
            return super().get(key)
        if self.broken and self.asked.total() > 3:
            raise StoreError("the network is gone")
        with self._lock:
            self.asked[key] += 1
            self._under_way += 1
            self.busiest = max(self.busiest, self._under_way)
        try:
            if self.together is not None:
                self.together.wait(PATIENCE)
            return super().get(key)
        finally:
            with self._lock:
                self._under_way -= 1

    def put(self, key: str, data: bytes | Path) -> bool:
        with self._lock:
            self.put_to[key.split("/")[0]] += 1
        return super().put(key, data)


@pytest.fixture
def distant(bench: Bench) -> Iterator[Distant]:
    """What the runner sees; workers go to the folder."""
    store = Distant(bench.folder / "store")
    bench.store = store
    yield store
    assert not [one for one in threading.enumerate() if one.name.startswith("ThreadPoolExecutor")]


def items(count: int) -> list[int]:
    return list(range(count))


def test_a_cached_map_is_asked_about_at_once(bench: Bench, distant: Distant) -> None:
    flow = mapped("add", const(items(20)), work("add", inputs={"x": item("add")}))
    total = work("total", inputs={"xs": out("add")})
    first = bench.run(flow, total)
    distant.asked.clear()
    distant.put_to.clear()
    distant.together = threading.Barrier(AT_ONCE)  # 20 items: each time four come together, or nobody goes on
    second = bench.run(flow)
    assert distant.busiest == AT_ONCE
    assert all(one.cached for one in second.steps)
    assert set(distant.asked.values()) == {1}
    assert len(distant.asked) == 20
    assert distant.put_to["runs"] == 20 + 2, "the verdicts, the start and the end"
    distant.together = None
    third = bench.run(flow, total)
    assert third.lineage_digest == first.lineage_digest


def test_what_is_not_cached_is_asked_about_once(bench: Bench, distant: Distant, marks: Path) -> None:
    body = work("who", inputs={"folder": const(str(marks)), "seconds": item("who")})
    view = bench.run(mapped("who", const([0.001 * n for n in range(12)]), body))
    assert view.status == "succeeded"
    assert not any(one.cached for one in view.steps)
    assert set(distant.asked.values()) == {1}
    assert len(distant.asked) == 12
    assert len(list(marks.iterdir())) == 12


def test_equal_items_are_computed_once(bench: Bench, distant: Distant, marks: Path) -> None:
    """All are asked about before the first is computed: the others are asked about again then."""
    body = work("who", given={"folder": str(marks)}, inputs={"seconds": item("who")})
    view = bench.run(mapped("who", const([0.01] * 8), body), max_parallel=1)
    assert [one.cached for one in view.steps] == [False] + 7 * [True]
    assert len(list(marks.iterdir())) == 1


def test_a_store_that_breaks_ends_the_run(bench: Bench, distant: Distant) -> None:
    distant.broken = True
    with pytest.raises(StoreError, match="the network is gone"):
        bench.run(mapped("add", const(items(20)), work("add", inputs={"x": item("add")})))


def test_a_damaged_list_fails_its_items_when_it_is_their_turn(bench: Bench, distant: Distant) -> None:
    over = (work("numbers", given={"n": 1500}), mapped("add", out("numbers"), work("add", inputs={"x": item("add")})))
    bench.run(over[0])
    blob = next(path for path in (bench.folder / "store" / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"[" + b"0" * (blob.stat().st_size - 1))
    broken = bench.run(*over, work("one"))
    assert broken.status == "failed"
    assert bench.step(broken, "one").status == "succeeded"
    assert bench.step(broken, "add", 1499).status == "failed"
