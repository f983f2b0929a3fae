"""From what a user writes to a store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import open_store
from pipeglot.core.store.folder import FolderStore


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for text in ("a b/store", "./a b/store", str(tmp_path / "a b/store"), f"file://{tmp_path}/a%20b/store"):
        assert open_store(text).uri == f"file://{tmp_path}/a%20b/store"
    assert open_store(Path("x")).uri == f"file://{tmp_path}/x"
    assert open_store("~/x").uri == f"file://{tmp_path}/home/x"
    assert open_store(f"file://localhost{tmp_path}/x").uri == f"file://{tmp_path}/x"


@pytest.mark.parametrize("name", ["plain", "a b%20c", "ü#?&", "\udc80"])
def test_the_uri_opens_it_again(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / name)
    store.put("a", b"x")
    assert store.uri.isascii()
    assert open_store(store.uri).get("a") == b"x"


def test_settings(tmp_path: Path) -> None:
    assert open_store(tmp_path / "s", trusted=False).trusted is False
    store = open_store(tmp_path / "s", durable=True)
    assert isinstance(store, FolderStore)
    assert store.durable


@pytest.mark.parametrize("uri", ["file://host/x", "file://relative"])
def test_file_uris_that_name_no_folder_here(uri: str) -> None:
    with pytest.raises(StoreError, match=f"`{uri}` names no folder here\n\nhint: a file URI has three slashes"):
        open_store(uri)


def test_an_empty_path() -> None:
    with pytest.raises(StoreError, match="the store has an empty path"):
        open_store("")


def test_a_path_that_looks_like_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store(Path("s3:/x")).put("a", b"")
    assert os.listdir(tmp_path / "s3:") == ["x"]
