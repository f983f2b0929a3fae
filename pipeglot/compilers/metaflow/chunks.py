"""How many tasks a map may have, and how that holds back its steps."""

from __future__ import annotations

from pipeglot.core.ir import Map
from pipeglot.core.lineage.plan import Plan, inner_steps


def is_held_back(node: Map) -> bool:
    """Whether a step in it may not run as often at once as there are items."""
    return any(step.max_parallel is not None for step in inner_steps(node))


def most_tasks(plan: Plan, node: Map, most: int, *, is_switched: bool) -> int | None:
    """How many tasks a map has at most; None if any number, as where a switch takes one arm for the whole of a task.

    Of a map in another one, the outer one has a single task: so the inner one counts for all items.
    """
    if is_switched:
        return None
    limits = [
        step.max_parallel if plan.scope(step.id)[-1] == node.id else 1
        for step in inner_steps(node)
        if step.max_parallel is not None
    ]
    return min([most, *limits])
