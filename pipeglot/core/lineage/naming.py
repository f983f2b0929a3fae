"""Artifacts by id and by name, `PIPELINE/STEP.OUTPUT@latest`: which run and which output is meant.

The journal is walked from its end, with two small reads a run: a run that takes an artifact by name needs no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.core.artifact_refs import ArtifactName, parse_artifact
from pipeglot.core.errors import NotFound, Pruned
from pipeglot.core.ir import Step
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.records import Ref, Start, Verdict
from pipeglot.core.lineage.runs import LATEST, Found, Runs
from pipeglot.core.lineage.view import artifact_id, parse_artifact_id
from pipeglot.core.suggest import SHORT_ID, did_you_mean, listed, meant

_PATH = re.compile(r"([^\[\]]+?)(?:\[(\d{1,9}(?:\.\d{1,9})*)\])?(?:\.([^\[\]]+))?")
_HINT = "a name is `PIPELINE/STEP.OUTPUT@latest`, or `…:TAG=VALUE`, or `…@RUN`; an id is `RUN/STEP/OUTPUT`"


class Artifact(NamedTuple):
    """An output of an execution."""

    found: Found
    cell: Cell
    output: str
    ref: Ref
    verdict: Verdict

    @property
    def id(self) -> str:
        """In full."""
        return artifact_id(self.found.start.run, self.cell, self.output)


def find_artifact(runs: Runs, text: str) -> Artifact:
    """An artifact by its id, `RUN/STEP/OUTPUT`, or its name, `PIPELINE/STEP.OUTPUT@latest`. Raises `NotFound`."""
    name = parse_name(text)
    if name is None:
        run, step, index, output = parse_artifact_id(text)
        return _output(runs, runs.run(run), step, index, output, said=run)
    first: NotFound | None = None
    for found in _runs_of_name(runs, name):
        try:
            step, index, output = split_path(found, name)
        except NotFound as error:
            if not _is_cut(found.start):
                raise  # it tells of the whole pipeline
            first = first or error
            continue
        try:
            return _output(runs, found, step, index, output)
        except NotFound as error:
            first = first or error
    assert first is not None, "there was a run"
    raise first


def _is_cut(start: Start) -> bool:
    """Whether only a part of the pipeline was run, by `--until`."""
    return start.asked is not None and bool(start.asked.until)


def _output(runs: Runs, found: Found, step: str, index: Index, output: str, *, said: str = "") -> Artifact:
    """`said` is how somebody called the run."""
    run = found.start.run
    items = [cell[1] for cell in found.state.entries if cell[0] == step and cell[1]]
    if items and index not in items:
        where = f"{said or run}/{step}"
        outputs = [one.name for one in found.state.plan.step(step).returns.outputs]
        name = output if output in outputs or not outputs else outputs[0]
        first, last = (f"`{where}/{'.'.join(map(str, one))}/{name}`" for one in (min(items), max(items)))
        known = f"{first} is the first, {last} the last" if first != last else f"{first} is the only one"
        raise NotFound(f"step `{step}` is a map: say which item", hint=known)
    cell = runs.cell(found, step, index)
    entry = found.state.entries.get(cell)
    verdict = entry.verdict if entry else None
    if verdict is None or output not in verdict.observed.refs:
        outputs = list(verdict.observed.refs) if verdict else []
        status = entry.status if entry else "not done"
        hint = f"its outputs are: {', '.join(outputs)}" if outputs else f"the step is {status}, and left none"
        raise NotFound(f"step `{step}` has no output `{output}` in run `{run}`", hint=hint)
    return Artifact(found, cell, output, verdict.observed.refs[output], verdict)


# --- names ------------------------------------------------------------------------------------------------------------


def parse_name(text: str) -> ArtifactName | None:
    """The parts of a name; None for what looks like an id. Raises `NotFound` for what is neither."""
    found = parse_artifact(text)
    if isinstance(found, ArtifactName):
        return found
    if "@" in text or ":" in text:
        raise NotFound(f"`{text[:200]}` names no artifact", hint=_HINT)
    if text.count("/") == 1:
        raise NotFound(
            f"`{text[:200]}` does not say of which run", hint=f"the latest that succeeded: `{text}@{LATEST}`"
        )
    return None


def _runs_of_name(runs: Runs, name: ArtifactName) -> Iterator[Found]:
    """The runs that a name may mean: those that succeeded, of them those that have the tag, the latest to arrive first.

    The first that has the output is meant: a later one may have taken another branch, or been cut by `--until`.
    Raises `NotFound` if there is none.
    """
    if name.run is not None and name.run != LATEST:
        yield _given_run(runs, name, name.run)
        return
    any_run = False
    others: dict[str, None] = {}
    ran = tagged = 0
    tags: set[str] = set()
    for start in runs.latest():
        if start.pipeline != name.pipeline:
            others[start.pipeline] = None
            continue
        ran += 1
        tags |= {f"{key}={value}" for key, value in start.tags.items()}
        if name.tag is not None and start.tags.get(name.tag[0]) != name.tag[1]:
            continue
        tagged += 1
        end = runs.end(start.run)
        if end is not None and end.status != "succeeded":
            continue
        try:
            found = runs.run(start.run)
        except Pruned:  # just now
            continue
        if end is not None or found.status == "succeeded":  # one that an engine drives is ended by whoever looks at it
            any_run = True
            yield found
    if not any_run:
        raise _no_run(runs, name, ran, tagged, list(others), tags)


def _given_run(runs: Runs, name: ArtifactName, run: str) -> Found:
    found = runs.run(run)
    if found.start.pipeline == name.pipeline:
        return found
    raise NotFound(f"run `{found.start.run}` is of pipeline `{found.start.pipeline}`, not of `{name.pipeline}`")


def _no_run(runs: Runs, name: ArtifactName, ran: int, tagged: int, others: list[str], tags: set[str]) -> NotFound:
    where = f"the store `{runs.ledger.store.uri}`"
    if not ran:
        hint = meant(name.pipeline, sorted(others), "its pipelines are", 8)
        return NotFound(
            f"{where} has no run of a pipeline `{name.pipeline}`", hint=hint or "`pipeglot run TARGET` makes one"
        )
    if name.tag is not None and not tagged:
        hint = (
            f"its runs have the tags: {listed(sorted(tags), 8)}"
            if tags
            else "a tag is given as `pipeglot run TARGET --tag K=V`"
        )
        return NotFound(f"no run of pipeline `{name.pipeline}` has the tag `{name.tag[0]}={name.tag[1]}`", hint=hint)
    which = f" with the tag `{name.tag[0]}={name.tag[1]}`" if name.tag is not None else ""
    return NotFound(
        f"pipeline `{name.pipeline}` has never succeeded{which} ({tagged} {'run' if tagged == 1 else 'runs'})",
        hint=f"`pipeglot runs list --pipeline {name.pipeline}` shows them; `…@RUN` takes it from one that failed",
    )


# --- the step and the output ------------------------------------------------------------------------------------------


class _Reading(NamedTuple):
    """One way to understand a path: steps of nested pipelines have dots in their names too."""

    step: str
    output: str


def split_path(found: Found, name: ArtifactName) -> tuple[str, Index, str]:
    """Step, index and output that a path means in a run. Raises `NotFound`, also if it means several."""
    readings, at = _meant(found, name.path), _parsed(name.path).at
    if len(readings) == 1:
        return readings[0].step, at, readings[0].output
    if not readings:
        raise _no_output(found, _parsed(name.path).path)
    ids = " or ".join(f"`{_id(found.start, one, at)}`" for one in readings)
    if len({one.step for one in readings}) == 1:
        outputs = ", ".join(f"`{one.output}`" for one in readings)
        raise NotFound(
            f"step `{readings[0].step}` has several outputs: {outputs}", hint=f"say which: `…{readings[0].step}.OUTPUT`"
        )
    raise NotFound(f"`{name.path}` may mean several outputs", hint=f"give the id: {ids}")


def _meant(found: Found, text: str) -> list[_Reading]:
    """What stands before a bracket is the step, if there is one of that name. Raises `NotFound`."""
    parsed = _parsed(text)
    readings = list(_readings(found, parsed.path))
    return [one for one in readings if parsed.indexed and one.step == parsed.indexed] or readings


class _Path(NamedTuple):
    """`each[3].model`: the path without its index, the index, and what stood before it."""

    path: str
    at: Index = ()
    indexed: str = ""


def _parsed(text: str) -> _Path:
    parts = _PATH.fullmatch(text)
    if parts is None:
        raise NotFound(f"`{text}` names no output of a step", hint=_HINT)
    before, index, after = parts.groups()
    if index is None:
        return _Path(text)
    return _Path(f"{before}.{after}" if after else before, tuple(map(int, index.split("."))), before)


def _readings(found: Found, path: str) -> Iterator[_Reading]:
    """The outputs of the pipeline that a path may mean: a step and an output, or a step alone."""
    for step in found.state.plan.steps():
        outputs = [output.name for output in step.returns.outputs]
        if path == step.id:
            yield from (_Reading(step.id, output) for output in outputs)
        elif path.startswith(f"{step.id}.") and path[len(step.id) + 1 :] in outputs:
            yield _Reading(step.id, path[len(step.id) + 1 :])


def _no_output(found: Found, path: str) -> NotFound:
    """What of the path there is, and what may have been meant."""
    steps = {step.id: step for step in found.state.plan.steps()}
    pipeline = found.start.pipeline
    known = next((steps[one] for one in _beginnings(path) if one in steps), None)
    if known is None and _is_cut(found.start):
        told = f"run `{found.start.run[:SHORT_ID]}` of pipeline `{pipeline}` has no step `{path}`"
        until = ", ".join(f"`--until {step}`" for step in found.start.asked.until) if found.start.asked else ""
        return NotFound(f"{told}: it was cut by {until}", hint="run the pipeline without `--until`")
    if known is None:
        hint = did_you_mean(path, [*steps, *_all_paths(steps)], f"its steps are: {listed(steps)}")
        return NotFound(f"pipeline `{pipeline}` has no step `{path}`", hint=hint)
    outputs = [output.name for output in known.returns.outputs]
    if not outputs:
        return NotFound(f"step `{known.id}` of pipeline `{pipeline}` returns nothing")
    wrong = path[len(known.id) + 1 :]
    return NotFound(
        f"step `{known.id}` of pipeline `{pipeline}` has no output `{wrong}`",
        hint=f"its outputs are: {', '.join(f'`{one}`' for one in outputs)}",
    )


def _beginnings(path: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _all_paths(steps: dict[str, Step]) -> list[str]:
    return [f"{name}.{output.name}" for name, step in steps.items() for output in step.returns.outputs]


def _id(start: Start, reading: _Reading, index: Index) -> str:
    return artifact_id(start.run, (reading.step, index), reading.output)
