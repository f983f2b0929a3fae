"""`pipeglot store`: is all of it there and whole; and the index of it, made anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, print_table, say
from pipeglot.cli.progress import Progress
from pipeglot.client.size import StoreSize, store_size
from pipeglot.client.text import SHORT_ID, cell_name, paint, plural, size
from pipeglot.client.verify import Counts, Touched, Trouble, Verified, verify

_MOST_NAMED = 5
RUN_ID = 24
"""Letters of a whole run id."""


def do_verify(args: argparse.Namespace) -> int:
    records = open_records(args)
    with Progress() as progress:

        def told(counts: Counts) -> None:
            progress(f"{plural(counts.runs, 'run')}, {plural(counts.blobs, 'blob')}, {size(counts.bytes)}")

        found = verify(records.ledger.store, quick=args.quick, progress=told, mend=args.repair)
    if args.json:
        print_json(found)
    else:
        _print(found)
    return 1 if found.troubles else 0


def do_gc(args: argparse.Namespace) -> int:
    from pipeglot.cli.gc import do_gc as do

    return do(args)


def do_size(args: argparse.Namespace) -> int:
    records = open_records(args)
    with Progress() as progress:
        found = store_size(records.ledger.store, args.pipeline, progress)
    if args.json:
        print_json(found)
    else:
        _print_size(found)
    return 0


def do_reindex(args: argparse.Namespace) -> int:
    from pipeglot.client.indexed import Index

    index = Index(open_records(args), lambda text: sys.stderr.write(note(text)))
    built = index.rebuild()
    if args.json:
        print_json(built)
    else:
        where = f" in `{built.path}`" if built.path else ""
        print(f"indexed {plural(built.runs, 'run')}, {plural(built.cells, 'execution')}{where}")
    return 0


def _print(found: Verified) -> None:
    for trouble in found.troubles:
        say(f"{paint(trouble.kind, 'red', sys.stdout)}: {trouble.message}")
        if trouble.touches:
            say(f"  {_touched(trouble)}")
    for one in found.repaired:
        say(f"{paint('repaired', 'green', sys.stdout)}: {one.message}")
    counts = found.counts
    looked = "looked at the sizes of" if found.quick else "read"
    total = f"{looked} {plural(counts.blobs, 'blob')} ({size(counts.bytes)})"
    print(f"{plural(counts.runs, 'run')}: read {plural(counts.records, 'record')}, {total} in `{found.store}`")
    if found.orphans:
        print(f"{plural(found.orphans, 'blob')} ({size(found.orphan_bytes)}) are referred to by nothing")
    print(f"{len(found.troubles)} damaged or missing" if found.troubles else "all is there, and whole")
    sys.stderr.writelines(f"hint: {hint}\n" for hint in _hints(found.troubles))


def _print_size(found: StoreSize) -> None:
    rows = [("pipeline", "step", "runs", "values", "bytes", "stored", "shared")]
    for one in found.pipelines:
        head = (one.pipeline, "", str(one.runs), str(one.values), size(one.bytes), size(one.stored), size(one.shared))
        rows.append(head)
        rows += [
            ("", step.step or "(given)", "", str(step.values), size(step.bytes), size(step.stored), "")
            for step in one.steps
        ]
    if found.pipelines:
        print_table(rows[0], rows[1:])
        print()
    if found.largest:
        table = [
            (size(one.stored), one.codec, f"{one.id[:SHORT_ID]}{one.id[RUN_ID:]}", one.pipeline)
            for one in found.largest
        ]
        print_table(("largest", "kind", "artifact", "pipeline"), table)
        print()
    print_table(("part", "objects", "bytes"), [(one.name, str(one.objects), size(one.bytes)) for one in found.parts])
    print(f"{plural(found.objects, 'object')} ({size(found.bytes)}) in `{found.store}`")
    if found.unreferenced:
        print(f"{size(found.unreferenced)} of blobs are of no run: `pipeglot store gc` tells which can go")
    if found.unreadable:
        sys.stderr.write(
            note(f"{plural(found.unreadable, 'record')} cannot be read: `pipeglot store verify` names them")
        )


def _hints(troubles: list[Trouble]) -> Iterator[str]:
    """What is to be done about them."""
    hurt = [trouble.key for trouble in troubles if trouble.kind in ("damaged", "missing")]
    if any(key.startswith(("blobs/", "cache/")) for key in hurt):
        yield "compute a damaged or missing result again (`pipeglot run TARGET --from STEP`): the same value repairs it"
    if any(key.startswith(("runs/", "ir/")) for key in hurt):
        yield "what a record of a run (`runs/…`, `ir/…`) told is nowhere else: bring it back from a copy of the store"
    if any(trouble.kind == "newer" for trouble in troubles):
        yield "a later pipeglot wrote what is newer: update this one to read it"


def _touched(trouble: Trouble) -> str:
    shown = ", ".join(_name(one) for one in trouble.touches[:_MOST_NAMED])
    more = trouble.touched - _MOST_NAMED
    return f"touches {shown}{f' and {more} more' if more > 0 else ''}"


def _name(one: Touched) -> str:
    run = f"run {one.run_id[:SHORT_ID]}"
    if not one.step:
        return f"{run}{f' (parameter `{one.part}`)' if one.part else ''}"
    part = f" (`{one.part}`)" if one.part else ""
    return f"{cell_name(one.step, one.index)} of {run}{part}"
