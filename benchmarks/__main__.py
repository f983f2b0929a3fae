"""Start-up, a small recorded run, and the cost of a step in long chains and wide maps.

    python -m benchmarks [RUNS]          the median of RUNS, 7 if not given

Absolute times are the machine's; the last column is what to compare.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, cost, medians

FLOWS = """
from pipeglot import each, pipeline, step


@step
def one() -> int:
    return 1


@step
def add(x: int) -> int:
    return x + 1


@step
def numbers(n: int) -> list[int]:
    return list(range(n))


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@pipeline
def three() -> None:
    add(add(one()))


@pipeline
def chain() -> None:
    x = one()
    for _ in range(999):
        x = add(x)


@pipeline
def wide() -> None:
    total(add.map(each(numbers(1000))))
"""


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    python = [sys.executable]
    pipeglot = [*python, "-m", "pipeglot"]
    cases = {
        "bare interpreter": [*python, "-c", "pass"],
        "import pipeglot": [*python, "-c", "import pipeglot"],
        "pipeglot --help": [*pipeglot, "--help"],
        "3 steps, nothing cached": [*pipeglot, "run", "flows.py:three", "--no-cache"],
        "3 steps, all cached": [*pipeglot, "run", "flows.py:three"],
        "chain of 1,000": [*pipeglot, "run", "flows.py:chain", "--no-cache"],
        "chain of 1,000, all cached": [*pipeglot, "run", "flows.py:chain"],
        "map of 1,000": [*pipeglot, "run", "flows.py:wide", "--no-cache"],
        "map of 1,000, all cached": [*pipeglot, "run", "flows.py:wide"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flows.py").write_text(FLOWS)
        for case, command in cases.items():
            if "cached" in case:
                cost(command, folder)
        _print(medians(cases, folder, runs))


def _print(found: dict[str, Cost]) -> None:
    bare, three = found["bare interpreter"].cpu, found["3 steps, all cached"].cpu
    print(f"{'':28}{'CPU ms':>9}{'wall ms':>9}   over the bare interpreter, or a step")
    for case, one in found.items():
        each = f"{(one.cpu - three):.2f} ms a step" if "1,000" in case else f"{1000 * (one.cpu - bare):.0f} ms"
        print(f"{case:28}{one.cpu * 1000:9.0f}{one.wall * 1000:9.0f}   {each}")


if __name__ == "__main__":
    main()
