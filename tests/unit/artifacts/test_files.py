"""Files: content and suffix travel, name and place do not."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest
from msgspec import structs

from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.artifacts.files import stem, suffix
from pipeglot.core.errors import Corrupt, StoreError, ValueRefused
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, save


def write(path: Path, size: int = 10_000) -> Path:
    path.write_bytes((b"%d," % size) * (size // 4 + 1))
    return path


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not root, to whom read-only means nothing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.mark.parametrize("size", [0, 10, 10_000, 3_000_000])
def test_comes_back(artifacts: Artifacts, tmp_path: Path, size: int) -> None:
    was = write(tmp_path / "some name.csv", size)
    ref = save(artifacts, was)
    assert ref.codec == "file/1"
    back = artifacts.load(ref, name="features", scratch=tmp_path / "scratch")
    assert isinstance(back, Path)
    assert back == tmp_path / "scratch" / "features.csv"
    assert back.read_bytes() == was.read_bytes()
    assert stat.S_IMODE(back.stat().st_mode) == 0o400


def test_the_value_is_content_and_suffix(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ref = save(artifacts, write(tmp_path / "a.csv"))
    same = save(artifacts, write(tmp_path / "other" / "b.csv"))
    assert same == ref
    assert save(artifacts, write(tmp_path / "a.txt")).value != ref.value
    assert save(artifacts, write(tmp_path / "a.txt")).blob == ref.blob
    assert save(artifacts, write(tmp_path / "c.csv", 10_001)).value != ref.value
    assert save(artifacts, (tmp_path / "a.csv").read_bytes()).value != ref.value


def test_later_changes_do_not_matter(artifacts: Artifacts, tmp_path: Path) -> None:
    was = write(tmp_path / "a.csv")
    ref = save(artifacts, was)
    before = was.read_bytes()
    was.write_bytes(b"other")
    assert artifacts.load(ref, scratch=tmp_path / "s").read_bytes() == before  # type: ignore[attr-defined]


def test_is_a_link(artifacts: Artifacts, store: FolderStore, tmp_path: Path, user: None) -> None:
    ref = save(artifacts, write(tmp_path / "a.csv"))
    trusting = Artifacts(FolderStore(store.root, trusted=True))
    back: Any = trusting.load(ref, scratch=tmp_path / "s")
    assert back.stat().st_ino == blob_file(store, ref).stat().st_ino


def test_is_a_copy_where_others_may_write(artifacts: Artifacts, store: FolderStore, tmp_path: Path, user: None) -> None:
    """They could change the file after its hash was taken."""
    ref = save(artifacts, write(tmp_path / "a.csv"))
    wary = Artifacts(FolderStore(store.root, trusted=False))
    back: Any = wary.load(ref, scratch=tmp_path / "s")
    assert back.stat().st_ino != blob_file(store, ref).stat().st_ino
    assert back.read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_is_a_copy_for_root(
    artifacts: Artifacts, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may write to a read-only file would write into the store."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ref = save(artifacts, write(tmp_path / "a.csv"))
    back: Any = artifacts.load(ref, scratch=tmp_path / "s")
    assert back.stat().st_ino != blob_file(store, ref).stat().st_ino
    assert back.read_bytes() == (tmp_path / "a.csv").read_bytes()


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_a_copy_where_no_link_is_possible(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: None, code: int
) -> None:
    ref = save(artifacts, write(tmp_path / "a.csv", 3_000_000))

    def fail(*_: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", fail)
    first: Any = artifacts.load(ref, scratch=tmp_path / "s")
    monkeypatch.setattr(os, "copy_file_range", fail)
    second: Any = artifacts.load(ref, scratch=tmp_path / "s")
    monkeypatch.delattr(os, "copy_file_range")
    third: Any = artifacts.load(ref, scratch=tmp_path / "s")
    assert first.read_bytes() == second.read_bytes() == third.read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert [path.name for path in (first, second, third)] == ["value.csv", "value-2.csv", "value-3.csv"]


def test_names_that_are_taken(artifacts: Artifacts, tmp_path: Path, user: None) -> None:
    refs = [save(artifacts, write(tmp_path / f"{size}.csv", size)) for size in (10, 10_000)]
    found = [artifacts.load(ref, name="x", scratch=tmp_path / "s") for ref in (*refs, *refs)]
    assert [path.name for path in found] == ["x.csv", "x-2.csv", "x-3.csv", "x-4.csv"]  # type: ignore[attr-defined]


def test_without_a_scratch_folder(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    back: Any = artifacts.load(save(artifacts, write(tmp_path / "a.csv")))
    assert back.parent.parent == tmp_path
    assert back.name == "value.csv"


def test_a_full_scratch_folder(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    refs = [save(artifacts, write(tmp_path / f"{size}.csv", size)) for size in (10, 10_000)]
    monkeypatch.setattr(os, "copy_file_range", full, raising=False)
    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(os, "write", full)
    for ref in refs:
        with pytest.raises(StoreError, match=r"cannot write `.*/s/value.csv`: No space left on device"):
            artifacts.load(ref, scratch=tmp_path / "s")
    assert os.listdir(tmp_path / "s") == []


def test_a_damaged_blob(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    ref = save(artifacts, write(tmp_path / "a.csv"))
    file = blob_file(store, ref)
    file.chmod(0o600)
    file.write_bytes(bytes(file.stat().st_size))
    blobs._verified.clear()
    with pytest.raises(Corrupt, match="should have sha256"):
        artifacts.load(ref, scratch=tmp_path / "s")
    assert os.listdir(tmp_path / "s") == []


# --- what cannot be saved ---------------------------------------------------------------------------------------------


def test_a_path_to_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, tmp_path / "nothing.csv")
    assert str(caught.value) == (
        f"output `x` of step `y` is the path `{tmp_path}/nothing.csv`, which cannot be "
        "read: No such file or directory"
        "\n\n"
        "hint: write the file before you return its path, and return an absolute one if the step changes folders"
    )


def test_a_file_that_may_not_be_read(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv")

    def deny(*_: object) -> NoReturn:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(ValueRefused, match="which cannot be read: Permission denied"):
        save(artifacts, path)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_special_files(artifacts: Artifacts, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pipe" if kind == "fifo" else Path("/dev/null")
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, path)
    assert str(caught.value) == f"output `x` of step `y` cannot be stored: `{path}` is neither a file nor a folder"


def test_links_are_followed(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(write(tmp_path / "a.csv"))
    assert save(artifacts, tmp_path / "link.csv") == save(artifacts, tmp_path / "a.csv")


# --- names ------------------------------------------------------------------------------------------------------------


SUFFIXES = {
    "a.csv": ".csv", "a.tar.gz": ".tar.gz", "a.CSV": ".CSV", "a": "", ".bashrc": "", ".a.b": ".b", "a.": "",
    "a.gz": ".gz", "a.2013.csv": ".csv", "x.y.gz.gz": ".gz.gz", ".gz": "", "a. b": "", "a.\n": "", "a.ü": ".ü",
    "a." + "x" * 40: "",
}  # fmt: skip
STEMS = {
    "features": "features", "output `auc` of step `train`": "auc", "data[3]": "data-3", "../../etc/x": "etc-x",
    "`..`": "value", "": "value", "ü": "value", "x.model": "x.model", "a" * 300: "a" * 80,
    "item 3 of output `a/b` of step `c`": "a-b",
}  # fmt: skip


@pytest.mark.parametrize("name", SUFFIXES)
def test_suffixes(name: str) -> None:
    assert suffix(name) == SUFFIXES[name]


@pytest.mark.parametrize("name", STEMS)
def test_stems(name: str) -> None:
    assert stem(name) == STEMS[name]


@pytest.mark.parametrize("bad", ["/x", ".a/b", "./../x", ".\0", "x", "...", 3, ".a.b.c", ".."])
def test_a_suffix_from_a_forged_record(artifacts: Artifacts, tmp_path: Path, bad: Any) -> None:
    ref = structs.replace(save(artifacts, write(tmp_path / "a.csv")), meta={"suffix": bad})
    with pytest.raises(Corrupt, match="is no suffix of a file"):
        artifacts.load(ref, scratch=tmp_path / "s")
