"""Archives of code: kept as long as a deployed pipeline or a kept run needs them, and while somebody deploys."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import pytest

from pipeglot.client.verify import verify
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import code
from pipeglot.core.lineage.gc.code import note_deployed
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.ledger import pack
from pipeglot.core.lineage.records import Deployment
from tests.unit.lineage.gc.conftest import DAY, FLOW, House


def bundle(house: House, text: str) -> str:
    data = text.encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    house.store.put(bundle_key(digest), data)
    return digest


def kept(house: House, digest: str) -> bool:
    return house.store.size(bundle_key(digest)) is not None


def test_a_bundle_that_nobody_refers_to_goes_after_ninety_days(house: House) -> None:
    loose = bundle(house, "loose")
    house.run()
    house.later = 80 * DAY
    assert house.collect(Retention()).bundles == 0
    house.later = 91 * DAY
    assert house.collect(Retention(), dry_run=True).bundles == 1
    assert kept(house, loose)
    found = house.collect(Retention())
    assert (found.bundles, found.bundle_bytes) == (1, 5)
    assert not kept(house, loose)
    assert list(house.store.list(keys.BUSY)) == []


def deploy(house: House, ago: float, digest: str, ir: str = "") -> str:
    """Note a deployment, as if of so long ago. Returns its key."""
    before = house.keys(keys.DEPLOYED)
    note_deployed(house.store, "prod", "p", ir or house.ledger.put_ir(FLOW), digest)
    (key,) = house.keys(keys.DEPLOYED) - before
    at = time.time() - ago
    os.utime(house.folder / key, (at, at))
    return key


def test_what_is_deployed_stays_though_it_never_ran(house: House) -> None:
    old, new = bundle(house, "old"), bundle(house, "new")
    deploy(house, 10, old), deploy(house, 0, new)
    house.run()
    house.collect(Retention())
    assert (kept(house, old), kept(house, new)) == (False, True)
    (left,) = house.keys(keys.DEPLOYED)
    assert left.startswith(f"deployed/prod/p/{house.ledger.put_ir(FLOW)}/")
    assert verify(house.store, quick=False, progress=lambda _: None).troubles == []


def test_what_counts_is_when_another_one_has_followed(house: House) -> None:
    """It may have run until then, and runs of it may be resumed."""
    house.later = 91 * DAY
    digests = [bundle(house, str(number)) for number in range(3)]
    for number, digest in enumerate(digests):
        deploy(house, (300 - 200 * number) * DAY - 91 * DAY, digest)  # 300 and 100 days ago; the last one is to come
    house.collect(Retention())
    assert [kept(house, one) for one in digests] == [False, True, True]
    assert len(house.keys(keys.DEPLOYED)) == 2


def test_of_what_is_deployed_each_night_one_note_is_enough(house: House) -> None:
    same, other = bundle(house, "same"), bundle(house, "other")
    for ago in range(20, 3, -1):
        deploy(house, ago * DAY, same)
    house.later = 0.0
    newest = [deploy(house, 3 * DAY, same), deploy(house, 2 * DAY, other), deploy(house, DAY, same)]
    house.collect(Retention(), dry_run=True)
    assert len(house.keys(keys.DEPLOYED)) == 20
    house.collect(Retention())
    assert house.keys(keys.DEPLOYED) == set(newest)


def test_a_kept_run_keeps_its_code_and_the_latest_of_a_pipeline_too(house: House) -> None:
    digests = [bundle(house, str(number)) for number in range(3)]
    for number, digest in enumerate(digests):
        house.run(str(number), bundle=digest)
    assert house.collect(Retention(keep_last=2)).bundles == 1
    assert [kept(house, one) for one in digests] == [False, True, True]
    assert house.collect().runs == 2
    assert [kept(house, one) for one in digests] == [False, False, True], "it may be deployed still"


def test_who_deploys_waits_for_who_removes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "MOST", 0.5)
    house.store.put(code.BUSY, b"")
    began = time.monotonic()
    note_deployed(house.store, "prod", "p", house.ledger.put_ir(FLOW), "")
    assert time.monotonic() - began >= 1.0, "and not for ever: he may have been killed"
    assert house.store.size(code.BUSY) is None, "and nobody else waits for him"


def test_the_mark_of_one_that_was_killed_goes_though_nothing_else_does(house: House) -> None:
    house.run()
    house.later = 0.0
    house.store.put(code.BUSY, b"")
    house.collect(Retention())
    assert house.store.size(code.BUSY) is not None, "he may be at it"
    for wrong in (-DAY, DAY):  # also one of a clock that was ahead
        at = time.time() + wrong
        os.utime(house.folder / code.BUSY, (at, at))
        house.collect(Retention())
        assert house.store.size(code.BUSY) is None
        house.store.put(code.BUSY, b"")


def test_two_that_remove_take_turns(house: House) -> None:
    unused = {bundle_key(bundle(house, "loose")): 5}
    house.store.put(code.BUSY, b"")
    assert code.sweep_bundles(house.ledger, unused, list)["bundles"] == 0
    house.store.delete(code.BUSY)
    assert code.sweep_bundles(house.ledger, unused, list)["bundles"] == 1


def test_who_was_taken_for_killed_stops(house: House) -> None:
    """One that stood still for a minute: whoever deploys has waited for that long, and has found the bundle there."""
    digest = bundle(house, "loose")

    def slow() -> list[str]:
        house.store.delete(code.BUSY)
        house.store.put(code.BUSY, b"another one's")
        return []

    assert code.sweep_bundles(house.ledger, {bundle_key(digest): 5}, slow)["bundles"] == 0
    assert kept(house, digest)
    assert house.store.get(code.BUSY) == b"another one's"


def test_what_is_deployed_while_one_removes_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, other = bundle(house, "again"), bundle(house, "loose")
    house.run()
    inner = type(house.store).put

    def put(self: Any, key: str, data: Any) -> bool:
        done = inner(self, key, data)
        if key == code.BUSY:
            record = Deployment(run="", stack="prod", pipeline="p", ir="a" * 64, at="2026-01-01", bundle=digest)
            inner(self, keys.deployed("prod", "p", "a" * 64, "20260101", "0"), pack(record))
        return done

    monkeypatch.setattr(type(house.store), "put", put)
    assert house.collect(Retention()).bundles == 1
    assert (kept(house, digest), kept(house, other)) == (True, False)


def test_a_look_that_takes_long_is_over_before_the_time_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many deployments: only those that are new are read again."""
    for number in range(5):
        deploy(house, number * DAY, bundle(house, str(number)))
    loose = bundle(house, "loose")
    house.run()
    read: list[str] = []
    inner = type(house.store).get

    def get(self: Any, key: str) -> bytes | None:
        if self.size(code.BUSY) is not None and key.startswith(keys.DEPLOYED):
            read.append(key)
        return inner(self, key)

    monkeypatch.setattr(type(house.store), "get", get)
    house.later = 91 * DAY
    house.collect(Retention())
    assert (kept(house, loose), read) == (False, [])


def test_a_bundle_that_is_gone_or_damaged_is_told_with_its_runs(house: House) -> None:
    digests = [bundle(house, str(number)) for number in range(2)]
    runs = [house.run(str(number), bundle=digest).run for number, digest in enumerate(digests)]
    (house.folder / bundle_key(digests[0])).unlink()
    path = house.folder / bundle_key(digests[1])
    path.chmod(0o600)
    path.write_bytes(b"2")
    found = verify(house.store, quick=False, progress=lambda _: None).troubles
    told = {one.key: (one.kind, [by.run_id for by in one.touches]) for one in found}
    assert told == {
        bundle_key(digests[0]): ("missing", [runs[0]]),
        bundle_key(digests[1]): ("damaged", [runs[1]]),
    }
