"""CPU of whole processes (children included) over a bare interpreter: start-up, and a small recorded run.

    python benchmarks/startup.py [RUNS]

Prints the median of RUNS (default 9) and the peer-free ratio to a bare interpreter. Quote medians: machines are noisy.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

THREE_STEPS = """
from pipeglot import pipeline, step


@step
def one() -> int:
    return 1


@step
def two(x: int) -> int:
    return x + 1


@step
def three(x: int) -> int:
    return x * 2


@pipeline
def tiny() -> None:
    three(two(one()))
"""


def cpu(command: list[str], folder: Path) -> float:
    """User and system seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    python = [sys.executable]
    pipeglot = [*python, "-m", "pipeglot"]
    cases = {
        "bare interpreter": [*python, "-c", "pass"],
        "import pipeglot": [*python, "-c", "import pipeglot"],
        "pipeglot --help": [*pipeglot, "--help"],
        "pipeglot --version": [*pipeglot, "--version"],
        "3 steps, nothing cached": [*pipeglot, "run", "tiny.py", "--no-cache"],
        "3 steps, all cached": [*pipeglot, "run", "tiny.py"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.py").write_text(THREE_STEPS)
        cpu(cases["3 steps, all cached"], folder)
        samples: dict[str, list[float]] = {case: [] for case in cases}
        for _ in range(runs):
            for case, command in cases.items():
                samples[case].append(cpu(command, folder))
    bare = statistics.median(samples["bare interpreter"])
    print(f"{'':26}{'CPU ms':>9}{'over bare':>11}{'ratio':>8}")
    for case, found in samples.items():
        middle = statistics.median(found)
        print(f"{case:26}{middle * 1000:9.1f}{(middle - bare) * 1000:11.1f}{middle / bare:8.1f}")


if __name__ == "__main__":
    main()
