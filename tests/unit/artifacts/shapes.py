"""Classes as a project has them, for the tests to store objects of."""

from __future__ import annotations

import dataclasses
import enum
import functools
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import pydantic

T = TypeVar("T")


class Color(enum.Enum):
    RED = 1
    BLUE = ("b", 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    name: str
    tags: tuple[str, ...] = ()
    doubled: int = dataclasses.field(init=False, default=2)
    scale: dataclasses.InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        object.__setattr__(self, "doubled", 2 * scale)


@dataclasses.dataclass
class Child(Point):
    z: list[int] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def total(self) -> int:
        return sum(self.z)


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass
class Noted:
    """Keeps more than its fields."""

    a: int

    def __post_init__(self) -> None:
        self.more = self.a + 1


class Pair(NamedTuple):
    a: Any
    b: Any = 2


@attrs.define
class Item:
    n: int
    inner: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True, extra="allow")

    rate: float = 0.5
    inner: Any = None
    _seen: int = pydantic.PrivateAttr(default=0)


class Login(pydantic.BaseModel):
    token: pydantic.SecretStr


class Weights:
    """Nothing that we know how to take apart."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return type(other) is Weights and other.values == self.values

    __hash__ = None  # type: ignore[assignment]
