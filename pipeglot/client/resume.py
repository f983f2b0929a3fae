"""Going on with a run that did not succeed: which one may be, from what target, with which parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from pipeglot.client.records import Found, Records
from pipeglot.client.text import SHORT_ID, listed
from pipeglot.core import params
from pipeglot.core.environment import version_here
from pipeglot.core.errors import Corrupt, ParamError, Untrusted, UsageError
from pipeglot.core.ir import Param, Pipeline
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Start
from pipeglot.core.params.describing import describe
from pipeglot.core.params.values import normalise
from pipeglot.core.run_step import PYTHON
from pipeglot.core.session import MAIN
from pipeglot.core.stack import Stack
from pipeglot.stacks.models import LocalStack


def is_resumable(found: Found) -> bool:
    """Whether there is anything left to do in a run that is over, if only hooks."""
    return found.view.status != "succeeded" or bool(unfinished_hooks(found))


def unfinished_hooks(found: Found) -> list[str]:
    """Those that were to run, and did not come to their end."""
    return [step.id for step in found.view.steps if step.hook and step.status in ("lost", "cancelled", "running")]


def target_of(records: Records, found: Found, given: str | None) -> str:
    """What to load: as said now, else as it was recorded. Raises `UsageError`.

    Of a store that is not trusted, the record does not say whose code runs: raises `Untrusted`.
    """
    start = found.start
    recorded = start.asked.target if start.asked else ""
    if given:
        return given
    if recorded:
        _check_recorded(records, start.run, recorded)
        return recorded
    if any(step.code.module == MAIN for step in found.state.plan.steps()):
        raise UsageError(
            f"run `{start.run[:SHORT_ID]}` is of pipeline `{start.pipeline}` of a notebook, which only that can run",
            hint=f"call `{start.pipeline}.run(…)` in the notebook again: what had finished comes from the cache",
        )
    raise UsageError(
        f"run `{start.run[:SHORT_ID]}` does not say which file its pipeline `{start.pipeline}` is in",
        hint=f"say it: `pipeglot runs resume {start.run[:SHORT_ID]} TARGET`",
    )


def _check_recorded(records: Records, run: str, target: str) -> None:
    """It is a path from the project's root, or a module; whoever wrote the record may have written another."""
    import shlex

    command = shlex.join(["pipeglot", "runs", "resume", run[:SHORT_ID], target])
    store = records.ledger.store
    if not store.trusted:
        raise Untrusted(
            f"what to run is not taken from the record of run `{run[:SHORT_ID]}`: the store `{store.uri}` is not"
            " trusted",
            hint=f"say it: its record names `{target}`, and if that is right: `{command}`",
        )
    place = target.partition(":")[0]
    if place.startswith(("/", "~")) or ".." in place.split("/"):
        raise Corrupt(
            f"the record of run `{run[:SHORT_ID]}` names `{target}`, which is not in the project",
            hint=f"if that is what it was run from, say so: `{command}`",
        )


def carried(start: Start, pipeline: Pipeline, ledger: Ledger) -> tuple[dict[str, Any], list[str]]:
    """The parameters of an earlier run for the pipeline as it is now, and what has changed.

    Raises `UsageError` for another pipeline, `ParamError` if a value does not fit any more.
    """
    if pipeline.name != start.pipeline:
        raise UsageError(
            f"run `{start.run[:SHORT_ID]}` is of pipeline `{start.pipeline}`, and this is `{pipeline.name}`",
            hint="name the file and the pipeline that it was run from",
        )
    before = {param.name: param for param in ledger.ir(start.ir).params}
    given: dict[str, Any] = {}
    notes: list[str] = []
    for param in pipeline.params:
        old = before.get(param.name)
        if old is None:
            given |= params.resolve([param], {}, logical_date=dt.datetime.fromisoformat(start.logical_date))
            notes.append(f"parameter `{param.name}` is new since that run: its default is taken")
        elif old.type == param.type:
            given[param.name] = start.params[param.name]
        else:
            given[param.name] = _converted(old, param, start, trusted=ledger.store.trusted)
            types = f"had type {describe(old.type)} in that run, and has type {describe(param.type)} now"
            notes.append(f"parameter `{param.name}` {types}")
    gone = [f"`{name}`" for name in start.params if name not in given]
    if gone:
        notes.append(f"the pipeline has no parameter {', '.join(gone)} any more")
    return given, notes


def moved(start: Start, pipeline: Pipeline, records: Records, stack: Stack) -> Iterator[str]:
    """What is not as it was, for a run that goes on on another stack: said before anything runs there."""
    if start.stack == stack.name and start.backend == stack.backend:
        return
    run = start.run[:SHORT_ID]
    yield f"run {run} was on stack `{start.stack}` ({start.backend}), and goes on on `{stack.name}` ({stack.backend})"
    before = {step.id: step.code.digest for step in Plan(records.ledger.ir(start.ir)).steps()}
    now = {step.id: step.code.digest for step in Plan(pipeline).steps()}
    changed = [name for name, digest in now.items() if before.get(name, digest) != digest]
    if changed:
        yield f"the code of {listed(changed)} is not what it was: what came of it is not taken over"
    if isinstance(stack, LocalStack):
        yield from _versions(records, start.run)


def _versions(records: Records, run: str) -> Iterator[str]:
    """Of Python and packages; where they run elsewhere, nobody here knows theirs."""
    then: dict[str, str] = {}
    for verdict in records.ledger.verdicts(run):
        then |= verdict.observed.packages
        if verdict.observed.python:
            then["Python"] = verdict.observed.python
    here = {name: PYTHON if name == "Python" else version_here(name) for name in then}
    differ = [
        f"{name} {then[name]} → {here[name] or 'not installed'}" for name in sorted(then) if then[name] != here[name]
    ]
    if differ:
        yield f"other versions than there: {', '.join(differ)}"


def _converted(old: Param, new: Param, start: Start, *, trusted: bool) -> Any:
    try:
        value = params.decode(old.type, start.params[old.name], trusted=trusted)
        return normalise(new.type, value, name=new.name)
    except ParamError as error:
        raise ParamError(
            f"{error.message} (it had type {describe(old.type)} in run `{start.run[:SHORT_ID]}`)",
            hint="run the pipeline anew: `pipeglot run TARGET -p …`",
        ) from None
