"""Plain data and bytes: in the reference while small, else in a blob; and single items of lists."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import UNSET, structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.spool import INLINE
from pipeglot.core.errors import Corrupt, NewerFormat, ValueRefused
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import save
from tests.unit.test_plain import shown, values

# --- plain data -------------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values)
def test_plain_data_comes_back(artifacts: Artifacts, value: Any) -> None:
    ref = save(artifacts, value)
    travelled = msgspec.json.decode(msgspec.json.encode(ref), type=Ref)
    assert travelled == ref
    assert shown(artifacts.load(travelled)) == shown(value)
    assert ref.value == plain.digest(value)
    assert not ref.opaque
    assert ref.needs == {}


def test_small_values_travel_in_their_reference(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, {"b": [1, (2.5,)], "a": None})
    assert ref.inline == {"b": [1, {"~t": [2.5]}], "a": None}
    assert ref.week == ""
    assert list(store.list("")) == []
    assert list(artifacts.load(ref)) == ["b", "a"]  # type: ignore[call-overload]


def test_none_is_a_value(artifacts: Artifacts) -> None:
    ref = save(artifacts, None)
    assert ref.inline is None
    assert artifacts.load(ref) is None


@pytest.mark.parametrize("value", ["x", b"x"])
def test_the_limit(artifacts: Artifacts, value: Any) -> None:
    extra = 0 if isinstance(value, bytes) else 2
    small, large = value * (INLINE - extra), value * (INLINE - extra + 1)
    assert save(artifacts, small).size == INLINE
    assert save(artifacts, small).inline is not UNSET
    ref = save(artifacts, large)
    assert (ref.inline, ref.size) == (UNSET, INLINE + 1)
    assert artifacts.load(ref) == large
    assert ref.value == plain.digest(large)


def test_loaded_values_are_new(artifacts: Artifacts) -> None:
    for value in ([1, 2], list(range(5000))):
        ref = save(artifacts, value)
        artifacts.load(ref).append(3)  # type: ignore[attr-defined]
        assert artifacts.load(ref) == value


def test_length(artifacts: Artifacts) -> None:
    assert [save(artifacts, value).length for value in ([], (1, 2), {1}, {"a": 1}, "abc", [object])] == [
        0,
        2,
        None,
        None,
        None,
        1,
    ]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4000, 1 << 20, (3 << 18) - 1, 3 << 18, (3 << 18) + 1])
def test_bytes(artifacts: Artifacts, size: int) -> None:
    value = bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)
    ref = save(artifacts, value)
    assert ref.codec == "bytes/1"
    assert ref.value == plain.digest(value)
    back = artifacts.load(ref)
    assert type(back) is bytes
    assert back == value


# --- NumPy scalars ----------------------------------------------------------------------------------------------------

DECLARED: list[tuple[Any, Any, Any]] = [
    (np.float64(0.1), float, 0.1),
    (np.float32(0.1), float, float(np.float32(0.1))),
    (np.int64(3), int, 3),
    (np.uint8(3), int, 3),
    (np.int64(3), float, 3.0),
    (np.int64(2**53 + 1), float, np.int64(2**53 + 1)),
    (np.bool_(True), bool, True),
    (np.bool_(True), int, np.bool_(True)),
    (np.str_("a"), str, "a"),
    (np.float64(3), int, np.float64(3)),
    (np.float64("nan"), float, float("nan")),
    (np.float64(1), None, np.float64(1)),
    (np.float64(1), list[float], np.float64(1)),
    (np.longdouble(1), float, np.longdouble(1)),
    (True, float, True),
    (1, float, 1),
    (np.array([1.5]), float, np.array([1.5])),
]


@pytest.mark.parametrize(("value", "declared", "expected"), DECLARED)
def test_declared_scalars(artifacts: Artifacts, value: Any, declared: Any, expected: Any) -> None:
    back = artifacts.load(save(artifacts, value, declared=declared))
    assert (type(back), repr(back)) == (type(expected), repr(expected))


def test_a_declared_scalar_has_the_hash_of_the_plain_one(artifacts: Artifacts) -> None:
    assert save(artifacts, np.float64(0.5), declared=float).value == plain.digest(0.5)


# --- items ------------------------------------------------------------------------------------------------------------

LISTS: list[Any] = [
    [1, 2.5, None, "x", (1, 2), {"k": [1]}],
    (1, "y" * 5000, dt.date(2013, 1, 1)),
    list(range(3000)),
    [["z" * 5000, ["w" * 5000, 1]], (1, 2, 3)],
    [b"a", b"b" * 9000],
    [np.str_("UA"), np.str_("AA")],
]


def check_items(artifacts: Artifacts, ref: Ref, value: Any) -> None:
    for i in {0, 1, len(value) - 1} & set(range(len(value))):
        item = artifacts.item(ref, i)
        assert shown(artifacts.load(item)) == shown(value[i])
        assert item.value == plain.digest(value[i])
        assert artifacts.exists(item)
        assert set(artifacts.keys(item)) <= set(artifacts.keys(ref))
        if type(value[i]) in (list, tuple):
            assert item.length == len(value[i])
            check_items(artifacts, item, value[i])
        else:
            assert item.length is None


@pytest.mark.parametrize("value", LISTS, ids=range(len(LISTS)))
def test_items_of_plain_lists(artifacts: Artifacts, store: FolderStore, value: Any) -> None:
    ref = save(artifacts, value)
    assert (ref.codec, ref.length) == ("json/1", len(value))
    before = list(store.list(""))
    check_items(artifacts, ref, value)
    check_items(Artifacts(store), ref, value)
    assert list(store.list("")) == before, "nothing is written"


def test_an_item_is_independent_of_its_list(artifacts: Artifacts) -> None:
    ref = save(artifacts, [{"k": []}, "x" * 5000])
    item = artifacts.item(ref, 0)
    artifacts.load(item)["k"].append(1)  # type: ignore[index]
    assert artifacts.load(artifacts.item(ref, 0)) == {"k": []}


NO_LISTS: list[tuple[Any, str]] = [
    ({"a": 1}, "a `dict` cannot be stepped through by map"),
    ({1, 2}, "a `set` cannot be stepped through by map"),
    (None, "a `NoneType` cannot be stepped through by map"),
    ("abc", "a `str` cannot be stepped through by map"),
    (3, "a `int` cannot be stepped through by map"),
    (b"abc", "a `bytes` cannot be stepped through by map"),
    (np.arange(3), "a NumPy array cannot be stepped through by map"),
    (object, "a pickled object cannot be stepped through by map"),
]


@pytest.mark.parametrize(("value", "message"), NO_LISTS)
def test_items_of_what_is_no_list(artifacts: Artifacts, value: Any, message: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        artifacts.item(save(artifacts, value), 0)
    assert str(caught.value) == f"{message}\n\nhint: return a `list` or `tuple` from the step that makes it"


@pytest.mark.parametrize("position", [2, -1])
@pytest.mark.parametrize("value", [[1, 2], [object, object]])
def test_items_that_are_not_there(artifacts: Artifacts, value: Any, position: int) -> None:
    with pytest.raises(ValueRefused, match=f"there is no item {position} in a list of 2"):
        artifacts.item(save(artifacts, value), position)


def test_only_the_latest_lists_are_remembered(artifacts: Artifacts) -> None:
    for start in range(10):
        ref = save(artifacts, list(range(start, 5000)))
        assert artifacts.load(artifacts.item(ref, 1)) == start + 1
    assert len(artifacts._lists) == 4


# --- references that are wrong ----------------------------------------------------------------------------------------


def test_an_engine_that_changes_numbers(artifacts: Artifacts) -> None:
    """Some turn every number of a message into a double."""
    ref = save(artifacts, [3])
    with pytest.raises(Corrupt) as caught:
        artifacts.load(structs.replace(ref, inline=[3.0]), name="features")
    message = str(caught.value)
    assert message.startswith(f"`features` is damaged: its reference should have sha256 {ref.blob}, and has ")
    assert message.endswith("\n\nhint: run the step that made it again: saving the same value repairs it")


@pytest.mark.parametrize("inline", ["!", "ü", 3, None])
def test_inline_bytes_that_are_none(artifacts: Artifacts, inline: Any) -> None:
    with pytest.raises(Corrupt, match=r"`value` is damaged: its reference should have"):
        artifacts.load(structs.replace(save(artifacts, b"abc"), inline=inline))


@pytest.mark.parametrize("codec", ["json/2", "new/1", "../x", ""])
def test_a_codec_of_a_later_pipeglot(artifacts: Artifacts, codec: str) -> None:
    ref = structs.replace(save(artifacts, 1), codec=codec)
    with pytest.raises(NewerFormat) as caught:
        artifacts.load(ref)
    assert str(caught.value) == (
        f"a value is stored as `{codec}`, which this pipeglot cannot read\n\n"
        "hint: upgrade pipeglot to the version that wrote it"
    )


@pytest.mark.parametrize("at", [[7], ["x"], [0, 0], [None], [-1], [True]])
def test_a_reference_to_no_item(artifacts: Artifacts, at: list[Any]) -> None:
    ref = save(artifacts, ["x" * 5000, 2])
    with pytest.raises(Corrupt, match="a reference points to item"):
        artifacts.load(structs.replace(ref, meta={"at": at}))


@pytest.mark.parametrize(("week", "blob"), [("..", "x"), ("2026-W47", "../../x"), ("", ""), ("2026-W47", "A" * 64)])
def test_a_reference_to_no_blob(artifacts: Artifacts, week: str, blob: str) -> None:
    ref = structs.replace(save(artifacts, "x" * 5000), week=week, blob=blob)
    with pytest.raises(Corrupt, match="names no blob: the record that refers to it is damaged"):
        artifacts.load(ref)
    assert not artifacts.exists(ref)
