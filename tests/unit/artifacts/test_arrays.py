"""Arrays of all types come back as they were, mapped, and may be written to."""

from __future__ import annotations

import base64
import gc
import io
import mmap
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec import UNSET, structs

from pipeglot.core.artifacts import Artifacts, arrays, codec
from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import blob_file, save

SPACED = np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 16], "itemsize": 32})
NESTED = np.dtype([("p", [("x", "f4"), ("y", "<M8[s]")], (2, 3)), ("n", "U4"), ("é", "c16"), ("v", "V3")])
BIG = np.arange(400_000.0)

ARRAYS: dict[str, Any] = {
    "empty": np.zeros((0,)),
    "empty in three": np.zeros((3, 0, 2), "i4"),
    "of none": np.array(5),
    "of none, text": np.array("abc"),
    "booleans": np.array([True, False]),
    "text": np.array(["a", "üb", ""]),
    "bytes": np.array([b"a", b"\xff\x00b"]),
    "void": np.array([b"abc", b"def"], "V3"),
    "times": np.array(["2013-01-01", "NaT"], "M8[ns]"),
    "times in 7 days": np.array([1, 2], "M8[7D]"),
    "durations": np.array([1, 2], "m8[us]"),
    "big endian": np.arange(5, dtype=">f4"),
    "big endian times": np.array([1, 2], ">M8[s]"),
    "complex": np.array([1j, complex("nan")]),
    "half": np.arange(3, dtype="f2"),
    "structured": np.array([(1, 2.5), (3, np.nan)], [("a", "i1"), ("b", "f8")]),
    "structured, aligned": np.array([(1, 2.5)], np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "structured, spaced": np.zeros(3, SPACED),
    "structured, nested": np.zeros((2, 2), NESTED),
    "structured of nothing": np.zeros(3, []),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(20)[::-3],
    "strided in two": np.arange(24).reshape(4, 6)[::2, 1::2],
    "transposed in three": np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "read-only": np.arange(3),
    "large": BIG,
    "large fortran": np.asfortranarray(BIG.reshape(400, 1000)),
    "large strided": BIG.reshape(400, 1000)[:, ::2],
}
ARRAYS["read-only"].flags.writeable = False


def data_of(artifacts: Artifacts, ref: Ref) -> bytes:
    if ref.inline is not UNSET:
        return base64.b64decode(ref.inline)
    return artifacts.store.get(f"blobs/{ref.week}/{ref.blob}") or b""


@pytest.mark.parametrize("name", ARRAYS)
def test_comes_back_as_it_was(artifacts: Artifacts, name: str) -> None:
    was = ARRAYS[name]
    ref = save(artifacts, was)
    assert ref.codec == "npy/1"
    back: Any = artifacts.load(ref)
    assert type(back) is np.ndarray
    assert back.dtype == was.dtype
    assert back.shape == was.shape
    assert back.flags.f_contiguous == was.flags.f_contiguous or not was.flags.contiguous
    assert back.flags.writeable
    assert back.flags.aligned
    assert back.tobytes() == was.tobytes()
    if back.size and back.dtype.itemsize:
        back[...] = np.zeros((), back.dtype)
    assert artifacts.load(ref).tobytes() == was.tobytes()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ARRAYS)
