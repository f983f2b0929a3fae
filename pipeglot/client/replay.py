"""Run one step of a recorded run again, in this process, with the inputs that it had; nothing is recorded."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct, structs

from pipeglot.client.diff.model import Change, CodeDiff, NamedDiff, Tolerance
from pipeglot.client.diff.values import Comparer
from pipeglot.client.records import Found, Records
from pipeglot.client.steps import member_changes
from pipeglot.client.text import SHORT_ID
from pipeglot.core import failures
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import Blobs
from pipeglot.core.calling import Trial, Watch
from pipeglot.core.code import Project
from pipeglot.core.environment import version_here
from pipeglot.core.errors import (
    Corrupt,
    DefinitionError,
    NewerFormat,
    NotFound,
    PipeglotError,
    TargetError,
    Untrusted,
    UsageError,
)
from pipeglot.core.ir import Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.arguments import Arg, hashes, refs
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Failure, Observed, Ref, Verdict
from pipeglot.core.lineage.view import readable
from pipeglot.core.run_step import PYTHON, Job, Runtime
from pipeglot.core.session import MAIN
from pipeglot.core.sources import use_roots
from pipeglot.core.stack import Stack
from pipeglot.core.store import open_store
from pipeglot.core.store.overlay import Overlay

_BAD = frozenset({"failed", "cancelled", "lost"})


class Recorded(Struct, frozen=True, kw_only=True):
    """What the ledger says of the execution.

    Of a cached one, all but `status` is of the execution that computed it, if that one's run is still there.

    status: `succeeded`, `failed`, `cancelled` or `lost`; `not finished` if nothing is on record yet.
    attempt: the last one, or the next if it is not finished; 0 if it was cancelled before it ran.
    started: when that began: UTC, in ISO 8601; empty if it never did.
    host: the machine that it ran on; empty if that is not known.
    python: the version of Python; empty if that is not known.
    packages: those that the project's code uses, by version.
    failure: why it failed; null if it did not.
    """

    status: str
    attempt: int
    started: str
    host: str
    python: str
    packages: dict[str, str]
    failure: Failure | None


class Replayed(Struct, frozen=True, kw_only=True):
    """An execution that was run again: what is not as it was, and what came of it.

    Where differences are told, the first run is the recorded one, and the second is this.

    run_id: of the recorded run.
    step: the step's name.
    index: the position in each enclosing map; empty outside maps.
    recorded: how it was then.
    environment: Python and packages whose version is another one here.
    code: what of the step's code is another one in this checkout; null if it is the same.
    status: `succeeded` or `failed`, now.
    seconds: those of the step's function, now.
    metrics: what `log_metrics` was given, now.
    failure: why it failed now; null if it did not.
    same_failure: whether what was raised is the same; null unless both failed.
    compared: the outputs that there are of both, and that were compared.
    outputs: those of them that differ.
    files: the folder with the files among its inputs; null if it takes none.
    """

    run_id: str
    step: str
    index: tuple[int, ...]
    recorded: Recorded
    environment: tuple[Change, ...]
    code: CodeDiff | None
    status: str
    seconds: float
    metrics: dict[str, Any]
    failure: Failure | None
    same_failure: bool | None
    compared: tuple[str, ...]
    outputs: tuple[NamedDiff, ...]
    files: str | None


class Outcome(NamedTuple):
    """How the execution ended: with its outputs, or with what was raised."""

    seconds: float
    metrics: dict[str, float]
    refs: dict[str, Ref]
    error: BaseException | None
    failure: Failure | None


class Replay:
    """One execution of a recorded run, ready to be run again. `close` removes what it has put on this machine."""

    def __init__(self, records: Records, stack: Stack, found: Found, cell: Cell) -> None:
        """Raises `UsageError` for an execution without inputs, `TargetError` for code that is not here, `Corrupt`.

        From a store that is not trusted: `Untrusted` for what its records alone say is a step.
        """
        self.records = records
        self.found = found
        self.cell = cell
        self.recorded_step = _step(found, cell)
        self.args, self.verdict = _arguments(found, cell)
        self.recorded = _recorded(records, found, cell, self.verdict)
        if not records.ledger.store.trusted:
            _refuse_undeclared(records, self.recorded_step)
        closure = _closure(records, self.recorded_step)
        self.members = closure.members
        code = structs.replace(self.recorded_step.code, digest=closure.digest)
        self.step = structs.replace(self.recorded_step, code=code)
        self.folder = Path(tempfile.mkdtemp(prefix="pipeglot-replay-"))
        try:
            self._overlay = Overlay(records.ledger.store, open_store(self.folder / "store", trusted=True))
            self._forget_later_checkpoints()
            self._runtime = self._make_runtime(records.workspace.secrets(stack))
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _make_runtime(self, secrets: Mapping[str, str]) -> Runtime:
        plan, store = self.found.state.plan, self._overlay
        return Runtime(self.found.start, Ledger(store), Artifacts(store), secrets, plan=plan, cache=False)

    @property
    def files(self) -> Path | None:
        """Where the files that it takes are put; None if it takes none. Those in lists of values show when it runs."""
        codecs = {ref.codec.partition("/")[0] for arg in self.args.values() for ref in refs(arg)}
        inputs = self.folder / "inputs"
        return inputs if codecs & {"file", "dir"} or (inputs.is_dir() and any(inputs.iterdir())) else None

    # --- what is not as it was ----------------------------------------------------------------------------------------

    def environment(self) -> Iterator[Change]:
        """Python and packages whose version is another one here."""
        then = self.recorded
        if then.python and then.python != PYTHON:
            yield Change(path="python", before=then.python, after=PYTHON)
        for name, version in then.packages.items():
            here = version_here(name)
            if here != version:
                yield Change(path=name, before=version, after=here, note="" if here else "it is not installed here")

    def code(self) -> CodeDiff | None:
        """What of the step's code is another one in this checkout."""
        then = self.recorded_step.code.digest
        if then == self.step.code.digest:
            return None
        known = self.found.state.plan.pipeline.closures.get(then)
        if known is None:
            return CodeDiff(steps=(self.step.id,), note="the run does not tell what its code was made of")
        return CodeDiff(steps=(self.step.id,), **member_changes(known, self.members)._asdict())

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self, watch: Watch, *, interactive: bool = False) -> Outcome:
        """Run it in this process, in the project's folder. Raises what of ours stands against it, `KeyboardInterrupt`.

        The user's own exception is part of the outcome. Secrets are taken out of what it prints, as out of logs, unless
        it is `interactive`: a debugger needs the terminal.
        """
        workspace = self.records.workspace
        use_roots(workspace.roots, {})
        temp, inputs = self.folder / "temp", self.folder / "inputs"
        for folder in (temp, inputs):
            folder.mkdir(mode=0o700)
        saved: dict[str, Ref] = {}
        trial = Trial(self.step, None, temp)
        here = Path.cwd()
        os.chdir(workspace.root)
        try:
            with nullcontext() if interactive else self._runtime.secrets.hidden(self.step):
                self._runtime.attempt(self._job(inputs, temp), trial, watch, saved)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # `SystemExit` is a failure of the step, not the end of us
            if isinstance(error, Corrupt) and trial.phase == "input":
                raise Corrupt(error.message, hint=self._how_to_mend() or error.hint) from error
            if isinstance(error, PipeglotError) and trial.phase in ("input", "import"):
                raise
            clean = self._runtime.secrets.cleaner(self.step)
            failure = failures.raised(error, kind=trial.phase, clean=clean)
            return Outcome(trial.seconds, trial.metrics, {}, error, failure)
        finally:
            os.chdir(here)
        return Outcome(trial.seconds, trial.metrics, saved, None, None)

    def _how_to_mend(self) -> str:
        """Which steps of the run have made the inputs that cannot be read any more; "" if none has."""
        lost = {ref.value for arg in self.args.values() for ref in refs(arg) if not _is_whole(self.records, ref)}
        made = sorted(
            {
                step
                for (step, _), entry in self.found.state.entries.items()
                if entry.verdict is not None and any(ref.value in lost for ref in entry.verdict.observed.refs.values())
            }
        )
        if not made:
            return ""
        froms = " ".join(f"--from {step}" for step in made)
        return f"`pipeglot run TARGET {froms}` computes it again; then replay the step of that run"

    def _job(self, inputs: Path, temp: Path) -> Job:
        return Job(
            step=self.step,
            index=self.cell[1],
            args=self.args,
            attempt=max(1, self.recorded.attempt),
            failed=self._had_failed(),
            scratch=inputs,
            temp=temp,
        )

    def _had_failed(self) -> bool:
        """What a hook or a clean-up step was told of the run; others are told nothing."""
        state = self.found.state
        if self.cell[0] in state.plan.hooks:
            return state.outcome != "succeeded"
        if self.step.trigger != "all_done":
            return False
        entries = state.entries.items()
        return any(
            entry.status in _BAD for cell, entry in entries if cell != self.cell and cell[0] not in state.plan.hooks
        )

    def _forget_later_checkpoints(self) -> None:
        """It begins with what had been saved when the attempt began, which is what that one saw."""
        run, ledger = self.found.start.run, self.records.ledger
        for number in range(ledger.last_checkpoint(run, *self.cell), 0, -1):
            try:
                record = ledger.checkpoint(run, *self.cell, number)
            except (Corrupt, NewerFormat):  # it is passed over with a note when it is asked for
                continue
            if record is not None and record.attempt < self.recorded.attempt:
                return
            self._overlay.delete(keys.checkpoint(run, *self.cell, number))

    def result(self, outcome: Outcome) -> Replayed:
        """The outcome, held against what was recorded."""
        then = self.verdict.observed.refs if self.verdict is not None else {}
        compared = [name for name in outcome.refs if name in then]
        values = Comparer(self.records.artifacts, Artifacts(self._overlay), Tolerance())
        both_failed = outcome.failure is not None and self.recorded.failure is not None
        return Replayed(
            run_id=self.found.start.run,
            step=self.cell[0],
            index=self.cell[1],
            recorded=self.recorded,
            environment=tuple(self.environment()),
            code=self.code(),
            status="succeeded" if outcome.failure is None else "failed",
            seconds=round(outcome.seconds, 6),
            metrics={
                name: readable(value) if value - value == 0 else str(value) for name, value in outcome.metrics.items()
            },
            failure=outcome.failure,
            same_failure=_named(outcome.failure) == _named(self.recorded.failure) if both_failed else None,
            compared=tuple(compared),
            outputs=tuple(
                NamedDiff(name=name, diff=diff)
                for name in compared
                if (diff := values.refs(then[name], outcome.refs[name])) is not None
            ),
            files=str(self.files) if self.files else None,
        )

    def close(self) -> None:
        """Remove all but the input files, which the user may want to look at."""
        kept = self.files
        for name in ("store", "temp", *(() if kept else ("inputs",))):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        if not kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _is_whole(records: Records, ref: Ref) -> bool:
    blobs = Blobs(records.ledger.store)
    try:
        return all(blobs.is_kept(*one) for one in records.artifacts.blobs(ref))
    except Corrupt:
        return False


