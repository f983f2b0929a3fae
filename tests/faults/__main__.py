"""`python -m tests.faults [COUNT] [SEED]`: inject so many faults, and print what came of them.

Stores are in folders; `--store URI` has them in that bucket, `--seaweed` in one of a SeaweedFS that is started for it.
`--only WORKLOAD POINT KIND` injects one again, as it is told of when it goes wrong.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.faults.harness import Case, Ground, Tally, cases, injected, points_of, tried, witnessed
from tests.faults.workloads import Workload
from tests.servers.seaweed import BUCKET, Seaweed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("seed", type=int, nargs="?", default=secrets.randbits(32))
    parser.add_argument("--store", default="", help="the URI of a bucket, in place of folders")
    parser.add_argument("--seaweed", action="store_true", help="a bucket of SeaweedFS, started for it")
    parser.add_argument("--hands", type=int, default=2, help="so many processes work at it")
    parser.add_argument("--kind", default="", help="only faults that have this in their name")
    parser.add_argument("--workloads", type=int, default=0, help="of so many workloads at least")
    parser.add_argument("--list", action="store_true", help="only name them: layer, call, kind")
    parser.add_argument("--only", nargs=3, metavar=("WORKLOAD", "POINT", "KIND"))
    parser.add_argument("--every", type=int, default=1, help="look at every so many points of a run that goes well")
    words = parser.parse_args()
    with _seaweed() if words.seaweed else nullcontext(words.store) as store:
        ground = Ground(store)
        if words.only:
            return _again(*words.only, chosen=words.seed, ground=ground)
        return _inject(words, ground)


@contextmanager
def _seaweed() -> Iterator[str]:
    """The URI of a bucket. The server is there as long as this context is, and is what S3's clients find."""
    with tempfile.TemporaryDirectory(prefix="pipeglot-seaweed-") as folder:
        server = Seaweed(Path(folder))
        try:
            os.environ.update(server.environment())
            yield f"s3://{BUCKET}/{os.urandom(6).hex()}"
        finally:
            server.stop()


def _inject(words: argparse.Namespace, ground: Ground) -> int:
    began = time.monotonic()
    chosen = cases(words.count, words.seed, ground, words.kind, words.workloads)
    if words.list:
        print(*(f"{case.point.layer}\t{case.point.call}\t{case.kind}" for case in chosen), sep="\n")
        return 0
    wrong = _witness(words.seed, ground, words.every)
    tally = tried(chosen, ground, words.hands, _progress)
    _tell(tally, words.seed, time.monotonic() - began)
    return 1 if wrong or tally.wrong else 0


def _progress(tally: Tally) -> None:
    done = tally.kinds.total() + tally.missed
    if done % 500 == 0:
        last = f"; the last that went wrong: {tally.wrong[-1].case}" if tally.wrong else ""
        print(f"{done} faults, {len(tally.wrong)} went wrong{last}", file=sys.stderr, flush=True)


def _witness(chosen: int, ground: Ground, every: int) -> bool:
    """A reader between any two points of the first workload, when all goes well."""
    looks, wrong = witnessed(next(ground.workloads(chosen)), ground, every)
    print(f"{looks} looks between the points of a run that goes well: {len(wrong)} wrong")
    for one in wrong[:5]:
        print(f"  {one}")
    return bool(wrong)


def _tell(tally: Tally, chosen: int, seconds: float) -> None:
    for title, counts in (("kind", tally.kinds), ("point", tally.layers)):
        print(f"\nfaults by {title}:")
        for name, number in sorted(counts.items()):
            print(f"{number:8} {name}")
    print(f"\n{tally.kinds.total()} faults in {seconds:.0f} s, seed {chosen}; {tally.missed} did not come;")
    print(f"{tally.looks} looks of the readers beside; {len(tally.wrong)} went wrong")
    for one in tally.wrong:
        case = one.case
        print(f"\n{case}:", *one.wrong, sep="\n  ", file=sys.stderr)
        only = f"{_quoted(case.workload)} {case.point.number} '{case.kind}'"
        print(f"  again: python -m tests.faults 1 {chosen} --only {only}", file=sys.stderr)


def _quoted(workload: Workload) -> str:
    return f"'{workload.name}'"


def _again(name: str, number: str, kind: str, *, chosen: int, ground: Ground) -> int:
    workload = next(one for one in ground.workloads(chosen) if one.name == name)
    point = next(one for one in points_of(workload, ground) if one.number == int(number))
    outcome = injected(Case(workload, point, kind), ground)
    print(f"{outcome.case}: it {'came' if outcome.came else 'did not come'}", *outcome.wrong, sep="\n  ")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
