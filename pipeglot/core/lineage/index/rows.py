"""A run as rows of the index: pure, from its records and the state derived of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeglot.core.errors import Corrupt, NotFound
from pipeglot.core.ir import ItemRef, ListOf, Map, OneOf, OutputRef, ParamRef, Source
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.records import End, Observed, Ref, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import parse_artifact_id, readable

CELL, ARTIFACT, LIST, PARAM = "cell", "artifact", "list", "param"
INPUT, OUTPUT, ITEM, REUSED, GIVEN = "input", "output", "item", "reused", "given"
"""Kinds of edges: value → execution; execution → output; item → list; output → the same in a later run, taken from the
cache or from a resumed run; output → the artifact parameter that names it."""


_MOST = 2**31 - 1
"""Attempts that an execution can have had; the number is an engine's."""


class Node(NamedTuple):
    """A node by what it is called; `position` is an index as text, `name` an output or a parameter."""

    run: str
    kind: str
    step: str = ""
    position: str = ""
    name: str = ""


class Edge(NamedTuple):
    """`name` is that of the argument, of an input."""

    source: Node
    target: Node
    kind: str
    name: str = ""


class RunRows(NamedTuple):
    """Everything that the index has of a run. Rows are in the order of the columns, without ids."""

    run: dict[str, Any]
    params: list[tuple[str, str]]
    tags: list[tuple[str, str]]
    words: list[str]
    cells: dict[Node, tuple[Any, ...]]
    artifacts: dict[Node, tuple[Any, ...]]
    metrics: list[tuple[Node, str, float | None, str]]
    edges: dict[Edge, None]

    def nodes(self) -> dict[Node, None]:
        """All that are mentioned, also those of other runs."""
        found = dict.fromkeys([*self.cells, *self.artifacts])
        for edge in self.edges:
            found[edge.source] = found[edge.target] = None
        return found


def run_rows(start: Start, end: End | None, state: RunState, *, records: int, reopened: int, open_as: str) -> RunRows:
    """The rows of a run. Raises `Corrupt` for records that do not say what they must."""
    rows = RunRows(
        run=_run(start, end, state, records=records, reopened=reopened, open_as=open_as),
        params=[(name, as_text(readable(value))) for name, value in start.params.items()],
        tags=list(start.tags.items()),
        words=list(dict.fromkeys(state.plan.pipeline.tags)),
        cells={},
        artifacts={},
        metrics=[],
        edges={},
    )
    provenance = Provenance(start.run, state)
    for cell, entry in state.ordered():
        node = cell_node(start.run, cell)
        order = state.plan.order.get(cell[0], len(state.plan.order))
        rows.cells[node] = (order, entry.status, *_observed(entry.verdict))
        if entry.verdict is not None:
            _add_verdict(rows, provenance, node, cell, entry.verdict)
    for name in start.artifacts:
        _add_artifact_param(rows, start, name)
    rows.edges.update(provenance.items)
    return rows


def as_text(value: Any) -> str:
    """How a value of a parameter or a metric is kept, and compared with. What has no UTF-8 is escaped."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def cell_node(run: str, cell: Cell) -> Node:
    return Node(run, CELL, cell[0], position_text(cell[1]))


def artifact_node(run: str, step: str, index: Index, output: str) -> Node:
    return Node(run, ARTIFACT, step, position_text(index), output)


def position_text(index: Index) -> str:
    """`3.7`; empty outside of maps."""
    return ".".join(map(str, index))


def microseconds(iso: str, what: str) -> int:
    """A time as a whole number, for times of different zones do not sort as text. Raises `Corrupt`."""
    try:
        time = dt.datetime.fromisoformat(iso)
    except ValueError:
        raise Corrupt(f"{what} has no time in `created`") from None
    aware = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return (aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _run(
    start: Start, end: End | None, state: RunState, *, records: int, reopened: int, open_as: str
) -> dict[str, Any]:
    status = end.status if end else state.status if state.finished else open_as
    return {
        "run": start.run,
        "known": 1,
        "final": int(end is not None),
        "reopened": reopened,
        "records": records,
        "pipeline": start.pipeline,
        "stack": start.stack,
        "backend": start.backend,
        "status": status,
        "created": start.created,
        "created_us": microseconds(start.created, f"`runs/{start.run}/start`"),
        "logical_date": start.logical_date,
        "finished": end.finished if end else None,
        "digest": end.digest if end else None,
        "ir": start.ir,
        "resumes": start.resumes,
        "ended": int(end is not None or state.finished),
    }


def _observed(verdict: Verdict | None) -> tuple[Any, ...]:
    if verdict is None:
        return 0, 0.0, "", "", "", None, None, None
    seen: Observed = verdict.observed
    origin = seen.cached
    return (
        0 if origin else min(seen.attempt, _MOST),
        seen.seconds,
        seen.started,
        verdict.portable.code,
        seen.key,
        origin.run if origin else None,
        origin.step if origin else None,
        position_text(origin.index) if origin else None,
    )


def _add_verdict(rows: RunRows, provenance: Provenance, node: Node, cell: Cell, verdict: Verdict) -> None:
    seen, origin = verdict.observed, verdict.observed.cached
    if verdict.status in ("succeeded", "failed"):
        for name, source in provenance.inputs(cell):
            rows.edges[Edge(source, node, INPUT, name)] = None
    for output, ref in seen.refs.items():
        made = artifact_node(node.run, *cell, output)
        rows.artifacts[made] = _artifact(ref)
        rows.edges[Edge(node, made, OUTPUT)] = None
        if origin is not None:
            rows.edges[Edge(artifact_node(origin.run, origin.step, origin.index, output), made, REUSED)] = None
    for name, value in seen.metrics.items():
        shown = readable(value)
        rows.metrics.append((node, name, _number(shown), as_text(shown)))


def _artifact(ref: Ref) -> tuple[Any, ...]:
    return ref.value, ref.blob, ref.size, ref.codec, int(ref.opaque), ref.length


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _add_artifact_param(rows: RunRows, start: Start, name: str) -> None:
    """The value of such a parameter is the artifact's id. Of a later kind of name, no edge can be told."""
    text = readable(start.params.get(name))
    try:
        run, step, index, output = parse_artifact_id(text if isinstance(text, str) else "")
    except NotFound:
        return
    rows.edges[Edge(artifact_node(run, step, index, output), Node(start.run, PARAM, name=name), GIVEN)] = None


