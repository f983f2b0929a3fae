"""What an engine says of its sandbox: what it is made from, how it is started, and how one sees that it is well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipeglot.compilers.sandboxes.environment import Pins
from pipeglot.compilers.sandboxes.records import State

if TYPE_CHECKING:
    from pipeglot.compilers.sandboxes.home import Home
    from pipeglot.compilers.sandboxes.starting import Starting


class Release(NamedTuple):
    """A version of an engine that a sandbox can have.

    version: as a stack names it.
    exact: the release that is pinned.
    requirements: the file of its pins.
    pythons: the versions of Python that it runs on, the best first.
    """

    version: str
    exact: str
    requirements: Path
    pythons: tuple[str, ...]


class Engine(ABC):
    """One engine. All that is the same for all of them is done in `running.py`."""

    name: ClassVar[str]
    title: ClassVar[str]
    """As people write it."""
    releases: ClassVar[Mapping[str, Release]]
    """By version; the first is what one gets if none is named."""
    user: ClassVar[str]
    ports: ClassVar[int]
    """How many it needs."""
    serves: ClassVar[bool] = True
    """Whether it has parts that run. One without is up once it is there."""

    @abstractmethod
    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:
        """Raises `UsageError` if the engine can have no such settings, or the sandbox needs them for itself."""

    @abstractmethod
    def url(self, ports: tuple[int, ...]) -> str:
        """Where it answers."""

    @abstractmethod
    def folders(self, home: Home) -> dict[str, str]:
        """What lies where, by name."""

    @abstractmethod
    def start(self, run: Starting) -> None:
        """Make what is not there yet, start every part, and wait until all of it is well."""

    @abstractmethod
    def trouble(self, state: State, home: Home) -> str:
        """What is not well, in a few words; "" if all of it is. Asks the engine, and does not wait long for it."""

    def end(self, home: Home) -> None:  # noqa: B027  # most need nothing
        """Take away what would let somebody go on with it, once its processes have ended."""

    @abstractmethod
    def stack(self, state: State, home: Home) -> dict[str, Any]:
        """What `pipeglot.yaml` says of the sandbox's stack."""

    def stack_name(self, version: str) -> str:
        """`airflow-sandbox`; of another version than the first, `airflow-2-sandbox`."""
        first = next(iter(self.releases))
        return f"{self.name}-sandbox" if version == first else f"{self.name}-{version}-sandbox"

    def pins(self, version: str) -> Pins:
        """What its environment is made from."""
        release = self.releases[version]
        return Pins(f"{self.name}-{release.exact}", release.requirements, release.pythons)
