"""Join the run of an engine: every task of it computes the same run id, and the first one to come puts its `start`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import ParamError, StepError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.lease import time_of
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.records import Asked, Ref, Start
from pipeglot.core.params import artifact_type, moment_in_zone, resolve
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.held import Held, read_held

RESERVED = "pipeglot"
"""The engine's run parameter in which our own wishes travel: what is resumed, tags, whether the cache is used."""


class Wishes(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What whoever started a run from here asked of it, beside its parameters.

    tags: the user's. cache, anew: as `--no-cache` and `--from` said. resumes: the run that it goes on from. target:
    what `runs resume` is to load. logical_date: that of the run it goes on from. held: where the parameters lie that
    the engine does not carry; the others of these may be among them.
    """

    tags: dict[str, str] = {}
    cache: bool = True
    anew: tuple[str, ...] = ()
    resumes: str = ""
    target: str = ""
    logical_date: str = ""
    held: Held | None = None


def wishes_text(wishes: Wishes) -> dict[str, Any]:
    """As JSON, in the parameter that is ours."""
    found: dict[str, Any] = msgspec.to_builtins(wishes)
    return found


def read_wishes(given: Any) -> Wishes:
    """Raises `ParamError` for what nobody of ours has written."""
    try:
        return msgspec.convert(given or {}, Wishes)
    except msgspec.ValidationError as error:
        raise ParamError(
            f"the parameter `{RESERVED}` of this run is not what `pipeglot run` sends: {error}",
            hint="it is for pipeglot's own use: leave it out",
        ) from None


class EngineRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine says of its run, the same to all its tasks.

    id: the engine's own. params: as it passes them; None is one that was not given. logical_date: the planned time,
    with an offset; None if it has none. about: more for people to find it by, such as the name of its DAG. begins:
    whether the run may begin with this task, which then knows the parameters.
    """

    id: str
    params: Mapping[str, Any] = MappingProxyType({})
    logical_date: dt.datetime | None = None
    about: Mapping[str, str] = MappingProxyType({})
    begins: bool = True


def join(
    deployed: Deployed,
    engine: EngineRun,
    ledger: Ledger,
    artifacts: Artifacts,
    *,
    first: Callable[[], None] | None = None,
) -> Start:
    """The run's first record: as it is, or put now.

    Raises `ParamError`, `NotFound`, `Pruned`, `StoreError`, `StepError`.

    `first` is called where there is none, and may put it.
    """
    run = keys.run_id(deployed.stack, deployed.pipeline, engine.id)
    found = ledger.started(run)
    if found is None and not engine.begins:
        raise StepError(
            f"run `{run}` has not begun: no task that knows its parameters has come so far as to record it",
            hint="the logs of the first tasks tell why",
        )
    if found is None and first is not None:
        first()
        found = ledger.started(run)
    if found is not None and _is_old(found):
        from pipeglot.core.lineage.view import refuse_pruned  # with all that lists a run: few tasks need it

        refuse_pruned(ledger, found)
    if found is None:
        found = ledger.start(_start(run, deployed, engine, ledger, artifacts))
    if found.backend != deployed.backend:
        raise StepError(
            f"run `{run}` is one of backend `{found.backend}`, and this task is one of `{deployed.backend}`",
            hint="two engines on one store need stacks of different names",
        )
    _refuse_other(found, deployed, trusted=ledger.store.trusted)
    return found


_OLD = 12 * 3600.0
"""Seconds since a run began. Nothing that ended less than a day ago is pruned, so a task of a new run asks for nothing.
"""


def _is_old(start: Start) -> bool:
    """Whether a run may have been pruned, by clocks that may differ: if it was, nothing of what a task does counts."""
    began = time_of(start.created)
    return began is None or abs((now() - began).total_seconds()) > _OLD


def _refuse_other(found: Start, deployed: Deployed, *, trusted: bool) -> None:
    """The emitted file says what runs; a record in the store only if the store is trusted. Raises `StepError`."""
    began, now_said = (found.ir, found.bundle or ""), (deployed.ir, deployed.bundle)
    if began == now_said or (trusted and bool(found.bundle) == bool(deployed.bundle)):
        return
    what = "another pipeline" if found.ir != deployed.ir else "other code"
    raise StepError(
        f"run `{found.run}` began with {what} than this task's file names",
        hint="the file was deployed anew since, or somebody has written into the store: start a new run"
        + ("" if trusted else "; in a store with `trusted: true`, a run ends with what it began with"),
    )


def _start(run: str, deployed: Deployed, engine: EngineRun, ledger: Ledger, artifacts: Artifacts) -> Start:
    pipeline = ledger.ir(deployed.ir)
    created = now()
    asked, wishes = _told(engine, ledger)
    moment = moment_in_zone(_asked_date(wishes) or engine.logical_date or created, pipeline.schedule)
    given = {name: value for name, value in asked.items() if not _is_left(pipeline, name, value)}
    params = resolve(pipeline.params, given, logical_date=moment)
    named: dict[str, Ref] = {}
    if any(artifact_type(one.type) is not None for one in pipeline.params):
        params, named = _resolved(pipeline, params, wishes, ledger, artifacts)
    return Start(
        run=run,
        pipeline=deployed.pipeline,
        stack=deployed.stack,
        backend=deployed.backend,
        ir=deployed.ir,
        params=params,
        artifacts=named,
        created=created.isoformat(),
        logical_date=moment.isoformat(),
        bundle=deployed.bundle or None,
        resumes=wishes.resumes or None,
        tags=wishes.tags,
        asked=Asked(target=wishes.target, cache=wishes.cache, anew=wishes.anew),
        engine={"run": engine.id, **engine.about},
    )


def _told(engine: EngineRun, ledger: Ledger) -> tuple[Mapping[str, Any], Wishes]:
    """The parameters and the wishes: as the engine passes them, and from the store what it does not carry."""
    wishes = read_wishes(engine.params.get(RESERVED))
    if wishes.held is None:
        return engine.params, wishes
    held = read_held(wishes.held, ledger.store)
    return {**engine.params, **held}, read_wishes(held[RESERVED]) if RESERVED in held else wishes


def _asked_date(wishes: Wishes) -> dt.datetime | None:
    if not wishes.logical_date:
        return None
    found = time_of(wishes.logical_date)
    if found is None:
        raise ParamError(
            f"the parameter `{RESERVED}` of this run has a logical date that is none: `{wishes.logical_date[:60]}`",
            hint="it is for pipeglot's own use: leave it out",
        )
    return found


def _resolved(
    pipeline: Pipeline, params: dict[str, Any], wishes: Wishes, ledger: Ledger, artifacts: Artifacts
) -> tuple[dict[str, Any], dict[str, Ref]]:
    """What artifact parameters name now: for the whole run, whatever becomes the latest meanwhile."""
    from pipeglot.core.lineage.artifact_params import resolve_artifacts, same_artifacts
    from pipeglot.core.lineage.runs import Runs

    before = ledger.started(wishes.resumes) if wishes.resumes else None
    known = same_artifacts(before, params) if before is not None else {}
    return resolve_artifacts(Runs(ledger, artifacts), pipeline, params, known=known)


def _is_left(pipeline: Pipeline, name: str, value: Any) -> bool:
    """Our own wishes; and null, which an engine's form has in the field of a day that nobody chose."""
    return name == RESERVED or (
        value is None and any(param.name == name and param.logical_date for param in pipeline.params)
    )
