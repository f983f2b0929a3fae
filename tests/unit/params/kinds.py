"""Classes that parameters of the tests have, at the top of a module, as a worker needs them."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import InitVar, dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NewType, TypeVar

T = TypeVar("T")
Year = NewType("Year", int)
Rate = Annotated[float, "a share"]


class Mode(enum.Enum):
    FAST = "f"
    SLOW = "s"
    QUICK = "f"  # noqa: PIE796  # an alias


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, enum.Enum):  # noqa: UP042  # as much code has it still
    NO = "no"


class Permission(enum.Flag):
    READ = 1


class Function(enum.Enum):
    TREE = object


class Nothing(enum.Enum):
    pass


@dataclass
class Window:
    first: dt.date
    days: int = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    rate: Rate
    mode: Mode = Mode.FAST
    window: Window | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class Counted:
    kind: ClassVar[str] = "counted"
    items: tuple[int, ...]
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.items)


@dataclass
class Lowered:
    name: str

    def __post_init__(self) -> None:
        self.name = self.name.lower()


@dataclass
class Doubled:
    number: int

    def __post_init__(self) -> None:
        self.number *= 2


@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError("the number must be positive")


@dataclass
class Derived(Window):
    more: int = 0


@dataclass
class Tree:
    below: list[Tree]


@dataclass
class Generic_(Generic[T]):  # noqa: N801
    value: T


@dataclass
class Hidden:
    value: int
    seed: InitVar[int]


@dataclass
class Unresolved:
    value: NotImported  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Unfit:
    value: set[int]


class Renamed(enum.Enum):
    A = 1


Hider: Any = Renamed
Renamed = Mode  # type: ignore[misc,assignment]
