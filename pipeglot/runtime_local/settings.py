"""What a run is told when it is made: how to run, and where it comes from."""

from __future__ import annotations

from msgspec import Struct

from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.records import Asked, Ref


class Settings(Struct, frozen=True, kw_only=True):
    """How to run: what the stack says, and the project that the code is in."""

    stack: str
    root: str
    roots: tuple[str, ...]
    work: str
    max_parallel: int
    pools: dict[str, int] = {}
    secrets: dict[str, str] = {}
    sources: dict[str, str] = {}
    cache: bool = True
    anew: tuple[str, ...] = ()
    durable: bool = False
    """Whether what workers write is to survive a power cut, as what the runner writes does if its store is durable."""
    copies: str = ""
    """Where local copies of what is read from a bucket lie: shared by the workers, and by runs to come."""
    beats: Schedule = Schedule()  # a tuple
    session: bytes = b""
    """What the caller's `__main__` defined, where that is a notebook."""


class Origins(Struct, frozen=True, kw_only=True):
    """What a run's first record tells of its beginning, beside the pipeline and its parameters.

    logical_date: of the run that this one resumes; empty means now. resumes: the id of that run.
    """

    tags: dict[str, str] = {}
    asked: Asked | None = None
    resumes: str | None = None
    logical_date: str = ""
    artifacts: dict[str, Ref] = {}
