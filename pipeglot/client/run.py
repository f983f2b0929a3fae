"""A run, its steps and what they returned, as Python objects: `run.steps["best"].outputs["auc"].load()`."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeglot.client.outputs import Output, Outputs, load_files
from pipeglot.client.text import SHORT_ID, cell_name, duration, plural
from pipeglot.core import params as parameters
from pipeglot.core.errors import NotFound, UsageError
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.naming import Artifact
from pipeglot.core.lineage.records import End, Failure, Ref
from pipeglot.core.lineage.view import StepView
from pipeglot.core.suggest import meant

if TYPE_CHECKING:
    from pipeglot.client.diff.model import RunDiff
    from pipeglot.client.records import Found, Records

_WORST_FIRST = ("failed", "lost", "cancelled", "running", "waiting", "succeeded", "skipped")
_BETWEEN = 0.5


class NoSuchKey(NotFound, KeyError):
    """No such step or output: a `KeyError` to a mapping's `get`."""


class Run:
    """One run. It is read when it is first looked into; `refresh` reads it again."""

    def __init__(self, records: Records, run: str) -> None:
        self._records = records
        self.id = run

    @cached_property
    def _found(self) -> Found:
        return self._records.run(self.id)

    @cached_property
    def _end(self) -> End | None:
        return self._records.end(self.id)

    @cached_property
    def _view(self) -> Any:
        return self._found.view

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def pipeline(self) -> str:
        """The name of its pipeline."""
        return self._found.start.pipeline

    @property
    def stack(self) -> str:
        """The stack that it ran on."""
        return self._found.start.stack

    @property
    def status(self) -> str:
        """`running`, `succeeded`, `failed`, `cancelled` or `lost`."""
        return str(self._view.status)

    @property
    def created(self) -> dt.datetime:
        """When it began."""
        return dt.datetime.fromisoformat(self._found.start.created)

    @property
    def finished(self) -> dt.datetime | None:
        """When it came to its end; None before."""
        return dt.datetime.fromisoformat(self._end.finished) if self._end else None

    @property
    def logical_date(self) -> dt.datetime:
        """The time that it stands for: that of its schedule, or else when it was created."""
        return dt.datetime.fromisoformat(self._found.start.logical_date)

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, as steps were given them: dates are dates, enums are members."""
        start, plan = self._found.start, self._found.state.plan
        return {
            name: parameters.decode(plan.params[name].type, value, name=name, trusted=plan.trusted)
            for name, value in start.params.items()
        }

    @property
    def tags(self) -> dict[str, str]:
        """What it was given by `--tag` or `.on(tags=…)`."""
        return dict(self._found.start.tags)

    @property
    def lineage_digest(self) -> str | None:
        """Equal for equal code, parameters and values, on every backend. None before the end."""
        found: str | None = self._view.lineage_digest
        return found

    @cached_property
    def steps(self) -> Steps:
        """By name, in the order of the pipeline."""
        return Steps(self)

    @property
    def error(self) -> Failure | None:
        """Why the first step that failed did."""
        return next((step.error for step in self._view.steps if step.error), None)

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """What each execution logged by `log_metrics`, by its name: `train[3]` is an item of a map."""
        steps: tuple[StepView, ...] = self._view.steps
        return {cell_name(step.id, step.index): dict(step.metrics) for step in steps if step.metrics}

    def logs(self, step: str | None = None) -> str:
        """What its steps printed, or one of them."""
        chosen = [self.steps[step]] if step is not None else list(self.steps.values())
        return "".join(one.logs() for one in chosen)

    def diff(self, other: Run, *, rtol: float = 0.0, atol: float = 0.0, ignore: str | Iterable[str] = ()) -> RunDiff:
        """What is different in another run, value by value: parameters, code, steps, inputs and outputs.

        `run.diff(other).equal` tells whether anything is; `pipeglot runs diff` shows the same as text.
        rtol, atol: numbers are equal if `|a - b| <= atol + rtol * max(|a|, |b|)`.
        ignore: steps and outputs (`"train"`, `"train.model"`) that may differ. Raises `NotFound` for one that is none.
        """
        from pipeglot.client.diff.model import Tolerance
        from pipeglot.client.diff.runs import diff_runs

        for name, value in (("rtol", rtol), ("atol", atol)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"`{name}={value!r}` is no tolerance", hint="give a number from 0 up, as `1e-6`")
        if other._store != self._store:
            raise UsageError(
                f"run {other.id[:SHORT_ID]} is in another store, `{other._store}`",
                hint="two runs of one store are compared; run the other pipeline on the stack of this one",
            )
        ignored = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        return diff_runs(self._records, self._found, other._found, Tolerance(rtol, atol), ignored)

    # --- in time ------------------------------------------------------------------------------------------------------

    def refresh(self) -> Run:
        """Read it again: what goes on in another process is seen."""
        for name in ("_found", "_end", "_view", "steps"):
            self.__dict__.pop(name, None)
        return self

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until it is over. Raises `TimeoutError`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.refresh().status == "running":
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"run {self.id[:SHORT_ID]} is still running after {timeout:g} s")
            time.sleep(_BETWEEN)
        return self

    def cancel(self, *, wait: bool = True) -> Run:
        """Stop it, wherever it runs, and wait until it has; one whose process is gone is closed. `status` tells.

        A run of another machine is waited for a minute. Without `wait`, it is only asked to stop.
        """
        from pipeglot.client.cancel import cancel

        cancel(self._records, self.id, wait=wait, force=False, waiting=lambda _: None)
        return self.refresh()

    # --- shown --------------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self.id, self._store) == (other.id, other._store)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def _store(self) -> str:
        return self._records.ledger.store.uri

    def __repr__(self) -> str:
        steps = [step for step in self._view.steps if step.hook is None or step.status == "failed"]
        counts = Counter("cached" if step.cached else step.status for step in steps)
        told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        first = f"<run {self.id[:SHORT_ID]} of {self.pipeline}: {self.status}; {told}>"
        failed = [step for step in self._view.steps if step.status == "failed" and step.error]
        lines = [
            f"  {cell_name(step.id, step.index)}: {step.error.type}: {step.error.message.partition(chr(10))[0]}"
            for step in failed[:3]
        ]
        more = [f"  and {len(failed) - 3} more failed"] if len(failed) > 3 else []
        return "\n".join([first, *lines, *more])

    def _repr_html_(self) -> str:
        from pipeglot.client.html.page import run_html

        return run_html(self._found, self._view, self._end)


class Steps(Mapping[str, "StepRuns"]):
    """The steps of a run, by name. Those that were not reached are there, too."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._names = [step.id for step in run._found.state.plan.steps()]
        self._by_step: dict[str, list[StepView]] = {}
        for view in run._view.steps:
            self._by_step.setdefault(view.id, []).append(view)

    def __getitem__(self, name: str) -> StepRuns:
        if name not in self._names:
            what = f"pipeline `{self._run.pipeline}` has no step `{name}`"
            raise NoSuchKey(what, hint=meant(name, self._names, "its steps are"))
        return StepRuns(self._run, name, (), self._by_step.get(name, []))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return "\n".join(repr(step) for step in self.values())


