"""How a run ended: one line if all went well; else what failed, why, and how to go on, last on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Protocol

from pipeglot.client.logs import last_lines
from pipeglot.client.text import SHORT_ID, cell_name, duration, listed, paint, plural, safe, safe_line
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import PipeglotError
from pipeglot.core.ir import Branch, Step
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.plan import Plan, inner_steps
from pipeglot.core.lineage.records import Failure
from pipeglot.core.lineage.view import RunView, StepView

MOST_FAILURES = 3
LOG_LINES = 10
TRACEBACK_LINES = 40
"""So many letters of a run's id tell it from all others of a store."""


class Onward(Protocol):
    """The commands to go on with."""

    def again(self, run: str) -> str: ...

    def logs(self, run: str, step: str, index: Index) -> str: ...

    def replay(self, run: str, step: str, index: Index) -> str: ...

    def resume(self, run: str, *, named: bool = False) -> str: ...


def report(view: RunView, plan: Plan, artifacts: Artifacts, onward: Onward, seconds: float, stream: IO[str]) -> None:
    """Print the end of a run. A closed stream is not the run's fault."""
    found = _Report(view, plan, artifacts, onward, seconds, stream)
    try:
        stream.write("".join(f"{line}\n" for line in found.lines()))
        stream.flush()
    except OSError:
        return


def summary(view: RunView, seconds: float, stream: IO[str]) -> str:
    """The line that sums a run up."""
    status = view.status
    colour = {"succeeded": "green", "failed": "red"}.get(status, "yellow")
    how = paint(f"was {status}" if status in ("cancelled", "lost") else status, colour, stream)
    time = f"{'in' if status == 'succeeded' else 'after'} {duration(seconds)}"
    return f"{safe_line(view.pipeline)} {how} {time}: {', '.join(_counts(view))} (run {view.run_id[:SHORT_ID]})"


def _counts(view: RunView) -> Iterator[str]:
    steps = [step for step in view.steps if step.hook is None]
    hooks_failed = sum(step.hook is not None and step.status == "failed" for step in view.steps)
    skipped = sum(step.status == "skipped" for step in steps)
    yield plural(len(steps) - skipped, "step")
    for count, word in (
        (sum(step.cached for step in steps), "cached"),
        (sum(step.status == "failed" for step in steps), "failed"),
        (sum(step.status == "lost" for step in steps), "lost"),
        (sum(step.status == "cancelled" for step in steps), "cancelled"),
        (skipped, "skipped"),
    ):
        if count:
            yield f"{count} {word}"
    if hooks_failed:
        yield f"{plural(hooks_failed, 'hook')} failed"


