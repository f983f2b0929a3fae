"""Lists of what is no plain data: each item by its own codec, and reachable alone."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from msgspec import UNSET, structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.artifacts.blobs import this_week
from pipeglot.core.errors import Corrupt, NewerFormat, ValueRefused
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import OPAQUE, save

LARGE = np.arange(1000.0)


class Model:
    def __init__(self, weight: object) -> None:
        self.weight = weight


def test_comes_back(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a,b")
    frame = pd.DataFrame({"a": [1, 2]})
    was = [LARGE, 1, "x", frame, (np.arange(3), {"k": [1]}), tmp_path / "f.csv", b"x" * 5000, None]
    ref = save(artifacts, was)
    assert (ref.codec, ref.length, ref.opaque) == ("items/1", 8, False)
    back: Any = artifacts.load(ref, name="all", scratch=tmp_path / "s")
    assert type(back) is list
    assert back[0].tolist() == LARGE.tolist()
    assert back[1:3] == [1, "x"]
    assert back[3].equals(frame)
    assert type(back[4]) is tuple
    assert back[4][1] == {"k": [1]}
    assert back[5] == tmp_path / "s" / "all-5.csv"
    assert back[6:] == [b"x" * 5000, None]


def test_a_tuple_stays_a_tuple(artifacts: Artifacts) -> None:
    ref = save(artifacts, (LARGE, 1))
    assert type(artifacts.load(ref)) is tuple
    assert ref.value != save(artifacts, [LARGE, 1]).value


def test_items(artifacts: Artifacts, store: FolderStore) -> None:
    was = [LARGE, 1, (np.arange(3), LARGE, "x" * 5000)]
    ref = save(artifacts, was)
    for reader in (artifacts, Artifacts(store)):
        assert reader.item(ref, 0) == save(artifacts, LARGE)
        assert reader.item(ref, 1) == save(artifacts, 1)
        inner = reader.item(ref, 2)
        assert inner == save(artifacts, was[2])
        assert inner.length == 3
        assert reader.item(inner, 2) == save(artifacts, "x" * 5000)
        assert reader.load(reader.item(inner, 0)).tolist() == [0, 1, 2]  # type: ignore[attr-defined]


def test_a_small_list_of_large_items_is_inline(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, [LARGE])
    assert ref.inline is not UNSET
    assert ref.week
    assert list(artifacts.keys(ref)) == list(store.list("blobs/"))
    travelled = msgspec.json.decode(msgspec.json.encode(ref), type=Ref)
    assert artifacts.exists(travelled)
    assert artifacts.load(travelled)[0].tolist() == LARGE.tolist()  # type: ignore[index]
    store.delete(next(artifacts.keys(ref)))
    assert not artifacts.exists(ref)


def test_a_list_of_small_items_needs_no_blob(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, [np.arange(3), 1])
    assert ref.week == ""
    assert list(store.list("")) == []
    assert artifacts.exists(ref)


def test_existence(artifacts: Artifacts, store: FolderStore) -> None:
    """Of the list, and of each item, however deep."""
    was = [np.arange(n * 1000.0) for n in range(1, 40)]
    ref = save(artifacts, [1, (was, np.arange(500.0))])
    keys = sorted(artifacts.keys(ref))
    assert keys == list(store.list("blobs/"))
    assert len(keys) == 41
    for key in keys:
        data = store.get(key)
        store.delete(key)
        assert not Artifacts(store).exists(ref)
        store.put(key, data or b"")
    assert Artifacts(store).exists(ref)


# --- opaque items -----------------------------------------------------------------------------------------------------


def opaque(artifacts: Artifacts, value: object, identity: str) -> Ref:
    return artifacts.save(value, name="x", opaque_id=lambda: identity)


def test_an_opaque_item_makes_the_list_opaque(artifacts: Artifacts) -> None:
    ref = save(artifacts, [Model(1), LARGE])
    assert (ref.opaque, ref.value) == (True, OPAQUE)
    assert ref.key_hash == ref.blob
    assert ref.needs["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    model, array = artifacts.item(ref, 0), artifacts.item(ref, 1)
    assert (model.opaque, model.value, model.needs) == (True, plain.digest(["item", OPAQUE, 0]), ref.needs)
    assert (array.opaque, array.value, array.needs) == (False, save(artifacts, LARGE).value, {})
    assert artifacts.load(model).weight == 1  # type: ignore[attr-defined]


def test_nested_opaque_items(artifacts: Artifacts) -> None:
    ref = save(artifacts, [[Model(1), Model(2)], [Model(3)]])
    values = {artifacts.item(artifacts.item(ref, i), j).value for i, j in ((0, 0), (0, 1), (1, 0))}
    assert len(values) == 3
    assert artifacts.item(ref, 1).value == plain.digest(["item", OPAQUE, 1])


def test_the_bytes_do_not_say_where_they_were_made(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a cache key made of them lasts: not the week, not the code, not the versions of packages."""
    was = [Model(1), LARGE, [Model("x" * 5000)]]
    first = opaque(artifacts, was, "a" * 64)
    monkeypatch.setattr(blobs, "this_week", lambda: "2027-W01")
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.this_week", lambda: "2027-W01")
    monkeypatch.setattr("pipeglot.core.artifacts.pickles.versions", lambda _: {"other": "1.0"})
    second = opaque(artifacts, was, "b" * 64)
    assert (first.week, second.week) != ("2027-W01", first.week)
    assert first.blob == second.blob == second.key_hash
    assert first.value != second.value
    assert artifacts.item(second, 0).needs["other"] == "1.0"
    assert artifacts.exists(artifacts.item(second, 1))
    assert artifacts.item(second, 1).week == "2027-W01"


