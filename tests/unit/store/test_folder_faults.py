"""What fails in a folder: full disks, missing permissions, lost answers, killed processes, odd file systems."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import folder as module
from pipeglot.core.store import rename
from pipeglot.core.store.folder import FolderStore
from tests.unit.store.test_folder import temps


def fail_with(code: int) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


MESSAGES = {
    errno.ENOSPC: "No space left on device\n\n"
    "hint: the disk is full: free some space and run it again; finished steps are kept",
    errno.EDQUOT: "Disk quota exceeded\n\n"
    "hint: the disk quota is used up: free some space and run it again; finished steps are kept",
    errno.EROFS: "Read-only file system\n\n"
    "hint: the file system is mounted read-only; a run needs a store that it can write to",
    errno.EACCES: "Permission denied\n\nhint: this user may not do that here: look at owner and mode with `ls -ld`",
    errno.EMFILE: "Too many open files\n\nhint: too many files are open: raise the limit with `ulimit -n`",
    errno.EFBIG: "File too large\n\n"
    "hint: no file may be so large here: look at `ulimit -f`, and at the file system's own limit",
    errno.ENXIO: "No such device or address",
}


@pytest.mark.parametrize("code", MESSAGES)
def test_a_write_that_fails(store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    store.put("a", b"")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail_with(code))
        with pytest.raises(StoreError) as caught:
            store.put("b/c", b"data")
    assert str(caught.value) == f"cannot write `{store.root}/b/c`: {MESSAGES[code]}"
    assert temps(store) == []
    assert list(store.list("b/")) == []
    assert store.put("b/c", b"data")


def test_a_write_in_pieces(store: FolderStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:7]))
    data = os.urandom(1000)
    assert store.put("a", data)
    (tmp_path / "source").write_bytes(data)
    assert store.put("b", tmp_path / "source")
    assert store.get("a") == store.get("b") == data


def test_a_disk_that_takes_no_more(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", b"")
    write = os.write
    left = 3

    def some(fd: int, data: Any) -> int:
        nonlocal left
        count = write(fd, bytes(data)[:left])
        left -= count
        return count

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(StoreError, match="No space left on device"):
        store.put("b", b"data")
    assert store.get("b") is None
    assert temps(store) == []


def test_a_real_limit_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """The kernel writes what fits and refuses the rest."""
    code = """
        import resource, signal, sys
        from pipeglot.core.errors import StoreError
        from pipeglot.core.store.folder import FolderStore
        store = FolderStore(sys.argv[1])
        store.put("a", b"")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            store.put("b", bytes(5000))
        except StoreError as error:
            print(error)
    """
    ran = run(code, tmp_path / "store")
    assert ran.stdout == f"cannot write `{tmp_path}/store/b`: {MESSAGES[errno.EFBIG]}\n"
    store = FolderStore(tmp_path / "store")
    assert store.get("b") is None
    assert temps(store) == []


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_the_link(tmp_path: Path, moment: str) -> None:
    code = f"""
        import os, signal, sys
        from pipeglot.core.store.folder import FolderStore
        store = FolderStore(sys.argv[1])
        store.put("a", b"")
        link = os.link
        def die(*args):
            {"link(*args)" if moment == "after" else "pass"}
            os.kill(os.getpid(), signal.SIGKILL)
        os.link = die
        store.put("b/c", b"data")
    """
    assert run(code, tmp_path / "store").returncode == -signal.SIGKILL
    store = FolderStore(tmp_path / "store")
    assert len(temps(store)) == 1
    assert store.get("b/c") == (b"data" if moment == "after" else None)
    assert store.put("b/c", b"again") is (moment == "before")


def test_killed_while_the_store_is_made(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pipeglot.core.store.folder import FolderStore
        os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        FolderStore(sys.argv[1]).put("a", b"")
    """
    assert run(code, tmp_path / "store").returncode == -signal.SIGKILL
    assert os.listdir(tmp_path / "store") == ["tmp"]
    assert FolderStore(tmp_path / "store").put("a", b"")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError) as caught:
        FolderStore(tmp_path / "store")
    assert str(caught.value) == (
        f"cannot open the store `{tmp_path}/store`: Not a directory\n\n"
        "hint: something on this path is a file and should be a folder"
    )


def test_a_file_where_a_folder_should_be(store: FolderStore) -> None:
    store.put("a", b"")
    for verb in (store.get, store.size, store.local, store.delete, lambda key: store.put(key, b"")):
        with pytest.raises(StoreError, match="Not a directory"):
            verb("a/b")


def test_a_folder_where_a_file_should_be(store: FolderStore) -> None:
    store.put("a/b", b"")
    for verb in (store.get, store.size, store.local):
        with pytest.raises(StoreError, match=r"cannot read `.*/a`: Is a directory"):
            verb("a")


