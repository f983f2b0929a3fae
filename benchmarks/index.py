"""What a large index costs, in a file and in PostgreSQL: brought up from a store, listed, and walked.

`python -m benchmarks.index [RUNS] [--uri postgresql://…]`: without a URI, a server of its own is started. The store has
so many runs of a small pipeline; the graph to walk, of a million edges, is written into the index directly.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection, Database
from pipeglot.core.lineage.index.postgres import PostgresDatabase, StoreName
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from tests.servers.postgres import Postgres
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.ledgers import done

FLOW = pipeline(step("a"), step("b", x=out("a")), step("c", x=out("b")))
EDGES = 1_000_000
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=10_000)
    parser.add_argument("--uri", default="")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipeglot-index-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "server").mkdir()
        server = None if args.uri else Postgres(root / "server")
        try:
            uri = args.uri or (server.uri(server.database()) if server else "")
            _runs(root, args.runs, uri)
            graph = args.uri or (server.uri(server.database()) if server else "")
            _walks(FileDatabase(root / "graph.sqlite"))
            _walks(PostgresDatabase(graph, StoreName("graph", "file:///graph")))
        finally:
            if server is not None:
                server.remove()


def _runs(root: Path, count: int, uri: str) -> None:
    """As a user has it: a project, its store, and `pipeglot` in a process of its own."""
    project = root / "project"
    project.mkdir()
    ledger = Ledger(open_store(project / ".pipeglot" / "store"))
    began = time.monotonic()
    for number in range(count):
        done(ledger, FLOW, params={}, tags={"number": str(number)})
    print(f"{count:,} runs written in {time.monotonic() - began:.1f} s")
    environment = {**os.environ, "PIPEGLOT_METADATA": uri}
    stacks = {"sqlite": "", "postgresql": ", metadata: '${PIPEGLOT_METADATA}'"}
    for dialect, more in stacks.items():
        (project / "pipeglot.yaml").write_text(f"stacks:\n  local: {{backend: local{more}}}\n")

        def call(*words: str) -> Callable[[], Any]:
            command = [sys.executable, "-m", "pipeglot", *words]
            quiet = subprocess.DEVNULL
            return lambda: subprocess.run(command, cwd=project, env=environment, check=True, stdout=quiet, stderr=quiet)

        _tell(dialect, f"bring up {count:,} runs", [_seconds(call("runs", "list", "-n", "1"))])
        _tell(dialect, f"`runs list` of {count:,}", [_seconds(call("runs", "list")) for _ in range(ROUNDS)])
        chosen = call("runs", "list", "--tag", "number=17", "--status", "succeeded")
        _tell(dialect, "`runs list` by a tag", [_seconds(chosen) for _ in range(ROUNDS)])
        done(ledger, FLOW, params={})
        _tell(dialect, "`runs list` with one new run", [_seconds(call("runs", "list"))])


def _walks(database: Database) -> None:
    """Layers of 100 steps, each of which takes the results of two steps of the layer before it."""
    choose = random.Random(7)
    width, layers = 100, EDGES // 300
    nodes, edges = [], []
    for layer in range(layers):
        for at in range(width):
            cell = 2 * (layer * width + at) + 1
            nodes += [(cell, 1, "cell", f"s{cell}", "", ""), (cell + 1, 1, "artifact", f"s{cell}", "", "output")]
            edges.append((cell + 1, cell, "output", "", 1))
            if layer % 40:  # a new piece of work begins every 40 layers
                before = choose.sample(range(width), 2)
                edges += [(cell, 2 * ((layer - 1) * width + one) + 2, "input", "", 1) for one in before]

    def write() -> None:
        with database.transaction() as connection:
            connection.insert("nodes", nodes)
            connection.insert("edges", edges)
        database.settle()

    with database:
        took = _seconds(lambda: database.use(write))
        _tell(database.dialect, f"{len(edges):,} edges written", [took])
        _tell(database.dialect, "a connection", [_seconds(lambda: _again(database)) for _ in range(ROUNDS)])
        for depth in (4, 12, 39):
            seed = nodes[2 * width * (40 * (layers // 80) + depth) + 1][0]
            for direction in ("up", "down"):
                found: list[int] = []

                def walk(connection: Connection) -> list[int]:
                    return queries.walk(connection, [seed], direction, None, 10**6)  # noqa: B023

                def ask() -> None:
                    with database.snapshot() as connection:
                        found[:] = walk(connection)  # noqa: B023

                times = [_seconds(lambda: database.use(ask)) for _ in range(ROUNDS)]
                _tell(database.dialect, f"closure {direction} from layer {depth}: {len(found):,} nodes", times)


def _again(database: Database) -> None:
    database.close()

    def look() -> None:
        with database.snapshot() as connection:
            connection.execute("SELECT 1").fetchone()

    database.use(look)


def _seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """By the clock, and of CPU: that of this process and of those that it started, not of a server."""
    began, before = time.monotonic(), sum(os.times()[:4])
    work()
    return time.monotonic() - began, sum(os.times()[:4]) - before


def _tell(dialect: str, what: str, times: list[tuple[float, float]]) -> None:
    """Milliseconds; on a busy machine the least tells more than the median."""
    clock, cpu = (sorted(one[kind] * 1000 for one in times) for kind in (0, 1))
    told = f"{median(clock):9.1f} ms, least {clock[0]:.1f}; CPU {median(cpu):.0f} ms"
    print(f"{dialect:10}  {what:45}  {told}  ({len(times)} times)", flush=True)


if __name__ == "__main__":
    main()
