"""A task of an engine: the one call that every backend's worker makes.

run = TaskRun(deployed, engine)
run.step("train", (3,), attempt=2)     runs or reuses; returns what the ledger says of it
run.items("train")                     where a step's map stands: one index for each execution
run.taken("when_1")                    which arm of a branch is taken
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, TypeVar

from msgspec import structs

from pipeglot.core import failures
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.bundle.unpack import unpacked
from pipeglot.core.errors import Cancelled, Corrupt, PipeglotError, Pruned, StepError, ValueRefused
from pipeglot.core.ir import Branch, Map, Step
from pipeglot.core.lineage.ids import artifact_id
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.lease import Schedule, ended_at
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Attempt, Failure, Reopened, Verdict
from pipeglot.core.lineage.resuming import Resumed, read_resumed
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.secret_places import KINDS
from pipeglot.core.sources import roots_of
from pipeglot.core.store import open_store
from pipeglot.core.suggest import SHORT_ID
from pipeglot.core.task.attempt import is_cancelled, lost_alone
from pipeglot.core.task.cells import NO_LIST, Cells, last_verdict
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.folders import cache_folder
from pipeglot.core.task.joining import EngineRun, join
from pipeglot.core.task.places import Place, Process, ToldToEnd, sleep
from pipeglot.core.variables import expand
from pipeglot.core.workers.deaths import died
from pipeglot.core.workers.messages import Hello

if TYPE_CHECKING:
    from pipeglot.core.task.closing import Before

N = TypeVar("N", Step, Branch, Map)

NO_WORDS: Mapping[str, str] = MappingProxyType({})


class Outcome(NamedTuple):
    """What became of a task.

    status: as the ledger has it; `retry` if the engine is to try again, `skipped` if nothing was to be done.
    outputs: artifact ids by name. failure: of an attempt that failed. cached: whether the result was computed before.
    """

    status: Literal["succeeded", "failed", "retry", "skipped"]
    outputs: Mapping[str, str] = NO_WORDS
    failure: Failure | None = None
    cached: str = ""
    seconds: float = 0.0


SKIPPED = Outcome("skipped")
NOT_DUE = "what it needs has not succeeded, or its branch was not taken"
ENDED_BADLY = {
    "failed": "a step has failed: `pipeglot runs show` tells which",
    "cancelled": "the run was cancelled",
    "lost": "the run was ended from outside, or a step's task was: not all steps have recorded their end",
}
"""By what became of a run, the words in which the task fails that tells its engine so."""


class TaskRun:
    """The run of an engine, as one of its tasks sees it. Raises what `join` and `open_store` raise.

    secrets: reads one that the engine itself holds, by its name and where the stack says that it is; raises
    `StepError`. schedule: when beats come. place: where attempts take place; in threads, several may at once.
    """

    def __init__(
        self,
        deployed: Deployed,
        engine: EngineRun,
        *,
        secrets: Callable[[str, str], str] | None = None,
        schedule: Schedule = Schedule(),  # noqa: B008  # a tuple
        place: Place | None = None,
    ) -> None:
        self.deployed = deployed
        self.place = place or Process()
        self._runtime: Runtime | None = None
        self._lock = threading.Lock()
        self.schedule = schedule
        self.held = secrets
        self.base = cache_folder()
        uri = expand(deployed.store, "the store of this pipeline")
        self.store = open_store(uri, trusted=deployed.trusted, durable=deployed.durable, copies=self.base / "copies")
        self.ledger = Ledger(self.store)
        self.artifacts = Artifacts(self.store, sharing=True)
        first = partial(self._join_apart, engine)
        self.start = join(deployed, engine, self.ledger, self.artifacts, first=first)
        self.pipeline = self.ledger.ir(self.start.ir)
        self.plan = Plan(self.pipeline, trusted=self.store.trusted)
        self.cells = Cells(self.plan, self.start, self.ledger, self.artifacts)

    # --- what a backend's worker calls ------------------------------------------------------------------------------

    def step(
        self,
        step: str,
        index: Index = (),
        *,
        attempt: int | None = 1,
        first: int = 0,
        engine: Mapping[str, str] = NO_WORDS,
    ) -> Outcome:
        """Run a step, or take what is there. `attempt` is the engine's count of its tries, from 1; None if it has none.

        `first` is its number of the first try since somebody had the task run again; 0 if it does not say.
        An engine that tries again whatever failed says a `round` among its words, another one each time that somebody
        runs the task again: in one round, a failure for good stays.

        Raises `Cancelled`, `StoreError`, and `StepError` if the step's code cannot be had.
        """
        node = self._node(step, Step, index)
        if NO_LIST in index:
            if not self.cells.fails_for_list(step, index):
                return SKIPPED
            failure = failures.raised(self.cells.why_no_list(step, index), kind="map")
            return Outcome("failed", failure=failure)
        job = Job(step=node, index=index, attempt=attempt or 1, engine=engine, started=now().isoformat())
        job = structs.replace(job, first=min(first, job.attempt) or 1)
        if not self.plan.repeats(step):
            return self._step(job, attempt, first)
        before = self._before(node, index)
        if before is None:
            return SKIPPED
        job = structs.replace(job, failed=before.outcome != "succeeded", reopened=before.reopened)
        return self._step(job, attempt, first)

    def outcome(self) -> str:
        """What became of the run, for an engine that cannot tell: what is open is closed, for nothing comes after it.

        Hooks aside: `succeeded`, `failed`, `cancelled` or `lost`.
        """
        from pipeglot.core.task.closing import look_before

        return look_before(self.ledger, self.artifacts, self.start).outcome

    def items(self, step: str) -> list[list[int]]:
        """The indexes of all executions of a step in maps, in order; and where there is no list, one to fail at."""
        self._node(step, Step)
        return [list(index) for index in self.cells.indexes(step)]

    def items_of(self, map_: str, index: Index = ()) -> list[Index]:
        """The indexes of a map's items, at a place in the maps around it; one to fail at, where there is no list."""
        self._node(map_, Map, index)
        return list(self.cells.items(map_, index))

    def taken(self, branch: str, index: Index = ()) -> bool | None:
        """Whether a branch's condition holds; None if it cannot be asked, for what it needs has not succeeded.

        Raises `StepError` if the condition has no answer.
        """
        self._node(branch, Branch, index)
        return None if NO_LIST in index else self.cells.answer(branch, index)

    def label(self, step: str, index: Index) -> str:
        """What to call an execution of a step in maps, in an engine's pages: as the item of the innermost one."""
        if len(index) != len(self.plan.scope(step)):
            return ".".join(map(str, index))
        return self.item_label(self.plan.scope(step)[-1], index)

    def item_label(self, map_: str, index: Index) -> str:
        """What to call an item of a map: its value if that is short, else its position."""
        number = ".".join(map(str, index))
        if not index or NO_LIST in index:
            return number
        with suppress(PipeglotError, LookupError):
            shown = self._items_text(map_, index)
            return f"{number}: {shown}" if shown else number
        return number

    def _node(self, name: str, kind: type[N], index: Index | None = None) -> N:
        """Raises `StepError` for what the pipeline of this run does not have: a task's file may be newer."""
        known = self.plan.maps if kind.__name__ == "Map" else self.plan.places
        place = known.get(name)
        if place is None or not isinstance(place.node, kind):
            raise StepError(
                f"pipeline `{self.pipeline.name}`, as this run has it, has no {kind.__name__.lower()} `{name[:60]}`",
                hint="a run keeps the code that it began with: what was deployed since is for new runs",
            )
        maps = len(place.scope)
        if index is not None and len(index) != maps and NO_LIST not in index:
            raise StepError(
                f"`{name}` stands in {maps} maps, and `index` has {len(index)} positions",
                hint="this task is of another version of the pipeline",
            )
        return place.node

    # --- attempts ---------------------------------------------------------------------------------------------------

    def _step(self, job: Job, attempt: int | None, first: int) -> Outcome:
        if attempt != 1 or self._was_closed(job):
            found = self._again(job, is_counted=attempt is not None, is_told=first > 0)
            if isinstance(found, Verdict):
                return self._outcome(found)
            job = found
        if not self.plan.repeats(job.step.id) and not self.cells.is_due(*job.cell):
            return SKIPPED  # whatever the engine believes
        self._refuse_cancelled(job)
        return self._run(job)

    def _refuse_cancelled(self, job: Job) -> None:
        if is_cancelled(self.runtime, job):
            self._cancel(job)

    def _told(self, job: Job) -> Outcome:
        """Of an attempt that was told to end before it began."""
        if not lost_alone(self.place, self.runtime, job):
            self._cancel(job)
        return self._outcome(self.runtime.fail_from_outside(job, *died(signal.SIGTERM)))

    def _cancel(self, job: Job) -> NoReturn:
        self.runtime.cancel(structs.replace(job, attempt=job.attempt - 1))
        raise Cancelled(f"step `{job.step.id}` was cancelled before it began")

    def _was_closed(self, job: Job) -> bool:
        """Whether somebody took the first attempt for lost, or cancelled the run, while it waited, and it may run."""
        found = self.ledger.verdict(self.start.run, *job.cell)
        if found is None or found.status not in ("lost", "cancelled"):
            return False
        from pipeglot.core.lineage.closing import was_closed

        holds = not self.plan.repeats(job.step.id) and self.ledger.is_cancelled(self.start.run)
        return was_closed(found) and not holds

    def _again(self, job: Job, *, is_counted: bool, is_told: bool) -> Verdict | Job:
        """A later attempt, or one of an engine that does not count: what is there, or the slot to go on in.

        `is_told`: whether the engine says which attempt was the first.
        """
        repeats = self.plan.repeats(job.step.id)
        last = last_verdict(self.ledger, self.start.run, job.cell, repeats=repeats)
        if last is not None and last.status == "succeeded":
            is_later = not is_counted or job.attempt > last.observed.attempt
            if not (repeats and is_later and job.reopened > last.observed.reopened):
                return last
        if not is_counted:
            job = structs.replace(job, attempt=self._tried(job, last) + 1)
        if last is None:
            return job
        if (
            last.status == "failed"
            and "round" in job.engine
            and job.engine["round"] == last.observed.engine.get("round")
        ):
            return last
        if is_counted and job.attempt <= last.observed.attempt:
            raise StepError(
                f"step `{job.step.id}` has {last.status} in attempt {last.observed.attempt} of this run already",
                hint="this task is an old one that came back: what it does is not taken",
            )
        step, index = job.cell
        record = Reopened(
            run=self.start.run, step=step, index=index, slot=last.slot + 1, attempt=job.attempt, at=now().isoformat()
        )
        opened = self.ledger.reopen(record)
        return structs.replace(job, slot=opened.slot, first=job.first if is_told else min(opened.attempt, job.attempt))

    def _tried(self, job: Job, last: Verdict | None) -> int:
        """The number of the latest attempt that left a record."""
        failed = [one.observed.attempt for one in self.ledger.attempts(self.start.run, *job.cell)]
        return max(failed + ([last.observed.attempt] if last is not None else []), default=0)

    def _before(self, step: Step, index: Index) -> Before | None:
        """What a clean-up step or a hook comes after; None if it is not to run, whatever the engine believes."""
        hook = self.plan.hooks.get(step.id)
        if hook is None and not self.cells.is_led(step.id, index):
            return None
        from pipeglot.core.task.closing import look_before  # with all that lists a run: few steps need it

        found = look_before(self.ledger, self.artifacts, self.start, step)
        if hook is not None and (found.outcome == "succeeded") != (hook == "on_success"):
            return None
        return found

    def _run(self, job: Job) -> Outcome:
        if self.start.bundle is None:
            from pipeglot.core.task.installed import refuse_other_code

            try:
                refuse_other_code(job.step, self.pipeline)
            except StepError as error:
                return self._outcome(self.runtime.fail_unloaded(job, error, "import"))
        try:
            args = self.cells.of_step(*job.cell)
        except (Corrupt, ValueRefused) as error:
            return self._outcome(self.runtime.fail_unread(job, error))
        job = structs.replace(job, args=args)
        job = structs.replace(job, key=self.runtime.key(job))
        found = self.runtime.reuse(job)
        if isinstance(found, Verdict):
            return self._outcome(found)
        job = structs.replace(job, why=found)
        try:
            given = self._given(job.step)
        except StepError as error:
            failure = failures.raised(error, kind="input")
            return self._outcome(self.runtime.fail_from_outside(job, failure, failures.type_names(error)))
        try:
            job = self._wait_for_retry(job)
            self.runtime.secrets.give(given)
            with suppress(StepError):  # the worker fails the step for it; here it is to clean what is shown
                self.runtime.secrets.of(job.step)
            with self.place.bench(self._hello, self.base, cleans=self.plan.repeats(job.step.id)) as bench:
                return self._outcome(bench.attempt(self.runtime, job, self.schedule, self.place, given))
        except ToldToEnd:
            return self._told(job)

    def _given(self, step: Step) -> dict[str, str]:
        """The values of its secrets that the engine holds, or a cloud: its process is told, and asks nobody."""
        found = {name: self.deployed.secrets.get(name, "") for name in step.secrets}
        far = {name: place for name, place in found.items() if place and place.partition(":")[0] not in KINDS}
        engines = {name: self.held(name, place) for name, place in far.items()} if self.held is not None else {}
        return engines | self.runtime.secrets.of_clouds(step)

    def _wait_for_retry(self, job: Job) -> Job:
        """The rest of the delay: the engine has waited its shorter part, before this process began.

        The attempt begins after it: else the next one would take this rest for a part of its own delay.
        """
        retry, tried = job.step.retry, job.attempt - job.first
        if retry is None or not retry.delay or tried < 1:
            return job
        last = [one for one in self.ledger.attempts(self.start.run, *job.cell) if one.slot == job.slot]
        if not last:
            return job
        delay = failures.delay_before(retry, tried, int.from_bytes(os.urandom(4), "big") / 2**32)
        ended = ended_at(last[-1])
        left = delay - (now() - ended).total_seconds() if ended is not None else delay
        if left <= 0:
            return job
        self._sleep(job, min(left, delay))
        self._refuse_cancelled(job)
        return structs.replace(job, started=now().isoformat())

    def _sleep(self, job: Job, seconds: float) -> None:
        """Raises `ToldToEnd` if this process is told to end meanwhile."""
        said = f"pipeglot: attempt {job.attempt} of step `{job.step.id}` begins in {seconds:.1f} s\n"
        if sleep(self.place, seconds, said, cleans=self.plan.repeats(job.step.id)):
            raise ToldToEnd

    def _outcome(self, record: Verdict | Attempt) -> Outcome:
        seen = record.observed
        if isinstance(record, Attempt):
            return Outcome("retry", failure=seen.failure, seconds=seen.seconds)
        if record.status != "succeeded":
            return Outcome("failed", failure=seen.failure or _not_taken(record), seconds=seen.seconds)
        cell = record.step, record.index
        outputs = {name: artifact_id(record.run, cell, name) for name in seen.refs}
        cached = f"run {seen.cached.run}" if seen.cached else ""
        return Outcome("succeeded", outputs, cached=cached, seconds=seen.seconds)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _join_apart(self, engine: EngineRun) -> None:
        """Put the run's first record elsewhere, if only the project's classes can read its parameters."""
        from pipeglot.core.task.apart import join_apart, needs_code

        if self.deployed.bundle and needs_code(self.ledger.ir(self.deployed.ir)):
            root = unpacked(self.store, self.deployed.bundle, self.base / "bundles")
            join_apart(self.deployed, engine, root)

    @property
    def runtime(self) -> Runtime:
        """One for all threads: it remembers what secrets have been seen."""
        with self._lock:
            self._runtime = self._runtime or self._new_runtime()
            return self._runtime

    def _new_runtime(self) -> Runtime:
        asked = self.start.asked
        resumes = self.start.resumes
        return Runtime(
            self.start,
            self.ledger,
            self.artifacts,
            self.deployed.secrets,
            plan=self.plan,
            cache=asked.cache if asked else True,
            anew=asked.anew if asked else (),
            resumed=self._resumed(resumes) if resumes else None,
        )

    def _resumed(self, run: str) -> Resumed | None:
        """The run that this one goes on from. One that was pruned just before this one began has nothing to give."""
        try:
            return read_resumed(self.ledger, self.artifacts, run)
        except Pruned:
            return None

    def _hello(self) -> Hello:
        root = self._code()
        is_installed = self.start.bundle is None  # then modules are imported as anything else is
        asked = self.start.asked
        return Hello(
            pipeline=self.pipeline,
            start=self.start,
            store=self.store.uri,
            trusted=self.store.trusted,
            durable=self.deployed.durable,
            root=str(root),
            roots=() if is_installed else roots_of(root),
            sources={},
            secrets=self.deployed.secrets,
            folder="",
            temp="",
            cache=asked.cache if asked else True,
            anew=asked.anew if asked else (),
            copies=str(self.base / "copies"),
        )

    def _code(self) -> Path:
        """The folder in which steps run, and that their code is imported from if it came in a bundle."""
        if self.start.bundle is None:
            return Path.cwd()
        return unpacked(self.store, self.start.bundle, self.base / "bundles")

    def _items_text(self, map_: str, index: Index) -> str:
        found: list[str] = []
        place = self.plan.maps[map_]
        for source in place.node.over.values():  # type: ignore[union-attr]  # `maps` holds maps only
            value: Any = self.cells.arguments.operand(source, place.scope, index[:-1])[index[-1]]
            found.append(str(value))
        text = ", ".join(found)
        return text if len(text) <= 60 and text.isprintable() else ""


def told_run(run: str) -> str:
    """What a task prints first: what `pipeglot runs show` asks for."""
    return f"pipeglot: run {run[:SHORT_ID]}"


def asset_values(step: Step, outputs: Any) -> tuple[str | list[str], ...]:
    """Of each asset of a step, in their order, which artifact it is now; of several items in one task, which ones."""
    if isinstance(outputs, list):
        return tuple([one[name] for one in outputs if name in one] for name in step.asset)
    return tuple(outputs[name] for name in step.asset)


def _not_taken(record: Verdict) -> Failure:
    """Somebody had ended a step, or the run, while it went on. That stays, or others would have seen something else."""
    error = StepError(
        f"step `{record.step}` was recorded as {record.status} while this task went on: what it did is not taken",
        hint="clear the task: it runs again then",
    )
    return failures.raised(error, kind="died")
