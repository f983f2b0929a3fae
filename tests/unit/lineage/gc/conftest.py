"""A store in a folder, and a clock that can be put forward: that of the store, which all passes go by."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.client.verify import verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import passes
from pipeglot.core.lineage.gc.passes import Collected, Pass
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import CacheEntry, Origin
from pipeglot.core.store import open_store
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.ledgers import Written, done

HOUR, DAY = 3600.0, 86_400.0
FLOW = pipeline(step("a"), step("b", x=out("a")))
ALL = Retention(older_than=90 * DAY, keep_last=0)
AGE = Retention(older_than=90 * DAY)


def large(text: str) -> Callable[[str, tuple[int, ...]], Any]:
    """Values that are no part of their records."""
    return lambda step, _: f"{text} of {step} " * 1000


class House:
    """The store, and what time it is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(folder)
        self.ledger = Ledger(self.store)
        self.artifacts = Artifacts(self.store)
        self.later = 100 * DAY

    def time(self, *_: object) -> float:
        return time.time() + self.later

    def run(self, text: str = "x", **told: Any) -> Written:
        return done(self.ledger, FLOW, large(text), **told)

    def collect(self, wanted: Retention = ALL, **given: Any) -> Collected:
        given = {"dry_run": False, "now": self.time, **given}
        return Pass(self.ledger, self.artifacts, wanted, **given).run()

    def keys(self, prefix: str = "") -> set[str]:
        return {key for key in self.store.list(prefix) if not key.startswith(keys.PASSES)}

    def blobs(self) -> set[str]:
        return self.keys(keys.BLOBS)

    def blobs_of(self, run: Written) -> set[str]:
        return {key for name in ("a", "b") for key in self.artifacts.keys(run.ref((name, ())))}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    made = House(tmp_path / "store")
    monkeypatch.setattr(passes, "store_time", made.time)
    return made


def whole(house: House) -> bool:
    return verify(house.store, quick=False, progress=lambda _: None).troubles == []


def entry(house: House, run: Written, key: str) -> CacheEntry:
    refs = {"output": run.ref(("a", ()))}
    made = CacheEntry(run=run.run, key=key, origin=Origin(run=run.run, step="a"), computed="2026-01-01", refs=refs)
    house.ledger.remember(made)
    return made
