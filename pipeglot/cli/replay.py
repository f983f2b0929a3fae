"""`pipeglot replay`: one step of a recorded run, run again here with the inputs it had, if wanted in the debugger."""

from __future__ import annotations

import argparse
import bdb
import sys
from collections.abc import Iterator

from msgspec import UNSET

from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, results_only, say
from pipeglot.cli.parsing import parse_index
from pipeglot.cli.values_text import value_lines, value_text
from pipeglot.client.replay import Outcome, Replay, Replayed, refuse_missing_secrets
from pipeglot.client.text import SHORT_ID, cell_name, duration, listed, paint, plural, safe, safe_line, size, when
from pipeglot.core.calling import Watch
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.arguments import Arg, Gathered, Given, Saved
from pipeglot.core.lineage.view import readable

_FILES = "files among its inputs are in {}"
_ITEMS = 8
"""Of a list of small values, so many are shown; of a longer one, how many there are."""

_LEFT = "the debugger was left"


def do_replay(args: argparse.Namespace) -> int:
    """Exit code 0 if the step succeeded, 1 if it raised."""
    _refuse(args)
    records = open_records(args)
    stack = records.workspace.stack(args.stack)
    found = records.run(args.run)
    index = parse_index(args.index) if args.index is not None else None
    replay = Replay(records, stack, found, records.cell(found, args.step, index))
    try:
        refuse_missing_secrets(replay.step, stack)
        if args.json:
            with results_only():
                result = replay.result(_run(replay, pdb=False))
            print_json(result)
        else:
            result = _shown(replay, pdb=args.pdb)
    finally:
        replay.close()
    return 0 if result.status == "succeeded" else 1


def _refuse(args: argparse.Namespace) -> None:
    if args.code == "recorded":
        raise UsageError(
            "`--code recorded` cannot be done yet: the code of a run is kept with the first backend that sends it",
            hint="check out the code that the run had, and leave `--code` out",
        )
    if args.pdb and args.json:
        raise UsageError("`--pdb` and `--json` exclude each other: a debugger talks to a person")


def _run(replay: Replay, *, pdb: bool) -> Outcome:
    return replay.run(_watch(replay, pdb=pdb), interactive=pdb)


def _watch(replay: Replay, *, pdb: bool) -> Watch:
    """With `--pdb`, what had not failed stops at its first line."""
    from pipeglot.cli.debugger import AtFirstLine, NoWatch

    if not pdb or replay.recorded.failure is not None:
        return NoWatch()
    from pipeglot.core.calling import function_of
    from pipeglot.core.sources import use_roots

    use_roots(replay.records.workspace.roots, {})
    return AtFirstLine(function_of(replay.step))


def _shown(replay: Replay, *, pdb: bool) -> Replayed:
    """With what differs from then first, and what came of it last; between them, what the step prints."""
    for line in _before(replay, pdb=pdb):
        say(line)
    announced = replay.files
    print(_rule("what it prints"), flush=True)
    outcome = _run(replay, pdb=pdb)
    sys.stdout.flush()
    result = replay.result(outcome)
    print(_rule("what came of it"))
    for line in _after(result, outcome):
        say(line)
    if replay.files is not None and announced is None:
        print(_FILES.format(replay.files))
    if pdb and outcome.error is not None and not isinstance(outcome.error, bdb.BdbQuit):
        from pipeglot.cli.debugger import post_mortem

        sys.stdout.flush()
        post_mortem(outcome.error, replay.records.workspace.roots)
    return result


def _rule(title: str) -> str:
    return paint(f"--- {title} ---", "dim", sys.stdout)


# --- before -----------------------------------------------------------------------------------------------------------


def _before(replay: Replay, *, pdb: bool) -> Iterator[str]:
    then = replay.recorded
    name = paint(cell_name(*replay.cell), "bold", sys.stdout)
    yield f"{name} of run {replay.found.start.run[:SHORT_ID]} of {replay.found.start.pipeline}: {_told(replay)}"
    differences = list(_differences(replay))
    if differences:
        yield "not as it was then:"
        yield from (f"  {line}" for line in differences)
    elif then.python:
        yield "python, packages and code are as they were then"
    if not then.python:
        yield "python and packages of then are not known"
    yield from _inputs(replay)
    if replay.step.timeout is not None:
        yield f"its timeout of {duration(replay.step.timeout)} is not enforced here"
    if replay.step.secrets:
        shown = "; the debugger shows them" if pdb else ""
        yield f"secrets: {listed(replay.step.secrets)}, from the stack{shown}"
    if replay.step.env:
        yield f"env: {listed(list(replay.step.env))}"


