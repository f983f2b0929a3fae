"""Questions to the index, in SQL. All values go in as parameters; what is asked for is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from pipeglot.core.lineage.index.database import Connection
from pipeglot.core.lineage.index.schema import short

CHUNK = 500
"""So many ids stand in one statement."""

OPERATORS = (">=", "<=", "!=", "=", ">", "<")
"""Longest first, as a reader of text must try them."""

Direction = Literal["up", "down"]

_RUN = (
    "r.id, r.run, r.pipeline, r.stack, r.backend, r.status, r.created, r.created_us, r.logical_date, r.finished, "
    "r.digest, r.resumes"
)
_METRIC = (
    "FROM metrics m JOIN nodes n ON n.id = m.node_id "
    "WHERE m.run_id = r.id AND (m.name = ? OR n.step || '.' || m.name = ?)"
)


class RunFilter(NamedTuple):
    """Which runs are asked for. Of each list, one must fit; of params, tags and metrics, all."""

    since: int | None = None
    until: int | None = None
    statuses: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name, and the texts that the value may have."""
    tags: tuple[tuple[str, str | None], ...] = ()
    """Name and value; without one, also a word of the pipeline's own."""
    metrics: tuple[tuple[str, str, float], ...] = ()
    """Name, operator, number: some execution of the run fits."""
    sort: tuple[str, bool] | None = None
    """A metric, and whether the highest comes first."""
    before: str | None = None
    """Only runs that arrived before this one."""
    limit: int = 0


class RunRow(NamedTuple):
    """A run as the index has it."""

    id: int
    run: str
    pipeline: str
    stack: str
    backend: str
    status: str
    created: str
    created_us: int
    logical_date: str
    finished: str | None
    digest: str | None
    resumes: str | None


class Metric(NamedTuple):
    """A number that an execution logged; `value` is its JSON text."""

    step: str
    position: str
    name: str
    value: str


class NodeRow(NamedTuple):
    """A node of the graph, with what is known of it."""

    id: int
    run: str
    known: bool
    pipeline: str
    kind: str
    step: str
    position: str
    name: str
    status: str | None
    origin_run: str | None
    value: str | None
    size: int | None
    codec: str | None
    opaque: bool | None
    length: int | None
    given: str | None


class EdgeRow(NamedTuple):
    """An edge of the graph."""

    source: int
    target: int
    kind: str
    name: str


# --- runs -------------------------------------------------------------------------------------------------------------


def count_runs(connection: Connection, wanted: RunFilter) -> int:
    where, values = _where(wanted, connection.store)
    return int(connection.execute(f"SELECT COUNT(*) FROM runs r WHERE {where}", values).fetchone()[0])


def list_runs(connection: Connection, wanted: RunFilter) -> list[RunRow]:
    """The runs, the latest to arrive first, or by a metric."""
    where, values = _where(wanted, connection.store)
    order = "r.arrival DESC"
    if wanted.sort is not None:
        name, descending = wanted.sort
        best, how = ("MAX", "DESC") if descending else ("MIN", "ASC")
        order = f"(SELECT {best}(m.number) {_METRIC}) {how} NULLS LAST, {order}"
        values += [_as_utf8(short(name)), _as_utf8(name)]
    limit = f" LIMIT {wanted.limit:d}" if wanted.limit else ""
    rows = connection.execute(f"SELECT {_RUN} FROM runs r WHERE {where} ORDER BY {order}{limit}", values)
    return [RunRow(*row) for row in rows]


