"""A short storm, and whether what it looks for would be noticed. `python -m tests.crowd 5` is more of the same."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from tests.crowd import faults
from tests.crowd.check import check
from tests.crowd.crowd import AT_ONCE, Asked, Storm
from tests.servers.proxy import Proxy
from tests.servers.seaweed import BUCKET, Seaweed


def test_a_storm_of_two_backends(tmp_path: Path) -> None:
    """One run for each of 32 processes at once."""
    storm = Storm(tmp_path, str(tmp_path / "store"), 7, {}, quick=1.5, most=2)
    storm.storm(lambda begun: begun < AT_ONCE)
    assert [*storm.wrong, *check(storm)] == []
    assert sum(number for what, number in storm.faults.count.items() if what.startswith("killed")) > 0
    assert min(storm.done[what] for what in ("steps cached", "steps run", "tasks", "by a laptop")) > 0
    assert storm.done["steps told as finished"] >= AT_ONCE


def test_what_is_lost_or_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "OFTEN", 0)
    storm = Storm(tmp_path, str(tmp_path / "store"), 7, {})
    storm._on_laptop(random.Random(1), Asked("one", 2, 0))
    storm._in_tasks(random.Random(1), Asked("one", 2, 0), 1)
    assert [*storm.wrong, *check(storm)] == []
    assert storm.done["steps cached"] == 2 * storm.done["steps run"] - 5, (
        "all of the second run, and of the one after it"
    )
    ledger = Ledger(open_store(storm.uri))
    for one in [one for one in storm.told if one.step == "total"]:
        ledger.store.delete(keys.verdict(one.run, one.step, one.place))
    cell = storm.told[0]
    verdict = ledger.verdict(cell.run, cell.step, cell.place)
    assert verdict is not None
    ledger.commit(structs.replace(verdict, slot=3))
    (storm.folder / "two/helper.py").write_text("FACTOR = 2\n")
    storm._on_laptop(random.Random(1), Asked("two", 2, 100))
    wrong = check(storm)
    assert sum(one.startswith("lost: ") for one in wrong) == 2, "of the laptop, and in tasks"
    assert any(one.startswith("lost, or another now: ") for one in wrong)
    assert any("has ['succeeded', 'succeeded'] in the slots [1, 3]" in one for one in wrong)
    values = [one.split(": ")[1].split(" is ")[0] for one in wrong if one.startswith("Asked(checkout='two'")]
    assert values == ["times (0,)", "times (1,)", "large ()", "total ()"]
    assert "all is there" not in wrong[-1]


def test_the_weather_of_a_network(tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of each kind on S3, of whose requests each tenth goes wrong."""
    monkeypatch.setattr(faults, "OFTEN", 0)
    monkeypatch.setattr(faults, "REQUESTS", dict.fromkeys(("503", "lose", "error", "refuse", "cut"), 20))
    with Proxy(seaweed.endpoint) as proxy:
        for name, value in seaweed.environment(endpoint=proxy.endpoint).items():
            monkeypatch.setenv(name, value)
        env = seaweed.environment(endpoint=proxy.endpoint)
        storm = Storm(tmp_path, f"s3://{BUCKET}/{os.urandom(6).hex()}", 7, env)
        proxy.fault = storm.faults.on_request
        storm._on_laptop(random.Random(1), Asked("one", 2, 0))
        storm._in_tasks(random.Random(1), Asked("one", 2, 0), 1)
        proxy.fault = lambda _: ""
        assert [*storm.wrong, *check(storm)] == []
    assert storm.faults.count.total() > 0
