"""Write rows into the index, inside a transaction: ids are given here, and what is there is not written twice.

Many runs are put in with few statements, for a database may be far away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pipeglot.core.lineage.index.database import Connection
from pipeglot.core.lineage.index.rows import Node, RunRows
from pipeglot.core.lineage.index.schema import DETAILS, columns, short

CHUNK = 500
"""So many values stand in one statement."""

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
_RUN = tuple(columns("runs"))


class Found(NamedTuple):
    """A run that was read: its rows, its new markers, and if it is open, the raw records of it that are new."""

    rows: RunRows
    markers: list[str]
    fresh: dict[str, bytes]


class Writer:
    """Writes for as long as a transaction lasts."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.store = connection.store
        self._next_run = self._first_free("runs")
        self._next_node = self._first_free("nodes")
        self._ids: dict[str, int] = {}
        """Of each run that was met."""
        self._nodes: dict[int, dict[_Local, int]] = {}
        """The nodes of each run that was met, by all of their name but the run."""
        self._new: dict[str, list[tuple[Any, ...]]] = {}
        """The rows that are to be put in, by table."""

    def put(self, batch: Sequence[Found]) -> None:
        """Put in runs, each unless another process has put in as much of it or more; their markers in any case."""
        own = dict.fromkeys(found.rows.run["run"] for found in batch)
        others = dict.fromkeys(node.run for found in batch for node in found.rows.nodes())
        self._meet([*own, *others])
        self._flush()
        there = self._there([self._ids[run] for run in own])
        changed = []
        for found in batch:
            run_id = self._ids[found.rows.run["run"]]
            known, reopened, final, records, arrival = there[run_id]
            self._add("journal", ((self.store, marker, run_id) for marker in found.markers))
            arrival = min([*found.markers, *([arrival] if arrival else [])], default="")
            run = found.rows.run
            more = (run["reopened"], run["final"], run["records"]) > (reopened, final, records) or not known
            if more and run["reopened"] > reopened:  # what was told of some cells is so no more
                self._drop_details([run_id], kept="pending")
            if more:
                self._put_details(run_id, found.rows, found.fresh)
            changed.append((run_id, {**run, "arrival": arrival} if more else {"arrival": arrival}))
        self._update(changed)
        self._flush()

    def drop_markers(self, markers: Sequence[str]) -> None:
        for marks, chunk in _chunks(markers):
            statement = f"DELETE FROM journal WHERE store_id = ? AND marker IN ({marks})"
            self.connection.execute(statement, (self.store, *chunk))

    def drop_runs(self, ids: Sequence[int]) -> None:
        """Forget runs; what later runs took from them stays as a name.

        The row with the highest id stays too: another run must not get it, while a process knows it as this one's.
        """
        self._drop_details(ids)
        for marks, chunk in _chunks(ids):
            self.connection.execute(
                f"DELETE FROM nodes WHERE run_id IN ({marks}) "
                "AND NOT EXISTS (SELECT 1 FROM edges WHERE source = nodes.id)",
                chunk,
            )
            sets = ", ".join(f"{name} = ?" for name in _STUB)
            self.connection.execute(f"UPDATE runs SET {sets} WHERE id IN ({marks})", (*_STUB.values(), *chunk))
            self.connection.execute(
                f"DELETE FROM runs WHERE id IN ({marks}) AND NOT EXISTS (SELECT 1 FROM nodes WHERE run_id = runs.id) "
                "AND id < (SELECT MAX(id) FROM runs)",
                chunk,
            )

    # --- details ------------------------------------------------------------------------------------------------------

    def _drop_details(self, ids: Sequence[int], kept: str = "") -> None:
        for table in DETAILS:
            for marks, chunk in _chunks(ids) if table != kept else ():
                self.connection.execute(f"DELETE FROM {table} WHERE run_id IN ({marks})", chunk)

    def _put_details(self, run_id: int, rows: RunRows, fresh: dict[str, bytes]) -> None:
        ids = {node: self._node_id(node) for node in rows.nodes()}
        self._add("params", ((run_id, short(name), value) for name, value in rows.params))
        self._add("tags", ((run_id, short(name), value) for name, value in rows.tags))
        self._add("words", ((run_id, short(word)) for word in rows.words))
        self._add("cells", ((ids[node], run_id, *values) for node, values in rows.cells.items()))
        self._add("artifacts", ((ids[node], run_id, *values) for node, values in rows.artifacts.items()))
        self._add("metrics", ((ids[node], run_id, short(name), *told) for node, name, *told in rows.metrics))
        self._add(
            "edges",
            ((ids[edge.target], ids[edge.source], edge.kind, short(edge.name), run_id) for edge in rows.edges),
        )
        if rows.run["final"]:
            self.connection.execute("DELETE FROM pending WHERE run_id = ?", (run_id,))
        self._add("pending", ((run_id, place, record) for place, record in fresh.items()))

    def _add(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._new.setdefault(table, []).extend(rows)

    def _flush(self) -> None:
        """Rows never change, so one that is there is as good."""
        for table, rows in self._new.items():
            self.connection.insert(table, rows)
        self._new.clear()

    def _update(self, changed: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Those that change the same columns with one statement."""
        alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for run_id, values in changed:
            alike.setdefault(tuple(values), []).append((*values.values(), run_id))
        for names, rows in alike.items():
            sets = ", ".join(f"{name} = ?" for name in names)
            self.connection.executemany(f"UPDATE runs SET {sets} WHERE id = ?", rows)

    # --- ids ----------------------------------------------------------------------------------------------------------

    def _first_free(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}").fetchone()[0])

    def _meet(self, runs: Sequence[str]) -> None:
        """Learn the ids of runs and of their nodes. A run that is not there yet gets one."""
        unmet = [run for run in dict.fromkeys(runs) if run not in self._ids]
        for marks, chunk in _chunks(unmet):
            statement = f"SELECT run, id FROM runs WHERE store_id = ? AND run IN ({marks})"
            self._ids |= dict(self.connection.execute(statement, (self.store, *chunk)).fetchall())
        old = [self._ids[run] for run in unmet if run in self._ids]
        for run in unmet:
            if run not in self._ids:
                self._ids[run], self._next_run = self._next_run, self._next_run + 1
                values = {"id": self._ids[run], "store_id": self.store, "run": run, **_STUB}
                self._add("runs", [tuple(values.get(name) for name in _RUN)])
            self._nodes[self._ids[run]] = {}
        for marks, chunk in _chunks(old):
            statement = f"SELECT run_id, kind, step, position, name, id FROM nodes WHERE run_id IN ({marks})"
            for run_id, kind, step, position, name, node in self.connection.execute(statement, chunk):
                self._nodes[run_id][kind, step, position, name] = node

    def _there(self, ids: Sequence[int]) -> dict[int, tuple[int, int, int, int, str]]:
        """How much the index has of runs."""
        found: dict[int, tuple[int, int, int, int, str]] = {}
        for marks, chunk in _chunks(ids):
            statement = f"SELECT id, known, reopened, final, records, arrival FROM runs WHERE id IN ({marks})"
            found |= {row[0]: tuple(row[1:]) for row in self.connection.execute(statement, chunk)}
        return found

    def _node_id(self, node: Node) -> int:
        run_id = self._ids[node.run]
        known = self._nodes[run_id]
        local = node.kind, short(node.step), short(node.position), short(node.name)
        if local not in known:
            known[local], self._next_node = self._next_node, self._next_node + 1
            self._add("nodes", [(known[local], run_id, *local)])
        return known[local]


def _chunks(values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    for begin in range(0, len(values), CHUNK):
        chunk = values[begin : begin + CHUNK]
        yield ", ".join("?" * len(chunk)), chunk
