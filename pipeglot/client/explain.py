"""Compare the parts of an execution's cache key with those of the run in which the same execution last succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct

from pipeglot.client.outside import note, watched
from pipeglot.client.records import Found, Records, found_in
from pipeglot.client.steps import declared_changes, member_changes, origin
from pipeglot.client.views import ProblemView
from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError, PipeglotError
from pipeglot.core.ir import Step
from pipeglot.core.lineage.arguments import Arg, Given, Saved, hashes
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.records import Origin, Verdict
from pipeglot.core.lineage.view import readable
from pipeglot.stacks.target import found_outside

MOST_RUNS = 50
"""So many earlier runs are tried, if the records of some cannot be read."""

_SHOWN = 16
"""Hex digits of a hash that tell it from others."""


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
    notes: what its code uses that the key cannot know, if the code is still that of the run.
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
    notes: tuple[ProblemView, ...] = ()


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
        notes=tuple(_notes(records, found.state.plan.step(cell[0]))),
    )


def _notes(records: Records, step: Step) -> Iterator[ProblemView]:
    """What comes from outside the code, which is looked at as it is here; other code has other notes."""
    if not watched(step) or step.code.module == "__main__":
        return
    project = Project(records.workspace.roots)
    try:
        here = project.closure(step.code.module, step.code.qualname).digest
    except DefinitionError:  # its module is gone, or is no Python for the moment
        return
    if here == step.code.digest:
        for problem in (note([value], [step.id]) for value in found_outside(project).get(here, ())):
            file, line = problem.at or (None, None)
            yield ProblemView(code=problem.code, message=problem.message, file=file, line=line, hint=problem.hint)


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
    from pipeglot.client.indexed import Index
    from pipeglot.core.lineage.index.queries import earlier_runs
    from pipeglot.core.lineage.index.rows import position_text

    index = Index(records, lambda _: None)  # what other runs suffer from is no answer to this question
    before = index.ask(
        lambda connection: earlier_runs(connection, found.start.run, cell[0], position_text(cell[1]), MOST_RUNS)
    )
    for run in before:
        try:
            return found_in(records.ledger, records.artifacts, run)
        except PipeglotError:  # damaged since it was indexed: it tells nothing
            continue
    return None


# --- the parts of the key ---------------------------------------------------------------------------------------------


def _changes(before: Found, after: Found, cell: Cell) -> Iterator[Change]:
    old, new = before.state.plan.step(cell[0]), after.state.plan.step(cell[0])
    yield from _code(before, after, old, new)
    yield from _inputs(before, after, cell, new)
    for part, was, now in declared_changes(old, new):
        yield Change(part=part, before=was, after=now)


def _code(before: Found, after: Found, old: Step, new: Step) -> Iterator[Change]:
    if old.code.digest == new.code.digest:
        return
    was = before.state.plan.pipeline.closures.get(old.code.digest, {})
    now = after.state.plan.pipeline.closures.get(new.code.digest, {})
    yield Change(part="code", name=str(new.code), detail=str(member_changes(was, now)) or f"it was `{old.code}`")


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
                detail=origin(step.inputs[name]),
                before=shown[0] if both else _hash(was[name]),
                after=shown[1] if both else _hash(now[name]),
            )


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
