"""Two runs, step by step and execution by execution: only what differs, in the order of the pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from pipeglot.client.diff.model import (
    CellDiff,
    Change,
    CodeDiff,
    NamedDiff,
    RunDiff,
    Side,
    StateDiff,
    StepDiff,
    Tolerance,
    Uncompared,
    Upstream,
    ValueDiff,
)
from pipeglot.client.diff.scalars import compare_plain
from pipeglot.client.diff.values import Comparer
from pipeglot.client.records import Found, Records
from pipeglot.client.steps import MemberChanges, declared_changes, member_changes, origin
from pipeglot.client.text import SHORT_ID
from pipeglot.core import plain
from pipeglot.core.errors import NotFound, PipeglotError
from pipeglot.core.ir import OutputRef, Source, Step
from pipeglot.core.lineage.arguments import Arg, Gathered, Whole, hashes
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.plan import source_needs
from pipeglot.core.lineage.records import Failure, Verdict
from pipeglot.core.lineage.state import Entry
from pipeglot.core.lineage.view import readable
from pipeglot.core.suggest import did_you_mean

_EXACT = Tolerance()


def diff_runs(
    records: Records, before: Found, after: Found, tolerance: Tolerance = _EXACT, ignore: Collection[str] = ()
) -> RunDiff:
    """All that differs. `ignore` names steps and outputs (`STEP.OUTPUT`). Raises `NotFound` for one that is none."""
    job = _Diff(records, before, after, tolerance, ignore)
    steps = [step for name in job.names if (step := job.step(name)) is not None]
    params, code = tuple(job.params()), tuple(job.code())
    same_pipeline = before.start.pipeline == after.start.pipeline
    return RunDiff(
        before=_side(before),
        after=_side(after),
        equal=same_pipeline and not (params or code or steps),
        notes=tuple(job.notes()),
        params=params,
        code=code,
        steps=tuple(steps),
        same_steps=len(job.in_both() - {step.step for step in steps} - {one for each in code for one in each.steps}),
        ignored=tuple(ignore),
    )


def _side(found: Found) -> Side:
    start = found.start
    return Side(
        run_id=start.run,
        pipeline=start.pipeline,
        stack=start.stack,
        status=found.status,
        created=start.created,
    )


class _Diff:
    """The two runs, and what is told of each part of them."""

    def __init__(
        self, records: Records, before: Found, after: Found, tolerance: Tolerance, ignore: Collection[str]
    ) -> None:
        self.before = before
        self.after = after
        self.tolerance = tolerance
        self.values = Comparer(records.artifacts, records.artifacts, tolerance)
        self._ignored = self._parse(ignore)
        order = _merged(list(before.state.plan.order), list(after.state.plan.order))
        self.names = [name for name in order if (name, None) not in self._ignored]
        self._cells = [_by_step(found) for found in (before, after)]

    def _parse(self, ignore: Collection[str]) -> set[tuple[str, str | None]]:
        """`STEP` or `STEP.OUTPUT`; a step of a nested pipeline has dots of its own."""
        known = {**self.before.state.plan.order, **self.after.state.plan.order}
        found: set[tuple[str, str | None]] = set()
        for text in ignore:
            step, _, output = text.rpartition(".")
            if text in known:
                found.add((text, None))
            elif step in known and output in self._outputs(step):
                found.add((step, output))
            else:
                hint = did_you_mean(text, known, "what is left out is named as `STEP` or `STEP.OUTPUT`")
                if step in known:
                    hint = f"its outputs are: {', '.join(self._outputs(step))}"
                raise NotFound(f"`{text}` cannot be ignored: neither run has such a step or output", hint=hint)
        return found

    def _outputs(self, step: str) -> list[str]:
        names: dict[str, None] = {}
        for found in (self.before, self.after):
            place = found.state.plan.places.get(step)
            if place is not None and isinstance(place.node, Step):
                names |= dict.fromkeys(output.name for output in place.node.returns.outputs)
        return list(names)

    def in_both(self) -> set[str]:
        """The steps that both pipelines have."""
        return {name for name in self.names if self._step(self.before, name) and self._step(self.after, name)}

    # --- the whole ----------------------------------------------------------------------------------------------------

    def notes(self) -> Iterator[str]:
        old, new = self.before.start, self.after.start
        if old.run == new.run:
            yield "this is one and the same run"
        if old.pipeline != new.pipeline:
            yield (
                f"these are runs of two pipelines, `{old.pipeline}` and `{new.pipeline}`:"
                " steps of the same name are compared"
            )
        for found in (self.before, self.after):
            if not found.state.finished:
                yield f"run {found.start.run[:SHORT_ID]} is not finished: what it has not done is not compared"

    def params(self) -> Iterator[Change]:
        """Always exact: a tolerance is for what was computed."""
        old, new = self.before.start, self.after.start
        for name in {**old.params, **new.params}:
            kept = old.artifacts.get(name), new.artifacts.get(name)
            if kept[0] is not None and kept[1] is not None and kept[0].key_hash == kept[1].key_hash:
                continue
            if name not in new.params:
                yield Change(path=name, before=readable(old.params[name]), note="it is gone")
            elif name not in old.params:
                yield Change(path=name, after=readable(new.params[name]), note="it is new")
            else:
                yield from _plain_changes(name, old.params[name], new.params[name], _EXACT)

    def code(self) -> Iterator[CodeDiff]:
        """One for each set of members that differ, with all steps that they make differ."""
        found: dict[tuple[MemberChanges, str], list[str]] = {}
        for name in self.names:
            old, new = self._step(self.before, name), self._step(self.after, name)
            if old is None or new is None or old.code.digest == new.code.digest:
                continue
            was = self.before.state.plan.pipeline.closures.get(old.code.digest, {})
            now = self.after.state.plan.pipeline.closures.get(new.code.digest, {})
            changes = member_changes(was, now)
            note = "" if changes else f"`{old.code}` {old.code.digest[:12]} → `{new.code}` {new.code.digest[:12]}"
            found.setdefault((changes, note), []).append(name)
        for (changes, note), steps in found.items():
            yield CodeDiff(steps=tuple(steps), note=note, **changes._asdict())

    def _step(self, found: Found, name: str) -> Step | None:
        place = found.state.plan.places.get(name)
        return place.node if place is not None and isinstance(place.node, Step) else None

    # --- a step -------------------------------------------------------------------------------------------------------

    def step(self, name: str) -> StepDiff | None:
        """None if it differs in nothing but its code."""
        was, now = (cells.get(name, {}) for cells in self._cells)
        old, new = self._step(self.before, name), self._step(self.after, name)
        settings: tuple[Change, ...] = ()
        if old is not None and new is not None:
            settings = tuple(Change(path=part, before=a, after=b) for part, a, b in declared_changes(old, new))
        cells = tuple(cell for index in sorted({*was} & {*now}) if (cell := self._cell(name, index, was, now)))
        if not {*was} & {*now} and (was or now):
            cells = (CellDiff(index=(), state=StateDiff(before=_summary(was), after=_summary(now))),)
        if not cells and not settings and len(was) == len(now):
            return None
        return StepDiff(step=name, before=len(was), after=len(now), settings=settings, cells=cells)

    def _cell(self, name: str, index: Index, was: dict[Index, Entry], now: dict[Index, Entry]) -> CellDiff | None:
        old, new = was[index], now[index]
        found = CellDiff(
            index=index,
            state=_state(old, new),
            inputs=tuple(self._inputs(name, index)) if old.verdict and new.verdict else (),
            outputs=tuple(self._outputs_of(name, old.verdict, new.verdict)),
            metrics=tuple(self._metrics(old.verdict, new.verdict)),
        )
        return found if found.state or found.inputs or found.outputs or found.metrics else None

    def _inputs(self, name: str, index: Index) -> Iterator[NamedDiff]:
        old, new = self._step(self.before, name), self._step(self.after, name)
        assert old is not None, "what has a verdict is a step"
        assert new is not None, "what has a verdict is a step"
        try:
            was = self.before.state.arguments.of_step(name, index)
            now = self.after.state.arguments.of_step(name, index)
        except PipeglotError as error:
            yield NamedDiff(name="", diff=Uncompared(what="the inputs", why=error.message))
            return
        for key in {**was, **now}:
            if key not in was or key not in now:
                yield NamedDiff(name=key, diff=Uncompared(what="it is new" if key in now else "it is gone", why=""))
                continue
            pair = self._counted(was[key], old.inputs[key]), self._counted(now[key], new.inputs[key])
            diff = self._input(*pair, old.inputs[key], new.inputs[key])
            if diff is not None:
                yield NamedDiff(name=key, diff=diff, source=origin(new.inputs[key]))

    def _input(self, was: Arg, now: Arg, old: Source, new: Source) -> ValueDiff | None:
        """What is another step's output is told with that step."""
        if hashes(was, key=True) == hashes(now, key=True):
            return None
        if self.tolerance and self.values.args(was, now) is None:
            return None
        if isinstance(new, OutputRef) and old == new and new.step in self.names:
            return Upstream(step=new.step, output=new.output)
        return self.values.args(was, now)

    def _counted(self, arg: Arg, source: Source) -> Arg:
        """Without the outputs that are ignored."""
        steps = [step for need in source_needs(source) for step in need.steps]
        if not any(step in steps for step, _ in self._ignored):
            return arg
        if any((step, None) in self._ignored for step in steps):
            return _NOTHING
        names = {output for step, output in self._ignored if step in steps}
        return _without(arg, names, source.output if isinstance(source, OutputRef) else None)

    def _outputs_of(self, name: str, old: Verdict | None, new: Verdict | None) -> Iterator[NamedDiff]:
        if old is None or new is None or not old.status == new.status == "succeeded":
            return
        was, now = old.observed.refs, new.observed.refs
        for key in {**was, **now}:
            if (name, key) in self._ignored:
                continue
            if key not in was or key not in now:
                yield NamedDiff(name=key, diff=Uncompared(what="it is new" if key in now else "it is gone", why=""))
                continue
            diff = self.values.refs(was[key], now[key])
            if diff is not None:
                yield NamedDiff(name=key, diff=diff)

    def _metrics(self, old: Verdict | None, new: Verdict | None) -> Iterator[Change]:
        if old is None or new is None:
            return
        was, now = ({k: plain.decode(v) for k, v in one.observed.metrics.items()} for one in (old, new))
        found = compare_plain(was, now, self.tolerance)
        yield from getattr(found, "changes", ())


