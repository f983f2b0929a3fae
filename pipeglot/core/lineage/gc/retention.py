"""Which runs are pruned: by age, count and tag, and never one that another run may need. Pure but for what is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.records import Start

YOUNG = 86_400.0
"""Seconds in which a run that was written to is never pruned, whatever is asked for: somebody may just read it."""


class Retention(NamedTuple):
    """What is to be kept. Without `older_than` and `keep_last`, all runs are.

    older_than: seconds since a run was last written to; younger ones are kept. keep_last: of each pipeline, so many.
    keep_tags: runs with one of those; without a value, any, or a word of the pipeline's own tags. pipelines: only runs
    of these are pruned; of all, if there are none.
    """

    older_than: float | None = None
    keep_last: int | None = None
    keep_tags: tuple[tuple[str, str | None], ...] = ()
    pipelines: tuple[str, ...] = ()

    @property
    def prunes(self) -> bool:
        return self.older_than is not None or self.keep_last is not None


class Asked(NamedTuple):
    """What is looked up only of the runs that it depends on.

    status: how a run has ended. words: the tags of its pipeline.
    """

    status: Callable[[Seen], str]
    words: Callable[[Start], tuple[str, ...]]


def choose(runs: Mapping[str, Seen], order: Sequence[str], wanted: Retention, now: float, asked: Asked) -> list[str]:
    """The runs that go, the oldest first. `order`: all runs, the latest to arrive last.

    Open runs stay, and whatever they resume; so does what a kept run resumes that has not succeeded, for it may be gone
    on with. Of each pipeline the latest run that succeeded stays, unless none is to be kept (`keep_last` 0).
    """
    if not wanted.prunes:
        return []
    here = [runs[run] for run in order if run in runs and not runs[run].gone]
    safe = _latest(here, wanted, asked)
    goes = {one.run for one in here if one.run not in safe and _may_go(one, wanted, now, asked)}
    _spare_resumed(here, runs, goes, asked)
    return [one.run for one in here if one.run in goes]


def _may_go(one: Seen, wanted: Retention, now: float, asked: Asked) -> bool:
    if one.start is None or not one.ended or (wanted.pipelines and one.start.pipeline not in wanted.pipelines):
        return False
    if now - one.last <= max(wanted.older_than or 0.0, YOUNG):
        return False
    return not any(_has_tag(one.start, name, value, asked) for name, value in wanted.keep_tags)


def _has_tag(start: Start, name: str, value: str | None, asked: Asked) -> bool:
    if value is not None:
        return start.tags.get(name) == value
    return name in start.tags or name in asked.words(start)


def _latest(here: Sequence[Seen], wanted: Retention, asked: Asked) -> set[str]:
    """The last ones of each pipeline, and its last success."""
    by_pipeline: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in reversed(here):
        if one.start is not None:
            by_pipeline[one.start.pipeline].append(one)
    found: set[str] = set()
    for ran in by_pipeline.values():
        found.update(one.run for one in ran[: wanted.keep_last or 0])
        good = next((one.run for one in ran if one.ended and asked.status(one) == "succeeded"), None)
        if good is not None and wanted.keep_last != 0:
            found.add(good)
    return found


def _spare_resumed(here: Sequence[Seen], runs: Mapping[str, Seen], goes: set[str], asked: Asked) -> None:
    """Take out of `goes` what kept runs may still ask for."""
    for one in here:
        if one.run in goes or one.start is None or one.start.resumes is None:
            continue
        if one.ended and asked.status(one) == "succeeded":
            continue
        before: str | None = one.start.resumes
        seen = {one.run}
        while before is not None and before not in seen:  # a forged record may lead in a circle
            seen.add(before)
            goes.discard(before)
            found = runs.get(before)
            before = found.start.resumes if found is not None and found.start is not None else None
