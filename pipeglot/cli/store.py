"""`pipeglot store`: is all of it there and whole; and the index of it, made anew."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, say
from pipeglot.client.text import SHORT_ID, cell_name, is_terminal, paint, plural, size
from pipeglot.client.verify import Counts, Touched, Trouble, Verified, verify

_MOST_NAMED = 5


def do_verify(args: argparse.Namespace) -> int:
    records = open_records(args)
    progress = _Progress()
    try:
        found = verify(records.ledger.store, quick=args.quick, progress=progress)
    finally:
        progress.close()
    if args.json:
        print_json(found)
    else:
        _print(found)
    return 1 if found.troubles else 0


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
    counts = found.counts
    looked = "looked at the sizes of" if found.quick else "read"
    total = f"{looked} {plural(counts.blobs, 'blob')} ({size(counts.bytes)})"
    print(f"{plural(counts.runs, 'run')}: read {plural(counts.records, 'record')}, {total} in `{found.store}`")
    if found.orphans:
        print(f"{plural(found.orphans, 'blob')} ({size(found.orphan_bytes)}) are referred to by nothing")
    print(f"{len(found.troubles)} damaged or missing" if found.troubles else "all is there, and whole")
    sys.stderr.writelines(f"hint: {hint}\n" for hint in _hints(found.troubles))


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


class _Progress:
    """One line on a terminal, written anew a few times a second."""

    def __init__(self) -> None:
        self._on = is_terminal(sys.stderr)
        self._next = time.monotonic() + 0.5
        self._shown = False

    def __call__(self, counts: Counts) -> None:
        if self._on and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._shown = True
            told = f"{plural(counts.runs, 'run')}, {plural(counts.blobs, 'blob')}, {size(counts.bytes)}"
            sys.stderr.write(f"\r\x1b[K{told} …")
            sys.stderr.flush()

    def close(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
