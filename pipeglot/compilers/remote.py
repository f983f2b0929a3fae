"""The live orchestrator of a stack, as the commands that start, follow and end runs see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from pipeglot.compilers.base import File, Source
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.keys import Index

if TYPE_CHECKING:
    from pipeglot.core.task.joining import EngineRun


EngineStatus = Literal["waiting", "running", "succeeded", "failed", "gone"]
"""How far a run is; `gone` if the orchestrator has none of that id."""

TaskState = Literal["waiting", "running", "retrying", "succeeded", "failed", "skipped"]


class Away(EngineError):
    """The orchestrator gives no answer, or none now: the same question may have one later."""


class Check(NamedTuple):
    """Something that was looked at: in a word, what was found, and if that is not good, the way out."""

    what: str
    said: str
    ok: bool = True
    hint: str = ""


class EngineTask(NamedTuple):
    """A task of a run, as the orchestrator sees it.

    step: the step or branch that it stands for, or its own name. number: of an item of a map, its position in the
    list of all items; -1 outside maps. attempt: the latest one, from 1; 0 before it. among: how many tasks share all
    items, if they may be fewer than these; 0 outside maps. item: of an item, where the orchestrator knows it, its
    position in each map around it: then it has no number. id: by which the orchestrator finds it.
    """

    step: str
    number: int
    state: TaskState
    attempt: int
    among: int = 0
    item: Index = ()
    id: str = ""


def largest(sizes: Mapping[str, int], most: int) -> list[str]:
    """The largest of these, without which the others have no more than so many bytes."""
    found, rest = [], sum(sizes.values())
    for name in sorted(sizes, key=lambda one: (-sizes[one], one)):
        if rest <= most:
            break
        rest -= sizes[name]
        found.append(name)
    return found


class BackfillRun(NamedTuple):
    """A run that the orchestrator itself has made for a moment of the past.

    id: its own of it. seconds: how long it took; 0 before its end.
    """

    id: str
    moment: dt.datetime
    state: Literal["waiting", "running", "succeeded", "failed"]
    seconds: float


class Backfilling(Protocol):
    """What an orchestrator does that fills in the past of a pipeline by itself. Every call raises `EngineError`."""

    def would_run(self, moments: Sequence[dt.datetime]) -> bool:
        """Whether it would run exactly these moments, were it asked for the span of them."""

    def start(self, moments: Sequence[dt.datetime], most: int, conf: Mapping[str, Any]) -> str:
        """Begin, so many runs at once, each with these parameters. Returns by what it is stopped."""

    def runs(self, moments: Sequence[dt.datetime]) -> Iterator[BackfillRun]:
        """Its runs for a span of moments, as far as they are there."""

    def stop(self, backfill: str) -> None:
        """Begin no more runs."""


@runtime_checkable
class FillsIn(Protocol):
    """The live orchestrator of a stack, if it can fill in the past by itself."""

    def backfilling(self, pipeline: str) -> Backfilling | None:
        """How it does, for a pipeline; None if this version of it does not."""


class Remote(Protocol):
    """The live orchestrator of a stack. Every call raises `EngineError` if it cannot be reached, or refuses.

    `Away`, which is one, says that asking again may help. wakes: whether a run that is started from here ends the pause
    of its pipeline.
    """

    @property
    def wakes(self) -> bool: ...

    def register(self, source: Source, files: Collection[File]) -> None:
        """Tell it of what was compiled, if it does not find that by itself: all that it needs is where it is to be."""

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether it has read this very version. Raises `EngineError` with its words on a file that it cannot read."""

    def is_paused(self, pipeline: str) -> bool:
        """Whether it starts nothing of it by itself."""

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        """Those parameters of a run that it would not bring to its tasks as they are: these travel through the store.

        What is ours, the parameter `pipeglot`, may be among them.
        """

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run under this id. Returns what its tasks will be told of it."""

    def status(self, pipeline: str, run: str) -> EngineStatus:
        """How far it says that a run is."""

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:
        """Its tasks: all, or those in these states."""

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:
        """What an attempt of a task has printed so far, as the orchestrator has it. Empty if it has nothing."""

    def cancel(self, pipeline: str, run: str) -> None:
        """End what runs, and start no more but what cleans up. Of a run that has ended: it counts as no success."""

    def url(self, pipeline: str, run: str) -> str:
        """Where a person looks at a run."""

    def problems(self, source: Source) -> Iterator[Problem]:
        """What a pipeline needs and the live one lacks, such as pools."""

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """What of the live one stands for or against the stack; `deployed` are pipelines that it should know."""


@runtime_checkable
class Installs(Remote, Protocol):
    """Of one that has more to do for `deploy` than for a run that is started from here."""

    def install(self, pipeline: str) -> str:
        """Have what was registered run by itself, where the stack says. Returns what was done; "" if there is nothing
        to do. Raises `EngineError`."""