# --- lists that cannot be ---------------------------------------------------------------------------------------------


def test_lists_that_contain_themselves(artifacts: Artifacts) -> None:
    loop: list[Any] = [LARGE]
    loop.append([loop])
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, loop)
    assert str(caught.value) == (
        "item 0 of item 1 of output `x` of step `y` cannot be stored: it is nested more than 32 lists deep,"
        " or contains itself\n\nhint: return a flat list"
    )


def test_a_plain_loop_is_pickled(artifacts: Artifacts) -> None:
    loop: list[Any] = []
    loop.append(loop)
    ref = save(artifacts, loop)
    assert ref.codec == "pickle/1"
    back: Any = artifacts.load(ref)
    assert back[0] is back


def test_deep_lists(artifacts: Artifacts) -> None:
    value: Any = np.arange(3)
    for _ in range(32):
        value = [value]
    ref = save(artifacts, value)
    back: Any = artifacts.load(ref)
    for _ in range(32):
        back = back[0]
    assert back.tolist() == [0, 1, 2]
    with pytest.raises(ValueRefused, match="nested more than 32 lists deep"):
        save(artifacts, [value])


def test_an_item_that_cannot_be_stored(artifacts: Artifacts) -> None:
    lock = threading.Lock()
    with pytest.raises(
        ValueRefused, match=r"^item 1 of item 2 of output `x` of step `y` \(a `_thread.lock`\) cannot be"
    ):
        save(artifacts, [1, 2, [3, lock]])
    with pytest.raises(ValueRefused, match=r"^`data\[1\]` \(a `_thread.lock`\) cannot be stored"):
        save(artifacts, [1, lock], name="data")


# --- lists that were forged -------------------------------------------------------------------------------------------


def forged(artifacts: Artifacts, data: bytes) -> Ref:
    return structs.replace(save(artifacts, data), codec="items/1", week=this_week())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"kind":"set","items":[]}', b'{"kind":"list","items":[1]}'])
def test_what_is_no_list(artifacts: Artifacts, data: bytes) -> None:
    ref = forged(artifacts, data)
    for call in (artifacts.load, lambda ref: artifacts.item(ref, 0), lambda ref: list(artifacts.keys(ref))):
        with pytest.raises(Corrupt, match="cannot be read: its bytes are no `items/1`"):
            call(ref)
    assert not artifacts.exists(ref)


def test_a_list_in_a_list_without_end(artifacts: Artifacts) -> None:
    ref = save(artifacts, np.arange(3))
    for _ in range(40):
        data = msgspec.json.encode({"kind": "list", "items": [structs.replace(ref, week="-")]})
        ref = forged(artifacts, data)
    for call in (artifacts.load, lambda ref: list(artifacts.keys(ref))):
        with pytest.raises(Corrupt, match="is nested more than 32 lists deep"):
            call(ref)


def test_an_item_of_a_later_pipeglot(artifacts: Artifacts) -> None:
    item = structs.replace(save(artifacts, 1), codec="new/1")
    ref = forged(artifacts, msgspec.json.encode({"kind": "list", "items": [item], "later": True}))
    with pytest.raises(NewerFormat):
        artifacts.load(ref)
    assert artifacts.item(ref, 0) == item
