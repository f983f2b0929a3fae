"""Parts of a pipeline: all that some steps need, all that depends on them, and the pipeline cut down to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import structs

from pipeglot.core.errors import NotFound, UsageError
from pipeglot.core.ir import AnyNode, Branch, Map, Not, Pipeline
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.suggest import listed, meant


def upstream(plan: Plan, steps: Iterable[str]) -> set[str]:
    """These steps, and all that has to be settled before them.

    Raises `NotFound` for a step that is not there, `UsageError` for a hook.
    """
    return _reached(_known(plan, steps), direct_needs(plan))


def downstream(plan: Plan, steps: Iterable[str]) -> set[str]:
    """These steps, and all that depends on them, over whatever path. Raises as `upstream` does."""
    needed_by: dict[str, set[str]] = {}
    for step, needs in direct_needs(plan).items():
        for need in needs:
            needed_by.setdefault(need, set()).add(step)
    return _reached(_known(plan, steps), needed_by)


def direct_needs(plan: Plan) -> dict[str, set[str]]:
    """What each step waits for: its own inputs and `after`, and what decides the maps and branches around it."""
    found: dict[str, set[str]] = {}
    todo: list[tuple[AnyNode, frozenset[str]]] = [(node, frozenset()) for node in plan.pipeline.nodes]
    while todo:
        node, around = todo.pop()
        place = plan.maps[node.id] if isinstance(node, Map) else plan.places[node.id]
        needs = around.union(*(need.steps for need in place.needs))
        if isinstance(node, Map):
            todo += [(child, needs) for child in node.body]
        elif isinstance(node, Branch):
            todo += [(child, needs) for child in node.then + node.otherwise]
        else:
            found[node.id] = set(needs)
    return found


def only(pipeline: Pipeline, keep: Collection[str]) -> Pipeline:
    """The pipeline with these steps only, each in the maps and branches where it stands, and without its hooks."""
    nodes = tuple(cut for node in pipeline.nodes if (cut := _cut(node, keep)) is not None)
    return structs.replace(pipeline, nodes=nodes, on_failure=(), on_success=())


def _cut(node: AnyNode, keep: Collection[str]) -> AnyNode | None:
    if isinstance(node, Map):
        body = _cut_all(node.body, keep)
        return structs.replace(node, body=body) if body else None
    if isinstance(node, Branch):
        then, otherwise = _cut_all(node.then, keep), _cut_all(node.otherwise, keep)
        if then:
            return structs.replace(node, then=then, otherwise=otherwise)
        # a branch has a first arm: what is left of the second one takes its place
        return structs.replace(node, when=Not(term=node.when), then=otherwise, otherwise=()) if otherwise else None
    return node if node.id in keep else None


def _cut_all(nodes: tuple[AnyNode, ...], keep: Collection[str]) -> tuple[AnyNode, ...]:
    return tuple(cut for node in nodes if (cut := _cut(node, keep)) is not None)


def _reached(begin: set[str], edges: dict[str, set[str]]) -> set[str]:
    found, todo = set(begin), list(begin)
    while todo:
        new = edges.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _known(plan: Plan, steps: Iterable[str]) -> set[str]:
    known = [step.id for step in plan.steps() if step.id not in plan.hooks]
    found = set(steps)
    for name in sorted(found.intersection(plan.hooks)):
        told = f"`{name}` is a hook of pipeline `{plan.pipeline.name}`: it runs when all else is over, or not at all"
        raise UsageError(told, hint=f"its steps are: {listed(known)}")
    for name in sorted(found.difference(known)):
        raise NotFound(
            f"pipeline `{plan.pipeline.name}` has no step `{name}`", hint=meant(name, known, "its steps are")
        )
    return found