class _Report:
    def __init__(
        self, view: RunView, plan: Plan, artifacts: Artifacts, onward: Onward, seconds: float, stream: IO[str]
    ) -> None:
        self.view = view
        self.plan = plan
        self.artifacts = artifacts
        self.onward = onward
        self.seconds = seconds
        self.stream = stream
        self.steps = [step for step in view.steps if step.hook is None]
        self.failed = [step for step in self.steps if step.status in ("failed", "lost")]
        self.hooks_failed = [step for step in view.steps if step.hook is not None and step.status == "failed"]

    def lines(self) -> Iterator[str]:
        yield from self._pickled()
        if self.failed or self.hooks_failed:
            yield from self._failures()
            yield ""
        if self.view.status == "succeeded":
            yield summary(self.view, self.seconds, self.stream)
            return
        yield summary(self.view, self.seconds, self.stream)
        yield from self._skipped()
        yield ""
        yield from self._onward()

    def _pickled(self) -> Iterator[str]:
        found = [f"{step.id}.{output}" for step in self.view.steps if not step.cached for output in step.opaque]
        names = list(dict.fromkeys(found))
        if names:
            what = "was" if len(names) == 1 else "were"
            told = f"{listed(names, 3)} {what} stored as pickle: to be read only where the same packages are"
            yield f"{paint('note:', 'cyan', self.stream)} {told}, and only from a store that is trusted"

    # --- failures -----------------------------------------------------------------------------------------------------

    def _failures(self) -> Iterator[str]:
        alike: dict[tuple[str, ...], list[StepView]] = {}
        for step in [*self.failed, *self.hooks_failed]:
            alike.setdefault((step.id, step.status, *_manner(step.error)), []).append(step)
        groups = list(alike.values())
        for first, *others in groups[:MOST_FAILURES]:
            yield from self._failure(first, others)
        rest = sum(len(group) for group in groups[MOST_FAILURES:])
        if rest:
            yield ""
            yield f"and {rest} more failed: `{self._runs('show')}` lists them"

    def _failure(self, step: StepView, others: list[StepView]) -> Iterator[str]:
        yield ""
        names = listed([cell_name(other.id, other.index) for other in others], 5)
        if step.status == "lost":
            yield paint(f"{self._title(step)} was lost: its task ended and recorded nothing", "red", self.stream)
            if others:
                yield f"so were {names}"
        else:
            yield paint(f"{self._title(step)} failed{self._attempts(step)}", "red", self.stream)
            if others:
                yield f"so did {names}, at the same place"
        yield from self._log(step)
        error = step.error
        if error is None:
            return
        yield ""
        text = error.traceback.rstrip() or f"{error.type}: {error.message}"
        yield from _cut(safe(text).split("\n"))
        if error.hint:
            yield ""
            yield f"{paint('hint:', 'cyan', self.stream)} {safe(error.hint)}"

    def _title(self, step: StepView) -> str:
        place = self.plan.places.get(step.id)
        kind = "condition" if place and isinstance(place.node, Branch) else "hook" if step.hook else "step"
        return f"{kind} {cell_name(step.id, step.index)}"

    def _attempts(self, step: StepView) -> str:
        place = self.plan.places.get(step.id)
        retry = place.node.retry if place and isinstance(place.node, Step) else None
        return f" (attempt {step.attempts} of {retry.attempts})" if retry and retry.attempts > 1 else ""

    def _log(self, step: StepView) -> Iterator[str]:
        if step.log is None:
            return
        try:
            lines = last_lines(self.artifacts, step.log, LOG_LINES)
        except PipeglotError as error:
            lines = [f"(its log cannot be read: {safe_line(error.message)})"]
        yield ""
        for line in lines:
            yield paint(f"  | {line[:500]}".rstrip(), "dim", self.stream)

    # --- what follows -------------------------------------------------------------------------------------------------

    def _skipped(self) -> Iterator[str]:
        blamed = blamed_steps(self.plan, {step.id for step in self.failed})
        names = dict.fromkeys(step.id for step in self.steps if step.status == "skipped" and step.id in blamed)
        if names:
            yield f"skipped, for they need what failed: {listed(list(names))}"

    def _onward(self) -> Iterator[str]:
        again = "run it again to go on: finished steps come from the cache"
        run = self.view.run_id[:SHORT_ID]
        if self.failed:
            again = "fix it and run again: finished steps come from the cache"
            step = next((one for one in self.failed if one.log), None)
            if step is not None:
                yield f"  {self.onward.logs(run, step.id, step.index)}"
                yield paint("      all that it printed, earlier attempts too", "dim", self.stream)
            step = next((one for one in self.failed if self._replayable(one)), None)
            if step is not None:
                yield f"  {self.onward.replay(run, step.id, step.index)}"
                yield paint("      run it once more with the same inputs, in the debugger", "dim", self.stream)
        uncached = self._uncached()
        if uncached:
            yield f"  {self._resume(run)}"
            yield paint(
                f"      go on with this very run: {listed(uncached)} would run again otherwise", "dim", self.stream
            )
        command = safe(self.onward.again(run))
        if not uncached or command != self._resume(run):
            yield f"  {command}"
            yield paint(f"      {again}", "dim", self.stream)

    def _resume(self, run: str) -> str:
        """With the target, where the store's record is not asked for it."""
        return safe(self.onward.resume(run, named=not self.artifacts.store.trusted))

    def _replayable(self, step: StepView) -> bool:
        """Whether it was a function of the user's that raised: that can be looked at in a debugger."""
        place = self.plan.places.get(step.id)
        raised = step.error is not None and bool(step.error.traceback)
        return raised and place is not None and not isinstance(place.node, Branch)

    def _uncached(self) -> list[str]:
        """The steps that succeeded, and that another run would run again."""
        steps = {step.id: step for step in self.plan.steps() if step.trigger == "all_success"}
        done = dict.fromkeys(step.id for step in self.view.steps if step.status == "succeeded")
        return [step for step in done if step in steps and not steps[step].cache.enabled]

    def _runs(self, verb: str) -> str:
        return f"pipeglot runs {verb} {self.view.run_id[:SHORT_ID]}"


def blamed_steps(plan: Plan, failed: set[str]) -> set[str]:
    """The steps that cannot run once these have failed: all that needs them, directly or through others."""
    bad, before = set(failed), -1
    while len(bad) != before:
        before = len(bad)
        for place in (*plan.places.values(), *plan.maps.values()):
            node = place.node
            if any(set(need.steps) <= bad for need in place.needs) or (isinstance(node, Branch) and node.id in bad):
                bad.update([step.id for step in inner_steps(node)], [node.id] if isinstance(node, Branch) else [])
    return bad - failed


def _manner(error: Failure | None) -> tuple[str, ...]:
    """What failures have in common that need telling only once: the exception's type, and the lines that led to it."""
    if error is None:
        return ()
    lines = [line for line in error.traceback.splitlines() if line.startswith('  File "')]
    return (error.type, *(lines or [error.message]))


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= TRACEBACK_LINES:
        return lines
    return [*lines[:5], f"  … {len(lines) - TRACEBACK_LINES + 5} lines …", *lines[-(TRACEBACK_LINES - 5) :]]