def _named(failure: Failure | None) -> tuple[str, str, str] | None:
    return (failure.cause, failure.type, failure.message) if failure else None


def _step(found: Found, cell: Cell) -> Step:
    node = found.state.plan.places[cell[0]].node
    if not isinstance(node, Step):
        raise UsageError(f"`{cell[0]}` is a branch, which has no code to run", hint="name a step in one of its arms")
    return node


def _arguments(found: Found, cell: Cell) -> tuple[dict[str, Arg], Verdict | None]:
    """The inputs that an execution had, or would have had if it was about to run. Raises `UsageError`, `Corrupt`."""
    entry = found.state.entries.get(cell)
    if entry is not None and entry.verdict is None:
        raise UsageError(
            f"step `{cell[0]}` was {entry.status} in run `{found.start.run}`, so it has no inputs to run with",
            hint=f"`pipeglot runs show {found.start.run[:SHORT_ID]}` tells which step before it is the cause",
        )
    args = found.state.arguments.of_step(*cell)
    verdict = entry.verdict if entry is not None else None
    told = verdict.portable.inputs if verdict is not None else {}
    succeeded = verdict is not None and verdict.status == "succeeded"  # what was never begun tells of no inputs
    if (told or succeeded) and told != {name: hashes(arg) for name, arg in args.items()}:
        raise Corrupt(
            f"the inputs of step `{cell[0]}` are not those that its record names: a record of the run was changed",
            hint="run the pipeline again",
        )
    return args, verdict


