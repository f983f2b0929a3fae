"""Run one step: the only thing that any backend executes.

`reuse` asks the cache; `execute` loads the inputs, runs the user's function, saves what it returned and commits the
verdict. Both return what the ledger then says, which is all that an engine may pass on.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, structs

from pipeglot.core import failures, plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.calling import Trial, Watch
from pipeglot.core.context import RunContext, Terminated
from pipeglot.core.environment import packages
from pipeglot.core.errors import Corrupt, NotFound, PipeglotError, StoreError, ValueRefused
from pipeglot.core.ir import ParamRef, Step
from pipeglot.core.lineage.arguments import Arg, hashes, load
from pipeglot.core.lineage.cache import cache_key, cacheable, look_up
from pipeglot.core.lineage.checkpoints import Checkpoints
from pipeglot.core.lineage.ids import parse_artifact_id
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.ledger import Ledger, host, now
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import (
    Attempt,
    CacheEntry,
    Failure,
    Observed,
    Origin,
    Portable,
    Ref,
    Start,
    Verdict,
)
from pipeglot.core.lineage.resuming import Resumed
from pipeglot.core.outputs import save_outputs
from pipeglot.core.params import decode
from pipeglot.core.secret_values import Secrets

FRESH = 12 * 3600.0
"""Seconds in which what was saved, or found in the store, is committed: later, `gc` may have removed it."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


PYTHON = ".".join(map(str, sys.version_info[:3]))


class Job(Struct, frozen=True, kw_only=True):
    """One attempt at one cell.

    log: receives what the step prints. scratch: a folder for its input files. temp: one for its temporary files.
    why: why the cache had nothing to offer. started: when it was given to a worker, UTC in ISO 8601. key: the cache
    key, if whoever gave the job has computed it already. slot: the round of attempts that it is of, and first: the
    number of the first attempt in that round. engine: what the engine calls it, for people. reopened: as the record
    has it (`Observed`).
    """

    step: Step
    index: Index
    args: Mapping[str, Arg] = {}
    attempt: int = 1
    failed: bool = False
    log: Path | None = None
    scratch: Path | None = None
    temp: Path | None = None
    why: str = ""
    started: str = ""
    key: str = ""
    slot: int = 1
    first: int = 1
    engine: Mapping[str, str] = {}
    reopened: int = 0

    @property
    def cell(self) -> Cell:
        return (self.step.id, self.index)


