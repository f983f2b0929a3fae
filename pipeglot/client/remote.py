"""A run on an orchestrator, from here: deployed, started there, and followed until it and the ledger are over."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import UNSET

from pipeglot.client.compiling import source_of
from pipeglot.client.deploying import Installed, deploy
from pipeglot.client.following import Follower
from pipeglot.client.launch import Outcome, Prepared, Request
from pipeglot.client.records import Records
from pipeglot.client.text import SHORT_ID
from pipeglot.compilers.base import Source, deployed
from pipeglot.compilers.remote import Away, Remote
from pipeglot.compilers.schemas import empty
from pipeglot.core.errors import EngineError, Problem, Unsupported
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Start
from pipeglot.core.lineage.view import read_run, view
from pipeglot.core.params import to_json
from pipeglot.core.stack import Stack
from pipeglot.core.store.base import Store
from pipeglot.core.task.held import hold
from pipeglot.core.task.joining import RESERVED, Wishes, join, wishes_text
from pipeglot.runtime_local.listener import Listener
from pipeglot.stacks.target import Loaded, Target

STARTED = 10.0
"""Seconds that it has to give a first answer."""

PARSED = 300.0
"""Seconds that an orchestrator has to read what was deployed."""

LOOK = 1.0
"""Seconds between two looks at whether it has."""

Tell = Callable[[Problem | str], None]


def run_there(
    target: Target,
    loaded: Loaded,
    stack: Stack,
    request: Request,
    prepared: Prepared,
    records: Records,
    remote: Remote,
    *,
    listener: Listener,
    tell: Tell,
) -> Outcome:
    """Run a pipeline there, to its end. Raises `EngineError`, `StoreError`, `Unsupported`."""
    began = time.monotonic()
    done = deploy(target, loaded, stack, remote)
    source = source_of(loaded, "", done.bundle)
    await_live(remote, done, stack, tell)
    tell_of_waking(remote, loaded.pipeline, tell)
    start = start_there(source, stack, loaded, request, prepared, records, remote)
    tell(f"run {start.run[:SHORT_ID]}: {remote.url(start.pipeline, start.engine['run'])}")
    if not request.wait:
        plan = Plan(loaded.pipeline)
        return Outcome(view(*read_run(records.ledger, records.artifacts, start.run)), plan, records.artifacts, 0.0)
    follower = Follower(records, start, remote, listener)
    found = follower.until_over()
    return Outcome(found, follower.plan, records.artifacts, time.monotonic() - began)


def start_there(
    source: Source,
    stack: Stack,
    loaded: Loaded,
    request: Request,
    prepared: Prepared,
    records: Records,
    remote: Remote,
) -> Start:
    """Start a run, and record it as its first task would: so it is known from now on, also if no task ever begins."""
    engine_run = f"pipeglot__{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}_{os.urandom(4).hex()}"
    params = engine_params(loaded, request, prepared, remote, records.ledger.store)
    run = remote.start(source.pipeline.name, engine_run, params)
    return join(deployed(source, stack), run, records.ledger, records.artifacts)


def set_apart(pipeline: Pipeline, params: Mapping[str, Any], remote: Remote, store: Store) -> dict[str, Any]:
    """The parameters as they are sent: what the orchestrator does not carry lies in the store, and it is told where.

    What has no default there is to be given all the same: by something empty. Raises `StoreError`.
    """
    away = remote.uncarried(pipeline, params)
    if not away:
        return dict(params)
    held = hold({name: value for name, value in params.items() if name in away}, store)
    sent = {name: value for name, value in params.items() if name not in away}
    for one in pipeline.params:
        if one.name in away and one.default is UNSET and not one.logical_date:
            sent[one.name] = empty(one.type)
    return {**sent, RESERVED: {**sent.get(RESERVED, {}), **wishes_text(Wishes(held=held))}}


def tell_of_waking(remote: Remote, pipeline: Pipeline, tell: Tell) -> None:
    """A run that is started from here may begin more than itself."""
    if remote.wakes and pipeline.schedule is not None and remote.is_paused(pipeline.name):
        tell(f"`{pipeline.name}` is paused there: this run wakes it, and its schedule begins{_missed(pipeline)}")


def _missed(pipeline: Pipeline) -> str:
    return ", with all runs since its start" if pipeline.schedule is not None and pipeline.schedule.catchup else ""


def await_live(remote: Remote, done: Installed, stack: Stack, tell: Tell) -> None:
    """Wait until the orchestrator has read this very version; not if nobody has written it. Raises `EngineError`."""
    pipeline = done.pipeline
    began, told, has_answered = time.monotonic(), False, False
    while True:
        try:
            if remote.is_live(pipeline, done.version):
                return
            has_answered = True
        except Away:  # it may be started anew just now
            if not has_answered and time.monotonic() - began > STARTED:
                raise
        if has_answered and not done.written:
            raise EngineError(
                f"`{pipeline}` is not there as it is here, and the stack does not say where its files lie",
                hint="commit what `pipeglot compile TARGET --out DIR` writes, and wait until it is there;"
                f" or write `{stack.files_setting}:` into the stack",
            )
        if time.monotonic() - began > PARSED:
            raise EngineError(
                f"`{pipeline}` was written, and after {PARSED:.0f} s it has not been read there",
                hint="is the folder of the stack the one that it reads? and is what parses the files up?",
            )
        if not told and time.monotonic() - began > 5:
            tell("waiting until the new file has been read there")
            told = True
        time.sleep(LOOK)


def refuse_parts(request: Request, stack: Stack) -> None:
    """Raises `Unsupported` for what only a run here can do."""
    said = "--until" if request.until else "--inline" if request.inline else ""
    if said:
        message = f"`{said}`: stack `{stack.name}` runs the whole of a deployed pipeline, in processes of its own"
        raise Unsupported([Problem("not-here", message, None, f"`--stack local` takes `{said}`")])


def _wishes(request: Request, prepared: Prepared) -> Wishes:
    before = request.resumes
    return Wishes(
        tags=before.tags if before else request.tags,
        cache=request.cache,
        anew=prepared.anew,
        resumes=before.run if before else "",
        target=request.target,
        logical_date=prepared.logical_date if before or request.logical_date else "",
    )


def engine_params(
    loaded: Loaded,
    request: Request,
    prepared: Prepared,
    remote: Remote,
    store: Store,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The parameters of a run as an orchestrator takes them, and what is asked of it beside them. Raises `StoreError`.

    without: those that are not given, for the tasks find them.
    """
    wishes = wishes_text(_wishes(request, prepared))
    given = {name: value for name, value in _json_params(loaded, prepared).items() if name not in without}
    return set_apart(loaded.pipeline, {**given, **({RESERVED: wishes} if wishes else {})}, remote, store)


def _json_params(loaded: Loaded, prepared: Prepared) -> Mapping[str, Any]:
    """As an orchestrator takes them: JSON."""
    kinds = {param.name: param.type for param in loaded.pipeline.params}
    return {name: to_json(kinds[name], value) for name, value in prepared.given.items()}
