"""`pipeglot backfill`: run a pipeline for the moments of a span of the past that lack a run."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from pipeglot.cli.errors import note
from pipeglot.cli.output import print_json, print_table, results_only, say
from pipeglot.cli.parsing import folder_of
from pipeglot.client.backfill.backfill import Backfill, Wish, planned_backfill
from pipeglot.client.backfill.backfill import do_backfill as run_all
from pipeglot.client.backfill.plan import Moment
from pipeglot.client.backfill.work import Done
from pipeglot.client.launch import check_tags
from pipeglot.client.text import SHORT_ID, duration, paint, plural, safe_line
from pipeglot.client.written import params_of, tags_of
from pipeglot.core import units
from pipeglot.core.errors import Problem, UsageError
from pipeglot.stacks.target import load, locate

_WORDS = {"nothing": "no run", "part": "a part", "failed": "failed", "running": "running", "succeeded": "succeeded"}
_COLOURS = {"succeeded": "green", "failed": "red", "refused": "red", "cancelled": "yellow"}


def do_backfill(args: argparse.Namespace) -> int:
    wish = _wish(args)
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    with results_only():
        loaded = load(target)
        if args.dry_run:
            found = planned_backfill(target, loaded, stack, wish, _note)
        else:
            progress = _Progress()
            found = run_all(target, loaded, stack, wish, progress.begin, progress.tell, _note)
    if args.json:
        print_json(found)
    elif args.dry_run:
        print_table(["LOGICAL DATE", "SO FAR", "RUN", "NOW"], [_row(one) for one in found.moments])
        print(f"\n{_told(found)}")
    else:
        say(_summary(found), sys.stderr)
    return _exit_code(found)


def _note(told: Problem | str) -> None:
    sys.stderr.write(note(told))


def _wish(args: argparse.Namespace) -> Wish:
    tags = tags_of(args.tags)
    check_tags(tags)
    if args.max_parallel is not None and args.max_parallel < 1:
        raise UsageError(f"`--max-parallel {args.max_parallel}`: at least one run goes on at a time")
    every = units.seconds(args.every) if args.every is not None else None
    if every == 0:
        raise UsageError("`--every 0`: time would not go on", hint="write it as `--every 1d`")
    return Wish(args.from_, args.to, every, params_of(args.params), tags, args.reprocess, args.max_parallel or 0)


class _Progress:
    """A line for each run that is over."""

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def begin(self, planned: Backfill) -> None:
        self.total = len(planned.due)
        say(_told(planned), sys.stderr)

    def tell(self, done: Done) -> None:
        self.count += 1
        width = len(str(self.total))
        status = paint(f"{done.status:9}", _COLOURS[done.status])
        run = f"  run {done.run_id[:SHORT_ID]}" if done.run_id else ""
        line = f"{self.count:{width}}/{self.total}  {done.logical_date}  {status}  {duration(done.seconds)}{run}"
        say(f"{line}\n{' ' * (2 * width + 3)}{safe_line(done.message)}" if done.message else line, sys.stderr)


def _row(one: Moment) -> list[str]:
    now = "would run" if one.is_due else "is left alone"
    return [one.logical_date, _WORDS[one.before], one.run_id[:SHORT_ID] if one.run_id else "", now]


def _told(found: Backfill) -> str:
    """`31 moments of `daily` on stack `prod`: 28 to run, 2 succeeded before, 1 is running`."""
    left = Counter(one.before for one in found.moments if not one.is_due)
    cut = sum(one.before == "part" for one in found.moments)
    parts = [f"{len(found.due)} to run" + (f" ({cut} of them ran in part, with `--until`)" if cut else "")]
    parts += [f"{left['succeeded']} succeeded before"] if left["succeeded"] else []
    parts += [f"{left['failed']} failed before (`--reprocess failed` runs them again)"] if left["failed"] else []
    parts += [f"{left['running']} running"] if left["running"] else []
    return f"{plural(len(found.moments), 'moment')} of `{found.pipeline}` on stack `{found.stack}`: {', '.join(parts)}"


def _summary(found: Backfill) -> str:
    counts = Counter(one.status for one in found.runs)
    parts = [
        f"{counts[status]} {status}" for status in ("succeeded", "failed", "cancelled", "refused") if counts[status]
    ]
    left = len(found.due) - len(found.runs)
    parts += [f"{left} not begun"] if left else []
    if not found.due:
        return "nothing to do"
    more = "" if _exit_code(found) == 0 else "; the same command goes on with what has not succeeded"
    return f"{', '.join(parts)}{more}"


def _exit_code(found: Backfill) -> int:
    """Of a dry run 0: it has shown what it was asked."""
    if found.dry_run:
        return 0
    statuses = {one.status for one in found.runs}
    if "refused" in statuses:
        return 2
    if "cancelled" in statuses or len(found.runs) < len(found.due):
        return 130
    return 0 if statuses <= {"succeeded"} else 1
