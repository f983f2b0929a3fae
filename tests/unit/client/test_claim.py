"""Who holds a claim in a store: one at a time, on whatever machine, until it ends, dies or is silent for long."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeglot.client.backfill import claim
from pipeglot.client.backfill.claim import OVERDUE, SIGN, claimed, take
from pipeglot.core.errors import StoreError, UsageError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import store_time
from pipeglot.core.lineage.processes import this_process
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store

FAR = this_process() | {"host": "elsewhere", "pid": "7"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def left(store: Store) -> list[str]:
    """What is in the store of claims, without the folder that they share."""
    return [key.rpartition("/")[2] for key in store.list(keys.CLAIMS)]


def left_by(who: dict[str, str], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim of a process that was killed, or that is on another machine."""
    with monkeypatch.context() as patched:
        patched.setattr(claim, "this_process", lambda: who)
        take(store, "prod", "daily")


def later(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "store_time", lambda *words: store_time(*words) + seconds)


def test_one_at_a_time(store: Store) -> None:
    with claimed(store, "prod", "daily"):
        with pytest.raises(UsageError) as caught, claimed(store, "prod", "daily"):
            pass
        pid = this_process()["pid"]
        assert caught.value.message == f"a backfill of `daily` on stack `prod` is at work already, as process {pid}"
        assert caught.value.hint == "wait for it, or end it: it can be gone on with by the same command"
        with claimed(store, "prod", "hourly"), claimed(store, "test", "daily"):
            pass
    with claimed(store, "prod", "daily"):
        assert "2" in left(store)
    assert sorted(one for one in left(store) if one.startswith("2")) == ["2", "2.over"]
    assert list(store.list(keys.CLOCKS)) == []


def test_a_process_that_was_killed_holds_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by(this_process() | {"process": "of an earlier boot"}, store, monkeypatch)
    with claimed(store, "prod", "daily"):
        assert left(store) == ["2"]


def test_another_machine_is_believed_until_its_signs_are_overdue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by(FAR, store, monkeypatch)
    with pytest.raises(UsageError) as caught, claimed(store, "prod", "daily"):
        pass
    assert caught.value.message.endswith("is at work already, as process 7 on `elsewhere`")
    assert "; if it is gone, it is free 1" in caught.value.hint
    assert caught.value.hint.endswith(" s from now")
    later(OVERDUE * SIGN + 1, monkeypatch)
    with claimed(store, "prod", "daily"):
        assert left(store) == ["2"]


def test_signs_keep_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not taken is given again."""
    given, fails = threading.Event(), iter([True, False, False])
    monkeypatch.setattr(claim, "SIGN", 0.01)
    was = store.put

    def put(key: str, data: Any) -> bool:
        if key.rpartition("/")[2].startswith("1.") and not key.endswith(".over"):
            if next(fails, False):
                raise StoreError("no answer")
            if key.endswith(".3"):
                given.set()
        return was(key, data)

    monkeypatch.setattr(type(store), "put", lambda _, key, data: put(key, data))
    with claimed(store, "prod", "daily"):
        assert given.wait(60)
    signs = [one for one in left(store) if one not in ("1", "1.over")]
    assert len(signs) == 1, "older ones are removed"
    assert int(signs[0].partition(".")[2]) >= 3


def test_of_several_that_come_at_once_one_gets_it(store: Store) -> None:
    got, refused = [], []
    start, done = threading.Barrier(8), threading.Event()

    def come() -> None:
        start.wait()
        try:
            with claimed(store, "prod", "daily"):
                got.append(1)
                done.wait(60)
        except UsageError as error:
            refused.append(error.message)
        if len(refused) == 7:
            done.set()

    threads = [threading.Thread(target=come) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(got), len(refused)) == (1, 7)
    assert all("is at work already" in message for message in refused)


class Slow:
    """A store that is looked at, and written to only when others have been there and are gone."""

    def __init__(self, store: Store, meanwhile: Any) -> None:
        self.store = store
        self.meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, key: str, data: Any) -> bool:
        if self.meanwhile is not None:
            todo, self.meanwhile = self.meanwhile, None
            todo()
        return self.store.put(key, data)


def test_a_number_that_was_free_when_it_was_looked_for(store: Store) -> None:
    """Two have held it since, and the second one still does: the first one's number is free again."""
    with ExitStack() as second:

        def others() -> None:
            with claimed(store, "prod", "daily"):
                pass
            second.enter_context(claimed(store, "prod", "daily"))

        with (
            pytest.raises(UsageError, match="it has begun just now"),
            claimed(
                Slow(store, others),
                "prod",
                "daily",
            ),
        ):
            pass
        assert left(store) == ["2"]


@pytest.mark.parametrize("data", [b"torn", b"\xff", b"{}", b" " * 10_001], ids=["torn", "no text", "nothing", "large"])
def test_a_damaged_claim_is_held_by_nobody_knows_whom(
    store: Store, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(FAR, store, monkeypatch)
    (key,) = store.list(keys.CLAIMS)
    store.delete(key)
    store.put(key, data)
    store.put(f"{key.rpartition('/')[0]}/README", b"")
    with pytest.raises(UsageError, match=r"as process \?"), claimed(store, "prod", "daily"):
        pass
    later(OVERDUE * SIGN + 1, monkeypatch)
    with claimed(store, "prod", "daily"):
        assert "2" in left(store)