def test_a_name_that_is_too_long(store: FolderStore) -> None:
    with pytest.raises(StoreError, match=r"File name too long\n\nhint: a part of this path is longer than"):
        store.put("x" * 300, b"")


@pytest.mark.parametrize("verb", ["get", "size", "list", "delete"])
def test_no_permission(store: FolderStore, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    store.put("a/b", b"")
    fail = fail_with(errno.EACCES)
    for name in ("stat", "unlink", "scandir"):
        monkeypatch.setattr(os, name, fail)
    monkeypatch.setattr(module, "open", fail, raising=False)
    with pytest.raises(
        StoreError, match=r"cannot (read|list|delete) `.*/a.*`: Permission denied\n\nhint: this user may not"
    ):
        list(getattr(store, verb)("a/" if verb == "list" else "a/b") or [])


def test_no_permission_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open", fail_with(errno.EACCES), raising=False)
    with pytest.raises(StoreError, match=r"cannot open the store `.*`: Permission denied"):
        FolderStore(tmp_path)


def test_no_permission_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "store")
    monkeypatch.setattr(os, "mkdir", fail_with(errno.EROFS))
    with pytest.raises(StoreError, match=r"cannot write to the store `.*/store`: Read-only file system"):
        store.put("a", b"")


# --- file systems that are different ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EEXIST, errno.EIO, errno.ETIMEDOUT])
def test_a_link_whose_answer_was_lost(store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An NFS client sends a request again if the answer is late, and then learns that the name is taken: by itself."""
    link = os.link

    def lost(source: str, target: str) -> None:
        link(source, target)
        fail_with(code)()

    monkeypatch.setattr(os, "link", lost)
    assert store.put("a", b"mine")
    temp = store.temp()
    temp.write_bytes(b"mine")
    assert store.put("b", temp)
    monkeypatch.setattr(os, "link", link)
    assert not store.put("a", b"other")
    assert not store.put("b", temp), "its second name is that of the first put"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_no_hard_links(store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has a rename that spares existing files")
    monkeypatch.setattr(os, "link", fail_with(code))
    assert store.put("a/b", b"first")
    assert not store.put("a/b", b"second")
    assert store.get("a/b") == b"first"
    temp = store.temp()
    temp.write_bytes(b"own")
    assert not store.put("a/b", temp)
    assert store.put("c/d", temp)
    assert temps(store) == []


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
def test_neither_links_nor_a_safe_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    monkeypatch.setattr(module, "rename_new", fail_with(code))
    store = FolderStore(tmp_path / "store")
    with pytest.raises(StoreError) as caught:
        store.put("a", b"")
    assert str(caught.value) == (
        f"the file system of `{tmp_path}/store` has neither hard links nor a rename that spares existing files\n\n"
        "hint: two writers could overwrite each other there: put the store on another file system"
    )
    assert temps(store) == []


def test_a_system_without_that_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    class Nothing:
        def __init__(self, *_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(ctypes, "CDLL", Nothing)
    monkeypatch.setattr(rename, "_call", None)
    with pytest.raises(OSError, match="Function not implemented"):
        rename.rename_new("a", "b")


def test_a_folder_that_is_deleted_again_and_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a/b", b"")
    link = os.link
    count = 0

    def link_late(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count < 4:
            os.rmdir(os.path.dirname(target))
        link(source, target)

    store.delete("a/b")
    os.mkdir(f"{store.root}/a")
    monkeypatch.setattr(os, "link", link_late)
    assert store.put("a/c", b"")
    monkeypatch.setattr(os, "link", fail_with(errno.ENOENT))
    with pytest.raises(StoreError, match="its folder, or the temporary file, vanishes while it is written"):
        store.put("a/d", b"")


# --- durable ----------------------------------------------------------------------------------------------------------


def test_durable_syncs_file_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}").removeprefix(f"{tmp_path}/"))
        fsync(fd)

    if sys.platform != "linux":
        pytest.skip("looks at /proc")
    store = FolderStore(tmp_path / "store", durable=True)
    store.put("a", b"")
    monkeypatch.setattr(os, "fsync", note)
    store.put("b/c/d", b"")
    temp, *folders = synced
    assert temp.startswith("store/tmp/put-")
    assert folders == ["store", "store/b", "store/b/c"]
    synced.clear()
    assert not store.put("b/c/d", b"")
    assert synced[1:] == ["store/b/c"], "who loses goes on as if the file were safe"
    synced.clear()
    own = store.temp()
    own.write_bytes(b"")
    store.put("b/e", own)
    assert synced == [f"store/tmp/{own.name}", "store/b"]
