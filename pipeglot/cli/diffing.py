"""`pipeglot runs diff`: what differs between two runs, as text for people or as JSON."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, results_only, say
from pipeglot.cli.values_text import change_text, value_lines
from pipeglot.client.diff.model import (
    CellDiff,
    CodeDiff,
    NamedDiff,
    RunDiff,
    Side,
    StateDiff,
    StepDiff,
    Tolerance,
    Uncompared,
    Upstream,
)
from pipeglot.client.diff.runs import diff_runs
from pipeglot.client.text import SHORT_ID, listed, paint, plural, safe_line, when
from pipeglot.core.errors import UsageError
from pipeglot.core.sources import use_roots

_ITEMS = 6
"""More items of a map that differ in the same output are counted."""
_LONG_ITEMS = 1
"""The same, where each takes several lines."""


def diff(args: argparse.Namespace) -> int:
    """Exit code 1 if there is a difference."""
    tolerance = Tolerance(_number("--rtol", args.rtol), _number("--atol", args.atol))
    records = open_records(args)
    use_roots(records.workspace.roots, {})  # the serializers of a project are in its files
    with results_only():
        found = diff_runs(records, records.run(args.before), records.run(args.after), tolerance, args.ignore)
    if args.json:
        print_json(found)
    elif not args.quiet:
        for line in _lines(found, tolerance):
            say(line)
    return 0 if found.equal else 1


def _number(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (value >= 0 and math.isfinite(value)):
        raise UsageError(f"`{option} {text}` is no tolerance", hint=f"give a number from 0 up, as `{option} 1e-6`")
    return value


def _lines(found: RunDiff, tolerance: Tolerance) -> Iterator[str]:
    yield _side("A", found.before)
    yield _side("B", found.after)
    yield from (f"{paint('note:', 'cyan', sys.stdout)} {note}" for note in found.notes)
    if found.params:
        yield from ("", paint("parameters", "bold", sys.stdout))
        yield from (f"  {change.path}: {change_text(change)}" for change in found.params)
    if found.code:
        yield from ("", paint("code", "bold", sys.stdout))
        yield from (f"  {line}" for code in found.code for line in _code(code))
    for step in found.steps:
        yield from ("", *_step(step))
    yield ""
    yield _summary(found, tolerance)


def _side(letter: str, side: Side) -> str:
    shown = f"{side.run_id[:SHORT_ID]}  {side.pipeline}  {side.status}  {when(side.created)}"
    return f"{paint(letter, 'bold', sys.stdout)}  {shown}"


def _code(code: CodeDiff) -> list[str]:
    told = (("changed", code.changed), ("added", code.added), ("removed", code.removed))
    shown = [f"{word} {listed(names, 8)}" for word, names in told if names] or [code.note]
    return [f"{'; '.join(shown)}: {'step' if len(code.steps) == 1 else 'steps'} {listed(code.steps, 12)}"]


# --- a step -----------------------------------------------------------------------------------------------------------


class _Told(NamedTuple):
    """One difference of one item."""

    place: tuple[int, ...]
    lines: list[str]


def _step(step: StepDiff) -> Iterator[str]:
    whole = step.cells[0].state if len(step.cells) == 1 and not step.cells[0].index else None
    mapped = whole is None and (step.before > 1 or step.after > 1 or any(cell.index for cell in step.cells))
    title = paint(step.step, "bold", sys.stdout)
    if whole is not None:
        title += f"  {_whole(step, whole)}"
    elif step.before != step.after:
        title += f"  {plural(step.before, 'item')} → {step.after}"
    elif mapped:
        title += f"  {len(step.cells)} of {step.before} items differ"
    yield title
    yield from (f"  {change.path}: {change_text(change)}" for change in step.settings)
    if whole is None:
        yield from _items("", [_Told(cell.index, [_state(cell.state)]) for cell in step.cells if cell.state])
    yield from _grouped("input ", [(cell.index, one) for cell in step.cells for one in cell.inputs])
    yield from _grouped("", [(cell.index, one) for cell in step.cells for one in cell.outputs])
    yield from _metrics(step.cells)


def _whole(step: StepDiff, state: StateDiff) -> str:
    """What became of a step as a whole, or that one of the runs does not have it."""
    if not step.before or not step.after:
        return f"only in {'A' if step.before else 'B'}: {state.before if step.before else state.after}"
    return _state(state)


def _state(state: StateDiff) -> str:
    return safe_line(f"{state.before} → {state.after}", 300)


def _grouped(word: str, found: list[tuple[tuple[int, ...], NamedDiff]]) -> Iterator[str]:
    """By name: what many items have alike stands together."""
    names: dict[str, list[_Told]] = {}
    for index, one in found:
        lines = value_lines(one.diff)
        if one.source and not isinstance(one.diff, Upstream | Uncompared):
            lines[0] += f", {one.source}"
        names.setdefault(one.name, []).append(_Told(index, lines))
    for name, told in names.items():
        yield from _items(f"{word}{name}".strip(), told)


def _metrics(cells: tuple[CellDiff, ...]) -> Iterator[str]:
    names: dict[str, list[_Told]] = {}
    for cell in cells:
        for change in cell.metrics:
            names.setdefault(change.path, []).append(_Told(cell.index, [change_text(change)]))
    for name, told in names.items():
        yield from _items(f"metric {name}", told)


def _items(name: str, told: list[_Told]) -> Iterator[str]:
    """Equal ones as one; of others the first few."""
    alike: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for one in told:
        alike.setdefault(tuple(one.lines), []).append(one.place)
    if not alike:
        return
    title = f"  {name}: " if name else "  "
    if len(alike) == 1:
        (lines, places), *_ = alike.items()
        several = f" (in {plural(len(places), 'item')})" if len(places) > 1 else _place(places[0])
        yield f"{title}{lines[0]}{several}" if len(places) > 1 else f"{title}{several}{lines[0]}"
        yield from (f"    {line}" for line in lines[1:])
        return
    if name:
        yield f"  {name}"
    indent = "    " if name else "  "
    shown = 0
    longest = max(len(lines) for lines in alike)
    most = _LONG_ITEMS if longest > 2 else _ITEMS
    for lines, places in list(alike.items())[:most]:
        shown += len(places)
        yield f"{indent}{_place(places[0])}{lines[0]}" + (
            f" (and {len(places) - 1} more alike)" if len(places) > 1 else ""
        )
        yield from (f"{indent}  {line}" for line in lines[1:])
    if len(told) > shown:
        yield f"{indent}… and {plural(len(told) - shown, 'more item')}"


def _place(index: tuple[int, ...]) -> str:
    return f"[{'.'.join(map(str, index))}] " if index else ""


def _summary(found: RunDiff, tolerance: Tolerance) -> str:
    within = ""
    if tolerance:
        names = (("--rtol", tolerance.relative), ("--atol", tolerance.absolute))
        within = f" within {' '.join(f'{name} {value:g}' for name, value in names if value)}"
    ignored = f", {listed(found.ignored)} left out" if found.ignored else ""
    if found.equal:
        return f"no difference{within}{ignored}: {plural(found.same_steps, 'step')} compared"
    parts = [plural(len(found.params), "parameter")] if found.params else []
    parts += (
        [plural(len({one for code in found.code for one in code.steps}), "step") + " in code"] if found.code else []
    )
    parts += [plural(len(found.steps), "step") + " in what they did"] if found.steps else []
    told = ", ".join(parts) or "pipelines"
    return f"they differ{within} in {told}; {plural(found.same_steps, 'step')} equal{ignored}"
