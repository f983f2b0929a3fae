"""What every store does, whatever it is made of: a folder, S3, Azure, GCS as it is documented."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, NewerFormat, StoreError
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from pipeglot.core.store.bucket import PART, SINGLE, BucketStore

KEY = "runs/r/v/train/-/1"
ODD = ["a/%41b", "a/%", "a/ü", "a/a b", "a/#&+~=@!'(),;:$", "a/.b", "a/b.", "a/" + "x" * 200, "a/😀"]
BAD = ["", "/a", "a//b", "a/", "a/./b", "../a", "a\\b", "a\0", "tmp/x"]

Opener = Callable[[], Store]


def test_put_once(any_store: Store) -> None:
    assert any_store.put(KEY, b"first")
    assert not any_store.put(KEY, b"second")
    assert not any_store.put(KEY, b"first"), "the same bytes are another write"
    assert any_store.get(KEY) == b"first"
    assert any_store.size(KEY) == 5


def test_nothing_is_something(any_store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert any_store.put("a", b"")
    assert any_store.put("b", tmp_path / "empty")
    for key in ("a", "b"):
        assert any_store.get(key) == b""
        assert any_store.size(key) == 0
        found = any_store.local(key)
        assert found is not None
        assert found.read_bytes() == b""


def test_what_is_not_there(any_store: Store) -> None:
    for _ in range(2):
        assert any_store.get(KEY) is None
        assert any_store.size(KEY) is None
        assert any_store.local(KEY) is None
        assert list(any_store.list("runs/")) == []
        any_store.delete(KEY)
        any_store.put("another", b"")


@pytest.mark.parametrize("key", ODD)
def test_odd_keys(any_store: Store, opener: Opener, key: str) -> None:
    assert any_store.put(key, key.encode())
    assert not any_store.put(key, b"")
    other = opener()
    assert list(other.list("a/")) == [key]
    assert other.get(key) == key.encode()
    assert other.size(key) == len(key.encode())
    other.delete(key)
    assert list(any_store.list("a/")) == []


@pytest.mark.parametrize("key", BAD)
def test_bad_keys(any_store: Store, key: str) -> None:
    for verb in (any_store.get, any_store.size, any_store.delete, any_store.local, lambda key: any_store.put(key, b"")):
        with pytest.raises(StoreError, match="is no key of a store"):
            verb(key)


def test_a_prefix_ends_with_a_slash(any_store: Store) -> None:
    with pytest.raises(StoreError, match="does not end with `/`"):
        any_store.list("runs")


def test_list_has_the_order_of_keys(any_store: Store) -> None:
    keys = ["a-b", "a/b", "a/b.c", "a/c/d", "a0", "ab", "b/ü", "b/z/y"]
    for key in reversed(keys):
        any_store.put(key, b"")
    assert list(any_store.list("")) == sorted([*keys, "store.json"])
    assert list(any_store.list("a/")) == ["a/b", "a/b.c", "a/c/d"]
    assert list(any_store.list("a/c/")) == ["a/c/d"]
    assert list(any_store.list("c/")) == []


def test_list_takes_many_pages(any_store: Store) -> None:
    keys = [f"many/{number:04}" for number in range(1105)]
    for key in keys:
        any_store.put(key, b"")
    assert list(any_store.list("many/")) == keys


def test_get_all_keeps_the_order(any_store: Store) -> None:
    keys = [f"k/{number}" for number in range(40)]
    for key in keys:
        any_store.put(key, key.encode())
    asked = [*reversed(keys), "k/none", keys[0]]
    found = list(any_store.get_all(iter(asked)))
    assert found == [(key, None if key == "k/none" else key.encode()) for key in asked]
    assert list(any_store.get_all([])) == []
    assert list(any_store.get_all(["k/1"])) == [("k/1", b"k/1")]


def test_deleted_is_gone_for_all(any_store: Store, opener: Opener) -> None:
    any_store.put(KEY, b"x")
    assert any_store.local(KEY) is not None
    opener().delete(KEY)
    any_store.forget_copy(KEY)
    assert any_store.get(KEY) is None
    assert any_store.local(KEY) is None
    assert any_store.put(KEY, b"y")


@pytest.mark.parametrize("size", [1, PART, PART + 1, SINGLE, SINGLE + 1, 3 * PART + 5])
def test_files_of_every_size(any_store: Store, opener: Opener, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    assert any_store.put("a/file", source)
    assert not any_store.put("a/file", source)
    assert any_store.size("a/file") == size
    found = opener().local("a/file")
    assert found is not None
    assert found.read_bytes() == source.read_bytes()


def test_a_source_that_is_gone(any_store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        any_store.put(KEY, tmp_path / "nothing")
    assert any_store.get(KEY) is None


def test_its_own_temporary_file_is_not_copied(any_store: Store) -> None:
    temp = any_store.temp()
    temp.write_bytes(b"data")
    assert any_store.put(KEY, temp)
    found = any_store.local(KEY)
    assert found is not None
    assert found.stat().st_ino == temp.stat().st_ino
    temp.unlink()
    assert any_store.get(KEY) == b"data"
    assert not list(any_store.temp().parent.glob("put-*"))


def test_one_writer_wins(opener: Opener) -> None:
    """Eight at the same time, on the same keys: each key has the bytes of the one that was told so."""
    stores = [opener() for _ in range(8)]
    stores[0].put("first", b"")
    won: list[list[str]] = [[] for _ in stores]
    gate = threading.Barrier(len(stores))

    def write(number: int) -> None:
        gate.wait()
        won[number] = [key for key in (f"race/{i}" for i in range(15)) if stores[number].put(key, b"%d" % number)]

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for keys in won for key in keys) == sorted(f"race/{i}" for i in range(15))
    for number, keys in enumerate(won):
        assert all(stores[0].get(key) == b"%d" % number for key in keys)


def test_reading_makes_nothing(opener: Opener) -> None:
    assert opener().get(KEY) is None
    assert list(opener().list("")) == []


def test_the_uri_opens_it_again(any_store: Store, tmp_path: Path) -> None:
    any_store.put(KEY, b"x")
    again = open_store(any_store.uri, copies=tmp_path / "again")
    assert again.uri == any_store.uri
    assert again.get(KEY) == b"x"


@pytest.mark.parametrize("mark", [b"", b"[]", b"{}", b"\xff", b'{"format": "1"}'])
def test_a_damaged_mark(any_store: Store, opener: Opener, mark: bytes) -> None:
    any_store.put("a", b"")
    any_store.delete("store.json")
    any_store.put("store.json", mark)
    with pytest.raises(StoreError) as caught:
        opener()
    assert "/store.json` is damaged" in caught.value.message or "format 1" in caught.value.message


def test_a_later_format(any_store: Store, opener: Opener) -> None:
    any_store.put("a", b"")
    any_store.delete("store.json")
    any_store.put("store.json", b'{"format": 2, "needs": "pipeglot>=3"}')
    with pytest.raises(NewerFormat, match="has format 2, and this pipeglot reads format 1") as caught:
        opener()
    assert caught.value.hint == "install `pipeglot>=3`"


# --- artifacts --------------------------------------------------------------------------------------------------------


def saved(store: Store, value: object) -> object:
    return Artifacts(store).save(value, name="value", opaque_id=lambda: "0" * 64)


@pytest.mark.parametrize("size", [10, 100_000, SINGLE + 10])
def test_artifacts_come_back(opener: Opener, size: int) -> None:
    value = os.urandom(size)
    artifacts = Artifacts(opener())
    ref = artifacts.save(value, name="value", opaque_id=lambda: "0" * 64)
    assert artifacts.exists(ref)
    assert Artifacts(opener()).load(ref) == value
    assert artifacts.save(value, name="value", opaque_id=lambda: "0" * 64) == ref


def test_damaged_bytes_are_refused_and_repaired(opener: Opener) -> None:
    value = os.urandom(50_000)
    first = opener()
    artifacts = Artifacts(first)
    ref = artifacts.save(value, name="value", opaque_id=lambda: "0" * 64)
    key = next(artifacts.keys(ref))
    first.delete(key)
    assert first.put(key, bytes(50_000))
    with pytest.raises(Corrupt, match="is damaged: blob"):
        Artifacts(opener()).load(ref)
    assert saved(opener(), value) == ref, "who has the right bytes puts them there"
    assert Artifacts(opener()).load(ref) == value


def test_a_damaged_copy_is_made_anew(any_store: Store, opener: Opener) -> None:
    value = os.urandom(50_000)
    ref = Artifacts(any_store).save(value, name="value", opaque_id=lambda: "0" * 64)
    store = opener()
    if not isinstance(store, BucketStore):
        return  # its `local` is the blob itself: see the test before
    key = next(Artifacts(store).keys(ref))
    copy = store.local(key)
    assert copy is not None
    copy.chmod(0o600)
    copy.write_bytes(bytes(50_000))
    assert Artifacts(store).load(ref) == value


def test_entries_tell_sizes_and_when_they_were_written_by_the_clock_of_the_store(any_store: Store) -> None:
    before = time.time()
    for number, key in enumerate(("a/b", "a/c/d", "a-b", "z")):
        any_store.put(key, b"x" * number)
    found = list(any_store.entries("a/"))
    assert [(one.key, one.size) for one in found] == [("a/b", 0), ("a/c/d", 1)]
    assert all(before - 5 <= one.modified <= time.time() + 5 for one in found)
    assert [one.key for one in any_store.entries("")] == list(any_store.list(""))
    assert list(any_store.entries("none/")) == []


def test_several_are_deleted_at_once(any_store: Store) -> None:
    keys = [f"a/{number}" for number in range(40)]
    for key in keys:
        any_store.put(key, b"")
    any_store.delete_all([*keys[1:], "a/none"])
    assert list(any_store.list("a/")) == keys[:1]
    any_store.delete_all([])