def _where(wanted: RunFilter, store: int) -> tuple[str, list[Any]]:
    terms, values = ["r.store_id = ? AND r.known = 1"], list[Any]([store])
    if wanted.since is not None:
        terms.append("r.created_us >= ?")
        values.append(wanted.since)
    if wanted.until is not None:
        terms.append("r.created_us < ?")
        values.append(wanted.until)
    for column, among in (("status", wanted.statuses), ("pipeline", wanted.pipelines)):
        if among:
            terms.append(f"r.{column} IN ({_marks(among)})")
            values += among
    if wanted.before is not None:
        terms.append("r.arrival < (SELECT arrival FROM runs WHERE store_id = ? AND run = ?)")
        values += [store, wanted.before]
    for name, texts in wanted.params:
        terms.append(
            f"EXISTS (SELECT 1 FROM params p WHERE p.run_id = r.id AND p.name = ? AND p.value IN ({_marks(texts)}))"
        )
        values += [short(name), *texts]
    for name, value in wanted.tags:
        term, given = _tag(name, value)
        terms.append(term)
        values += given
    for name, operator, number in wanted.metrics:
        if operator not in OPERATORS:
            raise ValueError(operator)
        terms.append(f"EXISTS (SELECT 1 {_METRIC} AND m.number {operator} ?)")
        values += [short(name), name, number]
    return " AND ".join(terms), [_as_utf8(value) if isinstance(value, str) else value for value in values]


def _as_utf8(text: str) -> str:
    """Databases take no other; what was typed and has none is nobody's name."""
    return text.encode("utf-8", "backslashreplace").decode()


def _tag(name: str, value: str | None) -> tuple[str, list[str]]:
    own = "SELECT 1 FROM tags t WHERE t.run_id = r.id AND t.name = ?"
    if value is not None:
        return f"EXISTS ({own} AND t.value = ?)", [short(name), value]
    word = "SELECT 1 FROM words w WHERE w.run_id = r.id AND w.word = ?"
    return f"(EXISTS ({own}) OR EXISTS ({word}))", [short(name)] * 2


def params_of(connection: Connection, runs: Sequence[int]) -> dict[int, dict[str, str]]:
    """The parameters of runs, as JSON texts by name."""
    return _pairs(connection, "SELECT run_id, name, value FROM params WHERE run_id IN ({})", runs)


def tags_of(connection: Connection, runs: Sequence[int]) -> dict[int, dict[str, str]]:
    return _pairs(connection, "SELECT run_id, name, value FROM tags WHERE run_id IN ({})", runs)


def words_of(connection: Connection, runs: Sequence[int]) -> dict[int, dict[str, str]]:
    return _pairs(connection, "SELECT run_id, word, word FROM words WHERE run_id IN ({}) ORDER BY word", runs)


def metrics_of(connection: Connection, runs: Sequence[int]) -> dict[int, list[Metric]]:
    """The metrics of runs, in the order of their steps."""
    found: dict[int, list[Metric]] = {run: [] for run in runs}
    statement = (
        "SELECT m.run_id, n.step, n.position, m.name, m.value FROM metrics m JOIN nodes n ON n.id = m.node_id "
        "JOIN cells c ON c.node_id = m.node_id WHERE m.run_id IN ({}) ORDER BY c.ordinal, m.node_id"
    )
    for run, *rest in _in_chunks(connection, statement, runs):
        found[run].append(Metric(*rest))
    return found


def known_names(connection: Connection, of: Literal["pipelines", "params", "tags", "metrics"]) -> list[str]:
    """Which there are, to say what somebody may have meant."""
    there = "SELECT DISTINCT {0} FROM {1} d JOIN runs r ON r.id = d.run_id WHERE r.store_id = ?"
    tags, words = there.format("d.name", "tags"), there.format("d.word", "words")
    statements = {
        "pipelines": "SELECT DISTINCT pipeline FROM runs WHERE store_id = ? AND known = 1",
        "params": there.format("d.name", "params"),
        "tags": f"{tags} UNION {words}",
        "metrics": there.format("d.name", "metrics"),
    }
    values = [connection.store] * statements[of].count("?")
    return sorted(row[0] for row in connection.execute(statements[of], values))


