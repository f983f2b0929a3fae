"""A lineage graph as people look at it: one box a step and run, whatever its items; where each stands, and below which.

Each box is drawn once, below the last of those that it follows; the others are named beside it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from pipeglot.client.lineage import Graph, GraphNode

Key = tuple[str, str, str]
"""Run, step, and of a parameter its name."""


class Box(NamedTuple):
    """The executions of one step in one run, with what they returned; or a parameter that names an artifact."""

    key: Key
    pipeline: str
    cells: list[GraphNode]
    artifacts: list[GraphNode]
    params: dict[str, GraphNode]
    """The run's parameters that it takes, by name."""


class Folded(NamedTuple):
    """Boxes in an order in which each comes after what it follows, the tree that they are drawn as, and what else leads
    to each box."""

    boxes: dict[Key, Box]
    roots: list[Key]
    below: dict[Key, list[Key]]
    beside: dict[Key, list[Key]]


def fold(graph: Graph, *, upwards: bool = False, focus: Key | None = None) -> Folded:
    """Fold a graph. `upwards`: each box comes after what was made of it. `focus` comes first."""
    keys = {node.id: _key(node) for node in graph.nodes}
    named = {edge.target for edge in graph.edges if edge.kind == "given"}
    boxes: dict[Key, Box] = {}
    for node in graph.nodes:
        if node.kind == "param" and node.id not in named:
            continue
        box = boxes.setdefault(keys[node.id], Box(keys[node.id], node.pipeline, [], [], {}))
        if node.kind == "step":
            box.cells.append(node)
        elif node.kind == "artifact":
            box.artifacts.append(node)
    follows: dict[Key, dict[Key, None]] = {key: {} for key in boxes}
    nodes = {node.id: node for node in graph.nodes}
    for edge in graph.edges:
        source, target = keys[edge.source], keys[edge.target]
        if source not in boxes:
            boxes[target].params[nodes[edge.source].name] = nodes[edge.source]
        elif source != target:
            before, after = (target, source) if upwards else (source, target)
            follows[after][before] = None
    order = _ordered(follows, focus)
    return _tree({key: boxes[key] for key in order}, order, follows)


def _key(node: GraphNode) -> Key:
    return node.run_id, node.step, node.name if node.kind == "param" else ""


def _ordered(follows: dict[Key, dict[Key, None]], focus: Key | None) -> list[Key]:
    """Each after all that it follows. Two runs that shared a cache may follow each other: somewhere one begins."""
    after: dict[Key, list[Key]] = {key: [] for key in follows}
    waiting = Counter({key: len(before) for key, before in follows.items()})
    for key, before in follows.items():
        for one in before:
            after[one].append(key)
    ready = [key for key in follows if not waiting[key]]
    found: dict[Key, None] = {focus: None} if focus in follows else {}
    left = dict.fromkeys(follows)
    while left:
        key = ready.pop(0) if ready else next(iter(left))
        if key not in left:
            continue
        del left[key]
        found[key] = None
        for one in after[key]:
            waiting[one] -= 1
            if not waiting[one]:
                ready.append(one)
    return list(found)


def _tree(boxes: dict[Key, Box], order: list[Key], follows: dict[Key, dict[Key, None]]) -> Folded:
    place = {key: number for number, key in enumerate(order)}
    roots: list[Key] = []
    below: dict[Key, list[Key]] = {key: [] for key in order}
    beside: dict[Key, list[Key]] = {}
    for key in order:
        before = sorted((one for one in follows[key] if place[one] < place[key]), key=lambda one: place[one])
        if before:
            below[before[-1]].append(key)
        else:
            roots.append(key)
        beside[key] = before[:-1]
    return Folded(boxes, roots, below, beside)
