"""A pipeline as a flow: laid out so that Metaflow's own code looks through it in a moment."""

from __future__ import annotations

from typing import NamedTuple

from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.chunks import is_held_back
from pipeglot.compilers.metaflow.decorators import decorators, tries_here
from pipeglot.compilers.metaflow.layout import Body, Change, changes, laid_out
from pipeglot.compilers.metaflow.names import Names
from pipeglot.compilers.metaflow.params import Option, options
from pipeglot.compilers.metaflow.paths import Ways, ways
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.metaflow.tasks import Task, tasks
from pipeglot.core.ir import Branch, Map, Step
from pipeglot.core.lineage.plan import Plan


class Flow(NamedTuple):
    """A flow, and how it came to be.

    root: how the nodes are laid out. ways: through it. before: what they were until blocks and branches were changed;
    None if none were. grouped, inlined: how many were.
    """

    plan: Plan
    root: Body
    options: list[Option]
    tasks: list[Task]
    ways: Ways
    before: Ways | None = None
    grouped: int = 0
    inlined: int = 0


def flow(source: Source, stack: MetaflowStack) -> Flow:
    """The flow of a pipeline. With too many ways through it, the steps of as few blocks as possible share one of
    Metaflow's, and branches become steps that skip themselves."""
    plan = Plan(source.pipeline)
    found = _made(plan, stack, 0)
    if found.ways.is_fine:
        return found
    few, many = 0, len(_changes(found.root, stack))
    if not many:
        return found
    best = _made(plan, stack, many)
    while many - few > 1:  # with `many` of them there are few enough ways, if there can be
        middle = (few + many) // 2
        tried = _made(plan, stack, middle)
        if tried.ways.is_fine:
            many, best = middle, tried
        else:
            few = middle
    return best._replace(before=found.ways)


def _made(plan: Plan, stack: MetaflowStack, count: int) -> Flow:
    """With so many changes."""
    root = laid_out(plan, stack.layout)
    _inline(root, everywhere=stack.deploy_to == "step-functions")
    if stack.layout == "foreach":
        for change in _changes(root, stack):
            if change.what == "group":
                change.do()
    made = _changes(root, stack)[:count]
    for change in made:
        change.do()
    names = Names()
    params = options(plan.pipeline, names, by_shell=bool(stack.deploy_to))
    found = tasks(root, (*plan.pipeline.on_failure, *plan.pipeline.on_success), names)
    grouped = sum(1 for change in made if change.what == "group")
    return Flow(plan, root, params, found, ways(found), None, grouped, len(made) - grouped)


def _changes(root: Body, stack: MetaflowStack) -> list[Change]:
    def like(step: Step) -> object:
        return decorators(stack, step), tries_here(step)

    return changes(root, like)


def _inline(body: Body, *, everywhere: bool) -> None:
    """Step Functions knows no switch; and of a map that is held back, a task may have items that go different ways."""
    for number, inner in body.inner.items():
        node = body.nodes[number]
        if everywhere and isinstance(node, Branch):
            body.inline.add(number)
        for one in inner:
            _inline(one, everywhere=everywhere or (isinstance(node, Map) and is_held_back(node)))
