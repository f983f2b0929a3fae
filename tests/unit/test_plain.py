"""Plain data comes back equal, with its types and order; equal data have equal canonical bytes."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.core import plain
from pipeglot.core.errors import ValueRefused
from pipeglot.core.placeholders import Instance
from pipeglot.core.plain import NotPlain, TooDeep

any_text = st.text(st.characters(exclude_categories=()))  # with lone surrogates
keys = any_text | st.sampled_from(["~t", "~x", ""]) | st.integers() | st.booleans() | st.binary() | st.dates()
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.complex_numbers()
    | any_text
    | st.binary()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.timezones())
    | st.builds(
        lambda minutes: dt.datetime(2013, 1, 1, tzinfo=dt.timezone(dt.timedelta(minutes=minutes))),
        st.integers(-1439, 1439),
    )
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.float64, st.floats())
    | st.builds(np.int8, st.integers(-128, 127))
    | st.builds(np.uint64, st.integers(0, 2**64 - 1))
    | st.builds(np.bool_, st.booleans())
    | st.builds(np.str_, any_text)
    | st.builds(np.complex64, st.complex_numbers(width=64))
    | st.builds(lambda n: np.datetime64(n, "us"), st.integers(-(10**15), 10**15))
    | st.just(np.timedelta64("NaT", "ns"))
    | st.builds(lambda data: np.bytes_(data.rstrip(b"\0")), st.binary())
    | st.fractions()
    | st.uuids()
    | st.builds(PurePosixPath, st.text("ab/.", min_size=1))
    | st.builds(PureWindowsPath, st.text("ab\\.", min_size=1)).filter(lambda path: PureWindowsPath(str(path)) == path)
    | st.builds(bytearray, st.binary())
    | st.builds(lambda start, stop, step: range(start, stop, step or 1), st.integers(), st.integers(), st.integers())
    | st.times(timezones=st.just(dt.UTC) | st.just(ZoneInfo("Europe/Berlin")))
    | st.builds(lambda n: pd.Timestamp(n, unit="us"), st.integers(0, 10**15))
    | st.builds(lambda n: pd.Timestamp(n, unit="us", tz="Europe/Berlin"), st.integers(0, 10**15))
    | st.builds(lambda n: pd.Timedelta(n, unit="us"), st.integers(0, 10**15))
    | st.sampled_from([pd.NA, pd.NaT])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(st.floats() | any_text)
        | st.lists(st.integers(-(2**64), 2**64))
        | st.lists(st.floats())
        | st.builds(deque, st.lists(inner), st.none() | st.integers(0, 5))
        | st.builds(OrderedDict, st.dictionaries(keys, inner))
        | st.builds(Counter, st.lists(keys))
        | st.builds(defaultdict, st.sampled_from([None, int, list, dict]), st.dictionaries(keys, inner))
    ),
    max_leaves=20,
)


def shown(value: Any) -> Any:
    """Something comparable that tells types, order, -0.0 and NaN."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [shown(item) for item in value]
    if kind is deque:
        return kind, value.maxlen, [shown(item) for item in value]
    if isinstance(value, dict):
        return kind, getattr(value, "default_factory", 0), [(shown(key), shown(item)) for key, item in value.items()]
    if kind in (set, frozenset):
        return kind, sorted(repr(shown(item)) for item in value)
    if kind is Instance:
        return kind, value.kind, value.ref, value.fields
    if kind is pd.Timestamp:
        return kind, getattr(value, "unit", "ns"), repr(value)  # pandas 1 knows but nanoseconds
    if kind is dt.datetime:
        return kind, value.isoformat(), value.fold, repr(value.tzinfo)
    return kind, repr(value)


def test_a_path_that_text_cannot_tell_is_refused() -> None:
    path = PureWindowsPath("\\\\host\\")
    if PureWindowsPath(str(path)) == path:  # Python 3.12 on reads it as it was
        assert plain.decode(plain.encode(path)) == path
    else:
        with pytest.raises(plain.NotPlain, match=r"`pathlib\.PureWindowsPath`, which is no plain data"):
            plain.encode(path)


@given(values)
def test_round_trip(value: Any) -> None:
    tree = plain.encode(value)
    assert shown(plain.decode(tree)) == shown(value)


@given(values)
def test_round_trip_as_bytes(value: Any) -> None:
    """By Python's JSON and by msgspec's, which the ledger uses."""
    tree = plain.encode(value)
    assert shown(plain.decode(json.loads(plain.dumps_ordered(tree)))) == shown(value)
    assert shown(plain.decode(msgspec.json.decode(msgspec.json.encode(tree)))) == shown(value)
    assert plain.dumps_ordered(msgspec.json.decode(msgspec.json.encode(tree))) == plain.dumps_ordered(tree)


