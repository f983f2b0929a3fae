"""Compare the parts of an execution's cache key with those of the run in which the same execution last succeeded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct

from pipeglot.client.records import Found, Records
from pipeglot.core.errors import PipeglotError
from pipeglot.core.ir import OutputRef, ParamRef, Source, Step
from pipeglot.core.lineage.arguments import Arg, Given, Saved, hashes
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import source_needs
from pipeglot.core.lineage.records import Origin, Verdict
from pipeglot.core.lineage.view import read_run, readable

MOST_RUNS = 50
"""So many earlier runs are looked through."""

_SHOWN = 16
"""Hex digits of a hash that tell it from others."""

Members = dict[str, str]


class Change(Struct, frozen=True, kw_only=True):
    """A part of the key that differs.

    part: `code`, `input`, `version`, `env`, `packages` or `secrets`.
    name: which function or input.
    detail: what of it, in words.
    before: the earlier value where it is small, else its hash.
    after: the value now, likewise.
    """

    part: str
    name: str = ""
    detail: str = ""
    before: Any = None
    after: Any = None


class Explanation(Struct, frozen=True, kw_only=True):
    """Why an execution ran, or whose results it took.

    run_id: the run that was asked about.
    step: the step.
    index: the position in each enclosing map; empty outside maps.
    status: what became of it.
    cached: whether results were reused.
    why: why the cache had nothing to offer.
    reused_from: the execution whose results were taken.
    against: the latest earlier run in which it succeeded, with which it is compared.
    against_created: when that run began.
    changes: the parts of the key that differ from that run's.
    """

    run_id: str
    step: str
    index: tuple[int, ...]
    status: str
    cached: bool
    why: str
    reused_from: Origin | None
    against: str | None
    against_created: str
    changes: tuple[Change, ...]


def explain(records: Records, found: Found, cell: Cell) -> Explanation:
    """The explanation for one execution, whether it ran or not."""
    entry = found.state.entries.get(cell)
    verdict = entry.verdict if entry else None
    earlier = _earlier(records, found, cell) if verdict else None
    seen = verdict.observed if verdict else None
    return Explanation(
        run_id=found.start.run,
        step=cell[0],
        index=cell[1],
        status=entry.status if entry else "not done",
        cached=bool(seen and seen.cached),
        why=_first_why(records, found, cell, verdict) or _why(verdict is not None, earlier),
        reused_from=seen.cached if seen else None,
        against=earlier.start.run if earlier else None,
        against_created=earlier.start.created if earlier else "",
        changes=tuple(_changes(earlier, found, cell)) if earlier and not (seen and seen.cached) else (),
    )


def _first_why(records: Records, found: Found, cell: Cell, verdict: Verdict | None) -> str:
    """What the cache said: noted with the first attempt, which looked there."""
    failed = records.ledger.attempts(found.start.run, *cell)
    seen = failed[0].observed if failed else verdict.observed if verdict else None
    return seen.why if seen else ""


def _why(ran: bool, earlier: Found | None) -> str:
    if not ran:
        return "it has not run, so nothing was looked up"
    return "" if earlier else "no earlier run of this pipeline got this far"


def _earlier(records: Records, found: Found, cell: Cell) -> Found | None:
    """The latest run before this one, of the same pipeline, in which this execution succeeded."""
    before = itertools.dropwhile(lambda start: start.run != found.start.run, records.latest())
    same = (start for start in itertools.islice(before, 1, None) if start.pipeline == found.start.pipeline)
    for start in itertools.islice(same, MOST_RUNS):
        try:
            other = Found(*read_run(records.ledger, records.artifacts, start.run))
        except PipeglotError:  # damaged, or of a later pipeglot: it tells nothing
            continue
        entry = other.state.entries.get(cell)
        if entry is not None and entry.verdict is not None and entry.status == "succeeded":
            return other
    return None


# --- the parts of the key ---------------------------------------------------------------------------------------------


def _changes(before: Found, after: Found, cell: Cell) -> Iterator[Change]:
    old, new = before.state.plan.step(cell[0]), after.state.plan.step(cell[0])
    yield from _code(before, after, old, new)
    yield from _inputs(before, after, cell, new)
    yield from _declared("version", old.cache.version, new.cache.version)
    yield from _declared("env", old.env, new.env)
    yield from _declared("packages", old.packages, new.packages)
    yield from _declared("secrets", sorted(old.secrets), sorted(new.secrets))


def _declared(part: str, before: Any, after: Any) -> Iterator[Change]:
    if before != after:
        yield Change(part=part, before=before, after=after)


def _code(before: Found, after: Found, old: Step, new: Step) -> Iterator[Change]:
    if old.code.digest == new.code.digest:
        return
    was = before.state.plan.pipeline.closures.get(old.code.digest, {})
    now = after.state.plan.pipeline.closures.get(new.code.digest, {})
    yield Change(part="code", name=str(new.code), detail=_members(was, now) or f"it was `{old.code}`")


def _members(before: Members, after: Members) -> str:
    """The functions, classes and constants that make the difference."""
    changed = [name for name in after if name in before and before[name] != after[name]]
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    told = (("changed", changed), ("added", added), ("removed", removed))
    return "; ".join(f"{word} {', '.join(f'`{name}`' for name in names)}" for word, names in told if names)


def _inputs(before: Found, after: Found, cell: Cell, step: Step) -> Iterator[Change]:
    was = before.state.arguments.of_step(*cell)
    now = after.state.arguments.of_step(*cell)
    for name in {**was, **now}:
        if name not in now or name not in was:
            yield Change(part="input", name=name, detail="it is new" if name in now else "it is gone")
        elif hashes(was[name], key=True) != hashes(now[name], key=True):
            shown = [_small(arg) for arg in (was[name], now[name])]
            both = UNSET not in shown
            yield Change(
                part="input",
                name=name,
                detail=_origin(step.inputs[name]),
                before=shown[0] if both else _hash(was[name]),
                after=shown[1] if both else _hash(now[name]),
            )


def _origin(source: Source) -> str:
    """Where an input comes from, in words."""
    if isinstance(source, ParamRef):
        return f"parameter `{source.name}`"
    if isinstance(source, OutputRef):
        output = f", output `{source.output}`" if source.output else ""
        return f"from step `{source.step}`{output}"
    steps = dict.fromkeys(step for need in source_needs(source) for step in need.steps)
    return f"from {', '.join(f'`{step}`' for step in steps)}" if steps else ""


def _small(arg: Arg) -> Any:
    """A value that is at hand without reading a blob; `UNSET` for others."""
    if isinstance(arg, Given):
        return readable(arg.value)
    if isinstance(arg, Saved) and arg.ref.codec == "json/1" and arg.ref.inline is not UNSET and arg.ref.size <= 200:
        return readable(arg.ref.inline)
    return UNSET


def _hash(arg: Arg) -> Any:
    found = hashes(arg, key=True)
    return f"sha256:{found[:_SHOWN]}…" if isinstance(found, str) else None
