"""How a pipeline is run on a stack, whoever asks for it: the command line, a script, a notebook."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, structs

from pipeglot.client.checks import notes_or_refusal
from pipeglot.client.leftovers import clear_leftovers, work_folder
from pipeglot.client.records import Records, open_stack_store
from pipeglot.client.resume import carried, moved
from pipeglot.client.written import planned
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import ParamError, Problem, UsageError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.artifact_params import resolve_artifacts, same_artifacts
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Asked, Ref, Start
from pipeglot.core.lineage.selection import downstream, only, upstream
from pipeglot.core.lineage.view import RunView
from pipeglot.core.params import moment_in_zone, resolve
from pipeglot.core.stack import Stack
from pipeglot.core.workers.pool import Pool
from pipeglot.runtime_local.listener import Listener
from pipeglot.runtime_local.runner import LocalRun, Origins, Settings
from pipeglot.stacks.models import LocalStack, not_here
from pipeglot.stacks.target import Loaded
from pipeglot.stacks.workspace import Workspace

MOST_PARAMS = 32 << 20
"""Bytes of all parameters."""
MOST_TAGS = 50
MOST_NAME = 100
MOST_VALUE = 1000

Tell = Callable[[Problem | str], None]
"""Takes what the user should know before the run begins."""


class Request(Struct, frozen=True, kw_only=True):
    """What is asked of a run, beside its pipeline.

    stack: None is the active one. params: Python values; texts: those of a command line. anew: run these steps and all
    that depends on them, whatever the cache has. until: run these and what they need, and nothing else. inline: all in
    this process. wait: to its end, where that is not in this process. resumes: the start of the run whose parameters,
    tags, logical date and results are taken. logical_date: the moment that the run is for, as people write it; now, if
    not said. target: what `runs resume` is to load, as seen from the project's root.
    """

    stack: str | None = None
    params: dict[str, Any] = {}
    texts: dict[str, str] = {}
    cache: bool = True
    tags: dict[str, str] = {}
    anew: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    inline: bool = False
    wait: bool = True
    resumes: Start | None = None
    logical_date: str = ""
    target: str = ""


class Prepared(NamedTuple):
    """A pipeline as it is to be run: cut to what was asked for, checked against the stack, with its parameters.

    `anew` holds every step that is not to come from the cache, those that depend on the ones asked for too.
    """

    pipeline: Pipeline
    given: dict[str, Any]
    anew: tuple[str, ...]
    notes: list[Problem | str]
    logical_date: str = ""
    artifacts: Mapping[str, Ref] = MappingProxyType({})


class Outcome(NamedTuple):
    """A run that is over."""

    view: RunView
    plan: Plan
    artifacts: Artifacts
    seconds: float


def launch(
    workspace: Workspace,
    loaded: Loaded,
    request: Request,
    *,
    listener: Listener,
    tell: Tell,
    pool: Pool | None = None,
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> Outcome:
    """Run a pipeline to its end. Nothing is printed here: `listener` hears what goes on, `tell` gets the notes.

    `pool`: one that was made before user code was imported. Without one, workers come from a new Python, so that they
    import the code as it stands in the files. `overrides`: fields of the settings that the caller knows better.

    Raises `UsageError`, `Unsupported`, `ConfigError` before anything is recorded, `StoreError` at any time.
    """
    stack = workspace.stack(request.stack)
    if not isinstance(stack, LocalStack):
        return _launch_there(workspace, loaded, stack, request, listener, tell)
    store = open_stack_store(workspace, stack)
    prepared = prepare(loaded, stack, request, Records(workspace, store, stack))
    for one in (*clear_leftovers(workspace), *prepared.notes):
        tell(one)
    settings = local_settings(
        workspace, stack, loaded.sources, cache=request.cache, anew=prepared.anew, inline=request.inline
    )
    settings = structs.replace(settings, **overrides)
    began = time.monotonic()
    chosen, origins = _pool(request, pool), _origins(request, prepared)
    try:
        run = LocalRun(prepared.pipeline, prepared.given, store, settings, chosen, listener, origins)
        view = run.execute()
    finally:
        chosen.close()
    return Outcome(view, run.plan, run.artifacts, time.monotonic() - began)


def _launch_there(
    workspace: Workspace, loaded: Loaded, stack: Stack, request: Request, listener: Listener, tell: Tell
) -> Outcome:
    """On the orchestrator of a stack."""
    from pipeglot.client.remote import refuse_parts, run_there
    from pipeglot.compilers.registry import compiler
    from pipeglot.stacks.target import locate

    remote = compiler(stack.backend).remote(stack)
    if remote is None or not request.target:
        raise not_here(stack)
    refuse_parts(request, stack)
    records = Records(workspace, open_stack_store(workspace, stack), stack)
    prepared = prepare(loaded, stack, request, records)
    for one in prepared.notes:
        tell(one)
    target = locate(request.target, workspace.root)
    return run_there(target, loaded, stack, request, prepared, records, remote, listener=listener, tell=tell)


def prepare(loaded: Loaded, stack: Stack, request: Request, records: Records) -> Prepared:
    """Everything that can be refused before a run begins is refused here."""
    check_tags(request.tags)
    pipeline, plan = loaded.pipeline, Plan(loaded.pipeline)
    if request.until:
        pipeline = only(pipeline, upstream(plan, request.until))
        left_out = [step for step in request.anew if step in plan.places and step not in Plan(pipeline).places]
        if left_out:
            needing = ", ".join(f"`{step}`" for step in request.until)
            raise UsageError(
                f"`--from {left_out[0]}`: with `--until` only what {needing} needs is run, and that is no part of it",
                hint=f"leave out `--from {left_out[0]}`, or `--until`",
            )
    plan = Plan(pipeline)
    anew = tuple(step.id for step in plan.steps() if step.id in downstream(plan, request.anew)) if request.anew else ()
    notes: list[Problem | str] = [*notes_or_refusal(loaded._replace(pipeline=pipeline), [stack])]
    if request.resumes is not None:
        asked, changes = carried(request.resumes, pipeline, records.ledger)
        given, artifacts = resolve_artifacts(records, pipeline, asked, known=same_artifacts(request.resumes, asked))
        date = request.resumes.logical_date
        notes = [*moved(request.resumes, pipeline, records, stack), *notes, *changes]
    else:
        moment = moment_in_zone(dt.datetime.now(dt.UTC), pipeline.schedule)
        if request.logical_date:
            moment = planned(request.logical_date, "--logical-date", moment)
        asked = resolve(pipeline.params, request.params, texts=request.texts, logical_date=moment)
        given, artifacts = resolve_artifacts(records, pipeline, asked)
        date = moment.isoformat()
    _check_size(given)
    return Prepared(pipeline, given, anew, [*notes, *_inline_notes(plan, request)], date, artifacts)


def local_settings(
    workspace: Workspace,
    stack: LocalStack,
    sources: dict[str, str],
    *,
    cache: bool,
    anew: tuple[str, ...] = (),
    inline: bool = False,
) -> Settings:
    """What the local runner needs to know of the stack and the project. Raises `UsageError` for odd folders."""
    for folder in (str(workspace.root), *workspace.roots, os.environ.get("TMPDIR", "")):
        _check_name(folder)
    return Settings(
        stack=stack.name,
        root=str(workspace.root),
        roots=workspace.roots,
        sources=sources,
        work=str(work_folder(workspace)),
        copies=str(workspace.state("copies")),
        max_parallel=1 if inline else stack.max_parallel or _cores(),
        pools=stack.pools,
        secrets=workspace.secrets(stack),
        cache=cache,
        anew=anew,
        durable=stack.durable,
    )


def _check_size(given: Mapping[str, Any]) -> None:
    """They stand in a run's first record, which every reader of the run reads."""
    sizes = {name: len(msgspec.json.encode(value)) for name, value in given.items()}
    if sum(sizes.values()) > MOST_PARAMS:
        largest = max(sizes, key=sizes.__getitem__)
        raise ParamError(
            f"parameter `{largest}` has {sizes[largest] >> 20} MB; all parameters together may have"
            f" {MOST_PARAMS >> 20} MB",
            hint="put it into a file, and give its path; or let a step make it",
        )


