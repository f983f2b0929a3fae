"""A pipeline in Metaflow's shape: of each body (the root, a map, an arm of a branch) its nodes in rows and blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeglot.compilers.metaflow import posets
from pipeglot.compilers.metaflow.posets import Block, Group, Order, Row
from pipeglot.compilers.metaflow.stack import Layout
from pipeglot.core.ir import AnyNode, Branch, Map, Step
from pipeglot.core.lineage.plan import Plan

DEEPEST = 100
"""Blocks in blocks, beyond which the nodes of a body are laid out by levels."""

Like = Callable[[Step], object]
"""What steps have to have in common to share one of Metaflow's."""


@dataclass(eq=False)
class Body:
    """Nodes that stand in the same map and arm. inner: of each node that has some, its bodies, by its number: of a map
    one, of a branch two. is_flat: whether they stand in levels, for there were too many blocks in blocks. inline: the
    branches that are laid out as steps which skip themselves.
    """

    nodes: tuple[AnyNode, ...]
    order: Order
    row: Row
    inner: dict[int, list[Body]] = field(default_factory=dict)
    is_flat: bool = False
    inline: set[int] = field(default_factory=set)

    def all(self) -> Iterator[Body]:
        """Itself, and all in it."""
        yield self
        for bodies in self.inner.values():
            for body in bodies:
                yield from body.all()

    @property
    def is_switched(self) -> bool:
        """Whether somewhere in it a switch takes an arm."""
        return any(
            isinstance(node, Branch) and number not in body.inline
            for body in self.all()
            for number, node in enumerate(body.nodes)
        )

    def ids(self, row: Row) -> list[str]:
        """The nodes of a row, as the pipeline names them."""
        return [self.nodes[one].id for one in posets.members(row)]


def laid_out(plan: Plan, layout: Layout) -> Body:
    """The whole pipeline but its hooks."""
    return _Layouts(plan, layout).body(plan.pipeline.nodes)


_LAYOUTS: Mapping[Layout, Callable[[Order], Row]] = {
    "sp": posets.series_parallel,
    "levels": posets.levels,
    "foreach": posets.levels,
    "linear": posets.linear,
}


class _Layouts:
    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout

    def body(self, nodes: tuple[AnyNode, ...]) -> Body:
        inner = {number: [*map(self.body, _inside(node))] for number, node in enumerate(nodes) if _inside(node)}
        owners = {name: number for number, node in enumerate(nodes) for name in _ids(node)}
        needs = [
            sorted({owners[one] for one in self._wanted(node) if owners.get(one, number) != number})
            for number, node in enumerate(nodes)
        ]
        weights = [1 + max(map(_length, inner.get(number, ())), default=0.0) for number in range(len(nodes))]
        order = Order(needs, weights)
        row = _LAYOUTS[self.layout](order)
        is_flat = posets.nesting(row) > DEEPEST
        return Body(nodes, order, posets.levels(order) if is_flat else row, inner, is_flat)

    def _wanted(self, node: AnyNode) -> Iterator[str]:
        """The steps that a node waits for, or something in it does."""
        place = self.plan.maps[node.id] if isinstance(node, Map) else self.plan.places[node.id]
        for need in place.needs:
            yield from need.steps
        for nodes in _inside(node):
            for inner in nodes:
                yield from self._wanted(inner)


def _inside(node: AnyNode) -> list[tuple[AnyNode, ...]]:
    if isinstance(node, Map):
        return [node.body]
    return [node.then, node.otherwise] if isinstance(node, Branch) else []


def _ids(node: AnyNode) -> Iterator[str]:
    """The steps of a node."""
    if isinstance(node, Step):
        yield node.id
    for nodes in _inside(node):
        for inner in nodes:
            yield from _ids(inner)


def _length(body: Body) -> float:
    down, _ = body.order.longest(body.order.all)
    return max(down.values(), default=0.0)


# --- where there would be too many ways -------------------------------------------------------------------------------


class Change(NamedTuple):
    """What a layout might have in place of a block or a switch."""

    what: Literal["group", "inline"]
    do: Callable[[], None]


def changes(root: Body, like: Like) -> list[Change]:
    """What makes fewer ways through a flow, one after the other: the steps of a block share one of Metaflow's, where
    they are alike; then whole blocks are laid out by such levels, the small ones first; then branches go inline."""
    blocks = [(body, block) for body in root.all() for block in _blocks(body.row)]
    plain = [(body, block) for body, block in blocks if _is_plain(body, block, like)]
    others = [(body, block) for body, block in blocks if not _is_plain(body, block, like)]
    others.sort(key=lambda found: sum(1 for row in found[1].rows for _ in posets.members(row)))
    found: list[Change] = [_grouping(body, block, like) for body, block in (*plain, *others)]
    for body in root.all():
        found += [
            _inlining(body, number)
            for number, node in enumerate(body.nodes)
            if isinstance(node, Branch) and number not in body.inline
        ]
    return found


def _blocks(row: Row) -> Iterator[Block]:
    for part in row:
        if isinstance(part, Block):
            yield part
            for inner in part.rows:
                yield from _blocks(inner)


def _is_plain(body: Body, block: Block, like: Like) -> bool:
    """Whether it has single steps only, all alike."""
    kinds = []
    for row in block.rows:
        node = body.nodes[row[0]] if len(row) == 1 and isinstance(row[0], int) else None
        if not isinstance(node, Step):
            return False
        kinds.append(like(node))
    return all(kind == kinds[0] for kind in kinds)


def _grouping(body: Body, block: Block, like: Like) -> Change:
    def do() -> None:
        block.rows = [_by_levels(body, block, like)]

    return Change("group", do)


def _by_levels(body: Body, block: Block, like: Like) -> Row:
    """The same nodes a level after the other: of a level the steps that are alike together, and all else alone."""
    mask = posets.mask_of(one for row in block.rows for one in posets.members(row))
    row: Row = []
    for level in body.order.levels(mask):
        kinds: list[tuple[object, list[int]]] = []
        for one in level:
            node = body.nodes[one]
            kind = ("step", like(node)) if isinstance(node, Step) else ("node", one)
            known = next((found for other, found in kinds if other == kind), None)
            if known is None:
                kinds.append((kind, [one]))
            else:
                known.append(one)
        row += [found[0] if len(found) == 1 else Group(found) for _, found in kinds]
    return row


def _inlining(body: Body, number: int) -> Change:
    return Change("inline", lambda: body.inline.add(number))
