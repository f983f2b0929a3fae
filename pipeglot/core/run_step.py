"""Run one step: the only thing that any backend executes.

`lookup` asks the cache; `execute` loads the inputs, runs the user's function, saves what it returned and commits the
verdict. Both return what the ledger then says, which is all that an engine may pass on.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from pipeglot.core import failures
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.calling import Trial, Watch, resolve_secrets
from pipeglot.core.context import RunContext, Terminated
from pipeglot.core.errors import StepError
from pipeglot.core.ir import Pipeline, Step
from pipeglot.core.lineage.arguments import Arg, hashes, load, refs
from pipeglot.core.lineage.cache import cache_key, cacheable, look_up
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.ledger import Ledger, host
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
from pipeglot.core.outputs import save_outputs
from pipeglot.core.params import decode

PYTHON = ".".join(map(str, sys.version_info[:3]))


class Job(Struct, frozen=True):
    """One attempt at one cell. `log` receives what the step prints, `scratch` is a folder for its temporary files."""

    step: Step
    index: Index
    args: Mapping[str, Arg]
    attempt: int = 1
    failed: bool = False
    log: Path | None = None
    scratch: Path | None = None

    @property
    def cell(self) -> Cell:
        return (self.step.id, self.index)


class Runtime:
    """Runs the steps of one run in this process. `secrets` maps names to `env:NAME` or `file:PATH`."""

    def __init__(
        self,
        start: Start,
        ledger: Ledger,
        artifacts: Artifacts,
        secrets: Mapping[str, str],
        *,
        pipeline: Pipeline,
        cache: bool = True,
    ) -> None:
        self.start = start
        self.types = {param.name: param.type for param in pipeline.params}
        self.ledger = ledger
        self.artifacts = artifacts
        self.secrets = secrets
        self.cache = cache

    # --- the cache --------------------------------------------------------------------------------------------------

    def lookup(self, job: Job) -> Verdict | str:
        """Reuse what was computed before: the committed verdict, or the reason why the step has to run."""
        if not self.cache:
            return "the run was started with --no-cache"
        if not cacheable(job.step):
            return "the step is never cached"
        key = cache_key(job.step, job.args)
        found = look_up(job.step, key, self.ledger, self.artifacts, _now())
        if found.entry is None:
            return found.why
        entry = found.entry
        observed = self._observed(job, refs=entry.refs, key=key, cached=entry.origin, metrics=entry.metrics)
        return self.ledger.commit(self._verdict(job, "succeeded", observed))

    # --- running ----------------------------------------------------------------------------------------------------

    def execute(self, job: Job, watch: Watch, *, why: str = "") -> Verdict | Attempt:
        """Run an attempt. Returns the verdict that counts, or the failed attempt that an engine must follow by another.

        Raises only what is not the step's: an order to end, and the store's own failure to take the record.
        """
        began = _now().isoformat()
        mro: tuple[str, ...] = ()
        trial = Trial(job.step, job.log, job.scratch)
        saved: dict[str, Ref] = {}
        failure: Failure | None = None
        try:
            trial.run(
                lambda: {name: self._load(arg, name, job) for name, arg in job.args.items()},
                self._context(job),
                self.secrets,
                watch,
                lambda result: saved.update(save_outputs(job.step, result, self.artifacts, self._opaque(job))),
            )
        except (Terminated, KeyboardInterrupt):
            raise
        except SystemExit as error:
            failure = failures.raised(StepError(f"the step called `sys.exit({error.code!r})`"), kind="raised")
        except BaseException as error:  # noqa: BLE001  # asyncio's cancellation and pytest's outcomes are no `Exception`
            mro = failures.type_names(error)
            failure = failures.raised(error, kind=trial.phase)
        texts = tuple(trial.secrets.values())
        log = self.save_log(job, texts)
        observed = self._observed(
            job, started=began, seconds=trial.seconds, refs=saved, metrics=trial.metrics, why=why, log=log
        )
        if failure is None:
            return self._succeed(job, observed)
        if failure.type == "Corrupt":
            self._distrust(job)
        return self.fail(job, observed, _redacted(failure, texts), mro)

    def fail(self, job: Job, observed: Observed, failure: Failure, mro: tuple[str, ...] = ()) -> Verdict | Attempt:
        """Record a failed attempt: as the verdict if it was the last, else as one that will be tried again."""
        observed = structs.replace(observed, failure=failure)
        if failures.will_retry(job.step, failure, mro, job.attempt):
            step, index = job.cell
            record = Attempt(run=self.start.run, step=step, index=index, observed=observed)
            self.ledger.failed_attempt(record)
            return record
        return self.ledger.commit(self._verdict(job, "failed", observed))

    def fail_from_outside(self, job: Job, failure: Failure, mro: tuple[str, ...], seconds: float) -> Verdict | Attempt:
        """Record the failure of an attempt whose process is gone: out of time, killed, crashed."""
        values = resolve_secrets(job.step, self.secrets)
        log = self.save_log(job, tuple(values.values()))
        return self.fail(job, self._observed(job, started=_now().isoformat(), seconds=seconds, log=log), failure, mro)

    def cancel(self, job: Job) -> Verdict:
        """End a cell that will not run, or whose process was ended, because the run was cancelled."""
        return self.ledger.commit(self._verdict(job, "cancelled", self._observed(job, log=self.save_log(job, ()))))

    def save_log(self, job: Job, secrets: tuple[str, ...]) -> Ref | None:
        """Store what the attempt printed, without secrets; None if it printed nothing. The file is removed."""
        log = job.log
        if log is None or not log.exists():
            return None
        try:
            if not log.stat().st_size:
                return None
            if secrets:
                from pipeglot.core.redact import Redactor

                clean = log.with_suffix(".clean")
                Redactor(secrets).file(log, clean)
                clean.replace(log)
            return self.artifacts.save(log, name=f"log of step `{job.step.id}`", opaque_id=str)
        finally:
            log.unlink(missing_ok=True)

    def _distrust(self, job: Job) -> None:
        """An input is damaged: forget the cache entries that lead to it, so that the next run makes it anew."""
        damaged = {ref.blob for arg in job.args.values() for ref in refs(arg)}
        for verdict in self.ledger.verdicts(self.start.run):
            if verdict.observed.key and any(ref.blob in damaged for ref in verdict.observed.refs.values()):
                self.ledger.forget(verdict.observed.key)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _succeed(self, job: Job, observed: Observed) -> Verdict:
        if not cacheable(job.step):
            return self.ledger.commit(self._verdict(job, "succeeded", observed))
        key = cache_key(job.step, job.args)
        step, index = job.cell
        origin = Origin(run=self.start.run, step=step, index=index)
        entry = CacheEntry(
            run=self.start.run,
            key=key,
            origin=origin,
            computed=_now().isoformat(),
            refs=observed.refs,
            metrics=observed.metrics,
        )
        verdict = self.ledger.commit(self._verdict(job, "succeeded", structs.replace(observed, key=key)))
        if verdict.observed.refs == entry.refs:
            self.ledger.remember(entry)
        return verdict

    def _load(self, arg: Arg, name: str, job: Job) -> Any:
        return load(arg, self.artifacts, name=name, scratch=job.scratch)

    def _opaque(self, job: Job) -> Any:
        """The lineage identity of an output with no canonical value: where it comes from."""
        from pipeglot.core import plain

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
            params={name: decode(self.types[name], value) for name, value in self.start.params.items()},
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
        return Verdict(run=self.start.run, step=step, index=index, status=status, portable=portable, observed=observed)

    def _observed(self, job: Job, **known: Any) -> Observed:
        known.setdefault("started", "")
        return Observed(
            backend=self.start.backend, attempt=job.attempt, host=host(), pid=os.getpid(), python=PYTHON, **known
        )


def _redacted(failure: Failure, secrets: tuple[str, ...]) -> Failure:
    if not secrets:
        return failure
    from pipeglot.core.redact import Redactor

    clean = Redactor(secrets).text
    return structs.replace(failure, message=clean(failure.message), traceback=clean(failure.traceback))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
