"""What is drawn of a pipeline: a box for each step, a group for each nested pipeline, and what each waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pipeglot.client.text import duration, plural
from pipeglot.core.ir import Branch, ItemRef, ListOf, Map, Source, Step
from pipeglot.core.lineage.plan import Place, Plan, operands, source_needs
from pipeglot.core.lineage.view import StepView

_WORST_FIRST = ("failed", "lost", "cancelled", "running", "succeeded", "cached", "skipped")


class Box(NamedTuple):
    """A step or a condition, with the maps that it stands in folded into it. `state` is empty before a run."""

    id: str
    label: str
    kind: str
    state: str
    detail: str
    tip: str
    group: str


class Graph(NamedTuple):
    """Boxes by id, and the edges between them; the third of an edge tells whether it carries a value."""

    boxes: dict[str, Box]
    edges: list[tuple[str, str, bool]]


def graph_of(plan: Plan, views: Iterable[StepView] | None = None) -> Graph:
    """The graph of a pipeline; with the states of a run if it is given its executions."""
    by_step: dict[str, list[StepView]] = {}
    for view in views or ():
        by_step.setdefault(view.id, []).append(view)
    boxes: dict[str, Box] = {}
    for name, place in plan.places.items():
        found = by_step.get(name, []) if views is not None else None
        boxes[name] = _box(plan, name, place.node, found)
    return Graph(boxes, _edges(plan, boxes))


def state_of(views: list[StepView]) -> str:
    """One word for all executions of a step: the worst."""
    found = {"cached" if view.cached else view.status for view in views}
    return next((state for state in _WORST_FIRST if state in found), "waiting")


def told(views: list[StepView], *, is_map: bool) -> str:
    """How long it took; of a map, how many of its items are in the worst state."""
    seconds = sum(view.seconds for view in views if not view.cached)
    lasted = duration(seconds) if any(view.seconds and not view.cached for view in views) else ""
    if not is_map or (len(views) == 1 and not views[0].index):
        return lasted
    counts = Counter("cached" if view.cached else view.status for view in views)
    state = state_of(views)
    mixed = state == "succeeded" and counts["cached"]
    worst = counts[state] + (counts["cached"] if mixed else 0)
    items = plural(len(views), "item") if worst == len(views) else f"{worst} of {plural(len(views), 'item')}"
    return ", ".join(part for part in (items, f"{counts['cached']} cached" if mixed else "", lasted) if part)


def _box(plan: Plan, name: str, node: object, views: list[StepView] | None) -> Box:
    group, _, label = name.rpartition(".")
    is_map = bool(plan.scope(name))
    kind = "branch" if isinstance(node, Branch) else "map" if is_map else "hook" if name in plan.hooks else "step"
    if views is None or (kind == "branch" and not views):
        return Box(name, label, kind, "", plan.hooks.get(name, ""), _described(node), group)
    detail = told(views, is_map=is_map)
    if kind == "hook":
        detail = ", ".join(part for part in (plan.hooks[name], detail) if part)
    return Box(name, label, kind, state_of(views), detail, _tip(name, views, detail), group)


def _described(node: object) -> str:
    if isinstance(node, Step):
        return "\n".join(part for part in (str(node.code), node.doc) if part)
    return ""


def _tip(name: str, views: list[StepView], detail: str) -> str:
    lines = [f"{name}: {state_of(views)}" + (f", {detail}" if detail else "")]
    for view in [view for view in views if view.error][:3]:
        assert view.error is not None
        at = f"[{'.'.join(map(str, view.index))}] " if view.index else ""
        lines.append(f"{at}{view.error.type}: {view.error.message}"[:300])
    return "\n".join(lines)


# --- edges ------------------------------------------------------------------------------------------------------------


Edges = dict[tuple[str, str], bool]


def _edges(plan: Plan, boxes: Mapping[str, Box]) -> list[tuple[str, str, bool]]:
    """From whatever a node waits for: what gives it values, what it is to come after, the condition of its branch."""
    found: Edges = {}
    for name, place in plan.places.items():
        for step in (step for need in place.needs for step in need.steps):
            found[step, name] = False
        for source in _sources(place.node):
            found.update({(step, name): True for step in _origins(plan, source)})
    for name, place in plan.places.items():
        if isinstance(place.node, Branch):
            for inner in (*place.node.then, *place.node.otherwise):
                _from_branch(name, inner, found)
    before: dict[str, list[str]] = {name: [] for name in plan.places}
    for start, end in found:
        before[end].append(start)
    for name, place in plan.places.items():
        _from_lists(plan, name, place, before[name], found)
    return [(start, end, carries) for (start, end), carries in found.items() if start in boxes and start != end]


def _sources(node: object) -> Iterator[Source]:
    if isinstance(node, Step):
        yield from node.inputs.values()
    elif isinstance(node, Branch):
        yield from operands(node.when)


def _origins(plan: Plan, source: Source) -> Iterator[str]:
    """The steps that a value comes from; an item comes from where its list does."""
    if isinstance(source, ItemRef):
        node = plan.maps[source.map].node
        assert isinstance(node, Map)
        yield from _origins(plan, node.over[source.name])
    elif isinstance(source, ListOf):
        for one in source.items:
            yield from _origins(plan, one)
    else:
        yield from (step for need in source_needs(source) for step in need.steps)


def _from_lists(plan: Plan, name: str, place: Place, before: list[str], found: Edges) -> None:
    """What is first in a map begins when there is its list, also if it takes no item."""
    for scope in place.scope:
        node = plan.maps[scope].node
        if isinstance(node, Map) and not any(scope in plan.scope(step) for step in before):
            for source in node.over.values():
                for step in _origins(plan, source):
                    found.setdefault((step, name), False)


def _from_branch(branch: str, node: object, found: Edges) -> None:
    if isinstance(node, Map):
        for inner in node.body:
            _from_branch(branch, inner, found)
    elif isinstance(node, Step | Branch):
        found.setdefault((branch, node.id), False)