def _check_name(folder: str) -> None:
    """Workers are told of folders in JSON, which has only Unicode."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the folder `{folder}` has a name that is not UTF-8, and workers cannot be told of it",
            hint="give it a name in UTF-8, or move the project",
        ) from None


def check_tags(tags: dict[str, str]) -> None:
    """Tags are small words for people and filters. Raises `UsageError`."""
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} tags are too many: a run has at most {MOST_TAGS}")
    for name, value in tags.items():
        why = _unfit(name, MOST_NAME) or ("has `=` in it" if "=" in name else "")
        if why or not name:
            raise UsageError(
                f"`{str(name)[:MOST_NAME]}` is no name for a tag: it {why or 'is empty'}",
                hint="as in `--tag team=risk`",
            )
        if why := _unfit(value, MOST_VALUE):
            raise UsageError(f"tag `{name}`: its value {why}", hint="tags are short: what is long can be a parameter")


def _unfit(text: object, most: int) -> str:
    if not isinstance(text, str):
        return f"is a `{type(text).__name__}`, not a text"
    if len(text) > most:
        return f"has {len(text)} characters; at most {most} are taken"
    return "" if text.isprintable() else "has characters that cannot be printed"


def _inline_notes(plan: Plan, request: Request) -> Iterator[str]:
    if not request.inline:
        return
    timed = [step.id for step in plan.steps() if step.timeout is not None]
    clock = f", and no timeout ends them (`{timed[0]}` has one)" if timed else ""
    yield f"inline: steps run one by one in this process; what they print is shown and not kept{clock}"


def _pool(request: Request, given: Pool | None) -> Any:
    if request.inline:
        from pipeglot.runtime_local.inline import InlinePool

        return InlinePool()
    return given or Pool(fresh=True)


def _origins(request: Request, prepared: Prepared) -> Origins:
    before = request.resumes
    return Origins(
        tags=before.tags if before else request.tags,
        asked=Asked(
            target=request.target, cache=request.cache, anew=request.anew, until=request.until, inline=request.inline
        ),
        resumes=before.run if before else None,
        logical_date=prepared.logical_date,
        artifacts=dict(prepared.artifacts),
    )


def _cores() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