def test_numpy_reads_it_too(artifacts: Artifacts, name: str) -> None:
    ref = save(artifacts, ARRAYS[name])
    found = np.load(io.BytesIO(data_of(artifacts, ref)), allow_pickle=False)
    assert found.dtype == ARRAYS[name].dtype
    assert repr(found.tolist()) == repr(ARRAYS[name].tolist())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_array(artifacts: Artifacts, data: st.DataObject) -> None:
    kinds = hnp.scalar_dtypes() | hnp.array_dtypes(allow_subarrays=True)
    was = data.draw(hnp.arrays(data.draw(kinds), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
    view = was[data.draw(hnp.basic_indices(was.shape))] if was.ndim else was
    for array in (was, view, np.asfortranarray(was)):
        if type(array) is not np.ndarray:
            continue
        ref = save(artifacts, array)
        back: Any = artifacts.load(ref)
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
        if ref.codec == "npy/1":
            assert ref.value == save(artifacts, np.array(array, order="F")).value
            assert ref.value == save(artifacts, np.repeat(array, 2)[::2].reshape(array.shape)).value


# --- the value --------------------------------------------------------------------------------------------------------


def test_the_value_does_not_see_the_layout(artifacts: Artifacts) -> None:
    was = np.arange(600_000.0).reshape(600, 1000)
    refs = [save(artifacts, array) for array in (was, np.asfortranarray(was), np.repeat(was, 2, 0)[::2])]
    assert len({ref.value for ref in refs}) == 1
    assert refs[0].value == refs[0].blob != refs[1].blob


def nans(*patterns: int) -> Any:
    return np.array([*patterns, 0x3FF0000000000000], "u8").view("f8")


QUIET, NEGATIVE, SIGNALLING = 0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001


@pytest.mark.parametrize("kind", ["f8", "c16", ">f8", "f4", "f2", "structured"])
def test_the_value_has_one_nan(artifacts: Artifacts, kind: str) -> None:
    if kind == "c16":
        first, second = (np.concatenate([nans(pattern), nans(pattern)]).view("c16") for pattern in (QUIET, NEGATIVE))
    elif kind == "structured":
        first, second = (np.zeros(2, [("a", "i1"), ("b", "f8", (2,))]) for _ in range(2))
        first["b"], second["b"] = nans(QUIET), nans(SIGNALLING)
    elif kind == "f8":
        first, second = nans(QUIET), nans(SIGNALLING)
    elif kind == ">f8":
        first, second = (nans(pattern).byteswap().view(">f8") for pattern in (QUIET, NEGATIVE))
    else:
        bits, width = {"f4": ((0x7FC00000, 0xFFC00001), "u4"), "f2": ((0x7E00, 0xFE01), "u2")}[kind]
        first, second = (np.array([pattern, 0], width).view(kind) for pattern in bits)
    a, b = save(artifacts, first), save(artifacts, second)
    assert first.tobytes() != second.tobytes()
    assert a.value == b.value
    assert a.blob != b.blob, "what is stored is what was given"
    assert artifacts.load(b).tobytes() == second.tobytes()  # type: ignore[attr-defined]


def test_one_odd_nan_in_a_later_chunk(artifacts: Artifacts) -> None:
    """Up to there, one hash serves for the bytes and for the value."""
    was = np.arange(500_000.0)
    was[300_000] = np.nan
    odd = was.copy()
    odd[300_000] = -np.nan
    assert odd.tobytes() != was.tobytes()
    assert (
        save(artifacts, odd).value == save(artifacts, was).value == save(artifacts, np.asfortranarray(odd)[::1]).value
    )


def test_the_value_does_not_see_padding(artifacts: Artifacts) -> None:
    first = np.zeros(3, SPACED)
    second = np.frombuffer(b"\xff" * first.nbytes, SPACED).copy()
    second["a"], second["b"] = 0, 0
    packed = np.zeros(3, [("a", "i1"), ("b", "f8")])
    assert save(artifacts, first).value == save(artifacts, second).value == save(artifacts, packed).value


def test_different_arrays_differ(artifacts: Artifacts) -> None:
    different = [
        np.zeros(4), np.zeros(4, "f4"), np.zeros(4, ">f8"), np.zeros(4, "i8"), np.zeros(4, "U1"), np.zeros(4, "M8[s]"),
        np.zeros(4, "M8[ms]"), np.zeros(4, [("a", "f8")]), np.zeros(4, [("b", "f8")]), -np.zeros(4), np.array(0.0),
        np.zeros((2, 2)), np.zeros((4, 1)), np.zeros(3), np.zeros(0), np.zeros((0, 1)),
        np.arange(4.0).reshape(2, 2), np.arange(4.0).reshape(2, 2).T,
    ]  # fmt: skip
    assert len({save(artifacts, array).value for array in different}) == len(different)


def test_values_for_ever(artifacts: Artifacts) -> None:
    """These hashes are in ledgers: they may not change with NumPy or with us."""
    assert save(artifacts, np.arange(3.0)).value == "8389aa0536b3f51cc9577c0c6bd1992be2b5edd23d56fbc4c04844029b42b205"
    assert (
        save(artifacts, np.array([("a", 1)], [("k", "U2"), ("n", "i4")])).value
        == "ccaf9447855670f39e42f4932b5935c587e2dc1006b375984cd7597590e233e4"
    )


# --- memory -----------------------------------------------------------------------------------------------------------


def test_large_arrays_are_mapped(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, BIG)
    back: Any = artifacts.load(ref)
    assert isinstance(back.base, mmap.mmap)
    if sys.platform == "linux":
        assert str(blob_file(store, ref)) in Path("/proc/self/maps").read_text()
    back[0] = 7
    assert artifacts.load(ref)[0] == 0  # type: ignore[index]
    assert isinstance(artifacts.load(save(artifacts, BIG[:1000])).base, bytearray)  # type: ignore[attr-defined]


def test_a_mapped_array_outlives_its_blob(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, BIG)
    back: Any = artifacts.load(ref)
    store.delete(f"blobs/{ref.week}/{ref.blob}")
    assert back.sum() == BIG.sum()


def test_mappings_do_not_use_up_all_descriptors(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what tests before left would go in the middle of this one
    monkeypatch.setattr(codec, "_MANY_MAPS", len(codec._maps) + 2)
    ref = save(artifacts, BIG)
    loaded: Any = [artifacts.load(ref) for _ in range(3)]
    assert [type(array.base) for array in loaded] == [mmap.mmap, mmap.mmap, bytearray]
    del loaded
    assert isinstance(artifacts.load(ref).base, mmap.mmap)  # type: ignore[attr-defined]


def test_a_file_system_that_cannot_map(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, BIG)

    class Refusing(mmap.mmap):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            raise OSError(19, os.strerror(19))

    monkeypatch.setattr(mmap, "mmap", Refusing)
    assert artifacts.load(ref).sum() == BIG.sum()  # type: ignore[attr-defined]


# --- what is no plain array -------------------------------------------------------------------------------------------


class Sub(np.ndarray[Any, Any]): ...


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a", None], object),
        np.zeros(2, [("a", object)]),
        np.zeros(2).view(Sub),
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros(2, np.longdouble),
        np.zeros(2, [("a", np.longdouble, (2,))]),
        np.zeros(2, np.clongdouble),
        np.zeros(2, np.dtype("f8", metadata={"unit": "m"})),
        np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]}),
    ],
    ids=range(9),
)
def test_goes_to_pickle(artifacts: Artifacts, array: Any) -> None:
    ref = save(artifacts, array)
    assert (ref.codec, ref.opaque) == ("pickle/1", True)
    back: Any = artifacts.load(ref)
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    assert repr(back) == repr(array)