class Runtime:
    """Runs the steps of one run in this process. `secrets` maps names to `env:NAME` or `file:PATH`.

    `cache` False: every step is computed anew; `anew`: these are. `resumed`: the run whose results are taken first.
    """

    def __init__(
        self,
        start: Start,
        ledger: Ledger,
        artifacts: Artifacts,
        secrets: Mapping[str, str],
        *,
        plan: Plan,
        cache: bool = True,
        anew: Collection[str] = (),
        resumed: Resumed | None = None,
    ) -> None:
        self.start = start
        self.plan = plan
        self.ledger = ledger
        self.artifacts = artifacts
        self.cache = cache
        self.anew = frozenset(anew)
        self.resumed = resumed
        self.secrets = Secrets(secrets)
        self._saving: dict[Cell, float] = {}
        self._distrusted: set[str] = set()
        self._used: dict[tuple[str, str], dict[str, str]] = {}

    # --- the cache --------------------------------------------------------------------------------------------------

    def reuse(self, job: Job) -> Verdict | str:
        """Reuse what was computed before: the committed verdict, or the reason why the step has to run."""
        since = elapsed()
        found = self.reusable(job)
        if isinstance(found, str):
            return found
        if not self._is_there_still(found.observed, since):
            if found.observed.key:
                self.ledger.forget(found.observed.key)
            return "what was found was removed while this process stood still"
        return self.ledger.commit(found)

    def reusable(self, job: Job, *, tidy: bool = True) -> Verdict | str:
        """The same without committing it. Without `tidy`, nothing at all is changed in the store."""
        if self.resumed is None or job.step.id in self.plan.hooks:
            return self._cached(job, tidy=tidy)
        old = self.resumed.take(job.step, job.cell, job.args)
        if isinstance(old, Verdict):
            return self._taken_over(job, old)
        found = self._cached(job, tidy=tidy)
        return f"{found}; {old}" if isinstance(found, str) else found

    def _cached(self, job: Job, *, tidy: bool) -> Verdict | str:
        why = self.why_anew(job.step)
        if why:
            return why
        key = self.key(job)
        found = look_up(job.step, key, self.ledger, self.artifacts, now(), tidy=tidy)
        if found.stale and tidy:
            self.ledger.forget(key)
        if found.entry is None:
            return found.why
        entry = found.entry
        try:
            saved = self._outlined(job.step, self._named_anew(entry.refs, job))
        except (Corrupt, ValueRefused):
            if tidy:
                self.ledger.forget(key)
            return "the cached result is damaged"
        observed = self._observed(job, refs=saved, key=key, cached=entry.origin, metrics=entry.metrics)
        return self._verdict(job, "succeeded", observed)

    def key(self, job: Job) -> str:
        """The cache key of a job; empty of one that is never cached."""
        if job.key or not self._cacheable(job.step):
            return job.key
        return cache_key(job.step, job.args)

    def why_anew(self, step: Step) -> str:
        """Why the cache is not even asked about a step; empty if it is."""
        if not self.cache:
            return "the run was started with --no-cache"
        if step.id in self.anew:
            return "the run was told to run it anew, with --from"
        return "" if self._cacheable(step) else "the step is never cached"

    def _taken_over(self, job: Job, old: Verdict) -> Verdict:
        """A verdict of this run's own, with the results that the run which it resumes had."""
        seen = old.observed
        observed = self._observed(
            job,
            refs=self._outlined(job.step, self._named_anew(seen.refs, job)),
            key=seen.key,
            cached=seen.cached or Origin(run=old.run, step=old.step, index=old.index),
            metrics=seen.metrics,
            why=f"taken from run {old.run}, which this one resumes",
        )
        return self._verdict(job, "succeeded", observed)

    def _cacheable(self, step: Step) -> bool:
        """Hooks, as clean-up steps, run for what they do."""
        return cacheable(step) and step.id not in self.plan.hooks

    def _outlined(self, step: Step, saved: dict[str, Ref]) -> dict[str, Ref]:
        """With what the shape of this run depends on in the items of its lists: readers have only the records."""
        looks = self.plan.looks(step.id)
        if not looks and all(ref.outline is None for ref in saved.values()):
            return saved
        return {output: self.artifacts.outlined(ref, looks.get(output)) for output, ref in saved.items()}

    def _named_anew(self, saved: dict[str, Ref], job: Job) -> dict[str, Ref]:
        """An opaque value is called after where it comes from, and that is here: not where it was first computed."""
        if not any(ref.opaque for ref in saved.values()):
            return saved
        name = self._opaque(job)
        return {
            output: structs.replace(ref, value=name(output)) if ref.opaque else ref for output, ref in saved.items()
        }

    # --- running ----------------------------------------------------------------------------------------------------

    def execute(self, job: Job, watch: Watch) -> Verdict | Attempt:
        """Run an attempt. Returns the verdict that counts, or the failed attempt that an engine must follow by another.

        Raises only `Terminated`, and `StoreError` if the store does not take the record.
        """
        saved: dict[str, Ref] = {}
        trial = Trial(job.step, job.log, job.temp)
        try:
            self.attempt(job, trial, watch, saved)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001  # asyncio's cancellation and pytest's outcomes are no `Exception`
            return self._failed(job, trial, error)
        return self._succeed(job, self._tried(job, trial, refs=saved))

    def attempt(self, job: Job, trial: Trial, watch: Watch, saved: dict[str, Ref]) -> None:
        """Call the function and save its outputs into `saved`; nothing is recorded. Raises whatever goes wrong."""
        trial.run(
            lambda: {name: self._load(arg, name, job) for name, arg in job.args.items()},
            lambda: self._context(job),
            self.secrets.of(job.step),
            watch,
            lambda result: saved.update(self._save(job, result)),
            self._checkpoints(job),
        )

    def _is_there_still(self, observed: Observed, since: float) -> bool:
        """Whether a verdict may be put over what was saved or found then: asked only after a long time."""
        return elapsed() - since <= FRESH or all(self.artifacts.exists(ref) for ref in observed.refs.values())

    def _save(self, job: Job, result: Any) -> dict[str, Ref]:
        self._saving[job.cell] = elapsed()
        return self._outlined(job.step, save_outputs(job.step, result, self.artifacts, self._opaque(job)))

    def _checkpoints(self, job: Job) -> Checkpoints:
        return Checkpoints(
            self.ledger,
            self.artifacts,
            self.start,
            job.cell,
            attempt=job.attempt,
            key=lambda: job.key or cache_key(job.step, job.args),
            scratch=job.scratch,
        )

    def _failed(self, job: Job, trial: Trial, error: BaseException) -> Verdict | Attempt:
        if isinstance(error, Corrupt) and trial.phase == "input":
            self.distrust(job.step)
        failure = failures.raised(error, kind=trial.phase, clean=self.secrets.cleaner(job.step))
        return self._fail(job, self._tried(job, trial, failure=failure), failures.type_names(error))

    def _tried(self, job: Job, trial: Trial, **known: Any) -> Observed:
        metrics = {name: plain.encode(value) for name, value in trial.metrics.items()}
        known |= {"metrics": metrics, "why": job.why, "log": self.save_log(job), "packages": self._packages(job.step)}
        return self._observed(job, seconds=trial.seconds, **known)

    def _packages(self, step: Step) -> dict[str, str]:
        """The packages that the step's code uses; looked up once, for all its calls and items have the same."""
        code = (step.code.module, step.code.digest)
        found = self._used.get(code)
        if found is None:
            found = self._used[code] = packages(code_modules(step, self.plan))
        return found

    def _fail(self, job: Job, observed: Observed, mro: tuple[str, ...]) -> Verdict | Attempt:
        """Record a failed attempt: as the verdict if it was the last, else as one that will be tried again."""
        assert observed.failure is not None, "a failed attempt says why"
        if not failures.will_retry(job.step, observed.failure, mro, job.attempt - job.first + 1):
            return self.ledger.commit(self._verdict(job, "failed", observed))
        step, index = job.cell
        record = Attempt(run=self.start.run, step=step, index=index, slot=job.slot, observed=observed)
        self.ledger.failed_attempt(record)
        return record

    # --- for whoever outlives the process of a step -----------------------------------------------------------------

    def fail_from_outside(self, job: Job, failure: Failure, mro: tuple[str, ...], **known: Any) -> Verdict | Attempt:
        """Record the failure of an attempt whose process is gone: out of time, killed, crashed.

        If it had committed its verdict before it went, that one counts.
        """
        committed = self.ledger.verdict(self.start.run, *job.cell, job.slot)
        if committed is not None:
            return committed
        log = self.save_log(job)
        return self._fail(job, self._observed(job, failure=failure, why=job.why, log=log, **known), mro)

    def fail_unread(self, job: Job, error: PipeglotError) -> Verdict:
        """End a cell whose arguments cannot even be told, for a list that they are in is damaged."""
        self.distrust(job.step)
        return self.fail_unloaded(job, error, "input")

    def fail_unloaded(self, job: Job, error: PipeglotError, kind: Literal["input", "import"]) -> Verdict:
        """End a cell before anything of it is looked up or loaded: its arguments, or its code, cannot be had."""
        return self.ledger.commit(
            self._verdict(job, "failed", self._observed(job, failure=failures.raised(error, kind=kind)))
        )

    def cancel(self, job: Job, **known: Any) -> Verdict:
        """End a cell that will not run, or whose process was ended, because the run was cancelled."""
        return self.ledger.commit(self._verdict(job, "cancelled", self._observed(job, log=self.save_log(job), **known)))

    def save_log(self, job: Job) -> Ref | None:
        """Store what the attempt printed, without its secrets; None if it printed nothing. The file is then removed; an
        empty one stays, for whoever made it may use it again.

        If a secret is not known any more, nor was when the step began, the log is dropped: it cannot be cleaned.
        """
        log = job.log
        if log is None or not _size(log):
            return None
        try:
            if not self.secrets.known(job.step):
                return None
            if job.step.secrets or self.secrets.any():
                clean = log.with_suffix(".clean")
                self.secrets.clean_file(log, clean)
                clean.replace(log)
            return self.artifacts.save(log, name=f"log of step `{job.step.id}`", opaque_id=str)
        finally:
            log.unlink(missing_ok=True)

    def distrust(self, step: Step) -> None:
        """An input is damaged: forget the cache entries of the steps that it comes from, so that they make it anew."""
        if step.id in self._distrusted:  # by another item of the same map
            return
        self._distrusted.add(step.id)
        sources = self.plan.sources(step.id)
        for verdict in self.ledger.verdicts(self.start.run):
            if verdict.step in sources and verdict.observed.key:
                self.ledger.forget(verdict.observed.key)
        self._distrust_params(step)

    def _distrust_params(self, step: Step) -> None:
        """The same for the artifacts of other runs that the step takes."""
        for source in self.plan.origins(step.id):
            if not isinstance(source, ParamRef) or source.name not in self.start.artifacts:
                continue
            try:
                run, name, index, _ = parse_artifact_id(str(self.start.params[source.name]))
                verdict = self.ledger.verdict(run, name, index)
            except (Corrupt, NotFound):  # its run is damaged too, or was removed: nothing is cached by it
                continue
            if verdict is not None and verdict.observed.key:
                self.ledger.forget(verdict.observed.key)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _succeed(self, job: Job, observed: Observed) -> Verdict | Attempt:
        if not self._is_there_still(observed, self._saving.pop(job.cell, elapsed())):
            error = StoreError(
                f"the results of step `{job.step.id}` were removed from the store before they could be recorded",
                hint="this machine stood still for so long that `store gc` took them for nobody's: run the step again",
            )
            failure = failures.raised(error, kind="output")
            failed = structs.replace(observed, refs={}, failure=failure)
            return self._fail(job, failed, failures.type_names(error))
        if not self._cacheable(job.step):
            return self.ledger.commit(self._verdict(job, "succeeded", observed))
        key = self.key(job)
        step, index = job.cell
        origin = Origin(run=self.start.run, step=step, index=index)
        entry = CacheEntry(
            run=self.start.run,
            key=key,
            origin=origin,
            computed=now().isoformat(),
            refs=observed.refs,
            metrics=observed.metrics,
        )
        verdict = self.ledger.commit(self._verdict(job, "succeeded", structs.replace(observed, key=key)))
        if verdict.status == "succeeded" and verdict.observed.refs == entry.refs:
            if not self.cache or job.step.id in self.anew:  # what was computed on demand is what later runs are to find
                self.ledger.forget(key)
            self.ledger.remember(entry)
        return verdict

    def _load(self, arg: Arg, name: str, job: Job) -> Any:
        return load(arg, self.artifacts, name=name, trusted=self.plan.trusted, scratch=job.scratch)

    def _opaque(self, job: Job) -> Any:
        """The lineage identity of an output with no canonical value: where it comes from."""
        inputs = {name: hashes(arg) for name, arg in job.args.items()}
        return lambda output: plain.digest([job.step.code.digest, inputs, output])

    def _context(self, job: Job) -> RunContext:
        step, index = job.cell
        return RunContext(
            run_id=self.start.run,
            pipeline=self.start.pipeline,
            step=step,
            index=index,
            attempt=job.attempt,
            params={
                name: value
                if name in self.start.artifacts
                else decode(self.plan.params[name].type, value, trusted=self.plan.trusted)
                for name, value in self.start.params.items()
            },
            logical_date=dt.datetime.fromisoformat(self.start.logical_date),
            backend=self.start.backend,
            failed=job.failed,
        )

    def _verdict(self, job: Job, status: Any, observed: Observed) -> Verdict:
        step, index = job.cell
        portable = Portable(
            code=job.step.code.digest,
            inputs={name: hashes(arg) for name, arg in job.args.items()},
            outputs={name: ref.value for name, ref in observed.refs.items()},
        )
        return Verdict(
            run=self.start.run,
            step=step,
            index=index,
            slot=job.slot,
            status=status,
            portable=portable,
            observed=observed,
        )

    def _observed(self, job: Job, **known: Any) -> Observed:
        observed = Observed(
            backend=self.start.backend,
            attempt=job.attempt,
            started=job.started,
            host=host(),
            pid=os.getpid(),
            python=PYTHON,
            engine=dict(job.engine),
            reopened=job.reopened,
        )
        return structs.replace(observed, **known)


def _size(file: Path) -> int:
    try:
        return os.stat(file).st_size
    except FileNotFoundError:  # its process was over before it could make it
        return 0


def code_modules(step: Step, plan: Plan) -> set[str]:
    """The project's modules that a step's code stands in."""
    members = plan.pipeline.closures.get(step.code.digest, {})
    return {step.code.module, *(name.partition(":")[0] for name in members)}


if __name__ == "__main__":  # as a process: that part is a module of its own, which imports this one by its name
    from pipeglot.core.task.main import main

    sys.exit(main())
