"""`python -m tests.model [COUNT] [SEED] [--draft NAME]`: play so many schedules, and print what was in them.

The same seed plays the same schedule: hashes of texts are not drawn anew here.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.model.drafts import DRAFTS
from tests.model.schedule import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model")
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("seed", type=int, nargs="?", default=secrets.randbits(32))
    parser.add_argument("--draft", choices=DRAFTS, help="put a fault in, which must be noticed")
    parser.add_argument("--hands", type=int, default=2, help="so many processes play")
    words = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        again = [sys.executable, "-m", "tests.model", str(words.count), str(words.seed)]
        again += ["--hands", str(words.hands), *(["--draft", words.draft] if words.draft else [])]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})
    if words.draft:
        DRAFTS[words.draft]()
    return _play(words.count, words.seed, words.hands, most=1 if words.draft else words.count)


def _play(count: int, first: int, hands: int, most: int) -> int:
    """Stops when so many went wrong."""
    began, stats, bad = time.monotonic(), Counter[str](), 0
    seeds = range(first, first + count)
    with get_context("fork").Pool(hands) as pool:  # with the draft that was put in, if any
        for seed, (wrong, found) in zip(seeds, pool.imap(play, seeds), strict=True):
            stats.update(found)
            bad += bool(wrong)
            if wrong and bad <= 5:
                print(f"seed {seed}: {wrong[0]}\n  again: python -m tests.model 1 {seed}", file=sys.stderr)
            if bad == most:
                break
    print(", ".join(f"{number} {what}" for what, number in sorted(stats.items()) if number))
    print(f"{count} schedules from seed {first} in {time.monotonic() - began:.0f} s: {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
