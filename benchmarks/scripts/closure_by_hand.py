"""All that a value came from, by hand: a recursive query in SQLite over integers, and its nodes and edges as JSON.

closure_by_hand.py FILE NODE         print the closure
closure_by_hand.py FILE GRAPH.json   make the file from what `pipeglot lineage --json` printed
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing

TABLES = """
CREATE TABLE nodes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE edges (target INTEGER NOT NULL, source INTEGER NOT NULL, PRIMARY KEY (target, source)) WITHOUT ROWID;
"""
WALK = """
CREATE TEMP TABLE found AS
WITH RECURSIVE walk(id) AS (
    SELECT id FROM nodes WHERE name = ? UNION SELECT edges.source FROM walk JOIN edges ON edges.target = walk.id
) SELECT id FROM walk
"""


def make(connection: sqlite3.Connection, file: str) -> None:
    with open(file, "rb") as opened:
        graph = json.load(opened)
    ids = {node["id"]: number for number, node in enumerate(graph["nodes"])}
    connection.executescript(TABLES)
    connection.executemany("INSERT INTO nodes VALUES (?, ?)", [(number, name) for name, number in ids.items()])
    edges = {(ids[edge["target"]], ids[edge["source"]]) for edge in graph["edges"]}
    connection.executemany("INSERT INTO edges VALUES (?, ?)", sorted(edges))
    connection.commit()


def show(connection: sqlite3.Connection, node: str) -> None:
    connection.execute(WALK, (node,))
    names = dict(connection.execute("SELECT id, name FROM found JOIN nodes USING (id)").fetchall())
    edges = connection.execute("SELECT source, target FROM found JOIN edges ON target = id").fetchall()
    found = [{"source": names[source], "target": names[target]} for source, target in edges]
    sys.stdout.write(json.dumps({"nodes": sorted(names.values()), "edges": found}))


if __name__ == "__main__":
    with closing(sqlite3.connect(sys.argv[1])) as connection:
        make(connection, sys.argv[2]) if sys.argv[2].endswith(".json") else show(connection, sys.argv[2])
