"""Python values and engines' JSON, of every type: what is taken, and in what words the rest is refused."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from pipeglot.core import params, plain
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import EnumType, RecordType
from tests.unit.params import kinds

UTC = dt.UTC
NOON = dt.datetime(2024, 7, 1, 12, tzinfo=UTC)


def wire(annotation: Any, value: object) -> Any:
    return params.normalise(params.type_of(annotation, owner="it"), value, name="x")


def refusal(annotation: Any, value: object) -> ParamError:
    with pytest.raises(ParamError) as caught:
        wire(annotation, value)
    return caught.value


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (bool, True, True),
        (int, 3, 3),
        (int, 3.0, 3),
        (int, -(2**53 - 1.0), -(2**53 - 1)),
        (int, 2**70, plain.encode(2**70)),
        (int, kinds.Level.HIGH, 2),
        (float, 3, 3.0),
        (float, -0.0, -0.0),
        (str, "", ""),
        (str, "a\0b\n", "a\0b\n"),
        (str, "\ud800", plain.encode("\ud800")),
        (str, kinds.Word.NO, "no"),
        (dt.date, "2024-02-29", {"~d": "2024-02-29"}),
        (dt.datetime, "2024-07-01T12:00:00Z", plain.encode(NOON)),
        (dt.datetime, NOON, plain.encode(NOON)),
        (dt.timedelta, "1h", {"~td": [0, 3600, 0]}),
        (dt.timedelta, "-PT1H", {"~td": [-1, 82800, 0]}),
        (dt.timedelta, 90, {"~td": [0, 90, 0]}),
        (Any, {"a": [1, 1.0, None, "x"]}, {"a": [1, 1.0, None, "x"]}),
        (Any, {"~d": 1}, {"~m": [["~d", 1]]}),
        (kinds.Mode, kinds.Mode.FAST, "FAST"),
        (kinds.Mode, "FAST", "FAST"),
        (kinds.Mode, "s", "SLOW"),
        (kinds.Mode, "QUICK", "FAST"),  # an alias
        (kinds.Level, 2, "HIGH"),
        (kinds.Level, 2.0, "HIGH"),
        (Literal[1, "a"], 1.0, 1),
        (Literal[1, "a"], "a", "a"),
        (int | None, None, None),
        (list[int], (1, 2.0), [1, 2]),
        (tuple[int, ...], [1], {"~t": [1]}),
        (tuple[int, str], [1, "a"], {"~t": [1, "a"]}),
        (dict[str, float], {"b": 1, "a": 2}, {"b": 1.0, "a": 2.0}),
        (dict[str, int], collections.ChainMap({"a": 1}), {"a": 1}),
    ],
)
def test_what_is_taken(annotation: Any, value: object, expected: Any) -> None:
    assert plain.dumps_ordered(wire(annotation, value)) == plain.dumps_ordered(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (bool, 1, "bool, not 1"),
        (bool, "true", "bool, not 'true'"),
        (int, True, "int, not True"),
        (int, "3", "int, not '3'"),
        (int, 3.5, "int, not 3.5"),
        (int, 2.0**53, "int, not 9007199254740992.0: beyond 2**53 a float is not exact"),
        (int, math.nan, "int, not nan"),
        (int, None, "int, not None"),
        (float, True, "float, not True"),
        (float, "1", "float, not '1'"),
        (float, 10**400, "float, not an int of 1329 bits: it is too large"),
        (float, math.inf, "a finite number, not inf"),
        (float, math.nan, "a finite number, not nan"),
        (str, 1, "str, not 1"),
        (str, b"a", "str, not b'a'"),
        (dt.date, NOON, f"date, not {NOON!r}: pass `.date()` of it"),
        (dt.date, "2024-02-30", "date, not '2024-02-30'"),
        (dt.date, 20240229, "date, not 20240229"),
        (dt.datetime, "2024-07-01T12:00:00", "datetime, not '2024-07-01T12:00:00': it has no UTC offset"),
        (dt.datetime, "2024-07-01", "datetime, not '2024-07-01': it has no UTC offset"),
        (dt.datetime, "soon", "datetime, not 'soon'"),
        (
            dt.datetime,
            "2024-07-01T12:00:00+01:00:00.5",
            "datetime, not '2024-07-01T12:00:00+01:00:00.5': its UTC offset has a fraction of a second",
        ),
        (dt.datetime, dt.date(2024, 7, 1), "datetime, not datetime.date(2024, 7, 1)"),
        (dt.timedelta, "soon", "timedelta, not 'soon'"),
        (dt.timedelta, True, "timedelta, not True"),
        (Any, (1, 2), "a JSON value, not (1, 2): a tuple is not among them"),
        (Any, {1: 2}, "a JSON value, not {1: 2}: its keys must be str"),
        (Any, math.nan, "a finite number, not nan"),
        (kinds.Mode, "fast", "Mode (FAST | SLOW), not 'fast'"),
        (kinds.Mode, kinds.Level.LOW, "Mode (FAST | SLOW), not <Level.LOW: 1>"),
        (kinds.Mode, kinds.Word.NO, "Mode (FAST | SLOW), not <Word.NO: 'no'>"),
        (kinds.Level, True, "Level (LOW | HIGH), not True"),
        (Literal[1, "a"], True, "1 | 'a', not True"),
        (Literal["no"], kinds.Word.NO, "'no', not <Word.NO: 'no'>"),
        (int | None, "none", "int, not 'none'"),
        (list[int], "1,2", "list[int], not '1,2'"),
        (list[int], {1, 2}, "list[int], not {1, 2}"),
        (tuple[int, str], [1], "tuple[int, str], not [1]: it has 1 of 2 places"),
        (dict[str, int], [1], "dict[str, int], not [1]"),
        (dict[str, int], {1: 1}, "dict[str, int], not {1: 1}: its key 1 is no str"),
    ],
)
def test_what_is_refused(annotation: Any, value: object, message: str) -> None:
    assert refusal(annotation, value).message == f"parameter `x` must be {message}"


def test_the_part_that_is_wrong_is_named() -> None:
    assert refusal(list[dict[str, int]], [{}, {"a b": "c"}]).message == "parameter `x[1]['a b']` must be int, not 'c'"
    assert refusal(tuple[int, tuple[int, ...]], [1, [2, None]]).message == "parameter `x[1][1]` must be int, not None"
    assert refusal(Any, [[{}, {1}]]).message.startswith("parameter `x[0][1]` must be a JSON value, not {1}: a set is")


def test_hints() -> None:
    assert refusal(dt.datetime, "2024-07-01T12:00:00").hint == (
        "add one, as in `2013-01-31T06:00:00+01:00`, or `Z` for UTC"
    )
    assert refusal(dt.datetime, "soon").hint == "write it as `2013-01-31T06:00:00Z`"
    assert refusal(dt.date, "soon").hint == "write it as `2013-01-31`"
    assert refusal(dt.timedelta, "soon").hint.startswith('write a duration as `"10s"`')
    assert refusal(float, math.inf).hint == "not every engine can pass others; use `float | None`"
    assert (
        refusal(Any, dt.date(2024, 1, 1)).hint
        == "annotate it in the pipeline with the type that it has, as `day: date`"
    )


def test_a_datetime_keeps_its_offset_and_loses_its_zone() -> None:
    berlin = dt.datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wire(dt.datetime, berlin) == wire(dt.datetime, "2024-07-01T14:00:00+02:00")
    assert wire(dt.datetime, berlin) != wire(dt.datetime, NOON)
    assert wire(dt.datetime, "2024-07-01T12:00:00Z") == wire(dt.datetime, "2024-07-01 12:00+00:00")
    repeated = dt.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wire(dt.datetime, repeated) != wire(dt.datetime, repeated.replace(fold=1))


def test_subclasses_become_the_plain_thing() -> None:
    class Text(str):
        __slots__ = ()

    class Day(dt.date):
        pass

    assert type(wire(str, Text("a"))) is str
    assert wire(dt.date, Day(2024, 1, 1)) == {"~d": "2024-01-01"}
    assert wire(dict[str, int], {Text("a"): 1}) == {"a": 1}


def test_numpy_scalars_are_the_numbers_that_they_are() -> None:
    import numpy as np

    assert wire(int, np.int64(3)) == 3
    assert type(wire(float, np.float32(0.5))) is float
    assert wire(bool, np.bool_(True)) is True
    assert wire(str, np.str_("a")) == "a"
    assert wire(list[int], [np.uint8(1)]) == [1]
    assert wire(Any, {"a": np.float64(1)}) == {"a": 1.0}
    assert refusal(int, np.bool_(True)).message == "parameter `x` must be int, not True"
    assert refusal(dt.datetime, np.datetime64("2024-01-01")).message.startswith("parameter `x` must be datetime")
    assert refusal(float, np.longdouble(1)).message.startswith("parameter `x` must be float")
    assert refusal(list[int], np.array([1])).message == "parameter `x` must be list[int], not array([1]): pass `.tolist()` of it"  # fmt: skip  # noqa: E501
    assert refusal(Any, np.array([1])).message.endswith("a ndarray is not among them")


def test_pandas_times_are_the_times_that_they_are() -> None:
    import pandas as pd

    assert wire(dt.datetime, pd.Timestamp("2024-07-01T12:00:00Z")) == wire(dt.datetime, NOON)
    assert wire(dt.timedelta, pd.Timedelta("1h")) == wire(dt.timedelta, "1h")
    assert refusal(dt.datetime, pd.Timestamp("2024-07-01T12:00:00.000000001Z")).message.endswith("it has nanoseconds")
    assert refusal(dt.timedelta, pd.Timedelta(1, "ns")).message.endswith("it has nanoseconds")
    assert refusal(dt.datetime, pd.NaT).message == "parameter `x` must be datetime, not NaT"
    assert refusal(dt.timedelta, pd.NaT).message == "parameter `x` must be timedelta, not NaT"


def test_what_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "levels deep" in refusal(Any, loop).message
    deep: Any = []
    for _ in range(plain.MAX_DEPTH - 1):
        deep = [deep]
    assert wire(Any, deep) == deep
    assert "levels deep" in refusal(list[Any], [deep]).message
    assert refusal(list[int], loop).message == "parameter `x[0]` must be int, not [[[[[[[...]]]]]]]"


def test_values_with_a_mind_of_their_own_are_shown_all_the_same() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert refusal(int, Odd()).message.startswith("parameter `x` must be int, not a test_values")
    assert len(refusal(int, "9" * 10**7).message) < 200
    assert len(refusal(int, ["9" * 10**6] * 100).message) < 200
    assert refusal(int, "\x1b[31m\n").message == r"parameter `x` must be int, not '\x1b[31m\n'"


# --- back to Python ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (kinds.Mode, kinds.Mode.SLOW),
        (kinds.Level, kinds.Level.LOW),
        (list[kinds.Mode | None], [kinds.Mode.SLOW, None]),
        (tuple[int, kinds.Word], (1, kinds.Word.NO)),
        (dict[str, tuple[dt.date, ...]], {"a": (dt.date(2024, 1, 1),)}),
        (dt.datetime, NOON),
        (dt.timedelta, dt.timedelta(microseconds=-1)),
        (Any, {"a": {"~t": 1}, "b": "\ud800"}),
    ],
)
def test_decode_gives_the_python_object_back(annotation: Any, value: object) -> None:
    kind = params.type_of(annotation, owner="it")
    back = params.decode(kind, params.normalise(kind, value, name="x"))
    assert back == value
    assert type(back) is type(value)


def test_constants_may_be_what_parameters_may_not() -> None:
    kind = params.type_of(list[float], owner="it")
    assert params.decode(kind, [1, {"~f": "inf"}]) == [1.0, math.inf]
    assert params.decode(params.type_of(Any, owner="it"), {"~t": [{"~b": ""}]}) == (b"",)
    params.check(kind, [{"~f": "inf"}], name="x", portable=False)
    with pytest.raises(ParamError, match=r"parameter `x.0.` must be a finite number, not inf"):
        params.check(kind, [{"~f": "inf"}], name="x")


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        (params.type_of(int, owner=""), "3", "parameter `p` must be int, not '3'"),
        (
            params.type_of(Any, owner=""),
            {"~zz": 1},
            "parameter `p`: {'~zz': 1} is no written value: plain data has the unknown tag `~zz` (ValueRefused)",
        ),
        (
            EnumType(ref="nowhere.at_all:X", members={"A": 1}),
            "A",
            "parameter `p`: `nowhere.at_all:X` cannot be imported: No module named 'nowhere' (ModuleNotFoundError)",
        ),
        (EnumType(ref="os:path", members={"A": 1}), "A", "parameter `p`: `os:path` is no enum"),
        (
            EnumType(ref="os", members={"A": 1}),
            "A",
            "parameter `p`: `os` cannot be imported: it is not written as `module:class` (ImportError)",
        ),
        (
            EnumType(ref="os:nothing", members={"A": 1}),
            "A",
            "parameter `p`: `os:nothing` cannot be imported: module `os` has no `nothing` (TargetError)",
        ),
        (RecordType(ref="os:PathLike", style="dataclass"), {}, "parameter `p`: `os:PathLike` is no dataclass"),
        (
            RecordType(ref="tests.unit.params.kinds:Window", style="pydantic"),
            {},
            "parameter `p`: `tests.unit.params.kinds:Window` is no pydantic",
        ),
        (
            EnumType(ref="tests.unit.params.kinds:Mode", members={"GONE": 1}),
            "GONE",
            "parameter `p`: the enum `Mode` has no member `GONE`, but `FAST`, `SLOW`, `QUICK`",
        ),
    ],
)
def test_what_does_not_come_back(kind: Any, written: Any, message: str) -> None:
    with pytest.raises(ParamError) as caught:
        params.decode(kind, written, name="p")
    assert caught.value.message == message


def test_a_class_that_was_defined_again_is_known_by_its_name() -> None:
    def fast(module: str) -> object:
        make: Any = enum.Enum
        return make("Mode", {"FAST": "f"}, module=module).FAST

    assert wire(kinds.Mode, fast("tests.unit.params.kinds")) == "FAST"
    assert wire(kinds.Mode, fast("__main__")) == "FAST"
    assert refusal(kinds.Mode, fast("elsewhere")).message == (
        "parameter `x` must be Mode (FAST | SLOW), not <Mode.FAST: 'f'>"
    )
