"""`store size`: how many bytes each pipeline and step has in a store, as values and as they are stored.

Equal values are stored once in a week, and small ones stand in records: so what runs refer to is more than what lies
there. All comes from the ledger: one listing of the store, and a look at each record.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import blob_key
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.marking import Mark, mark_of
from pipeglot.core.lineage.gc.survey import Seen, part_of, run_of, survey
from pipeglot.core.lineage.ids import artifact_id
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.records import Ref
from pipeglot.core.lineage.references import Touched, uses
from pipeglot.core.store.base import Store
from pipeglot.core.suggest import meant

MOST_LARGE = 10
_MANY = 2000


class StepSize(Struct, kw_only=True):
    """The saved values of a step, in all runs of a pipeline.

    step: its name; empty for what belongs to the runs themselves: their records, and artifacts that they were given.
    values: how many values, logs and checkpoints, small ones that stand in records left out.
    bytes: their size together, each counted as often as it is referred to.
    stored: their size as they lie in the store, equal ones counted once.
    """

    step: str
    values: int = 0
    bytes: int = 0
    stored: int = 0


class PipelineSize(Struct, kw_only=True):
    """What the runs of a pipeline have in the store.

    pipeline: its name.
    runs: how many runs, without pruned ones.
    values: how many values, logs and checkpoints, small ones that stand in records left out.
    bytes: their size together, each counted as often as it is referred to.
    stored: their size as they lie in the store, equal ones counted once.
    shared: of that, what runs of other pipelines refer to as well.
    records: the size of the runs' records.
    steps: the same of each step, the largest first.
    """

    pipeline: str
    runs: int = 0
    values: int = 0
    bytes: int = 0
    stored: int = 0
    shared: int = 0
    records: int = 0
    steps: list[StepSize] = []


class LargeArtifact(Struct, kw_only=True):
    """One of the largest artifacts.

    stored: its size in the store.
    id: by which `artifact show` finds it; of several that are the same bytes, the one of the first run that was read.
    pipeline: the pipeline that it is of.
    codec: how it is stored.
    """

    stored: int
    id: str
    pipeline: str
    codec: str


class Part(Struct, kw_only=True):
    """A part of the store.

    name: what it is, as its keys begin.
    objects: how many objects.
    bytes: their size together.
    """

    name: str
    objects: int = 0
    bytes: int = 0


class StoreSize(Struct, kw_only=True):
    """The size of a store.

    store: its address.
    objects: how many objects it has.
    bytes: their size together.
    parts: the same of each part of the store.
    unreferenced: the size of the blobs that only the cache, or nothing at all, refers to.
    pipelines: what each has, the largest first.
    largest: the ten largest artifacts.
    unreadable: how many records could not be read: what they refer to is not counted.
    """

    store: str
    objects: int
    bytes: int
    parts: list[Part]
    unreferenced: int
    pipelines: list[PipelineSize]
    largest: list[LargeArtifact]
    unreadable: int = 0


def store_size(store: Store, pipelines: Collection[str], tick: Callable[[str], object]) -> StoreSize:
    """Look at all of a store. Raises `NotFound` if there is none, or no such pipeline in it."""
    if store.get("store.json") is None:
        raise NotFound(f"there is no store at `{store.uri}`", hint="`-C DIR` and `--stack NAME` look elsewhere")
    return _Size(store, pipelines, tick).run()


class _Size:
    def __init__(self, store: Store, asked: Collection[str], tick: Callable[[str], object]) -> None:
        self.store = store
        self.asked = asked
        self.tick = tick
        self.ledger = Ledger(store)
        self.artifacts = Artifacts(store)
        self.unreadable = 0
        self._pipelines: dict[str, PipelineSize] = {}
        self._steps: dict[tuple[str, str], StepSize] = {}
        self._owners: dict[Mark, set[tuple[str, str]]] = {}
        self._sizes: dict[Mark, int] = {}
        self._parts: dict[Mark, list[tuple[Mark, int]]] = {}
        self._large: dict[str, LargeArtifact] = {}

    def run(self) -> StoreSize:
        runs = survey(self.ledger)
        self._count_runs(runs)
        self._refuse_unknown()
        wanted = (key for key in self.store.list(keys.RUNS) if _is_read(key, runs))
        for run, found in itertools.groupby(self.store.get_all(wanted), key=lambda pair: pair[0].split("/")[1]):
            start = runs[run].start if run in runs else None
            if start is not None:
                self._run(start.pipeline, found)
            self.tick("reading records")
        for (pipeline, _), step in sorted(self._steps.items()):
            self._pipelines[pipeline].steps.append(step)
        self._share()
        parts, loose = self._listed()
        shown = [one for name, one in self._pipelines.items() if not self.asked or name in self.asked]
        for one in shown:
            one.steps.sort(key=lambda step: (-step.stored, step.step))
        return StoreSize(
            store=self.store.uri,
            objects=sum(one.objects for one in parts),
            bytes=sum(one.bytes for one in parts),
            parts=parts,
            unreferenced=loose,
            pipelines=sorted(shown, key=lambda one: (-one.stored, one.pipeline)),
            largest=self._largest(),
            unreadable=self.unreadable,
        )

    # --- reading ------------------------------------------------------------------------------------------------------

    def _count_runs(self, runs: dict[str, Seen]) -> None:
        for seen in runs.values():
            if seen.start is None or seen.gone:
                continue
            name = seen.start.pipeline
            told = self._pipelines.setdefault(name, PipelineSize(pipeline=name, steps=[]))
            told.runs += 1
            told.records += seen.size

    def _refuse_unknown(self) -> None:
        for name in self.asked:
            if name not in self._pipelines:
                known = sorted(self._pipelines)
                raise NotFound(
                    f"the store `{self.store.uri}` has no run of a pipeline `{name}`",
                    hint=meant(name, known, "its pipelines are", 8) or "`pipeglot run TARGET` makes one",
                )

    def _run(self, pipeline: str, found: Iterable[tuple[str, bytes | None]]) -> None:
        for key, data in found:
            if data is None:
                continue
            try:
                for use in uses(unpack(data, key)):
                    self._use(pipeline, use.ref, use.by)
            except (Corrupt, NewerFormat):
                self.unreadable += 1

    def _use(self, pipeline: str, ref: Ref, by: Touched) -> None:
        if not ref.week:
            return
        parts = self._parts_of(ref)
        size = sum(part[1] for part in parts)
        place = (pipeline, by.step)
        step = self._steps.setdefault(place, StepSize(step=by.step))
        told = self._pipelines[pipeline]
        for one in (step, told):
            one.values += 1
            one.bytes += size
        for mark, part in parts:
            self._sizes[mark] = part
            self._owners.setdefault(mark, set()).add(place)
        if by.step and by.part not in ("log", "checkpoint"):
            self._note_large(pipeline, ref, by, size)

    def _parts_of(self, ref: Ref) -> list[tuple[Mark, int]]:
        """What is stored for a value: its bytes, and those of its parts. Read once of each value."""
        known = mark_of(f"{ref.week}/{ref.blob}/{ref.codec}")
        if known not in self._parts:
            found = {mark_of(blob_key(week, sha)): size for week, sha, size in self.artifacts.blobs(ref)}
            self._parts[known] = list(found.items())
        return self._parts[known]

    def _note_large(self, pipeline: str, ref: Ref, by: Touched, size: int) -> None:
        if ref.blob in self._large or (self.asked and pipeline not in self.asked):
            return
        at = artifact_id(by.run_id, (by.step, by.index), by.part)
        self._large[ref.blob] = LargeArtifact(stored=size, id=at, pipeline=pipeline, codec=ref.codec)
        if len(self._large) >= _MANY:
            self._large = dict(heapq.nlargest(MOST_LARGE, self._large.items(), key=_stored))

    def _largest(self) -> list[LargeArtifact]:
        return [one for _, one in heapq.nlargest(MOST_LARGE, self._large.items(), key=_stored)]

    # --- adding up ----------------------------------------------------------------------------------------------------

    def _share(self) -> None:
        """Each blob counts once for a step, and once for a pipeline."""
        for mark, places in self._owners.items():
            size = self._sizes[mark]
            names = {pipeline for pipeline, _ in places}
            for place in places:
                self._steps[place].stored += size
            for name in names:
                self._pipelines[name].stored += size
                self._pipelines[name].shared += size if len(names) > 1 else 0

    def _listed(self) -> tuple[list[Part], int]:
        """All that lies there, by the first part of its key; and the bytes of blobs that no run refers to."""
        parts: dict[str, Part] = {}
        loose = 0
        for entry in self.store.entries(""):
            name, slash, _ = entry.key.partition("/")
            told = parts.setdefault(name + slash, Part(name=name + slash))
            told.objects += 1
            told.bytes += entry.size
            if entry.key.startswith(keys.BLOBS) and mark_of(entry.key) not in self._owners:
                loose += entry.size
            self.tick("adding up")
        return sorted(parts.values(), key=lambda one: (-one.bytes, one.name)), loose


def _stored(item: tuple[str, LargeArtifact]) -> tuple[int, str]:
    return item[1].stored, item[1].id


def _is_read(key: str, runs: Mapping[str, Seen]) -> bool:
    """What refers to values, of runs that were not pruned."""
    seen = runs.get(run_of(key))
    return seen is not None and not seen.gone and part_of(key)[0] in ("start", "v", "f", "c")