@given(values)
def test_the_canonical_form_is_of_the_value(value: Any) -> None:
    assert plain.canonical(plain.decode(plain.encode(value))) == plain.canonical(value)
    json.loads(plain.canonical(value))


@given(st.dictionaries(keys, st.integers()), st.sets(any_text))
def test_the_canonical_form_does_not_see_order(pairs: dict[Any, int], items: set[str]) -> None:
    backwards = dict(reversed(pairs.items()))
    assert plain.canonical(pairs) == plain.canonical(backwards)
    other: set[Any] = set(range(1000))  # grown large, so that members stand elsewhere in it
    other.update(items)
    other.difference_update(range(1000))
    assert plain.canonical(items) == plain.canonical(other)
    assert list(plain.decode(plain.encode(backwards))) == list(backwards)


NOON = dt.datetime.fromisoformat("2013-01-01T12:00")

DIFFERENT: list[Any] = [
    None, True, False, 1, 0, -1, 1.0, 0.0, -0.0, math.inf, -math.inf, math.nan, 1j, complex(0, -1),
    2**63, -(2**63), 2**63 - 1, -(2**63) - 1, Decimal(1), Decimal("1.0"), Decimal("NaN"), Decimal("sNaN"),
    "", "1", "a", b"", b"a", "nan", "\udc80", "\\udc80",
    [], (), {}, set(), frozenset(), [1], (1,), {1}, frozenset({1}), [[]], [()],
    {1: 1}, {"1": 1}, {True: 1}, {"~t": [1]}, {"~f": "nan"},
    NOON, NOON.date(), NOON.time(), NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=ZoneInfo("UTC")),
    NOON.replace(fold=1), NOON.time().replace(fold=1), dt.timedelta(1), dt.timedelta(seconds=1),
    np.float64(1), np.float32(1), np.int64(1), np.int8(1), np.uint8(1), np.bool_(True), np.complex128(1),
    np.str_("a"), np.str_("1"), np.datetime64("2013-01-01"), np.datetime64("2013-01-01", "ns"),
    np.timedelta64(1, "s"), np.datetime64("NaT", "s"), np.bytes_(b"a"), bytearray(b"a"), range(1), Fraction(1),
    UUID(int=1), OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), {"a": 1, "b": 2}, Counter(a=1, b=2),
    defaultdict(None, a=1, b=2),
    defaultdict(int, a=1, b=2), deque([1]), deque([1], 3), PurePosixPath("a"), PureWindowsPath("a"),
    dt.time(1, tzinfo=dt.UTC), dt.time(1), dt.time(1, tzinfo=ZoneInfo("UTC")), pd.NA, pd.NaT,
    pd.Timestamp(0, unit="s"), pd.Timedelta(0, unit="s"),
    pd.Timestamp(0, unit="s", tz="UTC"), Instance("dataclass", "m:P", {"a": 1}), Instance("dataclass", "m:Q", {"a": 1}),
    Instance("attrs", "m:P", {"a": 1}),
]  # fmt: skip


