"""`python -m tests.oracle [COUNT] [SEED]`: hold so many generated pipelines against the interpreter.

It prints what was in them, and the seed.
"""

from __future__ import annotations

import random
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipeglot.core.ir import Pipeline
from tests.oracle.generate import pipelines
from tests.oracle.held import compare, in_any_order, in_workers, without_hooks
from tests.oracle.interpreter import Interpreter

PARAMS = {"n": 7}


def main(count: int, chosen: int) -> None:
    """Raises at the first disagreement; the same count and seed find it again."""
    seen: Counter[str] = Counter()
    try:
        with tempfile.TemporaryDirectory() as place:
            _hold(count, chosen, Path(place), seen)
    except BaseException:
        print(f"to see it again: python -m tests.oracle {count} {chosen}", file=sys.stderr)
        raise
    print(f"seed {chosen}: " + ", ".join(f"{number} {what}" for what, number in sorted(seen.items())))


def _hold(count: int, chosen: int, place: Path, seen: Counter[str]) -> None:
    @seed(chosen)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(pipelines(size=16), st.integers(0, 2**32))
    def hold(made: Pipeline, order: int) -> None:
        seen["pipelines"] += 1
        folder, other = place / f"{seen['pipelines']}", place / f"{seen['pipelines']}-other"
        first = compare(made, PARAMS, in_workers(made, PARAMS, folder), folder)
        plain = without_hooks(made)
        assert compare(plain, PARAMS, in_any_order(plain, PARAMS, other, random.Random(order)), other) == first
        again = in_any_order(made, PARAMS, folder, random.Random(order))
        assert compare(made, PARAMS, again, folder, again=True) == first
        expected = Interpreter(made, PARAMS)
        for (step, _), outcome in expected.cells.items():
            seen[f"hooks {outcome.status}" if step in expected.hooks else outcome.status] += 1

    hold()


if __name__ == "__main__":
    given_count, given_seed = [*map(int, sys.argv[1:]), *(2000, secrets.randbits(32))[len(sys.argv) - 1 :]]
    main(given_count, given_seed)
