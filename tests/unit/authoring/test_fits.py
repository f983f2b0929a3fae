"""Which types certainly cannot fit: every `no` here fails in every run, and every `yes` works in some."""

from __future__ import annotations

import datetime as dt
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import pandas as pd
import pytest

from pipeglot.core.authoring.annotations import MISSING, type_text
from pipeglot.core.authoring.fits import accepts, fits, list_item

T = TypeVar("T")
UserId = NewType("UserId", int)


class Base: ...


class Derived(Base): ...


class Other: ...


class Mixin: ...


class Both(Base, Mixin): ...


class Model(ABC):
    @abstractmethod
    def predict(self) -> int: ...


class Predicts(Protocol):
    def predict(self) -> int: ...


class Color(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    a: int
    b: str


class Keys(TypedDict):
    a: int


class Box(Generic[T]): ...


YES: list[tuple[Any, Any]] = [
    (int, int),
    (int, Any),
    (Any, int),
    (int, object),
    (object, int),
    (bool, int),
    (int, bool),  # an int may be a bool
    (int, float),
    (float, int),  # what says float may return an int
    (Derived, Base),
    (Base, Derived),
    (Base, Mixin),  # there is a class that is both
    (Base, Model),
    (Model, Other),
    (Base, Predicts),
    (dt.datetime, dt.date),
    (dt.date, dt.datetime),
    (str, Word),
    (int | None, int),
    (int, int | None),
    (None, int | None),
    (int | str, str | bytes),
    (list[int], list),
    (list, list[int]),
    (list[int], Sequence[float]),
    (list[Derived], list[Base]),
    (list[int], Iterable),
    (tuple[int, str], Sequence[int | str]),
    (tuple[int, ...], tuple[int, int]),
    (Pair, tuple[int, str]),
    (Keys, dict),
    (dict[str, int], Mapping[str, float]),
    (dict[str, int], Keys),
    (Annotated[int, "x"], int),
    (UserId, int),
    (int, UserId),
    (Literal["a"], str),
    (str, Literal["a"]),
    (Literal["a", "b"], Literal["b"]),
    (T, int),
    (int, T),
    (Box[int], Box[str]),  # what is in a class of the user's nobody knows
    (np.float32, float),
    (np.ndarray, np.ndarray[Any, np.dtype[np.float64]]),
    (type[int], int),
    (Callable[[int], int], Callable[[str], str]),
    ("ForwardReference", int),
]
NO: list[tuple[Any, Any]] = [
    (int, str),
    (str, int),
    (str, bytes),
    (str, Path),
    (float, str),
    (None, int),
    (int, None),
    (Base, Other),
    (str, Base),
    (Base, str),
    (str, Color),
    (Model, str),
    (int, str | None),
    (int | str, bytes | None),
    (list[int], list[str]),
    (list[int], int),
    (int, list[int]),
    (list[int], dict[str, int]),
    (list[int], tuple[int, ...]),
    (tuple[int, int], tuple[int, int, int]),
    (tuple[int, int], tuple[int, str]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], Sequence[str]),
    (Keys, str),
    (Literal["a"], int),
    (int, Literal["a"]),
    (Literal["a"], Literal["b"]),
    (pd.DataFrame, pd.Series),
    (pd.DataFrame, str),
    (list[list[int]], list[list[str]]),
    (Annotated[int, "x"], Annotated[str, "x"]),
]


@pytest.mark.parametrize(("given", "wanted"), YES)
def test_what_may_fit(given: Any, wanted: Any) -> None:
    assert fits(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), NO)
def test_what_cannot_fit(given: Any, wanted: Any) -> None:
    assert not fits(given, wanted)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (1, int, True),
        (1, float, True),
        (1.0, int, False),
        (True, int, True),
        (1, bool, False),
        (None, int, False),
        (None, int | None, True),
        (1, Any, True),
        ("a", str | int, True),
        (b"a", str | int, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (1, Literal[True], False),
        ([1, "a"], list[int], False),
        ([1, 2], Sequence[float], True),
        ((1, 2), list[int], False),
        ((1, "a"), tuple[int, str], True),
        ((1, "a", 2), tuple[int, str], False),
        ((1, 2), tuple[int, ...], True),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        ({"a": 1}, Keys, True),
        (Color.RED, Color, True),
        (1, Color, False),
        (np.int64(1), int, True),
        (Base(), Predicts, True),
        (1, UserId, True),
    ],
)
def test_what_a_value_can_be(value: object, wanted: Any, expected: bool) -> None:
    assert accepts(value, wanted) is expected


@pytest.mark.parametrize(
    ("hint", "item"),
    [
        (list[int], int),
        (list, Any),
        (tuple[str, ...], str),
        (tuple[int, str], Any),
        (Sequence[int], int),
        (list[int] | None, int),
        (Any, Any),
        (object, Any),
        (int, None),
        (str, None),
        (pd.DataFrame, None),
        (np.ndarray, None),
        (dict[str, int], None),
        (set[int], None),
        (int | None, None),
    ],
)
def test_what_a_map_steps_through(hint: Any, item: Any) -> None:
    assert list_item(hint) is item


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (None, "None"),
        (MISSING, ""),
        (Any, "Any"),
        (pd.DataFrame, "DataFrame"),
        (list[pd.DataFrame], "list[DataFrame]"),
        (int | None, "int | None"),
        (Optional[int], "int | None"),  # noqa: UP045  # the old forms read as the new ones
        (Union[int, str], "int | str"),  # noqa: UP007
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[int, "x"], "int"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Literal[Color.RED], "Literal[Color.RED]"),
        (Sequence[int], "Sequence[int]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (Callable[..., str], "Callable[..., str]"),
        (T, "T"),
        (UserId, "UserId"),
        (Box[int], "Box[int]"),
        ("DataFrame", "DataFrame"),
        (dt.datetime, "datetime"),
    ],
)
def test_types_as_text(hint: Any, text: str) -> None:
    assert type_text(hint) == text
