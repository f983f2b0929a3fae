"""The four verbs on a folder, and who may use it."""

from __future__ import annotations

import builtins
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.errors import Corrupt, NewerFormat, StoreError
from pipeglot.core.store import folder as module
from pipeglot.core.store.base import Store
from pipeglot.core.store.folder import FolderStore

KEY = "runs/R/v/train/-/1"


def temps(store: FolderStore) -> list[str]:
    return sorted(set(os.listdir(f"{store.root}/tmp")) - {"swept"})


# --- the verbs --------------------------------------------------------------------------------------------------------


def test_is_a_store(store: FolderStore) -> None:
    checked: Store = store
    assert checked.uri == f"file://{store.root}"


def test_put_once(store: FolderStore) -> None:
    assert store.put(KEY, b"first")
    assert not store.put(KEY, b"second")
    assert store.get(KEY) == b"first"
    assert store.size(KEY) == 5
    assert temps(store) == []


def test_put_nothing(store: FolderStore) -> None:
    assert store.put(KEY, b"")
    assert store.get(KEY) == b""
    assert store.size(KEY) == 0


def test_put_a_file_in_chunks(store: FolderStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_500_000))
    assert store.put(KEY, source)
    assert store.get(KEY) == source.read_bytes()
    assert source.stat().st_nlink == 1
    assert not store.put(KEY, source)


def test_put_takes_its_own_temporary_file_without_a_copy(store: FolderStore) -> None:
    temp = store.temp()
    temp.write_bytes(b"data")
    assert store.put(KEY, temp)
    found = store.local(KEY)
    assert found is not None
    assert found.stat().st_ino == temp.stat().st_ino
    assert not store.put(KEY, temp)
    temp.unlink()
    assert store.get(KEY) == b"data"


def test_a_source_file_that_is_gone(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        store.put(KEY, tmp_path / "nothing")
    assert store.get(KEY) is None
    assert temps(store) == []


def test_missing_keys(store: FolderStore) -> None:
    for _ in range(2):
        assert store.get(KEY) is None
        assert store.size(KEY) is None
        assert store.local(KEY) is None
        assert list(store.list("runs/")) == []
        store.delete(KEY)
        store.put("another", b"")


def test_delete_removes_empty_folders(store: FolderStore) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"2")
    store.delete("a/b/c")
    assert list(store.list("")) == ["a/d", "store.json"]
    assert not Path(store.root, "a/b").exists()
    store.delete("a/d")
    assert not Path(store.root, "a").exists()
    assert store.put("a/b/c", b"3")


def test_list_has_the_order_of_keys(store: FolderStore) -> None:
    keys = ["a-b", "a/b", "a/b.c", "a/c/d", "a0", "ab", "b/ü", "b/z/y"]
    for key in reversed(keys):
        store.put(key, b"")
    assert list(store.list("")) == sorted([*keys, "store.json"])
    assert list(store.list("a/")) == ["a/b", "a/b.c", "a/c/d"]
    assert list(store.list("a/c/")) == ["a/c/d"]
    assert list(store.list("c/")) == []


def test_list_shows_keys_only(store: FolderStore) -> None:
    store.put("a/b", b"")
    root = Path(store.root)
    (root / "tmp/put-1-x").write_bytes(b"unfinished")
    (root / "a/.nfs0001").write_bytes(b"deleted but still open elsewhere")
    (root / "a/.DS_Store").write_bytes(b"")
    (root / "a/link").symlink_to("/etc")
    os.mkfifo(root / "a/pipe")
    assert list(store.list("")) == ["a/b", "store.json"]


def test_list_while_others_delete(store: FolderStore) -> None:
    for i in range(4):
        store.put(f"a/{i}/x", b"")
    found = []
    for key in store.list("a/"):
        found.append(key)
        store.delete("a/2/x")
    assert found == ["a/0/x", "a/1/x", "a/3/x"]


def test_local_is_the_file_itself(store: FolderStore) -> None:
    store.put(KEY, b"x")
    assert store.local(KEY) == Path(store.root, KEY)


# --- keys -------------------------------------------------------------------------------------------------------------

BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "../a",
    "a/..",
    "./a",
    "a\0b",
    "a\\b",
    "..\\a",
    "tmp/a",
    "tmp",
    "a/\ud800",
]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("verb", ["put", "get", "size", "delete", "local"])
def test_bad_keys(store: FolderStore, verb: str, key: str) -> None:
    call: Callable[..., object] = getattr(store, verb)
    with pytest.raises(StoreError, match="is no key of a store"):
        call(key, *([b""] if verb == "put" else []))


@pytest.mark.parametrize("prefix", ["a", "/", "../", "a/../", "tmp/", "a//"])
def test_bad_prefixes(store: FolderStore, prefix: str) -> None:
    with pytest.raises(StoreError, match=r"is no key of a store|does not end with `/`"):
        store.list(prefix)


@pytest.mark.parametrize("key", ["a b", "ü/é", "%41", "...", "a..b", ".a", "tmp2/x", "x/tmp", "a'\"$`", "\udc80"])
def test_odd_keys(store: FolderStore, key: str) -> None:
    assert store.put(key, b"x")
    assert store.get(key) == b"x"
    assert key in list(store.list(""))


# --- the folder -------------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "a/b/store")
    assert list(store.list("")) == []
    assert store.get("x") is None
    assert not (tmp_path / "a").exists()
    store.put("x", b"")
    assert (tmp_path / "a/b/store/store.json").read_text() == '{"format": 1}\n'


