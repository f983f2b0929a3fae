"""How frames are stored: what is refused, what their hash sees, and that they are mapped."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import errno
import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pandas
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from pipeglot.core.artifacts import Artifacts, arrow_hash, codec, columns
from pipeglot.core.artifacts.objects import Unfit
from pipeglot.core.errors import Corrupt, StoreError, ValueRefused
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, save
from tests.unit.artifacts.test_frames import VERSION, objects, same

pd: Any = pandas  # what is odd about these frames, its stubs refuse
NAN = float("nan")

# --- refused ----------------------------------------------------------------------------------------------------------


class Thing: ...


def with_freq() -> Any:
    holidays = pd.offsets.CustomBusinessDay(holidays=["2013-01-01"])
    return pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2013-01-02", periods=2, freq=holidays))


def with_attrs() -> Any:
    found = pd.DataFrame({"a": [1]})
    found.attrs["x"] = Thing()
    return found


PLAIN = "make it text, a number, a date or a list of these, or return it apart from the frame"
ASTYPE = "change it with `.astype(…)`"
REFUSED: dict[str, tuple[Any, str, str]] = {
    "objects": (
        pd.DataFrame({"a": [1, 2], "b": objects("x", Thing())}),
        f"column `b` holds a `{__name__}.Thing` in row 1, which is no plain data",
        PLAIN,
    ),
    "arrays in cells": (
        pd.DataFrame({"v": objects(np.arange(3))}),
        "column `v` holds a `numpy.ndarray` in row 0, which is no plain data",
        PLAIN,
    ),
    "the second of two": (
        pd.DataFrame([[1, Thing()]], columns=["a", "a"]),
        f"column `a` holds a `{__name__}.Thing` in row 0, which is no plain data",
        PLAIN,
    ),
    "a series": (objects(Thing()), f"the series holds a `{__name__}.Thing` in row 0, which is no plain data", PLAIN),
    "an index": (
        pd.DataFrame({"a": [1]}, index=pd.Index(objects(Thing()), dtype=object)),
        f"the index holds a `{__name__}.Thing` in row 0, which is no plain data",
        PLAIN,
    ),
    "a level": (
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex([[1], pd.Index([Thing()], dtype=object)], [[0], [0]])),
        f"level 1 of the index holds a `{__name__}.Thing` in row 0, which is no plain data",
        PLAIN,
    ),
    "column names": (
        pd.DataFrame([[1]], columns=pd.Index([Thing()], dtype=object)),
        f"the list of column names holds a `{__name__}.Thing` in row 0, which is no plain data",
        PLAIN,
    ),
    "the name of an index": (
        pd.DataFrame({"a": [1]}, index=pd.Index([1], name=Thing())),
        f"the name of the index is no plain data: `it[0]` is a `{__name__}.Thing`, which is no plain data",
        "make it text or numbers",
    ),
    "attrs": (
        with_attrs(),
        f"`.attrs` is no plain data: `it['x']` is a `{__name__}.Thing`, which is no plain data",
        "make it text or numbers",
    ),
    "sparse": (
        pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1])}),
        "column `s` has the sparse type `Sparse[int64, 0]`",
        "make it dense with `.sparse.to_dense()`",
    ),
    "long doubles": (
        pd.DataFrame({"l": np.array([1], np.longdouble)}),
        f"column `l` has the type `{np.dtype(np.longdouble)}`, which cannot be stored",
        ASTYPE,
    ),
    "Arrow run-end encoding": (
        pd.DataFrame({"m": pd.arrays.ArrowExtensionArray(pa.RunEndEncodedArray.from_arrays([1], [5]))}),
        "column `m` has the Arrow type `run_end_encoded<run_ends: int64, values: int64>`, which cannot be stored",
        ASTYPE,
    ),
    "own frequencies": (
        with_freq(),
        "the index has the frequency `<CustomBusinessDay>`",
        "let go of it: `frame.index.freq = None`",
    ),
    "surrogates in strings": (
        pd.DataFrame({"a": pd.array(["\udc80"], dtype="string[python]")}),
        "column `a` holds text with lone surrogates",
        "encode it, or use the dtype `object`",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(artifacts: Artifacts, store: FolderStore, name: str) -> None:
    value, message, hint = REFUSED[name]
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, value)
    assert str(caught.value) == f"output `x` of step `y` cannot be stored: {message}\n\nhint: {hint}"
    assert list(store.list("")) == []


class OddType:
    def __str__(self) -> str:
        return "odd"


class OddArray:
    dtype = OddType()


def test_types_of_other_libraries() -> None:
    with pytest.raises(Unfit) as caught:
        columns.encode(OddArray())
    assert str(caught.value) == f"has the type `odd`, which cannot be stored\n\nhint: {ASTYPE}"


def test_what_would_come_back_different(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look before a frame is stored."""
    monkeypatch.setitem(columns._DECODERS, "number", lambda _, array, __: np.zeros(len(array), "i2"))
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, pd.DataFrame({"a": [1.5]}))
    assert str(caught.value) == (
        "output `x` of step `y` cannot be stored: column `a` has the type `float64`, and would come back as `int16`\n\n"
        f"hint: {ASTYPE}"
    )
    with pytest.raises(ValueRefused, match=r"the index \(a `.*Index`\) would not come back the same"):
        save(artifacts, pd.Series(["a"], index=pd.Index([1.5])))


