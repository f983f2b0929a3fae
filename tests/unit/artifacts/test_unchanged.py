"""What comes back as it was loaded is neither hashed nor written again, and nothing else is taken for it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeglot.core.artifacts import Artifacts, unchanged
from pipeglot.core.artifacts.spool import Spool
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, damage, save

BIG = np.arange(400_000.0)
ON_LINUX = sys.platform == "linux"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes went to each spool: they are hashed there, and written to a file."""
    sizes: list[int] = []
    end = Spool.__exit__

    def note(self: Spool, *error: Any) -> None:
        sizes.append(self.size)
        end(self, *error)

    monkeypatch.setattr(Spool, "__exit__", note)
    return sizes


@pytest.fixture
def loaded(artifacts: Artifacts) -> tuple[Ref, Any]:
    ref = save(artifacts, BIG)
    return ref, artifacts.load(ref)


def read(array: Any) -> Any:
    assert array.sum() == BIG.sum()
    return array


SAME: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda array: array,
    "read": read,
    "a view of all of it": lambda array: array[:],
    "read-only": lambda array: array.view() if array.setflags(write=False) is None else None,
}


@pytest.mark.parametrize("case", SAME)
def test_what_was_not_changed_is_stored_once(
    artifacts: Artifacts, loaded: tuple[Ref, Any], written: list[int], case: str
) -> None:
    ref, array = loaded
    assert save(artifacts, SAME[case](array)) == ref
    assert written == ([] if ON_LINUX else [ref.size])


def changed(array: Any, at: int) -> Any:
    array[at] = 7
    return array


CHANGED: dict[str, Callable[[Any], Any]] = {
    "first item": lambda array: changed(array, 0),
    "last item": lambda array: changed(array, -1),
    "in the middle": lambda array: changed(array, 200_001),
    "through a view": lambda array: changed(array.reshape(400, 1000)[:, 3], 5) is not None and array,
    "a part": lambda array: array[1:],
    "every other": lambda array: array[::2],
    "the other way round": lambda array: array[::-1],
    "another shape": lambda array: array.reshape(400, 1000),
    "transposed": lambda array: array.reshape(400, 1000).T,
    "another type": lambda array: array.view("i8"),
    "of pairs": lambda array: array.view([("a", "f8"), ("b", "f8")]),
    "a result": lambda array: array + 1,
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_was_changed_is_saved_as_it_is_now(artifacts: Artifacts, loaded: tuple[Ref, Any], case: str) -> None:
    ref, array = loaded
    made = CHANGED[case](array)
    expected = made.copy()
    found = save(artifacts, made)
    assert found != ref
    assert found.value == save(artifacts, expected).value
    assert np.array_equal(artifacts.load(found), expected)  # type: ignore[arg-type]
    assert np.array_equal(artifacts.load(ref), BIG)  # type: ignore[arg-type]


def test_a_change_that_was_undone_is_no_change(artifacts: Artifacts, loaded: tuple[Ref, Any]) -> None:
    ref, array = loaded
    array[3], before = -1, array[3]
    array[3] = before
    assert save(artifacts, array) == ref


def test_names_of_fields_changed_in_place(artifacts: Artifacts) -> None:
    ref = save(artifacts, BIG.view([("a", "f8"), ("b", "f8")]))
    array: Any = artifacts.load(ref)
    array.dtype.names = ("c", "d")
    assert artifacts.load(save(artifacts, array)).dtype.names == ("c", "d")  # type: ignore[attr-defined]


def test_it_is_stored_anew_where_it_is_gone(artifacts: Artifacts, store: FolderStore, loaded: tuple[Ref, Any]) -> None:
    ref, array = loaded
    store.delete(f"blobs/{ref.week}/{ref.blob}")
    assert save(artifacts, array) == ref
    assert np.array_equal(artifacts.load(ref), BIG)  # type: ignore[arg-type]


def test_a_damaged_copy_is_not_taken_for_it(artifacts: Artifacts, store: FolderStore) -> None:
    """The mapping shows the damage as well: what is saved is what the step had, under its own hash."""
    ref = save(artifacts, BIG)
    array: Any = artifacts.load(ref)
    damage(blob_file(store, ref))
    assert save(artifacts, array) != ref


def test_in_another_store_it_is_saved(tmp_path: Path, loaded: tuple[Ref, Any]) -> None:
    ref, array = loaded
    other = Artifacts(FolderStore(tmp_path / "other"))
    assert save(other, array) == ref
    assert np.array_equal(other.load(ref), BIG)  # type: ignore[arg-type]


def test_of_an_earlier_week_it_is_saved_again(
    artifacts: Artifacts, loaded: tuple[Ref, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs of a week that has passed get no new references, or gc could not tell which it may remove."""
    ref, array = loaded
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.this_week", lambda: "2031-W07")
    found = save(artifacts, array)
    assert (found.week, found.blob) == ("2031-W07", ref.blob)


def test_where_the_system_does_not_tell_it_is_saved(
    artifacts: Artifacts, loaded: tuple[Ref, Any], written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, array = loaded
    monkeypatch.setattr(unchanged, "_untouched", lambda *_: False)
    assert save(artifacts, array) == ref
    assert written == [ref.size]


def test_items_of_a_list_are_known_again(artifacts: Artifacts, written: list[int]) -> None:
    ref = save(artifacts, [BIG, BIG + 1])
    written.clear()
    assert save(artifacts, artifacts.load(ref)) == ref
    assert sum(written) < BIG.nbytes or not ON_LINUX


def test_nothing_is_remembered_of_an_array_that_is_gone(artifacts: Artifacts) -> None:
    gc.collect()
    before = len(unchanged._loaded)
    array = artifacts.load(save(artifacts, BIG))
    assert len(unchanged._loaded) == before + 1
    del array
    gc.collect()
    assert len(unchanged._loaded) == before