def _recorded(records: Records, found: Found, cell: Cell, verdict: Verdict | None) -> Recorded:
    if verdict is None:
        tried = records.ledger.attempts(found.start.run, *cell)
        seen = Observed(backend=found.start.backend, attempt=len(tried) + 1)
        status = "not finished"
    else:
        seen, status = _computed(records, verdict), verdict.status
    return Recorded(
        status=status,
        attempt=seen.attempt,
        started=seen.started,
        host=seen.host,
        python=seen.python,
        packages=seen.packages,
        failure=verdict.observed.failure if verdict else None,
    )


def _computed(records: Records, verdict: Verdict) -> Observed:
    """Of a cached result, what is known of the execution that computed it, if its record is still there, and whole."""
    origin = verdict.observed.cached
    if origin is None:
        return verdict.observed
    try:
        found = records.ledger.verdict(origin.run, origin.step, origin.index)
    except (Corrupt, NewerFormat):
        found = None
    return found.observed if found is not None else structs.replace(verdict.observed, python="")


def _closure(records: Records, step: Step) -> Any:
    """The step's code as it is in this checkout. Raises `TargetError`."""
    if step.code.module == MAIN:
        raise TargetError(
            f"step `{step.id}` was defined in a notebook: there is no file to take its code from",
            hint="call it there, as the plain function that it is, or write it in a file of the project",
        )
    project = Project(records.workspace.roots)
    try:
        return project.closure(step.code.module, step.code.qualname)
    except DefinitionError as error:
        raise TargetError(
            f"the code of step `{step.id}`, `{step.code}`, is not in this checkout: {error.problems[0].message}",
            hint="check out the code that the run had; `-C DIR` names the project's folder",
        ) from error


def _refuse_undeclared(records: Records, step: Step) -> None:
    """The record names any function of the project, and calls it as it likes: it has to be one that says `@step` here.

    Nothing is imported to know that.
    """
    store = f"the store `{records.ledger.store.uri}` is not trusted"
    hint = "if only you and people you trust can write to it, say `trusted: true` in the stack"
    if step.env:
        names = ", ".join(f"`{name}`" for name in step.env)
        raise Untrusted(f"step `{step.id}` is recorded to set {names} in the environment, and {store}", hint=hint)
    if not Project(records.workspace.roots).has_decorator(step.code.module, step.code.qualname, "step"):
        raise Untrusted(
            f"step `{step.id}` is recorded to call `{step.code}`, which says no `@step` in this checkout, and {store}",
            hint=hint,
        )


def refuse_missing_secrets(step: Step, stack: Stack) -> None:
    """Raises `NotFound` for a secret that the stack does not map, before anything runs."""
    for name in step.secrets:
        if name not in stack.secrets:
            raise NotFound(
                f"step `{step.id}` needs secret `{name}`, which stack `{stack.name}` does not map",
                hint=f'say in pipeglot.yaml where it is: `{stack.name}: {{…, secrets: {{{name}: "env:{name}"}}}}`',
            )