@pytest.mark.parametrize("missing", ["pyarrow", "pandas"])
def test_without_the_libraries(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    series = pd.Series([1])
    ref = save(artifacts, series)
    for name in ("layout", "columns", "objects", "arrow_hash"):
        monkeypatch.delitem(sys.modules, f"pipeglot.core.artifacts.{name}")
        monkeypatch.delattr(f"pipeglot.core.artifacts.{name}")
    monkeypatch.setitem(sys.modules, missing, None)
    message = (
        f"`raw` is a pandas frame, and to store or read one takes `{missing}`, which is not installed\n\n"
        "hint: pip install 'pipeglot[pandas]'"
    )
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="raw")
    assert str(caught.value) == message
    if missing == "pyarrow":  # there are no frames without pandas
        with pytest.raises(ValueRefused) as caught:
            save(artifacts, series, name="raw")
        assert str(caught.value) == message


# --- memory -----------------------------------------------------------------------------------------------------------

WIDE = pd.DataFrame(
    {"f": np.arange(200_000.0), "i": np.arange(200_000), "t": pd.to_datetime(np.arange(200_000), unit="s")}
)


def test_large_frames_are_mapped(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, WIDE)
    before = len(codec._maps)
    back: Any = artifacts.load(ref)
    assert len(codec._maps) == before + 1
    bounds = map_bounds(blob_file(store, ref))
    for name in WIDE:
        address = back[name].to_numpy().__array_interface__["data"][0]
        assert any(start <= address < stop for start, stop in bounds), f"`{name}` was copied"
    back.loc[0, "f"] = 7
    back["i"] += 1
    back.loc[:, "f"] *= 2
    same(WIDE, artifacts.load(ref))
    del back


def test_arrow_maps(artifacts: Artifacts) -> None:
    column = pd.array([[("k", 1)], None, []], dtype=pd.ArrowDtype(pa.map_(pa.string(), pa.int64())))
    frame = pd.DataFrame({"m": column})
    back: Any = artifacts.load(save(artifacts, frame))
    assert back["m"].dtype == frame["m"].dtype
    assert pa.array(back["m"]).to_pylist() == [[("k", 1)], None, []]
    assert save(artifacts, back).value == save(artifacts, frame).value


def map_bounds(path: Path) -> list[tuple[int, int]]:
    if sys.platform != "linux":
        pytest.skip("looks at /proc")
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
    return [tuple(int(part, 16) for part in line.split()[0].split("-")) for line in lines]  # type: ignore[misc]


def test_a_frame_outlives_its_blob(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, WIDE)
    back = artifacts.load(ref)
    store.delete(f"blobs/{ref.week}/{ref.blob}")
    same(WIDE, back)


def test_arrow_reads_it_too(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, WIDE)
    table = pa.ipc.open_file(blob_file(store, ref)).read_all()
    assert table.column_names == ["f", "i", "t"]
    assert table.column("i").to_pylist()[:3] == [0, 1, 2]


