"""The tables of the index, in SQL that SQLite and PostgreSQL both take; their version, and the way from earlier ones.

Whatever the graph joins on is an integer. A node is an execution (`cell`), an output (`artifact`), all items of an
output in a map (`list`) or a parameter (`param`); an edge leads from what was there to what came of it. A run that some
refer to and that the ledger does not have (or not yet) is there with `known` 0, and its nodes have no details.

An index may be of several stores: runs and markers say of which, and all else belongs to a run. A run may be in two
stores, as one is a copy of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence

VERSION = "6"

TABLES: Mapping[str, Sequence[str]] = {
    "meta": ("name TEXT PRIMARY KEY", "value TEXT NOT NULL"),
    "stores": ("id BIGINT PRIMARY KEY", "name TEXT NOT NULL UNIQUE", "uri TEXT NOT NULL", "synced_us BIGINT NOT NULL"),
    "runs": (
        "id BIGINT PRIMARY KEY",
        "store_id BIGINT NOT NULL",
        "run TEXT NOT NULL",
        "known INTEGER NOT NULL",
        "final INTEGER NOT NULL",
        "records INTEGER NOT NULL",
        "arrival TEXT NOT NULL",
        "pipeline TEXT NOT NULL",
        "stack TEXT NOT NULL",
        "backend TEXT NOT NULL",
        "status TEXT NOT NULL",
        "created TEXT NOT NULL",
        "created_us BIGINT NOT NULL",
        "logical_date TEXT NOT NULL",
        "finished TEXT",
        "digest TEXT",
        "ir TEXT NOT NULL",
        "resumes TEXT",
        "ended INTEGER NOT NULL",
        "reopened INTEGER NOT NULL",
        "UNIQUE (store_id, run)",
    ),
    "journal": (
        "store_id BIGINT NOT NULL",
        "marker TEXT NOT NULL",
        "run_id BIGINT NOT NULL",
        "PRIMARY KEY (store_id, marker)",
    ),
    "pending": ("run_id BIGINT NOT NULL", "place TEXT NOT NULL", "record BLOB NOT NULL", "PRIMARY KEY (run_id, place)"),
    "params": ("run_id BIGINT NOT NULL", "name TEXT NOT NULL", "value TEXT NOT NULL", "PRIMARY KEY (run_id, name)"),
    "tags": ("run_id BIGINT NOT NULL", "name TEXT NOT NULL", "value TEXT", "PRIMARY KEY (run_id, name)"),
    "words": ("run_id BIGINT NOT NULL", "word TEXT NOT NULL", "PRIMARY KEY (run_id, word)"),
    "nodes": (
        "id BIGINT PRIMARY KEY",
        "run_id BIGINT NOT NULL",
        "kind TEXT NOT NULL",
        "step TEXT NOT NULL",
        "position TEXT NOT NULL",
        "name TEXT NOT NULL",
        "UNIQUE (run_id, step, kind, position, name)",
    ),
    "cells": (
        "node_id BIGINT PRIMARY KEY",
        "run_id BIGINT NOT NULL",
        "ordinal INTEGER NOT NULL",
        "status TEXT NOT NULL",
        "attempts INTEGER NOT NULL",
        "seconds DOUBLE PRECISION NOT NULL",
        "started TEXT NOT NULL",
        "code TEXT NOT NULL",
        "cache_key TEXT NOT NULL",
        "origin_run TEXT",
        "origin_step TEXT",
        "origin_position TEXT",
    ),
    "artifacts": (
        "node_id BIGINT PRIMARY KEY",
        "run_id BIGINT NOT NULL",
        "value TEXT NOT NULL",
        "blob TEXT NOT NULL",
        "size BIGINT NOT NULL",
        "codec TEXT NOT NULL",
        "opaque INTEGER NOT NULL",
        "length BIGINT",
    ),
    "metrics": (
        "node_id BIGINT NOT NULL",
        "run_id BIGINT NOT NULL",
        "name TEXT NOT NULL",
        "number DOUBLE PRECISION",
        "value TEXT NOT NULL",
        "PRIMARY KEY (node_id, name)",
    ),
    "edges": (
        "target BIGINT NOT NULL",
        "source BIGINT NOT NULL",
        "kind TEXT NOT NULL",
        "name TEXT NOT NULL",
        "run_id BIGINT NOT NULL",
        "PRIMARY KEY (target, source, kind, name)",
    ),
}
"""`words` are the tags of the pipeline itself, `tags` those that a run was given. `pending` has the records of runs
that still go on, so that no record is read twice. `runs.final`: its end is on record; `runs.ended`: nothing is left to
do in it, though nobody may have put that on record. `runs.records` counts a run's verdicts: more of them is later;
`runs.reopened` counts the slots that were opened again, which comes before all else. An edge belongs to the run
(`run_id`) whose records tell of it, which is that of its target. `stores.synced_us`: when the index last had all that
the store had, in microseconds since 1970."""

INDEXES = {
    "runs_by_arrival": "runs (store_id, arrival)",
    "runs_by_pipeline": "runs (store_id, pipeline, arrival)",
    "cells_by_run": "cells (run_id)",
    "artifacts_by_run": "artifacts (run_id)",
    "metrics_by_run": "metrics (run_id, name)",
    "edges_by_source": "edges (source)",
    "edges_by_run": "edges (run_id)",
}

DETAILS = ("pending", "params", "tags", "words", "cells", "artifacts", "metrics", "edges")
"""All that is told of a run, by `run_id`, but for its nodes, which others may refer to."""

MARK = "the index of a store of pipeglot: it is made anew from the store whenever it is lost"
"""What each table of a shared index says of itself, so that nobody else's is ever taken for one."""

