"""What a value came from, and what was made of it: the graph of executions and artifacts, across runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from pipeglot.client.indexed import Index
from pipeglot.client.records import Found, Records
from pipeglot.core.errors import StoreError
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection
from pipeglot.core.lineage.index.queries import NodeRow
from pipeglot.core.lineage.index.rows import ARTIFACT, CELL, LIST, position_text
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.naming import find_artifact
from pipeglot.core.lineage.view import artifact_id

MOST = 50_000
"""A graph has no more nodes than that; it says when it was cut."""

Directions = tuple[Literal["up", "down"], ...]


class GraphNode(Struct, frozen=True, kw_only=True):
    """One node: an execution, a value, or a parameter.

    id: what edges name it by; of an artifact, as `artifact get` takes it.
    kind: `step` (an execution), `artifact`, `list` (all items of an output in a map) or `param`.
    run_id: the run that it belongs to.
    pipeline: that run's pipeline.
    known: false if that run is not in the store (any more): then nothing is told but what it is called.
    step: the step that it is an execution or output of; empty for a parameter.
    index: the position in each enclosing map; empty outside maps. Of a list, only in the maps around that map.
    name: of the output or parameter; empty for an execution, and for a list of all outputs.
    status: of an execution, `succeeded`, `failed`, `skipped`, `cancelled` or `lost`; null for others.
    origin: the run that computed what an execution took from the cache; null if it computed that itself.
    value: of an artifact, the hash of its logical value: its identity in lineage; null for others.
    size: of an artifact, the bytes that are stored; null for others.
    codec: of an artifact, how it is stored, as `json/1`; null for others.
    opaque: whether it is an artifact without a canonical form (a pickle).
    length: of an artifact that is a list, the number of its items; null for others.
    given: of a parameter, its value; null for others.
    """

    id: str
    kind: Literal["step", "artifact", "list", "param"]
    run_id: str
    pipeline: str
    known: bool
    step: str = ""
    index: tuple[int, ...] = ()
    name: str = ""
    status: str | None = None
    origin: str | None = None
    value: str | None = None
    size: int | None = None
    codec: str | None = None
    opaque: bool = False
    length: int | None = None
    given: Any = None


class GraphEdge(Struct, frozen=True, kw_only=True):
    """Something that came of something else.

    source: the id of the node that was there first.
    target: the id of the node that came of it.
    kind: `input`, `output`, `item` (of a list), `reused` (from the cache, or from a resumed run) or `given` (as an
        artifact parameter).
    name: of an input, the argument's name; empty for others.
    """

    source: str
    target: str
    kind: str
    name: str = ""


class Graph(Struct, frozen=True, kw_only=True):
    """The lineage of a run or an artifact.

    of: the full id of the run or artifact.
    kind: which of the two it is.
    directions: which ways were followed: `up` to what it came from, `down` to what was made of it. Of a run, none
        of them means the run alone.
    nodes: sorted by run, step and index.
    edges: those between these nodes, sorted by target.
    truncated: whether farther nodes were left out, as there are more than 50,000.
    """

    of: str
    kind: Literal["run", "artifact"]
    directions: tuple[str, ...]
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    truncated: bool


class DigestCheck(Struct, frozen=True, kw_only=True):
    """The lineage digest of a run, derived from its records now, and what was recorded when it ended.

    run_id: its id.
    status: `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    lineage_digest: what the records give now; null while the run goes on, and if it was cancelled or lost.
    recorded: what was recorded at its end; null if there was none.
    verified: whether its end is on record, with this digest.
    """

    run_id: str
    status: str
    lineage_digest: str | None
    recorded: str | None
    verified: bool


def artifact_graph(index: Index, text: str, directions: Directions, depth: int | None) -> Graph:
    """The lineage of an artifact. Raises `NotFound`, and `StoreError` if its run cannot be read."""
    artifact = find_artifact(index.records, text)
    run, (step, at) = artifact.found.start.run, artifact.cell
    place = (run, ARTIFACT, step, position_text(at), artifact.output)

    def ask(connection: Connection) -> Graph:
        seed = queries.node_id(connection, *place)
        if seed is None:
            raise _not_indexed(run)
        ids: dict[int, None] = {}
        edges: dict[queries.EdgeRow, None] = {}
        for direction in directions:
            part = queries.walk(connection, [seed], direction, depth, MOST + 1)
            ids.update(dict.fromkeys(part))
            edges.update(dict.fromkeys(queries.edges(connection, part[:MOST], upwards=direction == "up")))
        return _graph(connection, artifact_id(run, artifact.cell, artifact.output), "artifact", directions, ids, edges)

    return index.ask(ask)


def run_graph(index: Index, found: Found, directions: Directions, depth: int | None) -> Graph:
    """All of a run, with the artifacts of others that it was given; `directions` go on from there into other runs."""
    run = found.start.run

    def ask(connection: Connection) -> Graph:
        own = queries.nodes_of_run(connection, run, MOST + 1)
        if not own and found.state.entries:
            raise _not_indexed(run)
        ids = dict.fromkeys(own + queries.given_to_run(connection, run, MOST))
        for direction in directions:
            ids.update(dict.fromkeys(queries.walk(connection, own, direction, depth, MOST + 1)))
        edges = dict.fromkeys(queries.edges(connection, list(ids)[:MOST], upwards=False))
        return _graph(connection, run, "run", directions, ids, edges)

    return index.ask(ask)


def check_digest(records: Records, found: Found) -> DigestCheck:
    """Derive the lineage digest from the records, and hold it against the one that the run's end names."""
    view, end = found.view, records.end(found.start.run)
    return DigestCheck(
        run_id=found.start.run,
        status=view.status,
        lineage_digest=view.lineage_digest,
        recorded=end.digest if end else None,
        verified=end is not None and end.digest == view.lineage_digest,
    )


def _not_indexed(run: str) -> StoreError:
    return StoreError(
        f"run `{run}` could not be read into the index", hint="`pipeglot store verify` tells what is wrong with it"
    )


def _graph(
    connection: Connection,
    of: str,
    kind: Literal["run", "artifact"],
    directions: Directions,
    ids: dict[int, None],
    edges: dict[queries.EdgeRow, None],
) -> Graph:
    rows = queries.nodes(connection, list(ids)[:MOST])
    names = {row.id: _node_id(row) for row in rows}
    return Graph(
        of=of,
        kind=kind,
        directions=directions,
        nodes=tuple(_node(row) for row in sorted(rows, key=_order)),
        edges=tuple(sorted(_edges(edges, names), key=lambda one: (one.target, one.source, one.kind, one.name))),
        truncated=len(ids) > MOST,
    )


def _edges(edges: dict[queries.EdgeRow, None], names: dict[int, str]) -> Iterator[GraphEdge]:
    for edge in edges:
        if edge.source in names and edge.target in names:
            yield GraphEdge(source=names[edge.source], target=names[edge.target], kind=edge.kind, name=edge.name)


def _order(row: NodeRow) -> tuple[Any, ...]:
    return row.run, row.step, _index(row), row.kind, row.name


def _index(row: NodeRow) -> tuple[int, ...]:
    return tuple(map(int, row.position.split("."))) if row.position else ()


def _node_id(row: NodeRow) -> str:
    """An artifact's own id; of the others, one that no artifact can have."""
    cell: Cell = (row.step, _index(row))
    if row.kind == ARTIFACT:
        return artifact_id(row.run, cell, row.name)
    if row.kind == CELL:
        return f"{row.run}/{row.step}" + (f"/{row.position}" if row.position else "")
    if row.kind == LIST:
        return f"{row.run}/{row.step}/{f'{row.position}.' if row.position else ''}*/{row.name or '*'}"
    return f"{row.run}?{row.name}"


def _node(row: NodeRow) -> GraphNode:
    kinds: dict[str, Literal["step", "artifact", "list", "param"]] = {
        CELL: "step",
        ARTIFACT: "artifact",
        LIST: "list",
    }
    return GraphNode(
        id=_node_id(row),
        kind=kinds.get(row.kind, "param"),
        run_id=row.run,
        pipeline=row.pipeline,
        known=bool(row.known),
        step=row.step,
        index=_index(row),
        name=row.name,
        status=row.status,
        origin=row.origin_run,
        value=f"sha256:{row.value}" if row.value is not None else None,
        size=row.size,
        codec=row.codec,
        opaque=bool(row.opaque),
        length=row.length,
        given=json.loads(row.given) if row.given is not None else None,
    )