def test_modes(store: FolderStore) -> None:
    before = os.umask(0)
    try:
        store.put("a/b", b"x")
    finally:
        os.umask(before)
    root = Path(store.root)
    for folder in (root, root / "a", root / "tmp"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (root / "a/b", root / "store.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir(mode=0o755)
    (root / "lost+found").mkdir()
    assert FolderStore(root).put("a", b"")
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(StoreError) as caught:
        FolderStore(tmp_path)
    assert str(caught.value) == (
        f"`{tmp_path}` is not empty and is no store (it has no `store.json`)\n\n"
        f"hint: give the store a folder of its own, such as `{tmp_path}/store`"
    )
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_store_that_another_process_is_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our look for the mark and our look at the folder, the mark is written."""
    other = FolderStore(tmp_path / "store")
    read = FolderStore._read_mark
    calls = []

    def slow(self: FolderStore) -> bytes | None:
        found = read(self)
        calls.append(found)
        if len(calls) == 1:
            monkeypatch.setattr(FolderStore, "_read_mark", read)
            other.put("a/b", b"")
        return found

    monkeypatch.setattr(FolderStore, "_read_mark", slow)
    assert FolderStore(tmp_path / "store").get("a/b") == b""


def test_a_store_of_a_later_format(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": 2, "needs": "pipeglot>=3.1", "more": []}')
    with pytest.raises(NewerFormat) as caught:
        FolderStore(tmp_path)
    assert str(caught.value) == (
        f"the store `{tmp_path}` has format 2, and this pipeglot reads format 1\n\nhint: install `pipeglot>=3.1`"
    )
    (tmp_path / "store.json").write_text('{"format": 2}')
    with pytest.raises(NewerFormat, match="hint: upgrade pipeglot"):
        FolderStore(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "\xff"])
def test_a_damaged_mark(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text, encoding="latin-1")
    with pytest.raises(Corrupt, match=r"store.json` is damaged\n\nhint: if nothing else is, write"):
        FolderStore(tmp_path)


def test_a_mark_that_is_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "store.json").symlink_to("nowhere")
    store = FolderStore(tmp_path)
    assert store.get("a") is None


def test_the_folder_is_gone(store: FolderStore) -> None:
    store.put("a", b"")
    Path(store.root).rename(Path(store.root).with_name("moved"))
    with pytest.raises(StoreError, match=r"is gone\n\nhint: is its disk still mounted\?"):
        store.put("b", b"")
    assert not Path(store.root).exists(), "no second store in its place"


def test_tmp_is_gone(store: FolderStore) -> None:
    for key in ("a", "b"):
        store.put(key, b"")
        shutil.rmtree(f"{store.root}/tmp")
    store.temp().write_bytes(b"")


# --- trust ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "trusted"), [(0o700, True), (0o755, False), (0o750, False), (0o701, False), (0o770, False)]
)
def test_trust(tmp_path: Path, mode: int, trusted: bool) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(mode)
    assert FolderStore(root).trusted is trusted
    assert FolderStore(root, trusted=True).trusted is True
    assert FolderStore(root, trusted=False).trusted is False
    assert stat.S_IMODE(root.stat().st_mode) == mode


def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "store"
    root.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: root.stat().st_uid + 1)
    assert not FolderStore(root).trusted


def test_trust_in_a_store_to_be_made(tmp_path: Path) -> None:
    """What it will be is told; but if another makes it, that is looked at."""
    store = FolderStore(tmp_path / "store")
    assert store.trusted
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o777)
    assert not store.trusted


# --- temporary files --------------------------------------------------------------------------------------------------


def test_old_temporary_files_are_swept(store: FolderStore) -> None:
    store.put("a", b"")
    folder = Path(store.root, "tmp")
    long_ago = time.time() - 2 * 86_400
    for name, age in {"put-1-old": long_ago, "put-1-new": time.time(), "notes": long_ago}.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (age, age))
    FolderStore(store.root).put("b", b"")
    assert temps(store) == ["notes", "put-1-new", "put-1-old"], "not more than once a day"
    os.utime(folder / "swept", (long_ago, long_ago))
    FolderStore(store.root).put("c", b"")
    assert temps(store) == ["notes", "put-1-new"]


def test_sweeping_never_fails_a_write(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "sweep", fail)
    assert store.put("a", b"")


# --- cost -------------------------------------------------------------------------------------------------------------


def test_cost(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In files that are opened: every call does it, so one more is felt."""
    store.put("a", b"")
    store.put("cache/0", b"")
    opened: list[object] = []

    def counted(inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: object, *words: Any, **more: Any) -> Any:
            opened.append(path)
            return inner(path, *words, **more)

        return call

    for owner in (os, builtins):
        monkeypatch.setattr(owner, "open", counted(owner.open))
    FolderStore(store.root)
    store.put("cache/1", b"x" * 1000)
    monkeypatch.undo()
    assert [Path(str(path)).name.partition("-")[0] for path in opened] == ["store.json", "put"]


def test_a_store_below_a_link_to_nowhere_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to("/nonexistent/disk")
    with pytest.raises(StoreError, match="No such file or directory") as found:
        module.FolderStore(tmp_path / "store").put("a/b", b"x")
    assert str(tmp_path / "store") in str(found.value)