# --- the hash ---------------------------------------------------------------------------------------------------------


def values_of(artifacts: Artifacts, *frames: Any) -> int:
    """How many different values they are."""
    return len({save(artifacts, frame).value for frame in frames})


def test_the_hash_does_not_see_how_it_is_stored(artifacts: Artifacts) -> None:
    whole = pd.DataFrame({"a": np.arange(10.0), "b": list("abcdefghij")})
    parts = pd.concat([whole[:5], whole[5:]])
    strided = pd.DataFrame({"a": np.arange(20.0)[::2] / 2, "b": list("abcdefghij")})
    assert values_of(artifacts, whole, whole.copy(), parts.reset_index(drop=True), strided) == 1
    texts = [pd.Series(["x", None], dtype=f"string[{storage}]") for storage in ("python", "pyarrow")]
    assert values_of(artifacts, *texts) == 1
    nans = [np.array([bits], "u8").view("f8") for bits in (0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001)]
    assert values_of(artifacts, *(pd.DataFrame({"a": nan}) for nan in nans)) == 1
    masked = [pd.arrays.IntegerArray(np.array([1, under]), np.array([False, True])) for under in (0, 77)]
    assert values_of(artifacts, *(pd.Series(array) for array in masked)) == 1
    zones = [pd.Series(pd.to_datetime(["2013-01-01"]).tz_localize("UTC").tz_convert(zone)) for zone in ("UTC", dt.UTC)]
    assert values_of(artifacts, *zones) == 1


def test_the_hash_sees_what_a_step_could_see(artifacts: Artifacts) -> None:
    base = pd.DataFrame({"a": [1, 2], "b": [0.5, NAN]})
    other = base.copy()
    other.attrs["x"] = 1
    different = [
        base,
        other,
        base[["b", "a"]],
        base.rename(columns={"a": "c"}),
        base.astype({"a": "i4"}),
        base.astype({"a": "Int64"}),
        base.astype({"a": object}),
        base.iloc[::-1],
        base.iloc[:1],
        base.set_index("a"),
        base.rename_axis("i"),
        base.rename_axis(columns="i"),
        base.fillna(0),
        base["a"],
        base["b"],
        base["a"].rename("z"),
        base[["a"]],
        pd.DataFrame({"a": [1, 2], "b": objects(0.5, None)}),
        pd.DataFrame({"a": [1, 2], "b": objects(0.5, NAN)}),
        pd.DataFrame({"a": pd.Categorical([1, 2]), "b": [0.5, NAN]}),
        pd.DataFrame({"a": pd.Categorical([1, 2], [2, 1]), "b": [0.5, NAN]}),
        pd.DataFrame({"a": pd.Categorical([1, 2], [1, 2], ordered=True), "b": [0.5, NAN]}),
    ]
    assert values_of(artifacts, *different) == len(different)


def test_values_for_ever(artifacts: Artifacts) -> None:
    """This hash is in ledgers: it may not change with pandas, with Arrow or with us."""
    index = pd.MultiIndex.from_arrays([[1, 2], pd.Index(["x", "y"], dtype=object)], names=["k", None])
    frame = pd.DataFrame(index=index)
    frame["n"] = np.array([1, 2], "i8")
    frame["f"] = np.array([0.5, NAN])
    frame["t"] = objects("a", None).set_axis(index)
    frame["s"] = pd.array(["ü", None], dtype="string[python]")
    frame["m"] = pd.array([1, None], dtype="Int32")
    frame["b"] = np.array([True, False])
    frame["d"] = np.array(["2013-01-01", "NaT"], "M8[ns]")
    frame["z"] = pd.DatetimeIndex(np.array(["2013-01-01", "NaT"], "M8[ns]")).tz_localize("Europe/Berlin")
    frame["c"] = pd.Categorical.from_codes([0, -1], pd.Index(["v", "u"], dtype=object))
    frame["o"] = objects((1, {"k": b"v"}), NAN).set_axis(index)
    frame.columns = pd.Index(list(frame.columns), dtype=object)
    assert save(artifacts, frame).value == "e6952557cc7e11a063424821d81308dc173cb6f53eeda7a4b742743aa2c105bc"


