"""Frames come back as they were, or are refused by the name of the column."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pytest

from pipeglot.core.artifacts import Artifacts
from tests.unit.artifacts.common import save

pd: Any = pandas  # what is odd about these frames, its stubs refuse
NAN = float("nan")
BERLIN = "Europe/Berlin"
VERSION = tuple(map(int, pd.__version__.split(".")[:2]))


def objects(*items: Any) -> Any:
    values = np.empty(len(items), object)
    for i, item in enumerate(items):
        values[i] = item
    return pd.Series(values, dtype=object)


def frame(**columns: Any) -> Any:
    return pd.DataFrame(columns)


def duplicate_names() -> Any:
    found = pd.DataFrame([[1, "a", 2.5], [2, "b", NAN]])
    found.columns = pd.Index(["x", "x", "y"])
    return found


def with_attrs() -> Any:
    found = frame(a=[1])
    found.attrs = {"source": "b", "at": (1, dt.date(2013, 1, 1)), "a": NAN}
    return found


def unique_labels() -> Any:
    found = frame(a=[1])
    found.flags.allows_duplicate_labels = False
    return found


def named_columns() -> Any:
    return pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="kind"))


TIMES = pd.date_range("2013-01-01", periods=3, freq="D")

FRAMES: dict[str, Any] = {
    "numbers": frame(a=[1, 2], b=[0.5, NAN], c=[True, False]),
    "small numbers": frame(
        **{kind: np.array([0, 1], kind) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "u8", "f4")}
    ),
    "half": frame(a=np.array([0.5, NAN], "f2")),
    "complex": frame(a=np.array([1j, NAN]), b=np.array([1j, 2], "c8")),
    "minus zero": frame(a=[0.0, -0.0, float("inf"), float("-inf")]),
    "big endian": frame(a=np.array([1.5, 2.5], ">f8"), b=np.array([1, 2], ">i4")),
    "text": frame(a=["x", "ü\n"], b=["", "y" * 5000]),
    "object text": pd.DataFrame({"a": objects("x", "y")}),
    "object text None": pd.DataFrame({"a": objects("x", None)}),
    "object text NaN": pd.DataFrame({"a": objects("x", NAN)}),
    "object text NA": pd.DataFrame({"a": objects("x", pd.NA)}),
    "object text NaT": pd.DataFrame({"a": objects("x", pd.NaT)}),
    "object text mixed": pd.DataFrame({"a": objects("x", None, NAN, pd.NA, pd.NaT, "y")}),
    "object all None": pd.DataFrame({"a": objects(None, None)}),
    "object all NaN": pd.DataFrame({"a": objects(NAN, NAN)}),
    "object bytes": pd.DataFrame({"a": objects(b"x", None, b"\xff")}),
    "object dates": pd.DataFrame({"a": objects(dt.date(2013, 1, 1), None, dt.date(1, 1, 1), dt.date.max)}),
    "object dates NaT": pd.DataFrame({"a": objects(dt.date(2013, 1, 1), pd.NaT)}),
    "object numbers": pd.DataFrame({"a": objects(1, 2.5, None, True, 2**70), "b": objects(1, 2, 3, 4, 5)}),
    "object bools": pd.DataFrame({"a": objects(True, None, False)}),
    "object mixed": pd.DataFrame({"a": objects("x", 1, b"y", NAN, ("t", [1, {"k": {3}}]), decimal.Decimal("1.10"))}),
    "object lists": pd.DataFrame({"a": objects([1, 2], [], None)}),
    "object numpy": pd.DataFrame({"a": objects(np.float32(0.1), np.str_("x"), np.int8(3))}),
    "object surrogates": pd.DataFrame({"a": objects("\udc80", "x")}),
    "object times": pd.DataFrame(
        {
            "a": objects(
                pd.Timestamp("2013-01-01"),
                pd.Timestamp("2013-07-01", tz=BERLIN),
                pd.Timestamp("2013-07-01", tz=dt.timezone(dt.timedelta(hours=-3))),
                pd.Timedelta("1s"),
                dt.datetime.fromisoformat("2013-01-01"),
                pd.NaT,
            )
        }
    ),
    "datetime": pd.DataFrame({"a": pd.to_datetime(["2013-01-01", None])}),
    "datetime min": pd.DataFrame({"a": [pd.Timestamp.min, pd.Timestamp.max]}),
    "datetime tz": pd.DataFrame(
        {"a": pd.to_datetime(["2013-10-27 00:30", "2013-10-27 01:30", None]).tz_localize("UTC")}
    ),
    "datetime zone": pd.DataFrame(
        {"a": pd.date_range("2013-10-27", periods=5, freq="h" if VERSION >= (2, 2) else "H", tz=BERLIN)}
    ),
    "datetime zoneinfo": pd.DataFrame({"a": pd.DatetimeIndex(["2013-01-01"]).tz_localize(zoneinfo.ZoneInfo(BERLIN))}),
    "datetime offset": pd.DataFrame(
        {"a": pd.DatetimeIndex(["2013-01-01"]).tz_localize(dt.timezone(dt.timedelta(minutes=90)))}
    ),
    "timedelta": pd.DataFrame({"a": pd.to_timedelta(["1s", None])}),
    "period": pd.DataFrame({"a": pd.PeriodIndex(["2013-01", "NaT"], freq="M")}),
    "interval": pd.DataFrame({"a": pd.arrays.IntervalArray.from_tuples([(0.0, 1.0), None, (1.0, 2.0)], closed="left")}),
    "interval times": pd.DataFrame({"a": pd.interval_range(TIMES[0], TIMES[2])}),
    "category": pd.DataFrame({"a": pd.Categorical(["b", None, "a"], categories=["z", "b", "a"])}),
    "category ordered": pd.DataFrame({"a": pd.Categorical([3, 1], categories=[3, 2, 1], ordered=True)}),
    "category times": pd.DataFrame({"a": pd.Categorical(pd.to_datetime(["2013-01-01", None]))}),
    "category cut": pd.DataFrame({"a": pd.cut(pd.Series([1, 5, 9]), 3)}),
    "category mixed": pd.DataFrame({"a": pd.Categorical(objects("x", 1))}),
    "category bool": pd.DataFrame({"a": pd.Categorical([True, False, None])}),
    "category none": pd.DataFrame({"a": pd.Categorical([None, None], categories=pd.Index([], dtype=object))}),
    "category many": pd.DataFrame({"a": pd.Categorical([f"c{i}" for i in range(300)])}),
    "nullable": pd.DataFrame(
        {
            kind: pd.array([1, None], dtype=kind)
            for kind in ("Int8", "UInt8", "Int16", "UInt32", "Int64", "UInt64", "Float32", "Float64")
        }
    ),
    "boolean": pd.DataFrame({"a": pd.array([True, None, False], dtype="boolean")}),
    "string": pd.DataFrame(
        {"a": pd.array(["x", None], dtype="string[python]"), "b": pd.array(["x", None], dtype="string[pyarrow]")}
    ),
    "arrow": pd.DataFrame(
        {
            "a": pd.array([1, None], dtype=pd.ArrowDtype(pa.int32())),
            "b": pd.array(["x", None], dtype=pd.ArrowDtype(pa.string())),
            "c": pd.array([[1, None], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "d": pd.array([{"k": "v"}, None], dtype=pd.ArrowDtype(pa.struct([("k", pa.string())]))),
            "e": pd.array([decimal.Decimal("1.5"), None], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
            "f": pd.array([dt.date(2013, 1, 1), None], dtype=pd.ArrowDtype(pa.date32())),
            "g": pd.array([True, None], dtype=pd.ArrowDtype(pa.bool_())),
        }
    )
    if VERSION >= (2, 0)
    else frame(),
    "no columns": pd.DataFrame(index=pd.RangeIndex(3)),
    "no columns, index": pd.DataFrame(index=pd.Index(["a", "b"])),
    "no rows": frame(a=np.array([], "i8"), b=np.array([], object), c=pd.Categorical([]), d=np.array([], "M8[ns]")),
    "nothing": pd.DataFrame(),
    "duplicate names": duplicate_names(),
    "names of numbers": pd.DataFrame([[1, 2]], columns=pd.Index([10, 7])),
    "names of floats": pd.DataFrame([[1, 2]], columns=pd.Index([1.5, NAN])),
    "names of a range": pd.DataFrame([[1, 2, 3]]),
    "names mixed": pd.DataFrame([[1, 2, 3]], columns=pd.Index(["a", 1, None], dtype=object)),
    "names of tuples": pd.DataFrame([[1, 2]], columns=pd.Index([("a", 1), ("b", 2)], tupleize_cols=False)),
    "names in levels": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])
    ),
    "names of times": pd.DataFrame([[1, 2, 3]], columns=TIMES),
    "names of categories": pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["b", "a"], ["b", "a"])),
    "names of intervals": pd.DataFrame([[1, 2]], columns=pd.interval_range(0, 2)),
    "names of surrogates": pd.DataFrame([[1]], columns=pd.Index(["\udc80"], dtype=object)),
    "names named": named_columns(),
    "index range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 4, -3, name="n")),
    "index text": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "index numbers": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 5], name=("t", 1))),
    "index floats": pd.DataFrame({"a": [1, 2]}, index=pd.Index([0.5, NAN])),
    "index times": pd.DataFrame({"a": [1, 2, 3]}, index=TIMES),
    "index times zone": pd.DataFrame({"a": [1, 2, 3]}, index=TIMES.tz_localize(BERLIN)),
    "index timedeltas": pd.DataFrame({"a": [1, 2, 3]}, index=pd.timedelta_range("1s", periods=3)),
    "index periods": pd.DataFrame({"a": [1, 2]}, index=pd.period_range("2013-01", periods=2, freq="M")),
    "index categories": pd.DataFrame(
        {"a": [1, 2]}, index=pd.CategoricalIndex(["b", "a"], ["b", "a", "c"], ordered=True)
    ),
    "index intervals": pd.DataFrame({"a": [1, 2]}, index=pd.interval_range(0, 2)),
    "index levels": pd.DataFrame(
        {"a": [1, 2, 3]}, index=pd.MultiIndex.from_arrays([["b", "a", "b"], [1, None, 2]], names=["k", "n"])
    ),
    "index levels unused": pd.DataFrame(
        {"a": range(4)}, index=pd.MultiIndex.from_product([["b", "a"], pd.to_datetime(["2013-01-01", "2013-01-02"])])
    ).iloc[:1],
    "index levels none": pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])).iloc[:0],
    "attrs": with_attrs(),
    "unique labels": unique_labels(),
    "strided": pd.DataFrame(np.arange(12.0).reshape(3, 4)).iloc[::2, ::-1],
    "fortran": pd.DataFrame(np.arange(12.0).reshape(3, 4).T),
    "series": pd.Series([1, 2], name="s"),
    "series unnamed": pd.Series([0.5, NAN], index=["x", "y"]),
    "series of text": pd.Series(["x", None]),
    "series of objects": objects("x", 1),
    "series of categories": pd.Series(pd.Categorical(["a"]), name=("t", 1)),
    "series of nothing": pd.Series([], dtype=object),
    "series of zone": pd.Series(TIMES.tz_localize(BERLIN)),
}
if VERSION >= (2, 0):
    FRAMES["datetime units"] = pd.DataFrame(
        {unit: np.array(["2013-01-01", "NaT"], f"M8[{unit}]") for unit in ("s", "ms", "us")}
    )
    FRAMES["timedelta units"] = pd.DataFrame(
        {unit: np.array([1, -(2**63)], "i8").view(f"m8[{unit}]") for unit in ("s", "ms", "us")}
    )
    FRAMES["index small"] = pd.DataFrame({"a": [1, 2]}, index=pd.Index(np.array([1, 2], "i2")))
    FRAMES["index bool"] = pd.DataFrame({"a": [1, 2]}, index=pd.Index([True, False]))


def same(was: Any, now: Any) -> None:
    """Much stricter than pandas: the very objects, levels and types."""
    assert type(was) is type(now)
    if isinstance(was, pd.Series):
        pd.testing.assert_series_equal(was, now, check_freq=True, check_flags=True)
        pairs = [(was, now)]
    else:
        pd.testing.assert_frame_equal(was, now, check_freq=True, check_flags=True, check_column_type="exact")
        same_index(was.columns, now.columns)
        pairs = [(was.iloc[:, i], now.iloc[:, i]) for i in range(was.shape[1])]
    same_index(was.index, now.index)
    assert repr(was.attrs) == repr(now.attrs)
    for a, b in pairs:
        assert a.dtype == b.dtype
        assert str(a.dtype) == str(b.dtype)
        if a.dtype == object:
            assert list(map(repr, a)) == list(map(repr, b))
            assert list(map(type, a)) == list(map(type, b))
        if isinstance(a.dtype, pd.CategoricalDtype):
            same_index(a.cat.categories, b.cat.categories)


def same_index(was: Any, now: Any) -> None:
    assert type(was) is type(now)
    assert was.dtype == now.dtype
    assert repr(list(was.names)) == repr(list(now.names))
    assert getattr(was, "freq", None) == getattr(now, "freq", None)
    assert list(map(repr, was)) == list(map(repr, now))
    if isinstance(was, pd.MultiIndex):
        for a, b in zip(was.levels, now.levels, strict=True):
            same_index(a, b)


@pytest.mark.parametrize("name", FRAMES)
def test_comes_back_as_it_was(name: str, artifacts: Artifacts) -> None:
    ref = save(artifacts, FRAMES[name])
    assert ref.codec == "frame/1"
    assert not ref.opaque
    back = artifacts.load(ref)
    same(FRAMES[name], back)
    again = save(artifacts, back)
    assert (again.value, again.blob) == (ref.value, ref.blob)


def test_all_differ(artifacts: Artifacts) -> None:
    values = {name: save(artifacts, value).value for name, value in FRAMES.items() if len(value) or name == "nothing"}
    assert len(set(values.values())) == len(values)


@pytest.mark.parametrize("name", FRAMES)
def test_may_be_written_to(name: str, artifacts: Artifacts) -> None:
    ref = save(artifacts, FRAMES[name])
    back: Any = artifacts.load(ref)
    width = back.shape[1] if back.ndim == 2 else 0
    for place in [(0,)] if back.ndim == 1 else [(0, i) for i in range(width)]:
        if len(back) < 2:
            continue
        other = back.iloc[(1, *place[1:])]
        if not isinstance(other, list | tuple | dict | np.ndarray):
            back.iloc[place] = other
    same(FRAMES[name], artifacts.load(ref))