class StepRuns:
    """What became of a step. In a map it has items, by number: `run.steps["train"][3]`, in a map in a map `[3][7]`."""

    def __init__(self, run: Run, name: str, index: Index, views: list[StepView]) -> None:
        self._run = run
        self.name = name
        self.index = index
        self._views = views
        self._depth = len(run._found.state.plan.scope(name))

    @property
    def is_map(self) -> bool:
        """Whether it stands in a map, and this is not one item yet."""
        return len(self.index) < self._depth

    @property
    def status(self) -> str:
        """Of a map: the worst of its items."""
        found = {view.status for view in self._views} or {"waiting"}
        return next((status for status in _WORST_FIRST if status in found), "waiting")

    @property
    def cached(self) -> bool:
        """Whether all of it came from the cache."""
        return bool(self._views) and all(view.cached for view in self._views)

    @property
    def seconds(self) -> float:
        """How long the functions ran, added up."""
        return sum(view.seconds for view in self._views if not view.cached)

    @property
    def attempts(self) -> int:
        """How often its function was called: of a map, at most for one item."""
        return max((view.attempts for view in self._views), default=0)

    @property
    def error(self) -> Failure | None:
        """Why it failed: of a map, the first item that did."""
        return next((view.error for view in self._views if view.error), None)

    @property
    def metrics(self) -> dict[str, Any]:
        """What it logged by `log_metrics`. Of a map, a list for each name, in item order."""
        if not self.is_map:
            return dict(self._views[0].metrics) if self._views else {}
        names = dict.fromkeys(name for view in self._views for name in view.metrics)
        return {name: [view.metrics.get(name) for view in self._views] for name in names}

    @property
    def outputs(self) -> StepOutputs:
        """By name; the only one of a step is named `output`. Of a map, a list for each name."""
        return StepOutputs(self)

    def logs(self) -> str:
        """What it printed, all attempts; of what came from the cache, when it ran."""
        return "".join(self._log(view) for view in self._views)

    def _log(self, view: StepView) -> str:
        records = self._run._records
        failed = records.ledger.attempts(self._run.id, view.id, view.index) if view.attempts > 1 else []
        refs = [one.observed.log for one in failed] + [view.log]
        return "".join(_read_log(records, ref) for ref in refs if ref is not None)

    # --- items of a map -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[StepRuns]:
        return (self._item(number) for number in self._items())

    def __getitem__(self, number: int | tuple[int, ...]) -> StepRuns:
        if isinstance(number, tuple):
            found = self
            for one in number:
                found = found[one]
            return found
        if not self.is_map:
            shown = cell_name(self.name, self.index)
            raise NoSuchKey(f"step `{shown}` is no map: it has no items", hint="leave the `[…]` out")
        if not isinstance(number, int):
            raise UsageError(f"`{self.name}[{number!r}]`: an item is chosen by its number, as `{self.name}[3]`")
        items = self._items()
        if not -len(items) <= number < len(items):
            raise IndexError(f"step `{self.name}` has {plural(len(items), 'item')}, and no item {number}")
        return self._item(items[number])

    def _items(self) -> list[int]:
        return sorted(self._by_number)

    def _item(self, number: int) -> StepRuns:
        return StepRuns(self._run, self.name, (*self.index, number), self._by_number[number])

    @cached_property
    def _by_number(self) -> dict[int, list[StepView]]:
        """The executions of each item; none outside of maps."""
        found: dict[int, list[StepView]] = {}
        at = len(self.index)
        for view in self._views if self.is_map else ():
            if len(view.index) > at:
                found.setdefault(view.index[at], []).append(view)
        return found

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        counts = Counter("cached" if view.cached else view.status for view in self._views)
        told = ", ".join(f"{count} {status}" for status, count in counts.items()) if self.is_map else self.status
        how = "cached" if self.cached and not self.is_map else told or "waiting"
        lasted = f" in {duration(self.seconds)}" if self.seconds else ""
        return f"<step {cell_name(self.name, self.index)}: {how}{lasted}>"


