"""Which runs are pruned: by age, count and tag, and never one that another run may need. Pure but for what is asked.

An artifact that a name means, `PIPELINE/STEP.OUTPUT@latest`, is what users and pipelines ask for tomorrow. It is not
always of the last run that succeeded: that one may have taken another branch, or been cut by `--until`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeglot.core.artifact_refs import ArtifactId, ArtifactName, parse_artifact
from pipeglot.core.lineage.gc.shapes import Output
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

    status: how a run has ended. Of a pipeline, by its hash: words: its tags. names: of which artifacts its parameters
    take the values if nothing else is given. outputs: those of all of its steps; None if they cannot be told. made: the
    outputs that a run has.
    """

    status: Callable[[Seen], str]
    words: Callable[[str], tuple[str, ...]]
    names: Callable[[str], tuple[str, ...]]
    outputs: Callable[[str], frozenset[Output] | None]
    made: Callable[[Seen], set[Output]]


def choose(
    runs: Mapping[str, Seen],
    order: Sequence[str],
    wanted: Retention,
    now: float,
    asked: Asked,
    deployed: Iterable[str] = (),
) -> list[str]:
    """The runs that go, the oldest first. `order`: all runs, the latest to arrive last. `deployed`: pipelines, by hash.

    Open runs stay, and whatever they resume; so does what a kept run resumes that has not succeeded, for it may be gone
    on with. Of each pipeline those runs stay that have the newest of an output, unless none is to be kept (`keep_last`
    0); and those always which have an artifact that a kept or deployed pipeline names.
    """
    if not wanted.prunes:
        return []
    here = [runs[run] for run in order if run in runs and not runs[run].gone]
    newest = _Newest(here, asked)
    safe = _latest(wanted, newest)
    safe |= newest.named(name for ir in deployed for name in asked.names(ir))
    goes = {one.run for one in here if one.run not in safe and _may_go(one, wanted, now, asked)}
    while True:
        _spare_resumed(here, runs, goes, asked)
        kept = {one.start.ir for one in here if one.start is not None and one.run not in goes}
        named = newest.named(name for ir in sorted(kept) for name in asked.names(ir))
        if not named & goes:
            return [one.run for one in here if one.run in goes]
        goes -= named


def _may_go(one: Seen, wanted: Retention, now: float, asked: Asked) -> bool:
    if one.start is None or not one.ended or (wanted.pipelines and one.start.pipeline not in wanted.pipelines):
        return False
    if now - one.last <= max(wanted.older_than or 0.0, YOUNG):
        return False
    return not any(_has_tag(one.start, name, value, asked) for name, value in wanted.keep_tags)


def _has_tag(start: Start, name: str, value: str | None, asked: Asked) -> bool:
    if value is not None:
        return start.tags.get(name) == value
    return name in start.tags or name in asked.words(start.ir)


def _latest(wanted: Retention, newest: _Newest) -> set[str]:
    """The last ones of each pipeline, and those that have the newest of an output."""
    if wanted.keep_last == 0:
        return set()
    found: set[str] = set()
    for pipeline, ran in newest.by_pipeline.items():
        found.update(one.run for one in ran[: wanted.keep_last or 0])
        found |= newest.of(pipeline)
    return found


class _Newest:
    """Which runs have the newest of each output: what the names of artifacts mean. The rules are those of `naming`."""

    def __init__(self, here: Sequence[Seen], asked: Asked) -> None:
        self.here = here
        self.asked = asked
        self.by_pipeline: defaultdict[str, list[Seen]] = defaultdict(list)
        """The latest first."""
        for one in reversed(here):
            if one.start is not None:
                self.by_pipeline[one.start.pipeline].append(one)
        self._known: dict[tuple[str, tuple[str, str] | None], set[str]] = {}

    def named(self, names: Iterable[str]) -> set[str]:
        """The runs that artifacts of these names are of."""
        found: set[str] = set()
        for text in set(names):
            match parse_artifact(text):
                case ArtifactId(run=run) | ArtifactName(run=str(run)) if run != "latest":
                    found.update(one.run for one in self.here if one.run.startswith(run))
                case ArtifactName(pipeline=pipeline, tag=tag):
                    found |= self.of(pipeline, tag)
        return found

    def of(self, pipeline: str, tag: tuple[str, str] | None = None) -> set[str]:
        """The runs that have the newest of an output of a pipeline; with `tag`, among those that have it."""
        if (pipeline, tag) not in self._known:
            self._known[pipeline, tag] = self._find(pipeline, tag)
        return self._known[pipeline, tag]

    def _find(self, pipeline: str, tag: tuple[str, str] | None) -> set[str]:
        """Also the last whole run that succeeded, for its steps may return nothing."""
        ran = (one for one in self.by_pipeline.get(pipeline, ()) if one.ended and _is_tagged(one.start, tag))
        found: set[str] = set()
        made: set[Output] = set()
        nameable: frozenset[Output] | None = None  # what a later whole run has no step for is named by nobody
        looked: set[tuple[frozenset[str], str, bool]] = set()
        for one, start in ((one, one.start) for one in ran if one.start is not None):
            is_cut = start.asked is not None and bool(start.asked.until)
            kind = one.cells, start.ir, is_cut
            if kind in looked or self.asked.status(one) != "succeeded":
                continue
            if nameable is None and not is_cut:
                found.add(one.run)
            outputs = self.asked.outputs(start.ir)
            if outputs is None:
                looked.add(kind)
                continue
            offered = outputs if nameable is None else outputs & nameable
            if _offers(one.cells, offered, made):
                new = {(cell, output) for cell, output in self.asked.made(one) if (_step(cell), output) in offered}
                found.update({one.run} if new - made else ())
                made |= new
            if not is_cut:
                nameable = offered
            if not _offers(one.cells, offered, made):
                looked.add(kind)
        return found


def _is_tagged(start: Start | None, tag: tuple[str, str] | None) -> bool:
    return start is not None and (tag is None or start.tags.get(tag[0]) == tag[1])


def _step(cell: str) -> str:
    return cell.partition("/")[0]


def _offers(cells: Iterable[str], outputs: Iterable[Output], made: set[Output]) -> bool:
    """Whether a run with these cells may have something that no later one has."""
    by_step: defaultdict[str, list[str]] = defaultdict(list)
    for step, output in outputs:
        by_step[step].append(output)
    return any((cell, output) not in made for cell in cells for output in by_step.get(_step(cell), ()))


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
