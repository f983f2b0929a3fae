"""Blobs are stored once, verified, and repaired by who holds good bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.errors import Corrupt, StoreError
from pipeglot.core.store import open_store
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, damage, save

VALUE = "x" * 10_000


@pytest.fixture(autouse=True)
def forget() -> None:
    """What this process has verified, it does not verify again: each test is a process of its own."""
    blobs._verified.clear()


def stored(store: FolderStore) -> list[str]:
    return list(store.list("blobs/"))


def temps(store: FolderStore) -> set[str]:
    return set(os.listdir(f"{store.root}/tmp")) - {"swept"}


def test_a_value_saved_twice_is_stored_once(artifacts: Artifacts, store: FolderStore) -> None:
    first, second = save(artifacts, VALUE), save(artifacts, VALUE)
    assert first == second
    assert stored(store) == [f"blobs/{first.week}/{first.blob}"]
    assert temps(store) == set()


def test_where_blobs_lie(artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, VALUE)
    assert ref.week == time.strftime("%G-W%V", time.gmtime())
    file = blob_file(store, ref)
    assert file.stat().st_mode & 0o777 == 0o400
    assert hashlib.sha256(file.read_bytes()).hexdigest() == ref.blob
    assert file.stat().st_size == ref.size
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2027, 1, 1, 0, 0, 0, 4, 1, 0)))
    later = save(artifacts, VALUE)
    assert (later.week, later.blob, later.value) == ("2026-W53", ref.blob, ref.value)
    assert len(stored(store)) == 2


def test_keys_and_existence(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, VALUE)
    assert list(artifacts.keys(ref)) == stored(store)
    assert artifacts.exists(ref)
    damage(blob_file(store, ref), b"short")
    assert not artifacts.exists(ref)
    store.delete(stored(store)[0])
    assert not artifacts.exists(ref)
    inline = save(artifacts, 1)
    assert artifacts.exists(inline)
    assert list(artifacts.keys(inline)) == []


def test_damage_is_found(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, VALUE)
    damage(blob_file(store, ref))
    blobs._verified.clear()
    with pytest.raises(Corrupt) as caught:
        artifacts.load(ref, name="features")
    found = hashlib.sha256(blob_file(store, ref).read_bytes()).hexdigest()
    assert str(caught.value) == (
        f"`features` is damaged: blob `blobs/{ref.week}/{ref.blob}` of `{store.uri}`"
        f" should have sha256 {ref.blob}, and has {found}\n\n"
        "hint: run the step that made it again: saving the same value repairs it"
    )


def test_a_wrong_size_is_found(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, VALUE)
    damage(blob_file(store, ref), b"short")
    with pytest.raises(Corrupt, match=r"should have 10002 bytes, and has 5 bytes"):
        artifacts.load(ref)


def test_a_blob_that_is_gone(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, VALUE)
    store.delete(stored(store)[0])
    with pytest.raises(Corrupt) as caught:
        artifacts.load(ref, name="output `x` of step `y`")
    assert str(caught.value) == (
        f"output `x` of step `y` is gone: the store `{store.uri}` has no blob `blobs/{ref.week}/{ref.blob}`\n\n"
        "hint: it was removed from the store: run the step that made it again"
    )


def test_damage_is_repaired_by_who_holds_good_bytes(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, VALUE)
    for data in (None, b"short", b""):
        damage(blob_file(store, ref), data)
        assert save(artifacts, VALUE) == ref
        assert artifacts.load(ref) == VALUE
    assert len(stored(store)) == 1
    assert temps(store) == set()


def test_damage_that_cannot_be_repaired(
    artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = save(artifacts, VALUE)
    damage(blob_file(store, ref))
    monkeypatch.setattr(FolderStore, "delete", lambda *_: None)
    with pytest.raises(Corrupt) as caught:
        save(artifacts, VALUE)
    assert str(caught.value) == (
        f"blob `blobs/{ref.week}/{ref.blob}` of `{store.uri}` is damaged again as soon as it is repaired"
    )


def test_deleted_between_the_put_and_the_look(
    artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gc may take the very blob that a save has found."""
    ref = save(artifacts, VALUE)
    put = FolderStore.put

    def put_and_lose(self: FolderStore, key: str, data: Any) -> bool:
        found = put(self, key, data)
        if not found:
            self.delete(key)
        return found

    monkeypatch.setattr(FolderStore, "put", put_and_lose)
    assert save(artifacts, VALUE) == ref
    assert artifacts.exists(ref)


def test_each_file_is_hashed_once(artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    real = blobs._hash

    def note(fd: int) -> str:
        hashed.append(fd)
        return real(fd)

    monkeypatch.setattr(blobs, "_hash", note)
    ref = save(artifacts, VALUE)
    artifacts.load(ref)
    save(artifacts, VALUE)
    assert hashed == [], "this process wrote it"
    blobs._verified.clear()
    artifacts.load(ref)
    Artifacts(open_store(store.root)).load(ref)
    assert len(hashed) == 1
    os.utime(blob_file(store, ref))
    artifacts.load(ref)
    assert len(hashed) == 2, "it was touched"
    monkeypatch.setattr(blobs, "_MANY", 1)
    artifacts.load(save(artifacts, "y" * 5000))
    assert len(blobs._verified) == 1


def test_a_full_disk(artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    save(artifacts, VALUE)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    for value in ("y" * 5000, np.arange(5000), lambda: b"y" * 5000, [b"z" * 5000]):
        with pytest.raises(StoreError, match=r"cannot write `.*`: No space left on device\n\nhint: the disk is full"):
            save(artifacts, value if not callable(value) else {"k": value, "big": value() * 20})
        assert temps(store) == set()
    assert len(stored(store)) == 1


def test_a_temporary_file_that_cannot_be_made(
    artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(artifacts, VALUE)
    real = os.open

    def deny(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(StoreError, match="Permission denied"):
        save(artifacts, "y" * 5000)


def test_a_disk_that_cannot_be_read(artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, VALUE)

    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for name in ("readv", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            for _ in range(2):
                with pytest.raises(StoreError, match=r"cannot read `.*`: Input/output error\n\nhint: the disk or its"):
                    artifacts.load(ref)
                blobs._verified.clear()


def test_a_blob_that_shrinks_while_it_is_read(
    artifacts: Artifacts, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = save(artifacts, VALUE)
    real = os.readv

    def readv(fd: int, buffers: Any) -> int:
        damage(blob_file(store, ref), b"short")
        monkeypatch.setattr(os, "readv", real)
        return real(fd, buffers)

    monkeypatch.setattr(os, "readv", readv)
    with pytest.raises(StoreError, match="it ends too early"):
        artifacts.load(ref)


def test_nothing_is_left_when_a_codec_fails(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> NoReturn:
            raise KeyError("no")

    with pytest.raises(Exception, match="no"):
        save(artifacts, {"big": b"x" * 100_000, "bad": Bad()})
    assert stored(store) == []
    assert temps(store) == set()