class StepOutputs(Mapping[str, Any]):
    """The outputs of a step, by name."""

    def __init__(self, step: StepRuns) -> None:
        self._step = step
        self._names = [output.name for output in step._run._found.state.plan.step(step.name).returns.outputs]

    def __getitem__(self, name: str) -> Any:
        step = self._step
        shown = cell_name(step.name, step.index)
        if name not in self._names:
            raise NoSuchKey(f"step `{shown}` has no output `{name}`", hint=meant(name, self._names, "its outputs are"))
        if step.is_map:
            return Outputs([item.outputs[name] for item in step])
        view = step._views[0] if step._views else None
        if view is None or name not in view.outputs:
            raise NoSuchKey(f"step `{shown}` has no `{name}` in run {step._run.id[:SHORT_ID]}: it is {step.status}")
        found, cell = step._run._found, (view.id, view.index)
        verdict = found.state.entries[cell].verdict
        assert verdict is not None, "what has outputs has a verdict"
        return Output(step._run._records, Artifact(found, cell, name, verdict.observed.refs[name], verdict))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<outputs of {cell_name(self._step.name, self._step.index)}: {', '.join(self._names) or 'none'}>"


def _read_log(records: Records, ref: Ref) -> str:
    with load_files() as folder:
        path = records.artifacts.load(ref, name="log", scratch=folder)
        assert isinstance(path, Path), "a log is saved as a file"
        return path.read_text(encoding="utf-8", errors="replace")