def test_numpy_is_not_installed(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, np.arange(3))
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="features")
    assert str(caught.value) == (
        "`features` is a NumPy array, and numpy is not installed here\n\nhint: pip install 'pipeglot[numpy]'"
    )


HEAD = "{'descr': %s, 'fortran_order': False, 'shape': %s, }"


HEADS = [
    HEAD % ("'|O'", "(1,)"), HEAD % ("[('a', '|O')]", "(1,)"), HEAD % ("'<f8'", "(99999,)"), HEAD % ("'<f8'", "(-1,)"),
    HEAD % ("'<f8'", "'x'"), HEAD % ("'nope'", "()"), "{}", "", "[", "__import__('os')",
]  # fmt: skip


@pytest.mark.parametrize("text", HEADS)
def test_files_that_no_codec_wrote(artifacts: Artifacts, text: str) -> None:
    head = text.encode()
    ref = save(artifacts, b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64))
    with pytest.raises(Corrupt, match=r"cannot be read: its bytes are no `npy/1`|is damaged: an array of objects"):
        artifacts.load(structs.replace(ref, codec="npy/1"))


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00" + bytes(100), b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100)]
)
def test_bytes_that_are_no_array(artifacts: Artifacts, data: bytes) -> None:
    with pytest.raises(Corrupt, match="cannot be read: its bytes are no `npy/1`"):
        artifacts.load(structs.replace(save(artifacts, data), codec="npy/1"))


def test_long_headers(artifacts: Artifacts) -> None:
    wide = np.zeros(2, [(f"column {i}", "f8") for i in range(4000)])
    ref = save(artifacts, wide)
    assert data_of(artifacts, ref)[6] == 2
    assert artifacts.load(ref).dtype == wide.dtype  # type: ignore[attr-defined]
    assert arrays._parse(data_of(artifacts, save(artifacts, np.zeros(1, NESTED))))[3] % 64 == 0