_TYPES = {"sqlite": {}, "postgresql": {"BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}}
"""What a type is called elsewhere. Text is compared by its bytes, as SQLite does it, whatever way the database has."""


LONG = 800
"""Bytes of a name; three of them and some numbers have room in a row of an index of PostgreSQL's."""


def short(name: str) -> str:
    """As what a name stands in the index, of which there are some that somebody computed."""
    if len(name) <= LONG // 4:
        return name
    data = name.encode("utf-8", "surrogatepass")
    return name if len(data) <= LONG else f"{name[:100]}… {hashlib.sha256(data).hexdigest()}"


def columns(table: str) -> dict[str, str]:
    """The columns of a table, in their order, by the first word of their type."""
    pairs = (definition.split()[:2] for definition in TABLES[table])
    return {name: kind for name, kind in pairs if name not in ("PRIMARY", "UNIQUE")}


def create(dialect: str, kept: Collection[str] = ()) -> Iterator[str]:
    """The statements that make an empty index. Tables that are `kept` are there, and empty."""
    for name in TABLES:
        if name not in kept:
            yield create_table(name, dialect)
    yield from _marks(dialect)
    for name, on in INDEXES.items():
        yield f"CREATE INDEX IF NOT EXISTS {name} ON {on}"
    yield f"INSERT INTO meta (name, value) VALUES ('version', '{VERSION}')"


def create_table(name: str, dialect: str, *, called: str = "") -> str:
    kinds = columns(name)
    renamed = []
    for definition in TABLES[name]:
        column, _, rest = definition.partition(" ")
        kind = kinds.get(column, "")
        renamed.append(f"{column} {_TYPES[dialect].get(kind, kind)}{rest.removeprefix(kind)}" if kind else definition)
    return f"CREATE TABLE {called or name} ({', '.join(renamed)})"


def _marks(dialect: str) -> list[str]:
    return [f"COMMENT ON TABLE {name} IS '{MARK}'" for name in TABLES] if dialect == "postgresql" else []


# --- earlier versions -------------------------------------------------------------------------------------------------


def migrate(version: str, dialect: str) -> list[str] | None:
    """The statements that make an index of that version one of this, with all that it has. None if there is no way."""
    found = []
    while version != VERSION:
        if version not in MIGRATIONS:
            return None
        following, statements = MIGRATIONS[version]
        found += statements(dialect)
        version = following
    return [*found, f"UPDATE meta SET value = '{VERSION}' WHERE name = 'version'"] if found else []


def is_later(version: str) -> bool:
    """Whether a later pipeglot made it."""
    return version.isascii() and version.isdigit() and int(version) > int(VERSION)


def _several_stores(dialect: str) -> list[str]:
    """4 to 5: of several stores. SQLite changes no constraint of a table, so that two are made anew.

    The one store that there is gets its name when it is next asked for.
    """
    own = ", ".join(name for name in columns("runs") if name != "store_id")
    return [
        create_table("stores", dialect),
        "INSERT INTO stores (id, name, uri, synced_us) VALUES (1, '', '', 0)",
        "DROP INDEX runs_by_arrival",
        "DROP INDEX runs_by_pipeline",
        create_table("runs", dialect, called="runs_5"),
        f"INSERT INTO runs_5 (store_id, {own}) SELECT 1, {own} FROM runs",
        "DROP TABLE runs",
        "ALTER TABLE runs_5 RENAME TO runs",
        create_table("journal", dialect, called="journal_5"),
        "INSERT INTO journal_5 (store_id, marker, run_id) SELECT 1, marker, run_id FROM journal",
        "DROP TABLE journal",
        "ALTER TABLE journal_5 RENAME TO journal",
        *(f"CREATE INDEX {name} ON {INDEXES[name]}" for name in ("runs_by_arrival", "runs_by_pipeline")),
    ]


def _marked(dialect: str) -> list[str]:
    """5 to 6: tables say whose they are; nobody ever asked for an artifact by its value."""
    return ["DROP INDEX IF EXISTS artifacts_by_value", *_marks(dialect)]


MIGRATIONS = {"4": ("5", _several_stores), "5": ("6", _marked)}
"""By version: the next one, and what leads there. Versions before 4 are made anew."""
