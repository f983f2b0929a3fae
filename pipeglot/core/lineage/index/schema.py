"""The tables of the index, in SQL that SQLite and PostgreSQL both take, and the version that they have.

Whatever the graph joins on is an integer. A node is an execution (`cell`), an output (`artifact`), all items of an
output in a map (`list`) or a parameter (`param`); an edge leads from what was there to what came of it. A run that some
refer to and that the ledger does not have (or not yet) is there with `known` 0, and its nodes have no details.

There is no migration: an index of another version is made anew, for the ledger has all of it.
"""

from __future__ import annotations

VERSION = "4"

TABLES = {
    "meta": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "runs": """
        id BIGINT PRIMARY KEY, run TEXT NOT NULL UNIQUE, known INTEGER NOT NULL, final INTEGER NOT NULL,
        records INTEGER NOT NULL, arrival TEXT NOT NULL, pipeline TEXT NOT NULL, stack TEXT NOT NULL,
        backend TEXT NOT NULL, status TEXT NOT NULL, created TEXT NOT NULL, created_us BIGINT NOT NULL,
        logical_date TEXT NOT NULL, finished TEXT, digest TEXT, ir TEXT NOT NULL, resumes TEXT, ended INTEGER NOT NULL,
        reopened INTEGER NOT NULL
    """,
    "journal": "marker TEXT PRIMARY KEY, run_id BIGINT NOT NULL",
    "pending": "run_id BIGINT NOT NULL, place TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (run_id, place)",
    "params": "run_id BIGINT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_id, name)",
    "tags": "run_id BIGINT NOT NULL, name TEXT NOT NULL, value TEXT, PRIMARY KEY (run_id, name)",
    "words": "run_id BIGINT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (run_id, word)",
    "nodes": """
        id BIGINT PRIMARY KEY, run_id BIGINT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL, position TEXT NOT NULL,
        name TEXT NOT NULL, UNIQUE (run_id, step, kind, position, name)
    """,
    "cells": """
        node_id BIGINT PRIMARY KEY, run_id BIGINT NOT NULL, ordinal INTEGER NOT NULL, status TEXT NOT NULL,
        attempts INTEGER NOT NULL, seconds REAL NOT NULL, started TEXT NOT NULL, code TEXT NOT NULL,
        cache_key TEXT NOT NULL, origin_run TEXT, origin_step TEXT, origin_position TEXT
    """,
    "artifacts": """
        node_id BIGINT PRIMARY KEY, run_id BIGINT NOT NULL, value TEXT NOT NULL, blob TEXT NOT NULL,
        size BIGINT NOT NULL, codec TEXT NOT NULL, opaque INTEGER NOT NULL, length BIGINT
    """,
    "metrics": """
        node_id BIGINT NOT NULL, run_id BIGINT NOT NULL, name TEXT NOT NULL, number REAL, value TEXT NOT NULL,
        PRIMARY KEY (node_id, name)
    """,
    "edges": """
        target BIGINT NOT NULL, source BIGINT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, run_id BIGINT NOT NULL,
        PRIMARY KEY (target, source, kind, name)
    """,
}
"""`words` are the tags of the pipeline itself, `tags` those that a run was given. `pending` has the records of runs
that still go on, so that no record is read twice. `runs.final`: its end is on record; `runs.ended`: nothing is left to
do in it, though nobody may have put that on record. `runs.records` counts a run's verdicts: more of them is later;
`runs.reopened` counts the slots that were opened again, which comes before all else. An edge belongs to the run
(`run_id`) whose records tell of it, which is that of its target."""

INDEXES = {
    "runs_by_arrival": "runs (arrival)",
    "runs_by_pipeline": "runs (pipeline, arrival)",
    "cells_by_run": "cells (run_id)",
    "artifacts_by_run": "artifacts (run_id)",
    "artifacts_by_value": "artifacts (value)",
    "metrics_by_run": "metrics (run_id, name)",
    "edges_by_source": "edges (source)",
    "edges_by_run": "edges (run_id)",
}

DETAILS = ("pending", "params", "tags", "words", "cells", "artifacts", "metrics", "edges")
"""All that is told of a run, by `run_id`, but for its nodes, which others may refer to."""


def create() -> list[str]:
    """The statements that make an empty index."""
    made = [f"CREATE TABLE {name} ({columns.strip()})" for name, columns in TABLES.items()]
    made += [f"CREATE INDEX {name} ON {columns}" for name, columns in INDEXES.items()]
    return [*made, f"INSERT INTO meta (name, value) VALUES ('version', '{VERSION}')"]
