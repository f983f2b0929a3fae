"""A backfill: the runs that a span of the past lacks, so many at once, and what became of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from pipeglot.client.backfill.claim import claimed
from pipeglot.client.backfill.moments import moments, read_span
from pipeglot.client.backfill.native import Native
from pipeglot.client.backfill.plan import Moment, Reprocess, plan
from pipeglot.client.backfill.standing import Standing
from pipeglot.client.backfill.work import Done, Work, backfill_command
from pipeglot.client.deploying import deploy
from pipeglot.client.indexed import Index
from pipeglot.client.launch import Request, prepare
from pipeglot.client.listing import list_runs
from pipeglot.client.records import open_records
from pipeglot.client.remote import await_live, engine_params, tell_of_waking
from pipeglot.client.text import plural
from pipeglot.compilers.registry import live
from pipeglot.compilers.remote import Backfilling, FillsIn
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.stack import Stack
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded, Target, target_text

TAG = "backfill"
"""Of each run of a backfill; its value is the span."""

HERE, THERE = 1, 4
"""Runs at once, if nobody says: a local run takes all cores of this machine by itself."""


class Wish(NamedTuple):
    """What is asked for, as people write it. every: seconds; None is as the schedule says. most: 0 is not said."""

    first: str
    last: str
    every: float | None = None
    texts: Mapping[str, str] = {}  # nobody changes it
    tags: Mapping[str, str] = {}
    reprocess: Reprocess = "failed"
    most: int = 0


class Backfill(Struct, frozen=True, kw_only=True):
    """A span of the past: what there was of it, and what a backfill did.

    pipeline: the pipeline's name.
    stack: where its runs run.
    first: the beginning of the span, in ISO 8601.
    last: its end.
    dry_run: whether nothing was run.
    moments: all moments of the span, the earliest first.
    runs: what became of those that were due, in the order in which they ended.
    """

    pipeline: str
    stack: str
    first: str
    last: str
    dry_run: bool
    moments: tuple[Moment, ...]
    runs: tuple[Done, ...] = ()

    @property
    def due(self) -> list[str]:
        """The moments that this backfill runs."""
        return [one.logical_date for one in self.moments if one.is_due]


def planned_backfill(
    target: Target, loaded: Loaded, stack: Stack, wish: Wish, tell: Callable[[str], object]
) -> Backfill:
    """What is to be done. Raises `UsageError`, `ParamError`, `StoreError`."""
    pipeline = loaded.pipeline
    span = read_span(wish.first, wish.last, pipeline.schedule, dt.datetime.now(dt.UTC))
    if span.future:
        tell("what is still to come is left out: the schedule runs it")
    when = moments(pipeline, span, wish.every)
    records = open_records(target.workspace, stack.name)
    runs = list_runs(Index(records, tell), RunFilter(pipelines=(pipeline.name,))).runs
    found = plan(pipeline, when, runs, wish.texts, wish.reprocess, Standing(records, pipeline, tell))
    return Backfill(
        pipeline=pipeline.name,
        stack=stack.name,
        first=span.first.isoformat(),
        last=span.last.isoformat(timespec="seconds"),
        dry_run=True,
        moments=tuple(found),
    )


def do_backfill(
    target: Target,
    loaded: Loaded,
    stack: Stack,
    wish: Wish,
    begins: Callable[[Backfill], None],
    tell: Callable[[Done], None],
    note: Callable[[Problem | str], None],
) -> Backfill:
    """Run what is due; `begins` hears what that is. Raises `UsageError` if the same one is at work anywhere."""
    most = wish.most or (HERE if isinstance(stack, LocalStack) else THERE)
    store = open_records(target.workspace, stack.name).ledger.store
    with claimed(store, stack.name, loaded.pipeline.name):
        planned = planned_backfill(target, loaded, stack, wish, note)  # what one before has done is seen
        begins(planned)
        if not planned.due:
            return structs.replace(planned, dry_run=False)
        done = _natively(target, loaded, stack, wish, planned, most, tell, note)
        if done is None:
            words = run_words(target, loaded, stack, wish)
            work = Work(lambda moment: backfill_command([*words, "--logical-date", moment]), most, tell)
            done = work.do(planned.due)
    return structs.replace(planned, dry_run=False, runs=tuple(done))


def _natively(
    target: Target,
    loaded: Loaded,
    stack: Stack,
    wish: Wish,
    planned: Backfill,
    most: int,
    tell: Callable[[Done], None],
    note: Callable[[Problem | str], None],
) -> list[Done] | None:
    """By the orchestrator itself, where it does just what is asked; None if it does not."""
    due = [dt.datetime.fromisoformat(moment) for moment in planned.due]
    remote = live(stack)
    filling = _filling(remote, loaded.pipeline.name)
    is_new = all(one.before == "nothing" for one in planned.moments if one.is_due)
    if remote is None or filling is None or wish.every is not None or not is_new:
        return None  # a run that has been there would go on, with the code that it began with
    request = Request(
        stack=stack.name,
        texts=dict(wish.texts),
        tags=tags_with_span(wish),
        cache=wish.reprocess != "all",
        target=target_text(target, loaded.pipeline),
    )
    records = open_records(target.workspace, stack.name)
    prepared = prepare(loaded, stack, request, records)
    done = deploy(target, loaded, stack, remote)
    await_live(remote, done, stack, note)
    refuse_left(filling, due, stack)
    if not filling.would_run(due):
        return None
    tell_of_waking(remote, loaded.pipeline, note)
    of_each = {param.name for param in loaded.pipeline.params if param.logical_date} - {*wish.texts}
    conf = engine_params(loaded, request, prepared, remote, records.ledger.store, of_each)
    return Native(loaded.pipeline.name, stack, records, remote, filling, tell).do(due, most, conf)


def refuse_left(filling: Backfilling, due: Sequence[dt.datetime], stack: Stack) -> None:
    """What a backfill that was killed has left there runs by itself: here it would run a second time."""
    wanted = {moment.astimezone(dt.UTC) for moment in due}
    left = [one for one in filling.runs(due) if one.state in ("waiting", "running")]
    left = [one for one in left if one.moment.astimezone(dt.UTC) in wanted]
    if left:
        raise EngineError(
            f"the orchestrator of stack `{stack.name}` is still to run {plural(len(left), 'moment')} of these, as"
            f" `{left[0].id}`",
            hint="wait until they are over, or cancel the backfill on its pages; then the same command does the rest",
        )


def _filling(remote: object, pipeline: str) -> Backfilling | None:
    return remote.backfilling(pipeline) if isinstance(remote, FillsIn) else None


def tags_with_span(wish: Wish) -> dict[str, str]:
    """Those of each run."""
    return {TAG: f"{wish.first}/{wish.last}", **wish.tags}


def run_words(target: Target, loaded: Loaded, stack: Stack, wish: Wish) -> list[str]:
    """The command that makes one run, but for its moment."""
    root = str(target.workspace.root)
    words = ["run", target_text(target, loaded.pipeline), "-C", root, "--stack", stack.name, "--json"]
    for name, text in wish.texts.items():
        words += ["-p", f"{name}={text}"]
    for name, text in tags_with_span(wish).items():
        words += ["--tag", f"{name}={text}"]
    return [*words, "--no-cache"] if wish.reprocess == "all" else words