def totals(connection: Connection) -> dict[str, int]:
    """How much the index holds of the store."""
    of_run = "SELECT COUNT(*) FROM {} d JOIN runs r ON r.id = d.run_id WHERE r.store_id = ?"
    statements = {
        "runs": "SELECT COUNT(*) FROM runs WHERE store_id = ? AND known = 1",
        **{table: of_run.format(table) for table in ("cells", "artifacts", "edges")},
    }
    return {name: int(connection.execute(text, (connection.store,)).fetchone()[0]) for name, text in statements.items()}


def markers(connection: Connection) -> dict[str, int]:
    """The run of each marker of the journal that was read."""
    found = connection.execute("SELECT marker, run_id FROM journal WHERE store_id = ?", (connection.store,))
    return dict(found.fetchall())


def journal(connection: Connection) -> tuple[str, int]:
    """What stands for all markers, and when the index last had all that the store had, or 0."""
    statement = f"SELECT {connection.journal}, synced_us FROM stores WHERE id = ?"
    found = connection.execute(statement, (connection.store,)).fetchone()
    return (found[0] or "", int(found[1])) if found else ("", 0)


def synced(connection: Connection) -> int | None:
    """When the index last had all that the store had, in microseconds since 1970; None if it never had."""
    found = connection.execute("SELECT synced_us FROM stores WHERE id = ?", (connection.store,)).fetchone()
    return int(found[0]) or None if found else None


def earlier_runs(connection: Connection, run: str, step: str, position: str, most: int) -> list[str]:
    """The runs that came before `run`, of the same pipeline, in which that execution succeeded; the latest first."""
    rows = connection.execute(
        "SELECT r.run FROM runs this JOIN runs r ON r.store_id = this.store_id AND r.pipeline = this.pipeline "
        "AND r.arrival < this.arrival "
        "JOIN nodes n ON n.run_id = r.id AND n.kind = 'cell' AND n.step = ? AND n.position = ? "
        "JOIN cells c ON c.node_id = n.id AND c.status = 'succeeded' "
        "WHERE this.store_id = ? AND this.run = ? AND r.known = 1 ORDER BY r.arrival DESC LIMIT ?",
        (short(step), short(position), connection.store, run, most),
    )
    return [row[0] for row in rows]


# --- the graph --------------------------------------------------------------------------------------------------------

_COMPUTED_ELSEWHERE = (
    "NOT (e.kind = 'output' AND EXISTS (SELECT 1 FROM edges o JOIN artifacts a ON a.node_id = o.source "
    "WHERE o.target = e.target AND o.kind = 'reused'))"
)
"""Upwards, an output that was reused came from the execution that computed it, not from the one that found it in the
cache; unless the former's run is not there any more."""


def node_id(connection: Connection, run: str, kind: str, step: str, position: str, name: str) -> int | None:
    found = connection.execute(
        "SELECT n.id FROM nodes n JOIN runs r ON r.id = n.run_id "
        "WHERE r.store_id = ? AND r.run = ? AND n.kind = ? AND n.step = ? AND n.position = ? AND n.name = ?",
        (connection.store, run, kind, short(step), short(position), short(name)),
    ).fetchone()
    return int(found[0]) if found else None


def nodes_of_run(connection: Connection, run: str, most: int) -> list[int]:
    rows = connection.execute(
        "SELECT n.id FROM nodes n JOIN runs r ON r.id = n.run_id WHERE r.store_id = ? AND r.run = ? "
        "ORDER BY n.id LIMIT ?",
        (connection.store, run, most),
    )
    return [row[0] for row in rows]


def given_to_run(connection: Connection, run: str, most: int) -> list[int]:
    """The artifacts of other runs that the parameters of a run name."""
    rows = connection.execute(
        "SELECT DISTINCT e.source FROM runs r JOIN edges e ON e.run_id = r.id "
        "WHERE r.store_id = ? AND r.run = ? AND e.kind = 'given' ORDER BY e.source LIMIT ?",
        (connection.store, run, most),
    )
    return [row[0] for row in rows]