_NOTHING = Gathered(())


def _without(arg: Arg, names: set[str | None], output: str | None) -> Arg:
    if isinstance(arg, Gathered):
        return Gathered(tuple(_without(item, names, output) for item in arg.items))
    if isinstance(arg, Whole):
        return Whole(arg.returns, {name: ref for name, ref in arg.refs.items() if name not in names})
    return _NOTHING if (output or "output") in names else arg


def _plain_changes(name: str, old: Any, new: Any, tolerance: Tolerance) -> Iterator[Change]:
    found = compare_plain({name: plain.decode(old)}, {name: plain.decode(new)}, tolerance)
    yield from getattr(found, "changes", ())


def _by_step(found: Found) -> dict[str, dict[Index, Entry]]:
    cells: dict[str, dict[Index, Entry]] = {}
    for (step, index), entry in found.state.entries.items():
        cells.setdefault(step, {})[index] = entry
    return cells


def _state(old: Entry, new: Entry) -> StateDiff | None:
    """A status, and of two failures what was raised."""
    told = _told(old), _told(new)
    if old.status == new.status and told[0] == told[1]:
        return None
    return StateDiff(before=told[0], after=told[1])


def _told(entry: Entry) -> str:
    failure: Failure | None = entry.failure or (entry.verdict.observed.failure if entry.verdict else None)
    return f"{entry.status} ({failure.type}: {failure.message})" if failure is not None else entry.status


def _summary(cells: dict[Index, Entry]) -> str:
    """`succeeded`, or how many of a map's items did what."""
    counts = Counter(entry.status for entry in cells.values())
    if not counts:
        return "not there"
    if len(cells) == 1:
        return _told(next(iter(cells.values())))
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _merged(before: list[str], after: list[str]) -> list[str]:
    """All names in the order of `after`; one that is only in `before` comes after the one that it followed there."""
    found = list(after)
    for i, name in enumerate(before):
        if name not in after:
            found.insert(found.index(before[i - 1]) + 1 if i else 0, name)
    return found
