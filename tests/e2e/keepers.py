"""`python -m tests.e2e.keepers write|collect STORE SECONDS SEED BEGAN`: one of a crowd at one store, where time flies.

An hour is a sixteenth of a second, and a week two seconds: what takes weeks happens in half a minute, in the order that
the protocol asks for. All else is real: processes that may be killed, files, runs, passes of gc.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeglot.core import plain, run_step
from pipeglot.core.artifacts import Artifacts, artifacts
from pipeglot.core.errors import PipeglotError
from pipeglot.core.ir import Cache, CodeRef, Pipeline, Source, Step
from pipeglot.core.lineage.gc import passes, retention
from pipeglot.core.lineage.gc.passes import Pass
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store.folder import FolderStore
from pipeglot.core.store.naming import Entry
from pipeglot.runtime_local.inline import InlinePool
from pipeglot.runtime_local.listener import Silent
from pipeglot.runtime_local.runner import LocalRun, Origins, Settings
from tests.unit.lineage.build import const, out

HOUR, WEEK = 1 / 16, 2.0
SPEED = 7 * 86_400.0 / WEEK
"""Seconds of the store's calendar for each that goes by."""

ROOT = Path(__file__).resolve().parents[2]
BEGAN = float(sys.argv[5]) if __name__ == "__main__" else 0.0


def scaled(at: float) -> float:
    """A time as the store's calendar has it."""
    return 1e9 + (at - BEGAN) * SPEED


def this_week() -> str:
    return dt.datetime.fromtimestamp(scaled(time.time()), dt.UTC).strftime("%G-W%V")


class Fast(FolderStore):
    """A folder whose files have been written as long ago as the calendar says."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        return (entry._replace(modified=scaled(entry.modified)) for entry in super().entries(prefix))


def shrink() -> None:
    """Put all lengths of time to this scale."""
    hour = HOUR * SPEED
    passes.GRACE, passes.VOID, passes.SILENT = 48 * hour, 24 * hour, 240 * hour
    for module in (passes, retention):
        vars(module)["YOUNG"] = 24 * hour
    run_step.FRESH = 12 * HOUR
    vars(artifacts)["this_week"] = this_week


def large(n: int) -> bytes:
    """The same in each run of that number: it comes from the cache, or is found to be stored."""
    return bytes([n]) * 20_000


def larger(data: bytes) -> bytes:
    return data * 2


def unlike(data: bytes) -> bytes:
    """Another one each time, or nothing."""
    if os.urandom(1)[0] < 50:
        raise ValueError("drawn")
    return data[:5000] + os.urandom(8)


def _step(function: Callable[..., bytes], *, cached: bool = True, **inputs: Source) -> Step:
    name = function.__name__
    code = CodeRef(module="tests.e2e.keepers", qualname=name, digest=plain.digest(name))
    return Step(id=name, code=code, inputs=inputs, cache=Cache(enabled=cached))


REST = 0.2
"""Seconds at most between two runs of a process: with too many of them no pass comes to its end within a day."""


def write(store: Fast, draw: random.Random, folder: str) -> str:
    """A run, or one that goes on with it if it has failed."""
    last = _step(unlike, cached=False, data=out("larger"))
    first = _step(large, n=const(draw.randrange(4)))
    flow = Pipeline(name="p", nodes=(first, _step(larger, data=out("large")), last))
    resumes = None
    settings = Settings(
        stack="local",
        root=str(ROOT),
        roots=(str(ROOT),),
        work=folder,
        max_parallel=1,
        beats=Schedule(1e9, 1e9, 1e9),
    )
    while True:
        origins = Origins(resumes=resumes)
        found = LocalRun(flow, {}, store, settings, InlinePool(), Silent(), origins).execute()
        hits = sum(one.cached for one in found.steps)
        told = f"{'resumed' if resumes else 'ran'} {found.run_id} {found.status} cached {hits}"
        if found.status == "succeeded" or draw.random() < 0.3:
            time.sleep(draw.random() * REST)
            return told
        print(told, flush=True)
        resumes = found.run_id


def collect(store: Fast, draw: random.Random, _folder: str) -> str:
    wanted = Retention(keep_last=draw.choice([0, 2, 5]))
    found = Pass(Ledger(store), Artifacts(store), wanted, dry_run=False, now=time.time).run()
    time.sleep(draw.random() * 0.3)
    return f"pruned {found.runs} freed {found.freed_blobs} entries {found.cache_entries} {found.gave_way[:7]}"


def main() -> int:
    shrink()
    act = {"write": write, "collect": collect}[sys.argv[1]]
    draw, until = random.Random(int(sys.argv[4])), time.monotonic() + float(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until:
            try:
                print(act(Fast(sys.argv[2]), draw, folder), flush=True)
            except PipeglotError as error:
                print(f"{type(error).__name__}: {error.message}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