def walk(connection: Connection, seeds: Sequence[int], direction: Direction, depth: int | None, most: int) -> list[int]:
    """The nodes that can be reached, the nearest first, at most `most`. `depth` counts executions."""
    near, far = ("target", "source") if direction == "up" else ("source", "target")
    only = f"AND {_COMPUTED_ELSEWHERE}" if direction == "up" else ""
    if depth is not None:
        step = "output" if direction == "up" else "input"
        statement = f"SELECT e.{far}, e.kind = '{step}' FROM edges e WHERE e.{near} IN ({{}}) {only}"
        return _walk_so_far(connection, statement, seeds, depth, most)
    with connection.numbers(seeds) as there:  # a walk from each 500 would go the same ways again and again
        rows = connection.execute(
            f"WITH RECURSIVE walk(id) AS (SELECT n.id FROM {there} JOIN nodes n ON n.id = numbers.id UNION "
            f"SELECT e.{far} FROM walk JOIN edges e ON e.{near} = walk.id WHERE 1 = 1 {only}) "
            f"SELECT id FROM walk LIMIT {most:d}"
        )
        return [row[0] for row in rows]


def _walk_so_far(connection: Connection, statement: str, seeds: Sequence[int], depth: int, most: int) -> list[int]:
    """Distance by distance, so that each node is met once: a recursive statement meets it at each of its distances."""
    there = "SELECT id FROM nodes WHERE id IN ({})"
    found = dict.fromkeys(row[0] for row in _in_chunks(connection, there, seeds))
    here = list(found)
    while here and len(found) < most:
        farther: dict[int, None] = {}
        while here and len(found) < most:
            rows = list(_in_chunks(connection, statement, here))
            here = list(dict.fromkeys(node for node, counts in rows if not counts and node not in found))
            found.update(dict.fromkeys(here))
            farther.update(dict.fromkeys(node for node, counts in rows if counts))
        here = [node for node in farther if node not in found] if depth else []
        found.update(dict.fromkeys(here))
        depth -= 1
    return list(found)[:most]


def nodes(connection: Connection, ids: Sequence[int]) -> list[NodeRow]:
    """What is known of nodes."""
    statement = (
        "SELECT n.id, r.run, r.known, r.pipeline, n.kind, n.step, n.position, n.name, c.status, c.origin_run, a.value, "
        "a.size, a.codec, a.opaque, a.length, p.value FROM nodes n JOIN runs r ON r.id = n.run_id "
        "LEFT JOIN cells c ON c.node_id = n.id LEFT JOIN artifacts a ON a.node_id = n.id "
        "LEFT JOIN params p ON n.kind = 'param' AND p.run_id = n.run_id AND p.name = n.name WHERE n.id IN ({})"
    )
    found = {row[0]: NodeRow(*row) for row in _in_chunks(connection, statement, ids)}
    return [found[one] for one in ids if one in found]


def edges(connection: Connection, ids: Sequence[int], *, upwards: bool) -> list[EdgeRow]:
    """The edges among nodes; `upwards`: those that a walk up goes along."""
    inside = set(ids)
    only = f"AND {_COMPUTED_ELSEWHERE}" if upwards else ""
    statement = f"SELECT e.source, e.target, e.kind, e.name FROM edges e WHERE e.target IN ({{}}) {only}"
    return [EdgeRow(*row) for row in _in_chunks(connection, statement, ids) if row[0] in inside]


# --- parts ------------------------------------------------------------------------------------------------------------


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _in_chunks(connection: Connection, statement: str, ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement for all ids, of which there may be more than a statement takes."""
    for begin in range(0, len(ids), CHUNK):
        chunk = ids[begin : begin + CHUNK]
        yield from connection.execute(statement.format(_marks(chunk)), chunk)


def _pairs(connection: Connection, statement: str, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {one: {} for one in ids}
    rows: Iterable[tuple[Any, ...]] = _in_chunks(connection, statement, ids)
    for one, name, value in rows:
        found[one][name] = value
    return found
