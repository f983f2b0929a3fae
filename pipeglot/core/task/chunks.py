"""Items of a map that share a task: an engine may map over fewer than a list has.

Each item keeps its own records, retries and timeout; only the engine sees them as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from pipeglot.core.lineage.keys import Index
from pipeglot.core.task.task import NOT_DUE, Outcome, TaskRun

T = TypeVar("T")

Items = list[list[int]] | list[list[list[int]]]
"""Where a mapped step runs: positions, in each map around it; or chunks of them."""


class Chunk(NamedTuple):
    """What became of several items in one task: it has failed if one of them has, and is skipped if all of them are.

    outputs: of each item, artifact ids by name. message: why, if it did not succeed. tracebacks: of those that failed.
    """

    status: Literal["succeeded", "failed", "skipped"]
    outputs: list[dict[str, str]]
    message: str = ""
    tracebacks: str = ""


def shared(items: list[list[int]], most: int, step: str) -> Items:
    """The items of a step for an engine that maps over no more than `most`."""
    if len(items) <= most:
        return items
    found = chunks(items, most)
    print(
        f"pipeglot: {len(items)} items are more than the {most} that are mapped over here: "
        f"each task of `{step}` runs up to {len(found[0])}, one after the other"
    )
    return found


def chunks(items: Sequence[T], most: int) -> list[list[T]]:
    """All items in order, in `most` chunks at most, none larger than it must be."""
    size = -(-len(items) // most)
    return [list(items[at : at + size]) for at in range(0, len(items), size)] if items else []


def run_chunk(task: TaskRun, step: str, indexes: Sequence[Index], engine: Mapping[str, str]) -> Chunk:
    """Run a step for each of these items, one after the other, each until it is over.

    The engine's tries are those of the chunk, so the attempts of an item are counted and waited for here. What has
    succeeded in an earlier try of the chunk is taken. Raises what `TaskRun.step` raises.
    """
    with task.place.together():
        return _together({index: _to_its_end(task, step, index, engine) for index in indexes})


def _to_its_end(task: TaskRun, step: str, index: Index, engine: Mapping[str, str]) -> Outcome:
    outcome = task.step(step, index, attempt=None, engine=engine)
    while outcome.status == "retry":
        assert outcome.failure is not None, "a failed attempt says why"
        print(f"pipeglot: item {name(index)}: {outcome.failure.type}: {outcome.failure.message}", flush=True)
        outcome = task.step(step, index, attempt=None, engine=engine)
    print(f"pipeglot: item {name(index)}: {_told(outcome)}", flush=True)
    return outcome


def label(indexes: Sequence[Index]) -> str:
    """What to call a chunk in an engine's pages."""
    return f"{name(indexes[0])}…{name(indexes[-1])}"


def name(index: Index) -> str:
    """An item's position as people read it."""
    return ".".join(map(str, index))


def _together(found: Mapping[Index, Outcome]) -> Chunk:
    outputs = [dict(outcome.outputs) for outcome in found.values()]
    failed = {index: outcome.failure for index, outcome in found.items() if outcome.status == "failed"}
    if failed:
        told = f"{len(failed)} of {len(found)} items failed: {', '.join(map(name, failed))}"
        texts = [
            f"item {name(index)}:\n{failure.traceback}"
            for index, failure in failed.items()
            if failure and failure.traceback
        ]
        return Chunk("failed", outputs, told, "\n".join(texts))
    if all(outcome.status == "skipped" for outcome in found.values()):
        return Chunk("skipped", outputs, NOT_DUE)
    return Chunk("succeeded", outputs)


def _told(outcome: Outcome) -> str:
    if outcome.cached:
        return f"cached: the result of {outcome.cached} is taken"
    if outcome.failure is not None:
        return f"failed: {outcome.failure.type}: {outcome.failure.message}"
    return outcome.status
