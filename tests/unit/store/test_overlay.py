"""A store over another one: it reads both, and changes the upper one only."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.store import open_store
from pipeglot.core.store.overlay import Overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    lower = open_store(tmp_path / "lower", trusted=False)
    assert lower.put("a/1", b"lower")
    return Overlay(lower, open_store(tmp_path / "upper"))


def test_reading_sees_both(overlay: Overlay) -> None:
    assert overlay.put("a/0", b"upper")
    assert (overlay.get("a/0"), overlay.get("a/1"), overlay.get("a/2")) == (b"upper", b"lower", None)
    assert (overlay.size("a/0"), overlay.size("a/1"), overlay.size("a/2")) == (5, 5, None)
    assert list(overlay.list("a/")) == ["a/0", "a/1"]
    path = overlay.local("a/1")
    assert path is not None
    assert path.read_bytes() == b"lower"
    assert (overlay.uri, overlay.trusted) == (overlay.lower.uri, False)


def test_create_only_holds_over_both(overlay: Overlay) -> None:
    assert not overlay.put("a/1", b"other")
    assert overlay.put("a/2", b"one")
    assert not overlay.put("a/2", b"two")
    assert overlay.get("a/2") == b"one"


def test_the_lower_one_is_never_changed(overlay: Overlay) -> None:
    overlay.delete("a/1")
    assert (overlay.get("a/1"), overlay.size("a/1"), overlay.local("a/1"), list(overlay.list("a/"))) == (
        None,
        None,
        None,
        [],
    )
    assert overlay.put("a/1", b"new")
    assert overlay.get("a/1") == b"new"
    assert overlay.lower.get("a/1") == b"lower"
    assert list(overlay.lower.list("a/")) == ["a/1"]


def test_values_are_saved_above_and_loaded_from_both(tmp_path: Path) -> None:
    lower = open_store(tmp_path / "lower")
    below = Artifacts(lower).save(b"x" * 10_000, name="v", opaque_id=str)
    overlay = Overlay(lower, open_store(tmp_path / "upper"))
    artifacts = Artifacts(overlay)
    again = artifacts.save(b"x" * 10_000, name="v", opaque_id=str)
    above = artifacts.save(b"y" * 10_000, name="v", opaque_id=str)
    assert again == below
    assert artifacts.load(below) == b"x" * 10_000
    assert artifacts.load(above) == b"y" * 10_000
    assert not Artifacts(lower).exists(above)
