"""What it costs to write a PipelineSpec: `pipeglot compile`, and KFP's own compiler. `make bench-kfp` tells.

Both have a chain of 100 and of 1,000 steps, each a container; each is a command of its own, with all its imports.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import commit, this_machine
from benchmarks.table_text import show
from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure

ROOT = Path(__file__).parents[2]
SIZES = (100, 1000)
ROUNDS = 3

STACKS = """\
stacks:
  local: {backend: local}
  vertex:
    backend: vertex
    project: ml
    location: europe-west6
    store: gs://ml/prod
    image: registry.example.com/steps@sha256:%s
    pipeline_root: gs://ml/root
"""
"""What takes 1,000 steps: Kubeflow keeps a whole pipeline in one object of Kubernetes, which may have 1.5 MB."""

OURS = """\
from pipeglot import pipeline, step


@step
def one(x: int) -> int:
    return x + 1


@pipeline
def chain(start: int = 0) -> None:
    x = start
    for _ in range({size}):
        x = one(x)
"""

SDK = """\
from kfp import compiler, dsl


@dsl.container_component
def one(x: int, y: dsl.OutputPath(int)):
    return dsl.ContainerSpec(image="registry.example.com/steps", command=["python3", "-m", "steps"], args=[x, y])


@dsl.pipeline
def chain(start: int = 0):
    x = start
    for _ in range({size}):
        x = one(x=x).outputs["y"]


compiler.Compiler().compile(chain, "chain.yaml")
"""


def main() -> int:
    """Measure, and print the table."""
    environment = {"PIPEGLOT_ENGINES": str(ROOT / ".cache/engines"), **os.environ}
    kfp = find_engine("kfp")
    python = ensure(kfp.pins("2"), Path(environment["PIPEGLOT_ENGINES"]), print) / "bin/python"
    rows = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "pipeglot.yaml").write_text(STACKS % ("0" * 64))
        for size in SIZES:
            (folder / "ours.py").write_text(OURS.format(size=size))
            (folder / "sdk.py").write_text(SDK.format(size=size))
            words = [sys.executable, "-m", "pipeglot", "compile", "ours.py", "--stack", "vertex", "--out", "out"]
            ours, theirs = _cpu(words, folder), _cpu([str(python), "sdk.py"], folder)
            sizes = [(folder / name).stat().st_size // 1000 for name in ("out/chain.yaml", "chain.yaml")]
            rows.append([f"{size:,} steps", f"{ours:.2f} s", f"{theirs:.2f} s", f"{theirs / ours:.0f}×"])
            rows[-1] += [f"{size:,} kB" for size in sizes]
    show(["CPU", "pipeglot", "KFP's own", "times", "file", "KFP's own"], rows)
    machine = this_machine()
    print(
        f"\n{machine.cores} cores of {machine.cpu}, {machine.system}, {kfp.title} {kfp.releases['2'].exact}, pipeglot "
        f"{commit()}. Medians of {ROUNDS} rounds."
    )
    return 0


def _cpu(words: Sequence[str], folder: Path) -> float:
    """Seconds of the processors that a command takes, in the median."""
    found = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
