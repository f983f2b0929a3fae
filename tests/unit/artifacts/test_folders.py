"""Folders come back with all that is in them, and nothing gets out of them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts, folders
from pipeglot.core.artifacts.blobs import this_week
from pipeglot.core.errors import Corrupt, StoreError, ValueRefused
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, save

LARGE = folders._PACKED + 1


def build(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "run.sh").write_text("echo")
    (root / "sub" / "run.sh").chmod(0o755)
    (root / "nothing").write_text("")
    (root / "large").write_bytes(b"x" * LARGE)
    (root / "sub" / "large.sh").write_bytes(b"y" * LARGE)
    (root / "sub" / "large.sh").chmod(0o700)
    (root / "sub" / "up").symlink_to("../a.txt")
    (root / "self").symlink_to(".")
    (root / "broken").symlink_to("sub/not/there")
    (root / "ü ' \n").write_text("odd")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_text("no UTF-8")
    return root


def look(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = "-> " + str(path.readlink())
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    return found


def test_comes_back(artifacts: Artifacts, tmp_path: Path) -> None:
    was = build(tmp_path / "was")
    ref = save(artifacts, was)
    assert ref.codec == "dir/1"
    back: Any = artifacts.load(ref, name="data", scratch=tmp_path / "s")
    assert back == tmp_path / "s" / "data"
    assert look(back) == look(was)
    assert len(look(back)) == 12
    assert not back.joinpath("a.txt").stat().st_mode & 0o222
    again: Any = artifacts.load(ref, name="data", scratch=tmp_path / "s")
    assert again == tmp_path / "s" / "data-2"
    assert save(artifacts, again) == ref


@pytest.mark.parametrize("content", [{}, {"a": "b"}])
def test_small_folders(artifacts: Artifacts, store: FolderStore, tmp_path: Path, content: dict[str, str]) -> None:
    (tmp_path / "was").mkdir()
    for name, text in content.items():
        (tmp_path / "was" / name).write_text(text)
    ref = save(artifacts, tmp_path / "was")
    assert list(store.list("")) == []
    assert artifacts.exists(ref)
    back: Any = artifacts.load(ref, scratch=tmp_path / "s")
    assert {path.name: path.read_text() for path in back.iterdir()} == content


def test_many_small_files_are_few_blobs(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    was = tmp_path / "was"
    was.mkdir()
    for i in range(500):
        (was / str(i)).write_text(f"{i} " * 10)
    ref = save(artifacts, was)
    assert len(list(store.list("blobs/"))) == 2
    assert look(artifacts.load(ref, scratch=tmp_path / "s")) == look(was)  # type: ignore[arg-type]


def test_large_files_are_stored_once(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    was = tmp_path / "was"
    was.mkdir()
    for name in ("a", "b"):
        (was / name).write_bytes(b"x" * LARGE)
    ref = save(artifacts, was)
    assert len(list(artifacts.keys(ref))) == 1
    (was / "c").write_text("more")
    save(artifacts, was)
    assert len(list(store.list("blobs/"))) == 1


def test_large_files_are_links(
    artifacts: Artifacts, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    was = build(tmp_path / "was")
    trusting = Artifacts(FolderStore(store.root, trusted=True))
    back: Any = trusting.load(save(artifacts, was), scratch=tmp_path / "s")
    inodes = {path.stat().st_ino for path in Path(store.root, "blobs").rglob("*")}
    assert (back / "large").stat().st_ino in inodes
    assert (back / "sub" / "large.sh").stat().st_ino not in inodes, "it has another mode"


def test_the_value(artifacts: Artifacts, tmp_path: Path) -> None:
    """Names, content, executable bits, links and folders; not times, owners, places or other modes."""
    was = build(tmp_path / "was")
    ref = save(artifacts, was)
    other = build(tmp_path / "elsewhere")
    (other / "a.txt").chmod(0o640)
    os.utime(other / "a.txt", (1, 1))
    assert save(artifacts, other) == ref
    changes: list[Any] = [
        lambda: (other / "a.txt").chmod(0o755),
        lambda: (other / "sub" / "empty").rmdir(),
        lambda: (other / "a.txt").rename(other / "b.txt"),
        lambda: (other / "large").write_bytes(b"z" * LARGE),
        lambda: (other / "nothing").write_text("x"),
        lambda: (other / "broken").unlink(),
    ]
    values = {ref.value}
    for change in changes:
        change()
        values.add(save(artifacts, other).value)
    assert len(values) == len(changes) + 1


def test_a_link_to_a_folder_is_the_folder(artifacts: Artifacts, tmp_path: Path) -> None:
    was = build(tmp_path / "was")
    (tmp_path / "link").symlink_to(was)
    assert save(artifacts, tmp_path / "link") == save(artifacts, was)


def test_existence_and_keys(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    was = build(tmp_path / "was")
    for i in range(200):
        (was / f"{i}").write_text(f"{i}" * 100)
    ref = save(artifacts, was)
    keys = list(artifacts.keys(ref))
    assert sorted(keys) == list(store.list("blobs/"))
    assert len(keys) == 4  # the list, the pack, two large files
    assert artifacts.exists(ref)
    for key in keys:
        data = store.get(key)
        store.delete(key)
        assert not Artifacts(store).exists(ref)
        with pytest.raises(Corrupt, match="is gone: the store"):
            Artifacts(store).load(ref, scratch=tmp_path / "s")
        store.put(key, data or b"")
    assert Artifacts(store).exists(ref)


# --- what cannot be saved ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "loop/x/../.."])
def test_links_that_leave(artifacts: Artifacts, tmp_path: Path, target: str) -> None:
    was = tmp_path / "was"
    (was / "sub").mkdir(parents=True)
    (was / "loop").symlink_to(".")
    (was / "out").symlink_to(target)
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, was)
    assert str(caught.value) == (
        f"output `x` of step `y` cannot be stored: `{was}/out` is a link to `{target}`, outside the folder\n\n"
        "hint: copy what it points to into the folder, or make the link relative if it points inside"
    )


def test_special_files(artifacts: Artifacts, tmp_path: Path) -> None:
    was = tmp_path / "was"
    was.mkdir()
    os.mkfifo(was / "pipe")
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, was)
    assert str(caught.value) == f"output `x` of step `y` cannot be stored: `{was}/pipe` is neither a file nor a folder"


@pytest.mark.parametrize("call", ["scandir", "open", "readlink"])
def test_what_may_not_be_read(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    was = build(tmp_path / "was")

    def deny(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, deny)
        with pytest.raises((ValueRefused, StoreError), match="Permission denied"):
            save(artifacts, was)


# --- lists that were forged -------------------------------------------------------------------------------------------

SHA = "0" * 64


def forged(artifacts: Artifacts, entries: Any, pack: Any = (SHA, 4, b"data")) -> Ref:
    data = plain.dumps_ordered(plain.encode({"entries": entries, "pack": list(pack)}))
    return structs.replace(save(artifacts, data), codec="dir/1", week=this_week())


FORGED: list[list[list[Any]]] = [
    [["../x", "f", SHA, 4, 0]],
    [["/tmp/x", "f", SHA, 4, 0]],
    [["a/../../x", "f", SHA, 4, 0]],
    [["a/b", "f", SHA, 4, 0]],
    [["a", "d"], ["a/..", "f", SHA, 4, 0]],
    [["a", "d"], ["a//b", "f", SHA, 4, 0]],
    [["a", "d"], ["a/", "f", SHA, 4, 0]],
    [["/", "d"], ["//x", "f", SHA, 4, 0]],
    [[".", "d"], ["./x", "f", SHA, 4, 0]],
    [["..", "d"], ["../x", "f", SHA, 4, 0]],
    [["", "d"]],
    [["x\0", "f", SHA, 4, 0]],
    [["x", "f", SHA, 4, 0], ["x", "f", SHA, 4, 0]],
    [["x", "l", "/tmp"], ["x/y", "f", SHA, 4, 0]],
    [["x", "l", "/etc/passwd"]],
    [["x", "l", "../.."]],
    [["a", "l", "b/../x"], ["b", "l", "."]],
    [["x", "s"]],
    [["x", "f", SHA, 99, 0]],
    [["x", "f", SHA, 4, 1]],
    [["x", "f", SHA, 10**15, -1]],
    [["x", "f", "../../x", 4, -1]],
    [["x", "f", SHA, -4, -1]],
    [["x", "f", SHA, -1, 2]],
    [["x"]],
    [[1, "f", SHA, 4, 0]],
    [["x", "f", SHA, "4", 0]],
]


@pytest.mark.parametrize("entries", FORGED, ids=range(len(FORGED)))
def test_forged_lists(artifacts: Artifacts, tmp_path: Path, entries: Any) -> None:
    scratch = tmp_path / "a" / "b" / "s"
    with pytest.raises(Corrupt):
        artifacts.load(forged(artifacts, entries), name="v", scratch=scratch)
    for path in tmp_path.rglob("*"):
        if not str(path).startswith((artifacts.store.uri.removeprefix("file://"), str(scratch / "v"))):
            assert path in (scratch, *scratch.parents), path
        assert not path.is_symlink()


def test_a_forged_list_that_is_fine(artifacts: Artifacts, tmp_path: Path) -> None:
    back: Any = artifacts.load(
        forged(artifacts, [["a", "d"], ["a/x", "x", SHA, 4, 0], ["l", "l", "a/x"]]), scratch=tmp_path / "s"
    )
    assert (back / "l").read_text() == "data"


def test_a_damaged_large_file(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    from pipeglot.core.artifacts import blobs

    ref = save(artifacts, build(tmp_path / "was"))
    assert ref.inline is not None
    key = next(key for key in artifacts.keys(ref) if store.size(key) == LARGE)
    file = blob_file(store, structs.replace(ref, blob=key.rpartition("/")[2]))
    file.chmod(0o600)
    file.write_bytes(b"z" * LARGE)
    blobs._verified.clear()
    with pytest.raises(Corrupt, match=r"`value` is damaged: blob .* should have sha256"):
        artifacts.load(ref, scratch=tmp_path / "s")