def test_different_values_differ() -> None:
    assert len({plain.canonical(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert len({plain.dumps_ordered(plain.encode(value)) for value in DIFFERENT}) == len(DIFFERENT)
    for value in DIFFERENT:
        assert shown(plain.decode(plain.encode(value))) == shown(value)


def test_all_nan_are_one() -> None:
    odd = np.array([0xFFF8000000000001], "u8").view("f8").item()
    assert odd != odd
    assert plain.canonical([odd]) == plain.canonical([math.nan]) == plain.canonical((-math.nan,))[6:-1]


def test_the_wire_form() -> None:
    """What others have stored: this may only grow."""
    value = {"b": 1, "a": [1.5, None, True, "ü"], "t": (1, math.inf), "n": np.float64(0.5), "big": 2**64, "s": {2, 1}}
    assert plain.dumps_ordered(plain.encode(value)).decode() == (
        '{"b":1,"a":[1.5,null,true,"ü"],"t":{"~t":[1,{"~f":"inf"}]},"n":{"~n":["float64",{"~f":"0x1.0000000000000p-1"}]},'
        '"big":{"~i":"0x10000000000000000"},"s":{"~s":[1,2]}}'
    )
    assert plain.canonical(value).decode() == (
        '{"a":[{"~f":"0x1.8000000000000p+0"},null,true,"ü"],"b":1,"big":{"~i":"0x10000000000000000"},'
        '"n":{"~n":["float64",{"~f":"0x1.0000000000000p-1"}]},"s":{"~s":[1,2]},"t":{"~t":[1,{"~f":"inf"}]}}'
    )
    assert plain.digest(value) == "a46721005ded9d52548d30f16f5253bead0e20c462765fe23c509aaead7c9c20"


def test_digests_do_not_depend_on_the_process() -> None:
    code = (
        "from pipeglot.core import plain; import datetime as dt\n"
        "print(plain.digest({'k': {'a', 'b', 1, None, (2, 3)}, dt.date(2013, 1, 1): b'x', 'y': frozenset('xyz')}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1


def test_huge_integers() -> None:
    """Beyond what Python turns into decimal digits."""
    assert plain.decode(plain.encode([-(10**6000)])) == [-(10**6000)]
    assert len(plain.canonical(10**6000)) > 4000


class Color(enum.IntEnum):
    RED = 1


class Sub(dict[str, int]): ...


class OddCounter(Counter[str]): ...


def with_attribute(value: Any) -> Any:
    value.more = 1
    return value


REFUSED: list[tuple[Any, str]] = [
    (object(), "`x` is a `builtins.object`, which is no plain data"),
    ([1, [object()]], "`x[1][0]` is a `builtins.object`, which is no plain data"),
    ({"a": {1: [None, object()]}}, "`x['a'][1][1]` is a `builtins.object`, which is no plain data"),
    ({"a": {"b": object()}}, "`x['a']['b']` is a `builtins.object`, which is no plain data"),
    ({Color.RED: 1}, "`x[<Color.RED: 1>]` is a `tests.unit.test_plain.Color`, which is no plain data"),
    (Sub(), "`x` is a `tests.unit.test_plain.Sub`, which is no plain data"),
    (np.array(5), "`x` is a `numpy.ndarray`, which is no plain data"),
    (np.array([1]), "`x` is a `numpy.ndarray`, which is no plain data"),
    (np.longdouble(1), f"`x` is a `numpy.{np.longdouble.__qualname__}`, which is no plain data"),
    (
        np.dtype("i8"),
        f"`x` is a `{type(np.dtype('i8')).__module__}.{type(np.dtype('i8')).__qualname__}`, which is no plain data",
    ),
    (
        defaultdict(lambda: 1),
        "`x` is a `defaultdict` with the default factory `",
    ),
    (OddCounter(a=1), "`x` is a `tests.unit.test_plain.OddCounter`, which is no plain data"),
    (with_attribute(OrderedDict()), "`x` is a `OrderedDict` with attributes of its own, which is no plain data"),
    (deque([1, {"k": object()}]), "`x[1]['k']` is a `builtins.object`, which is no plain data"),
    (Instance("dataclass", "m:P", {"w": [object()]}), "`x.w[0]` is a `builtins.object`, which is no plain data"),
    (["y" * 3, {"k" * 100: object()}], f"`x[1]['{'k' * 55}…` is a `builtins.object`, which is no plain data"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED)
def test_refused(value: Any, message: str) -> None:
    for call in (plain.encode, plain.canonical, plain.digest):
        with pytest.raises(NotPlain) as caught:
            call(value, "x")
        assert str(caught.value) == message or (message[-1] == "`" and str(caught.value).startswith(message))


def test_refused_time_zone() -> None:
    class Zone(dt.tzinfo):
        utcoffset = dst = tzname = lambda *_: None

    with pytest.raises(NotPlain, match=r"has a time zone of type `.*Zone`; use `zoneinfo.ZoneInfo`"):
        plain.encode(NOON.replace(tzinfo=Zone()))
    with pytest.raises(NotPlain, match=r"use `zoneinfo.ZoneInfo`"):
        plain.encode(NOON.time().replace(tzinfo=Zone()))


def nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"list": [value], "tuple": (value,), "dict": {"k": value}, "pairs": {1: value}}[kind]
    return value


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "pairs"])
def test_depth(kind: str) -> None:
    """As deep as is allowed works with most of the stack in use already; deeper is refused by name."""

    def below(frames: int) -> None:
        if frames:
            below(frames - 1)
            return
        value = nested(plain.MAX_DEPTH, kind)
        assert plain.decode(json.loads(plain.dumps_ordered(plain.encode(value)))) == value
        assert plain.canonical(value)

    below(300)
    for call in (plain.encode, plain.canonical):
        with pytest.raises(TooDeep, match="is nested more than 100 levels deep, or contains itself"):
            call(nested(plain.MAX_DEPTH + 1, kind))


def test_a_value_that_contains_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TooDeep):
        plain.encode(loop)


def test_an_unknown_tag() -> None:
    with pytest.raises(ValueRefused) as caught:
        plain.decode([{"~new": 1}])
    assert str(caught.value) == (
        "plain data has the unknown tag `~new`\n\nhint: it may be of a later pipeglot: upgrade"
    )
