"""Which saved values a record refers to, and for whom: what `store verify` reads, and what `store gc` keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from pipeglot.core.lineage.records import Attempt, CacheEntry, CheckpointRecord, Ref, Start, Verdict


class Touched(Struct, frozen=True, order=True):
    """An execution or a run that needs an object.

    run_id: of the run.
    step: the step's name; empty if it is the run itself.
    index: the position in each enclosing map; empty outside maps.
    part: the output, `log`, `checkpoint` or `cache`; of a run, the parameter that names an artifact; empty if it is the
        record of it.
    """

    run_id: str
    step: str = ""
    index: tuple[int, ...] = ()
    part: str = ""


class Use(NamedTuple):
    """A reference, and who needs it."""

    ref: Ref
    by: Touched


def uses(record: object) -> Iterator[Use]:
    """All references in a record."""
    if isinstance(record, Verdict | Attempt):
        for output, ref in record.observed.refs.items():
            yield Use(ref, Touched(record.run, record.step, record.index, output))
        if record.observed.log is not None:
            yield Use(record.observed.log, Touched(record.run, record.step, record.index, "log"))
    elif isinstance(record, CheckpointRecord):
        yield Use(record.ref, Touched(record.run, record.step, record.index, "checkpoint"))
    elif isinstance(record, Start):
        for name, ref in record.artifacts.items():
            yield Use(ref, Touched(record.run, part=name))
    elif isinstance(record, CacheEntry):
        origin = record.origin
        for ref in record.refs.values():
            yield Use(ref, Touched(origin.run, origin.step, origin.index, "cache"))
