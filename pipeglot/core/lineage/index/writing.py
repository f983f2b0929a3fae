"""Write rows into the index, inside a transaction: ids are given here, and what is there is not written twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from pipeglot.core.lineage.index.rows import Node, RunRows
from pipeglot.core.lineage.index.schema import DETAILS

_STUB = {
    "known": 0,
    "final": 0,
    "records": 0,
    "arrival": "",
    "pipeline": "",
    "stack": "",
    "backend": "",
    "status": "",
    "created": "",
    "created_us": 0,
    "logical_date": "",
    "ir": "",
    "ended": 0,
    "reopened": 0,
}
"""What is told of a run that others refer to and that is not in the ledger, or was not read yet."""

_Local = tuple[str, str, str, str]


class Writer:
    """Writes for as long as a transaction lasts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._next_run = self._first_free("runs")
        self._next_node = self._first_free("nodes")
        self._nodes: dict[int, dict[_Local, int]] = {}
        """The nodes of each run that was met, by all of their name but the run."""
        self._ids: dict[str, int] = {}
        self._new: list[tuple[int, int, str, str, str, str]] = []

    def put(self, rows: RunRows, markers: list[str], fresh: dict[str, bytes]) -> None:
        """Put in a run, unless another process has put in as much of it or more; its markers in any case."""
        run_id = self._run_id(rows.run["run"])
        self._insert("journal", 2, [(marker, run_id) for marker in markers])
        known, reopened, final, records, arrival = self.connection.execute(
            "SELECT known, reopened, final, records, arrival FROM runs WHERE id = ?", (run_id,)
        ).fetchone()
        arrival = min([*markers, *([arrival] if arrival else [])], default="")
        run = rows.run
        more = (run["reopened"], run["final"], run["records"]) > (reopened, final, records) or not known
        values = {**run, "arrival": arrival} if more else {"arrival": arrival}
        columns = ", ".join(f"{name} = ?" for name in values)
        self.connection.execute(f"UPDATE runs SET {columns} WHERE id = ?", (*values.values(), run_id))
        if more and run["reopened"] > reopened:  # what was told of some cells is so no more
            self._drop_details(run_id, kept="pending")
        if more:
            self._put_details(run_id, rows, fresh)

    def drop_markers(self, markers: Iterable[str]) -> None:
        self.connection.executemany("DELETE FROM journal WHERE marker = ?", [(marker,) for marker in markers])

    def drop_run(self, run_id: int) -> None:
        """Forget a run; what later runs took from it stays as a name.

        The row with the highest id stays too: another run must not get it, while a process knows it as this one's.
        """
        self._drop_details(run_id)
        self.connection.execute(
            "DELETE FROM nodes WHERE run_id = ? AND NOT EXISTS (SELECT 1 FROM edges WHERE source = nodes.id)", (run_id,)
        )
        columns = ", ".join(f"{name} = ?" for name in _STUB)
        self.connection.execute(f"UPDATE runs SET {columns} WHERE id = ?", (*_STUB.values(), run_id))
        self.connection.execute(
            "DELETE FROM runs WHERE id = ? AND NOT EXISTS (SELECT 1 FROM nodes WHERE run_id = runs.id) "
            "AND id < (SELECT MAX(id) FROM runs)",
            (run_id,),
        )

    # --- details ------------------------------------------------------------------------------------------------------

    def _drop_details(self, run_id: int, kept: str = "") -> None:
        for table in DETAILS:
            if table != kept:
                self.connection.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))

    def _put_details(self, run_id: int, rows: RunRows, fresh: dict[str, bytes]) -> None:
        ids = {node: self._node_id(node) for node in rows.nodes()}
        self._flush_nodes()
        self._insert("params", 3, [(run_id, *pair) for pair in rows.params])
        self._insert("tags", 3, [(run_id, *pair) for pair in rows.tags])
        self._insert("words", 2, [(run_id, word) for word in rows.words])
        self._insert("cells", 12, [(ids[node], run_id, *values) for node, values in rows.cells.items()])
        self._insert("artifacts", 8, [(ids[node], run_id, *values) for node, values in rows.artifacts.items()])
        self._insert("metrics", 5, [(ids[node], run_id, *values) for node, *values in rows.metrics])
        edges = [(ids[edge.target], ids[edge.source], edge.kind, edge.name, run_id) for edge in rows.edges]
        self._insert("edges", 5, edges)
        if rows.run["final"]:
            self.connection.execute("DELETE FROM pending WHERE run_id = ?", (run_id,))
        self._insert("pending", 3, [(run_id, place, record) for place, record in fresh.items()])

    def _insert(self, table: str, width: int, rows: Sequence[tuple[object, ...]]) -> None:
        """Rows never change, so one that is there is as good."""
        marks = ", ".join("?" * width)
        self.connection.executemany(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)

    # --- ids ----------------------------------------------------------------------------------------------------------

    def _first_free(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}").fetchone()[0])

    def _run_id(self, run: str) -> int:
        found = self.connection.execute("SELECT id FROM runs WHERE run = ?", (run,)).fetchone()
        if found is not None:
            return int(found[0])
        run_id, self._next_run = self._next_run, self._next_run + 1
        values = {"id": run_id, "run": run, **_STUB}
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO runs ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
        return run_id

    def _node_id(self, node: Node) -> int:
        known = self._of_run(node.run)
        local = node[1:]
        if local not in known:
            known[local], self._next_node = self._next_node, self._next_node + 1
            self._new.append((known[local], self._ids[node.run], *local))
        return known[local]

    def _of_run(self, run: str) -> dict[_Local, int]:
        run_id = self._ids.get(run)
        if run_id is None:
            run_id = self._ids[run] = self._run_id(run)
        if run_id not in self._nodes:
            rows = self.connection.execute(
                "SELECT kind, step, position, name, id FROM nodes WHERE run_id = ?", (run_id,)
            )
            self._nodes[run_id] = {(kind, step, position, name): node for kind, step, position, name, node in rows}
        return self._nodes[run_id]

    def _flush_nodes(self) -> None:
        self._insert("nodes", 6, list(self._new))
        self._new.clear()
