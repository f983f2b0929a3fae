"""Archives of code: kept as long as a deployed pipeline or a kept run needs them, and while somebody deploys."""

from __future__ import annotations

import hashlib
import time

import pytest

from pipeglot.client.verify import verify
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import code
from pipeglot.core.lineage.gc.code import note_deployed
from pipeglot.core.lineage.gc.retention import Retention
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


def test_what_is_deployed_stays_though_it_never_ran(house: House) -> None:
    ir = house.ledger.put_ir(FLOW)
    old, new = bundle(house, "old"), bundle(house, "new")
    note_deployed(house.store, "prod", "p", ir, old)
    note_deployed(house.store, "prod", "p", ir, new)
    house.run()
    house.collect(Retention())
    assert (kept(house, old), kept(house, new)) == (False, True)
    (left,) = house.keys(keys.DEPLOYED)
    assert left.startswith(f"deployed/prod/p/{ir}/")
    assert verify(house.store, quick=False, progress=lambda _: None).troubles == []


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


def test_two_that_remove_take_turns(house: House) -> None:
    loose = bundle(house, "loose")
    house.later = 0.0
    house.store.put(code.BUSY, b"")
    house.run()
    assert code.sweep_bundles(house.ledger, lambda: {bundle_key(loose): 5}, house.time())["bundles"] == 0
    house.later = DAY
    assert code.sweep_bundles(house.ledger, lambda: {bundle_key(loose): 5}, house.time())["bundles"] == 1


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
