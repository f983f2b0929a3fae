"""Text and bytes go from step to step of one process as they are, under the same rules as what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.artifacts import Artifacts, at_hand
from pipeglot.core.errors import Corrupt
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, damage, save

TEXT = "ab" * 5000
DATA = bytes(range(256)) * 40


class Words(str):
    """More than a text: what it has of its own would be lost."""

    __slots__ = ()


@pytest.fixture
def sharing(store: FolderStore) -> Artifacts:
    return Artifacts(store, sharing=True)


@pytest.mark.parametrize("value", [TEXT, DATA])
def test_the_same_object_is_given(sharing: Artifacts, artifacts: Artifacts, value: Any) -> None:
    ref = save(sharing, value)
    assert ref == save(artifacts, value), "it is recorded as ever"
    assert sharing.load(ref) is value
    fresh = artifacts.load(ref)
    assert fresh == value
    assert fresh is not value


def test_what_was_loaded_once_is_not_read_again(sharing: Artifacts, artifacts: Artifacts) -> None:
    ref = save(artifacts, TEXT)
    first = sharing.load(ref)
    assert sharing.load(ref) is first


def test_what_comes_back_is_stored_already(
    sharing: Artifacts, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = save(sharing, TEXT)
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.save_value", None)
    assert save(sharing, TEXT) == ref
    assert save(sharing, sharing.load(ref)) == ref


@pytest.mark.parametrize(
    "make",
    [lambda: [TEXT], lambda: {"a": TEXT}, lambda: bytearray(DATA), lambda: (TEXT, [1])],
    ids=["list", "dict", "bytearray", "tuple"],
)
def test_what_can_be_changed_is_made_anew(sharing: Artifacts, make: Callable[[], Any]) -> None:
    value = make()
    ref = save(sharing, value)
    first, second = sharing.load(ref), sharing.load(ref)
    assert first == second == value
    assert first is not value
    assert first is not second


@pytest.mark.parametrize("spoil", ["gone", "damaged"])
def test_what_is_not_in_the_store_any_more_is_not_given(sharing: Artifacts, store: FolderStore, spoil: str) -> None:
    ref = save(sharing, TEXT)
    if spoil == "gone":
        blob_file(store, ref).unlink()
    else:
        damage(blob_file(store, ref))
    with pytest.raises(Corrupt, match=spoil):
        sharing.load(ref)
    assert save(sharing, TEXT) == ref
    assert sharing.load(ref) == TEXT, "saving it repairs it"


def test_of_an_earlier_week_it_is_saved_again(sharing: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(sharing, TEXT)
    monkeypatch.setattr("pipeglot.core.artifacts.artifacts.this_week", lambda: "2031-W07")
    found = save(sharing, TEXT)
    assert (found.week, found.blob) == ("2031-W07", ref.blob)
    assert sharing.load(found) == TEXT


def test_an_item_of_a_list_is_not_taken_for_the_list(sharing: Artifacts) -> None:
    whole = save(sharing, [TEXT, TEXT + "c"])
    assert [sharing.load(sharing.item(whole, at)) for at in (1, 0)] == [TEXT + "c", TEXT]
    assert sharing.load(whole) == [TEXT, TEXT + "c"]


def test_the_latest_are_kept(sharing: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_hand, "MOST", 25_000)
    values = [f"{number}" + TEXT for number in range(3)]
    refs = [save(sharing, value) for value in values]
    assert sharing.load(refs[1]) is values[1]
    assert sharing.load(refs[2]) is values[2]
    fresh = sharing.load(refs[0])
    assert fresh == values[0]
    assert fresh is not values[0]


def test_another_kind_of_text_is_its_own(sharing: Artifacts) -> None:
    value = Words(TEXT)
    ref = save(sharing, value)
    found = sharing.load(ref)
    assert (type(found), found) == (Words, TEXT)
    assert found is not value


def test_a_small_one_is_in_its_reference(sharing: Artifacts) -> None:
    ref: Ref = save(sharing, "small")
    assert sharing.load(structs.replace(ref)) == "small"
