"""`pipeglot store gc`: say what would go, and with `--yes` let it go."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator

from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, print_table
from pipeglot.cli.progress import Progress
from pipeglot.client.gc import Collected, collect, retention
from pipeglot.client.text import plural, size, when
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.gc.passes import Pruned

_MOST_NAMED = 5


def do_gc(args: argparse.Namespace) -> int:
    if args.yes and args.dry_run:
        raise UsageError("`--yes` and `--dry-run` say the opposite", hint="without `--yes`, nothing is changed")
    wanted = retention(
        older_than=args.older_than, keep_last=args.keep_last, keep_tags=args.keep_tag, pipelines=args.pipeline
    )
    records = open_records(args)
    with Progress() as progress:
        found = collect(
            records.ledger.store, wanted, dry_run=not args.yes, despite_damage=args.despite_damage, tick=progress
        )
    if args.json:
        print_json(found)
    else:
        _print(found, args)
    return 1 if found.damaged or found.gave_way else 0


def _print(found: Collected, args: argparse.Namespace) -> None:
    was = _Was(found.dry_run)
    if found.pruned:
        print(f"{was(found.runs, 'run')} pruned, {found.kept} kept:")
        head = ("pipeline", "runs", "begun from", "to", "blobs", "frees")
        print_table(head, [_row(one) for one in found.pruned])
    else:
        print(f"no run {was.one} pruned, {found.kept} kept")
    for line in _lines(found, was):
        print(line)
    sys.stderr.writelines(_notes(found))
    if found.dry_run and found.damaged:
        print("nothing was changed")
    elif found.dry_run:
        print(f"nothing was changed; to do it: `{shlex.join(['pipeglot', 'store', 'gc', *_again(args), '--yes'])}`")


class _Was:
    """`3 runs were`, or what there would be."""

    def __init__(self, dry_run: bool) -> None:
        self.one = "would be" if dry_run else "was"
        self.more = "would be" if dry_run else "were"

    def __call__(self, count: int, word: str, stored: int | None = None) -> str:
        told = plural(count, word) if stored is None else f"{plural(count, word)} ({size(stored)})"
        return f"{told} {self.one if count == 1 else self.more}"


def _row(one: Pruned) -> tuple[str, ...]:
    days = when(one.oldest)[:10], when(one.newest)[:10]
    return one.pipeline, str(one.runs), *days, str(one.blobs), size(one.bytes)


def _lines(found: Collected, was: _Was) -> Iterator[str]:
    if found.closed:
        yield f"{was(found.closed, 'run')} recorded as lost: not heard of for 30 days"
    if found.cache_entries:
        yield f"{was(found.cache_entries, 'cached result')} removed: of no kept run"
    if found.checkpoints:
        yield f"{was(found.checkpoints, 'checkpoint')} removed: of steps that have succeeded"
    if found.bundles:
        yield f"{was(found.bundles, 'bundle', found.bundle_bytes)} of code removed"
    if found.damaged or found.gave_way:
        return
    yield f"{was(found.freed_blobs, 'blob', found.freed_bytes)} removed"
    if found.waiting_blobs:
        until = f", the first from {when(found.next)} on" if found.next else ""
        waiting = was(found.waiting_blobs, "blob", found.waiting_bytes)
        yield f"{waiting} left to later passes{until}: nothing needs them any more"
    yield f"{plural(found.kept_blobs, 'blob')} ({size(found.kept_bytes)}) in use"


def _notes(found: Collected) -> Iterator[str]:
    if found.gave_way:
        yield note(f"this pass has removed nothing: {found.gave_way}")
    if not found.damaged:
        return
    named = list(found.damaged.values())[:_MOST_NAMED]
    more = len(found.damaged) - len(named)
    nothing = "nothing can be pruned or removed" if found.dry_run else "nothing was removed"
    yield note(f"{nothing}, for {plural(len(found.damaged), 'object')} cannot be read, and may refer to anything:")
    yield from (f"  {one}\n" for one in named)
    if more:
        yield f"  and {more} more\n"
    yield (
        "hint: `pipeglot store verify` names the runs they touch; `--despite-damage` takes it that they refer to"
        " nothing\n"
    )


def _again(args: argparse.Namespace) -> Iterator[str]:
    """What was asked for, as it was written."""
    if args.older_than is not None:
        yield from ("--older-than", args.older_than)
    if args.keep_last is not None:
        yield from ("--keep-last", str(args.keep_last))
    for tag in args.keep_tag:
        yield from ("--keep-tag", tag)
    for pipeline in args.pipeline:
        yield from ("--pipeline", pipeline)
    if args.despite_damage:
        yield "--despite-damage"
    if args.stack:
        yield from ("--stack", args.stack)
    if args.folder:
        yield from ("-C", args.folder)
