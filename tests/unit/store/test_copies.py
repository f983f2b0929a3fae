"""Local copies of what lies in a bucket."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import copies as module
from pipeglot.core.store.copies import Copies, default_folder


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(str(tmp_path / "copies/x"), most=1000)


def add(copies: Copies, key: str, size: int) -> str:
    temp = copies.temp()
    Path(temp).write_bytes(bytes(size))
    return copies.take(key, temp)


def age(path: str, seconds: float) -> None:
    """As if it had been used that long ago."""
    info = os.stat(path)
    os.utime(path, (info.st_atime - seconds, info.st_mtime))


def test_nothing_is_made_for_looking(copies: Copies, tmp_path: Path) -> None:
    assert copies.find("a") is None
    assert not copies.forget("a")
    assert not (tmp_path / "copies").exists()


def test_take_find_forget(copies: Copies) -> None:
    path = add(copies, "a/b", 10)
    assert copies.find("a/b") == path
    assert copies.find("a") is None
    assert copies.forget("a/b")
    assert copies.find("a/b") is None
    assert os.stat(copies.folder).st_mode & 0o777 == 0o700


def test_to_use_one_does_not_change_it(copies: Copies) -> None:
    """Its time of change tells that it is the file that was verified."""
    path = add(copies, "a", 1)
    os.utime(path, (0, 5))
    assert copies.find("a") == path
    info = os.stat(path)
    assert info.st_mtime == 5
    assert info.st_atime > 5


def test_a_shared_file_keeps_its_name(copies: Copies) -> None:
    temp = copies.temp()
    Path(temp).write_bytes(b"x")
    copies.share("a", temp)
    copies.share("a", temp)
    found = copies.find("a")
    assert found is not None
    assert os.path.samefile(found, temp)


def test_the_longest_unused_go_first(copies: Copies) -> None:
    paths = {name: add(copies, name, 300) for name in "abc"}
    for name, seconds in zip("abc", (300, 900, 600), strict=True):
        age(paths[name], seconds)
    assert copies.find("b")
    add(copies, "d", 300)
    assert [name for name in "abcd" if copies.find(name)] == ["a", "b", "d"]


def test_what_was_just_used_stays(copies: Copies) -> None:
    for name in "abcdef":
        add(copies, name, 400)
    assert all(copies.find(name) for name in "abcdef")
    for name in "abcdef":
        found = copies.find(name)
        assert found is not None
        age(found, module._YOUNG + 1)
    add(copies, "g", 400)
    assert sum(file.size for file in module._files(copies.folder)) <= 1000


def test_one_that_is_open_can_go(copies: Copies) -> None:
    path = add(copies, "a", 900)
    with open(path, "rb") as file:
        age(path, 600)
        add(copies, "b", 900)
        assert copies.find("a") is None
        assert file.read() == bytes(900)


def test_on_a_full_disk_copies_go_first(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {name: add(copies, name, 100) for name in "abc"}
    for name, seconds in zip("abc", (300, 900, 600), strict=True):
        age(paths[name], seconds)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=5))
    copies.make_room(50)
    assert len(os.listdir(copies.folder)) == 4, "three and `tmp`: there is room"
    copies.make_room(51)
    assert [name for name in "abc" if os.path.exists(paths[name])] == ["a", "c"]
    copies.make_room(10_000)
    assert not any(os.path.exists(path) for path in paths.values())


def test_others_files_are_not_counted(copies: Copies) -> None:
    add(copies, "a", 1)
    Path(copies.folder, "mine").write_bytes(bytes(5000))
    age(str(copies.find("a")), 600)
    add(copies, "b", 1)
    assert copies.find("a")
    assert Path(copies.folder, "mine").exists()


def test_a_folder_of_somebody_else(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(copies.folder).parent.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match="is not a folder of this user's own\n\nhint: remove it, or set `TMPDIR`"):
        copies.temp()


def test_copies_that_somebody_else_laid_ready_are_not_taken(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be verified, and could be changed after that."""
    add(copies, "a", 1)
    other = Copies(copies.folder)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match="is not a folder of this user's own"):
        other.find("a")


def test_a_link_is_no_folder(copies: Copies, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "copies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is not a folder of this user's own"):
        copies.temp()


def test_the_folder_is_gone(copies: Copies) -> None:
    add(copies, "a", 1)
    import shutil

    shutil.rmtree(copies.folder)
    assert copies.find("a") is None
    assert add(copies, "a", 1)


def test_without_a_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert default_folder() == tmp_path / f"pipeglot-copies-{os.geteuid()}"