# --- Arrow arrays of all kinds ----------------------------------------------------------------------------------------


def digest(array: Any) -> str:
    found = hashlib.sha256()
    arrow_hash.update(found, array)
    return found.hexdigest()


NUMBERS = [1, None, 0, 2, None]
TEXTS = ["ab", None, "", "ü", None]
BYTES = [b"ab", None, b"cd", b"ef", None]
LISTS = [[1, None], None, [], [3], None]
SAMPLES: list[tuple[Any, list[Any]]] = [
    *[(kind, NUMBERS) for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.date32(), pa.time32("s"))],
    *[(kind, NUMBERS) for kind in (pa.time64("us"), pa.timestamp("ms"), pa.timestamp("ns", "UTC"), pa.duration("s"))],
    (pa.float16(), [np.float16(item) if item is not None else None for item in NUMBERS]),
    (pa.date64(), [0, None, 86_400_000, 2 * 86_400_000, None]),
    (pa.decimal128(9, 2), [decimal.Decimal(item) if item is not None else None for item in NUMBERS]),
    (pa.decimal256(40, 2), [decimal.Decimal(item) if item is not None else None for item in NUMBERS]),
    (pa.bool_(), [True, None, False, True, None]),
    *[(kind, TEXTS) for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()))],
    *[(kind, BYTES) for kind in (pa.binary(), pa.large_binary(), pa.binary(2))],
    *[(kind, LISTS) for kind in (pa.list_(pa.int16()), pa.large_list(pa.float64()))],
    (pa.list_(pa.int8(), 2), [[1, 2], None, [3, None], [4, 5], None]),
    (
        pa.struct([("x", pa.int8()), ("y", pa.list_(pa.string()))]),
        [{"x": 1, "y": ["a"]}, None, {"x": None, "y": None}, {"x": 2, "y": []}, None],
    ),
    (pa.null(), [None] * 5),
]


@pytest.mark.parametrize(("kind", "items"), SAMPLES, ids=[str(kind) for kind, _ in SAMPLES])
def test_the_hash_of_an_array(kind: Any, items: list[Any]) -> None:
    whole = pa.array(items, kind)
    if not pa.types.is_dictionary(kind):  # its codes count: the order of categories does
        sliced = pa.concat_arrays([pa.array(items[3:], kind), whole, whole]).slice(2, len(items))
        assert sliced.offset == 2
        assert sliced.to_pylist() == whole.to_pylist()
        assert digest(sliced) == digest(whole)
        assert digest(pa.array([], kind)) == digest(whole.slice(3, 0))
    spans = [(start, stop) for start in range(6) for stop in range(start, 6)]
    hashes = {digest(whole.slice(start, stop - start)) for start, stop in spans}
    assert len(hashes) == len({repr(items[start:stop]) for start, stop in spans})


def test_the_hash_does_not_see_under_nulls() -> None:
    pairs: list[tuple[Any, list[Any], list[Any]]] = [
        (pa.int64(), [1, 2, 3], [1, 9, 3]),
        (pa.float64(), [1.0, NAN, 3.0], [1.0, 5.0, 3.0]),
        (pa.bool_(), [True, False, True], [True, True, True]),
        (pa.large_string(), ["a", "b", "c"], ["a", "xyz", "c"]),
    ]
    for kind, items, under in pairs:
        valid = pa.py_buffer(b"\x05")
        first, second = (
            pa.Array.from_buffers(kind, 3, [valid, *pa.array(values, kind).buffers()[1:]]) for values in (items, under)
        )
        assert first.null_count == 1
        assert digest(first) == digest(second) == digest(pa.array([items[0], None, items[2]], kind))


def test_types_that_have_no_hash() -> None:
    for array in (
        pa.RunEndEncodedArray.from_arrays([1], [5]),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    ):
        with pytest.raises(arrow_hash.Unhashable):
            digest(array)


# --- any frame --------------------------------------------------------------------------------------------------------

