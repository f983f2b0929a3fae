"""What an index lies in: a file of SQLite's, or a database of PostgreSQL's. All else takes either for the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, Self, TypeVar

T = TypeVar("T")


class Rows(Protocol):
    """What a statement gives."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """Takes statements, in which a `?` stands for each value. It is of one store: `store` is that one's id."""

    @property
    def store(self) -> int: ...

    @property
    def journal(self) -> str:
        """An expression over `stores`: sha256, in hex, of the store's markers, in their order and a line each.

        Empty where it costs less to read them.
        """

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows: ...

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> object: ...

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Put in whole rows; one that is there already is left as it is."""

    def numbers(self, ids: Sequence[int]) -> AbstractContextManager[str]:
        """Some ids as what can stand in `FROM`, with one column, `id`."""


class Misfit(Exception):
    """Rows that the database does not take for what they hold. Nothing is wrong with the index."""


class Unavailable(Exception):
    """A shared index cannot be used as it is, for a reason that lies there. Another index answers as well."""


class Database(ABC):
    """An index, of which nothing is lost when it is: it is made anew from the store."""

    dialect: ClassVar[str]

    made_anew: str = ""
    """What was wrong with the one that was there, if it had to be made anew."""
    writable: bool = True
    """Whether what is new may be put into it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    @abstractmethod
    def shown(self) -> str:
        """Where it is, for people; empty for one in memory."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    @abstractmethod
    def use(self, work: Callable[[], T]) -> T:
        """Do something with the index. One that turns out to be damaged is made anew, and the work is done again.

        Raises `StoreError`, or `Unavailable` if it is shared.
        """

    @abstractmethod
    def replace(self) -> None:
        """Forget all that it has of this store."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Connection]:
        """To write: all or nothing, and alone. Raises `Misfit` for what cannot be put in."""

    @abstractmethod
    def attempt(self) -> AbstractContextManager[Connection | None]:
        """To write what may as well be left out: nothing is there to write with if another process is writing."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Connection]:
        """To ask: several statements that all see the same."""

    @abstractmethod
    def settle(self) -> None:
        """After much was written: let the database look at it, so that it finds the best ways."""
