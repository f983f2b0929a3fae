"""What lies in the schema of a shared index: tables of ours, whole or not, or somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.core.lineage.index import schema
from pipeglot.core.lineage.index.database import Unavailable

if TYPE_CHECKING:
    import psycopg

SCHEMA = "pipeglot"

_KINDS = {"BLOB": "bytea", "DOUBLE": "double precision"}
_TABLES = """
SELECT c.relname::text, c.relkind::text, COALESCE(obj_description(c.oid, 'pg_class') = %s, false),
    (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, NULL) ORDER BY a.attnum) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s)
"""


class Catalog(NamedTuple):
    """The tables that there are, by those names that ours have. `version` and `made` are empty if they are not told."""

    exists: bool
    """Whether there is a schema of that name."""
    marked: frozenset[str]
    """Those that say that they are ours."""
    whole: frozenset[str]
    """Those that are as ours are in this version."""
    there: frozenset[str]
    version: str
    made: str

    @property
    def is_whole(self) -> bool:
        """Whether it is an index of this version, with nothing missing."""
        return self.version == schema.VERSION and bool(self.made) and self.whole == set(schema.TABLES)


def type_of(kind: str) -> str:
    """What PostgreSQL calls a type of the schema."""
    return _KINDS.get(kind, kind.lower())


def look(raw: psycopg.Connection[Any]) -> Catalog:
    """Within a transaction, and by the catalog alone, so that no table can be in the way."""
    (exists,) = raw.execute("SELECT to_regnamespace(%s) IS NOT NULL", [SCHEMA]).fetchone() or (False,)
    rows = raw.execute(_TABLES, [schema.MARK, SCHEMA, list(schema.TABLES)]).fetchall()
    marked = {name for name, _, ours, _ in rows if ours}
    whole = {name for name, kind, _, columns in rows if kind == "r" and columns == _columns(name)}
    told: dict[str, str] = {}
    if "meta" in whole:
        told = dict(raw.execute(f"SELECT name, value FROM {SCHEMA}.meta".encode()).fetchall())
    if "made" in told:  # so that of a version which marked none is known for ours
        marked = {name for name, *_ in rows}
    there = frozenset(name for name, *_ in rows)
    return Catalog(exists, frozenset(marked), frozenset(whole), there, told.get("version", ""), told.get("made", ""))


def anew(found: Catalog) -> Iterator[str]:
    """The statements that make an empty index. Tables that are whole stay, for the sake of what others made of them.

    Raises `Unavailable` if something there is not ours.
    """
    strangers = sorted(found.there - found.marked)
    if strangers:
        raise Unavailable(
            f"in its schema `{SCHEMA}` there is a `{strangers[0]}` that pipeglot did not make: it needs a database "
            "without one"
        )
    if not found.exists:
        yield f"CREATE SCHEMA {SCHEMA}"
    kept = sorted(found.whole)
    if kept:
        yield f"TRUNCATE {', '.join(kept)}"
    damaged = sorted(found.there - found.whole)
    if damaged:
        yield f"DROP TABLE {', '.join(damaged)}"
    yield from schema.create("postgresql", kept=kept)


def _columns(table: str) -> list[str]:
    return [f"{name} {type_of(kind)}" for name, kind in schema.columns(table).items()]