class Provenance:
    """Which nodes the arguments of an execution come from: as `Arguments`, for places in place of values.

    All items of an output in a map become one node, so that a map over a map has as many edges as it has items.
    """

    def __init__(self, run: str, state: RunState) -> None:
        self.run = run
        self.state = state
        self.plan = state.plan
        self.items: dict[Edge, None] = {}
        """The edges into lists, gathered as the lists are asked for."""
        self._lists: set[Node] = set()
        self._cells: dict[str, list[Index]] = {}
        for step, index in state.entries:
            self._cells.setdefault(step, []).append(index)

    def inputs(self, cell: Cell) -> Iterator[tuple[str, Node]]:
        """Name and origin of each argument; a list of several has several."""
        step, index = cell
        place = self.plan.places[step]
        for name, source in self.plan.step(step).inputs.items():
            for node in self._nodes(source, place.scope, index):
                yield name, node

    def _nodes(self, source: Source, scope: tuple[str, ...], index: Index) -> Iterator[Node]:
        if isinstance(source, ParamRef):
            yield Node(self.run, PARAM, name=source.name)
        elif isinstance(source, ItemRef):
            level = scope.index(source.map)
            place = self.plan.maps[source.map]
            assert isinstance(place.node, Map)
            yield from self._item(place.node.over[source.name], place.scope, index[:level], index[level])
        elif isinstance(source, ListOf):
            for one in source.items:
                yield from self._nodes(one, scope, index)
        elif isinstance(source, OneOf):
            for option in self._chosen(source, scope, index):
                yield from self._nodes(option, scope, index)
        elif isinstance(source, OutputRef):
            yield from self._outputs(source, index[: self.plan.shared(source.step, scope)])

    def _item(self, source: Source, scope: tuple[str, ...], prefix: Index, position: int) -> Iterator[Node]:
        """Where one item of a list comes from: an execution of the map that made it, or the whole of a list value."""
        if isinstance(source, ListOf):
            yield from self._nodes(source.items[position], scope, prefix)
        elif isinstance(source, OneOf):
            for option in self._chosen(source, scope, prefix):
                yield from self._item(option, scope, prefix, position)
        elif isinstance(source, OutputRef):
            above = prefix[: self.plan.shared(source.step, scope)]
            in_map = len(self.plan.scope(source.step)) > len(above)
            yield from self._outputs(source, (*above, position) if in_map else above)
        else:
            yield from self._nodes(source, scope, prefix)

    def _chosen(self, source: OneOf, scope: tuple[str, ...], index: Index) -> Iterator[OutputRef]:
        for option in source.options:
            if self.state.succeeded(option.step, index[: self.plan.shared(option.step, scope)]):
                yield option
                return

    def _outputs(self, source: OutputRef, prefix: Index) -> Iterator[Node]:
        if len(self.plan.scope(source.step)) > len(prefix):
            yield self._list(source, prefix)
            return
        entry = self.state.entries.get((source.step, prefix))
        refs = entry.verdict.observed.refs if entry and entry.verdict else {}
        for output in refs if source.output is None else [source.output]:
            yield artifact_node(self.run, source.step, prefix, output)

    def _list(self, source: OutputRef, prefix: Index) -> Node:
        found = Node(self.run, LIST, source.step, position_text(prefix), source.output or "")
        if found not in self._lists:
            self._lists.add(found)
            for index in self._cells.get(source.step, ()):
                if index[: len(prefix)] == prefix:
                    full = len(index) == len(self.plan.scope(source.step))
                    for node in self._outputs(source, index) if full else ():
                        self.items[Edge(node, found, ITEM)] = None
        return found