def _told(replay: Replay) -> str:
    then = replay.recorded
    at = f" at {when(then.started)}" if then.started else ""
    where = f" on {then.host}" if then.host else ""
    attempt = f", attempt {then.attempt}" if then.attempt > 1 else ""
    failure = f": {safe_line(f'{then.failure.type}: {then.failure.message}')}" if then.failure else ""
    return f"{then.status}{at}{where}{attempt}{failure}"


def _differences(replay: Replay) -> Iterator[str]:
    for change in replay.environment():
        here = change.after if change.after is not None else "not installed"
        yield f"{change.path}: {change.before} → {here}"
    code = replay.code()
    if code is not None:
        told = (("changed", code.changed), ("added", code.added), ("removed", code.removed))
        parts = [f"{word} {listed(names, 8)}" for word, names in told if names]
        yield f"code: {'; '.join(parts) or code.note}"


def _inputs(replay: Replay) -> Iterator[str]:
    if replay.args:
        yield "inputs, as they were:"
        width = max(map(len, replay.args))
        yield from (f"  {name:{width}}  {_input(arg)}" for name, arg in replay.args.items())
    if replay.files is not None:
        yield _FILES.format(replay.files)


def _input(arg: Arg) -> str:
    if isinstance(arg, Given):
        return value_text(readable(arg.value))
    if isinstance(arg, Gathered):
        few = [text for one in arg.items[:_ITEMS] if (text := _short(one)) is not None]
        return safe_line(f"[{', '.join(few)}]", 100) if len(few) == len(arg.items) else f"list of {len(arg.items)}"
    if isinstance(arg, Saved):
        return _short(arg) or f"{arg.ref.codec.partition('/')[0]}, {size(arg.ref.size)}"
    return f"outputs {listed(list(arg.refs))}"


def _short(arg: Arg) -> str | None:
    """A small plain value, as JSON."""
    if isinstance(arg, Given):
        return value_text(readable(arg.value))
    if isinstance(arg, Saved) and arg.ref.codec == "json/1" and arg.ref.size <= 200 and arg.ref.inline is not UNSET:
        return value_text(readable(arg.ref.inline))
    return None


# --- after ------------------------------------------------------------------------------------------------------------


def _after(result: Replayed, outcome: Outcome) -> Iterator[str]:
    if result.metrics:
        yield f"metrics: {', '.join(f'{name}={value}' for name, value in result.metrics.items())}"
    if result.failure is not None:
        yield from _failed(result, outcome)
        return
    yield f"{paint('succeeded', 'green', sys.stdout)} in {duration(result.seconds)}"
    if result.recorded.failure is not None:
        yield "in that run it failed, and here it does not"
    elif result.outputs:
        yield "not what it gave then:"
        for one in result.outputs:
            first, *rest = value_lines(one.diff)
            yield f"  {one.name}: {first}"
            yield from (f"    {line}" for line in rest)
    elif result.compared:
        yield f"{plural(len(result.compared), 'output')} equal to what it gave then"


def _failed(result: Replayed, outcome: Outcome) -> Iterator[str]:
    failure = result.failure
    assert failure is not None, "only called for one"
    if isinstance(outcome.error, bdb.BdbQuit):
        yield f"{_LEFT} before the step ended"
        return
    yield safe(failure.traceback.rstrip() or f"{failure.type}: {failure.message}")
    if failure.hint:
        yield f"{paint('hint:', 'cyan', sys.stdout)} {safe(failure.hint)}"
    if result.same_failure is None:
        yield f"{paint('failed', 'red', sys.stdout)} here; in that run it had {result.recorded.status}"
    else:
        same = "as it failed then" if result.same_failure else f"another failure than then: {_recorded(result)}"
        yield f"{paint('failed', 'red', sys.stdout)}, {same}"


def _recorded(result: Replayed) -> str:
    failure = result.recorded.failure
    return safe_line(f"{failure.type}: {failure.message}", 300) if failure else result.recorded.status