texts: st.SearchStrategy[Any] = st.none() | st.just(NAN) | st.text(max_size=5)
cells: st.SearchStrategy[Any] = (
    texts | st.integers() | st.booleans() | st.floats() | st.dates() | st.lists(st.integers(), max_size=2)
)


@st.composite
def frames(draw: st.DrawFn) -> Any:
    rows = draw(st.integers(0, 5))

    def column(sizes: Any = (16, 32, 64)) -> Any:
        kind = draw(st.sampled_from(["numbers", "text", "cells", "category", "nullable", "str", "times"]))
        if kind == "numbers":
            kinds = hnp.integer_dtypes() | hnp.floating_dtypes(sizes=sizes) | hnp.boolean_dtypes()
            return draw(hnp.arrays(draw(kinds), rows))
        if kind == "times":
            return draw(hnp.arrays("i8", rows, elements=st.integers(-(2**62), 2**62) | st.just(-(2**63)))).view(
                "M8[ns]"
            )
        if kind == "nullable":
            items = draw(st.lists(st.none() | st.integers(-128, 127), min_size=rows, max_size=rows))
            return pd.array(items, dtype=draw(st.sampled_from(["Int8", "Int64", "Float64"])))
        items = draw(st.lists({"cells": cells}.get(kind, texts), min_size=rows, max_size=rows))
        if kind in ("text", "cells"):
            return objects(*items).to_numpy()
        if kind == "str":
            return pd.array(items, dtype="str" if VERSION >= (3, 0) else "string")
        return pd.Categorical(objects(*items))

    parts = [column() for _ in range(draw(st.integers(0, 4)))]
    index = draw(st.sampled_from([None, "column", "levels"]))
    found = pd.DataFrame(
        {i: pd.Series(part, dtype=part.dtype) for i, part in enumerate(parts)}, index=pd.RangeIndex(rows)
    )
    if index == "column":
        part = column((32, 64))  # pandas has no index of 16-bit floats
        found.index = pd.Index(part, dtype=part.dtype)
    elif index == "levels":
        found.index = pd.MultiIndex.from_arrays([np.arange(rows), list("abcde")[:rows]])
    labels = draw(st.lists(st.text(max_size=3) | st.integers(-5, 5), min_size=len(parts), max_size=len(parts)))
    found.columns = pd.Index(labels, dtype=object)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(frames())
def test_any_frame(artifacts: Artifacts, frame: Any) -> None:
    ref = save(artifacts, frame)
    back = artifacts.load(ref)
    same(frame, back)
    assert save(artifacts, back).value == ref.value


# --- bytes that are wrong ---------------------------------------------------------------------------------------------


def test_files_that_no_codec_wrote(artifacts: Artifacts, store: FolderStore) -> None:
    sink = io.BytesIO()
    table = pa.table({"a": [1]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for data in (b"", b"ARROW1", sink.getvalue()):
        ref = structs.replace(save(artifacts, data), codec="frame/1")
        with pytest.raises((ValueRefused, Corrupt)) as caught:
            artifacts.load(ref, name="raw")
        assert f"`raw` cannot be read with pandas {pd.__version__} and pyarrow {pa.__version__}: " in str(caught.value)
        assert str(caught.value).endswith("hint: install the versions of the step that made it, or newer ones")


def test_offsets_that_lead_out_of_the_file(artifacts: Artifacts, store: FolderStore) -> None:
    """In a store that others can write to, hashes prove nothing."""
    frame = pd.DataFrame({"a": pd.array(["abc", "def"], dtype="string[python]")})
    inline: Any = save(artifacts, frame).inline
    data = base64.b64decode(inline)
    offsets = np.array([0, 3, 6], "i8").tobytes()
    assert data.count(offsets) == 1
    bad = data.replace(offsets, np.array([0, 1 << 40, 6], "i8").tobytes())
    ref = structs.replace(save(artifacts, bad), codec="frame/1")
    with pytest.raises(ValueRefused, match="cannot be read with pandas"):
        Artifacts(FolderStore(store.root, trusted=False)).load(ref)


def test_a_full_disk(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    save(artifacts, "x" * 5000)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left on device"):
        save(artifacts, WIDE)
