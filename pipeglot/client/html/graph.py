"""What is drawn of a pipeline: a box for each step, a group for each nested pipeline, and what each waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeglot.client.text import duration, plural
from pipeglot.core.ir import Branch, Map, Step
from pipeglot.core.lineage.plan import Plan, source_needs
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
    worst = counts[state_of(views)]
    items = plural(len(views), "item") if worst == len(views) else f"{worst} of {plural(len(views), 'item')}"
    return f"{items}, {lasted}" if lasted else items


def _box(plan: Plan, name: str, node: object, views: list[StepView] | None) -> Box:
    group, _, label = name.rpartition(".")
    is_map = bool(plan.scope(name))
    kind = "branch" if isinstance(node, Branch) else "map" if is_map else "step"
    if views is None or (kind == "branch" and not views):
        return Box(name, label, kind, "", "", _described(node), group)
    detail = told(views, is_map=is_map)
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


def _edges(plan: Plan, boxes: Mapping[str, Box]) -> list[tuple[str, str, bool]]:
    """From whatever a node waits for; the steps of a branch wait for its condition, those of a map for its list."""
    found: dict[tuple[str, str], bool] = {}
    for name, place in plan.places.items():
        needs = {step: True for need in place.needs for step in need.steps}
        if isinstance(place.node, Step):
            values = {
                one for source in place.node.inputs.values() for need in source_needs(source) for one in need.steps
            }
            needs = {step: step in values for step in needs}
        for scope in place.scope:
            needs.update({step: True for need in plan.maps[scope].needs for step in need.steps})
        for step, carries in needs.items():
            if step in boxes and step != name:
                found[step, name] = found.get((step, name), False) or carries
    for name, place in plan.places.items():
        if isinstance(place.node, Branch):
            for inner in (*place.node.then, *place.node.otherwise):
                _from_branch(name, inner, found)
    return [(start, end, carries) for (start, end), carries in found.items()]


def _from_branch(branch: str, node: object, found: dict[tuple[str, str], bool]) -> None:
    if isinstance(node, Map):
        for inner in node.body:
            _from_branch(branch, inner, found)
    elif isinstance(node, Step | Branch):
        found.setdefault((branch, node.id), False)
