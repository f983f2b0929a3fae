"""How long Airflow takes to read a DAG file: of ours, and by hand. `python -m benchmarks.airflow.parsing` tells.

Both have a chain of 100 and of 1,000 tasks. Each is read in a new process of the sandbox's environment, by Airflow's
own `DagBag`; its imports are not counted, reading the file and serialising the DAG are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.table_text import show
from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure

ROOT = Path(__file__).parents[2]
SIZES = (100, 1000)
ROUNDS = 5

READ = """
import json, sys, time
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized
import airflow.sdk, pendulum
began = time.process_time()
bag = DagBag(sys.argv[1])
read = time.process_time() - began
assert not bag.import_errors, bag.import_errors
[dag] = bag.dags.values()
began = time.process_time()
data = Serialized.to_dict(dag)
print(json.dumps([len(dag.tasks), read, time.process_time() - began, len(json.dumps(data))]))
"""

OURS = """
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

BY_HAND = """
import pendulum
from airflow.sdk import dag, task


@task
def one(x):
    return x + 1


@dag(schedule=None, start_date=pendulum.datetime(2024, 1, 1), catchup=False)
def by_hand():
    x = 0
    for _ in range({size}):
        x = one(x)


by_hand()
"""


def main() -> int:
    engine = find_engine("airflow")
    folder = Path(os.environ.get("PIPEGLOT_ENGINES") or ROOT / ".cache/engines")
    python = ensure(engine.pins("3"), folder, lambda text: print(text, file=sys.stderr)) / "bin/python"
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-") as home:
            files = _files(Path(home), size)
            found = {name: [_read(python, file, Path(home)) for _ in range(ROUNDS)] for name, file in files.items()}
        for name, samples in found.items():
            read, serialised = (statistics.median(sample[at] for sample in samples) for at in (1, 2))
            rows.append(
                [f"{size:,} tasks, {name}", f"{read:.3f} s", f"{serialised:.3f} s", f"{samples[0][3] / 1000:.0f} kB"]
            )
    show(["", "read", "serialised", "as JSON"], rows)
    return 0


def _files(home: Path, size: int) -> dict[str, Path]:
    (home / "pipeglot.yaml").write_text("stacks:\n  air: {backend: airflow, store: 's3://b/p'}\n")
    (home / "chain.py").write_text(OURS.format(size=size))
    words = [sys.executable, "-m", "pipeglot", "compile", "chain.py", "--stack", "air", "--out", "dags"]
    subprocess.run(words, cwd=home, check=True, capture_output=True)
    (home / "by_hand.py").write_text(BY_HAND.format(size=size))
    return {"pipeglot": home / "dags/chain.py", "by hand": home / "by_hand.py"}


def _read(python: Path, file: Path, home: Path) -> list[float]:
    environment = {**os.environ, "AIRFLOW_HOME": str(home / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run([python, "-c", READ, file], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
