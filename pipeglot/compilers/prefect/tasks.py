"""A pipeline as Prefect sees it: tasks, those in a map inside a task of the map's own, and what each waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pipeglot.core.ir import AnyNode, Map, Source, Step
from pipeglot.core.lineage.plan import Need, Plan, inner_steps, operands, source_needs


@dataclass
class Task:
    """A task of the flow, or of a map's body.

    key: the node that it stands for, by kind and id: a map may have the id of a step. after: those that it waits for;
    anyway: those of them that it comes after however they end. body: what a map submits for each item. far: what those
    wait for that stands outside of the map, and that the map itself does not wait for.
    """

    key: Key
    step: Step | None = None
    after: list[Key] = field(default_factory=list)
    anyway: set[Key] = field(default_factory=set)
    far: list[Key] = field(default_factory=list)
    body: list[Task] = field(default_factory=list)

    def all(self) -> Iterator[Task]:
        """Itself, and all in it."""
        yield self
        for one in self.body:
            yield from one.all()


Key = tuple[Literal["step", "branch", "map"], str]


def tasks(plan: Plan) -> list[Task]:
    """Those that the flow submits, in the order of the pipeline; hooks come last."""
    found = _Tasks(plan)
    top = found.body(plan.pipeline.nodes, (), ())
    return [*top, *(Task(("step", hook), plan.step(hook)) for hook in plan.hooks)]


class _Tasks:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def body(self, nodes: Iterable[AnyNode], scope: tuple[str, ...], arms: tuple[Key, ...]) -> list[Task]:
        """The tasks of nodes that stand in the same maps; `arms` are the branches around them."""
        found: list[Task] = []
        for node in nodes:
            if isinstance(node, Step):
                found.append(self._step(node, scope, arms))
            elif isinstance(node, Map):
                found.append(self._map(node, scope, arms))
            else:
                branch = Task(("branch", node.id))
                self._wait(branch, _needs(operands(node.when)), scope, arms)
                inside = (*arms, branch.key)
                found += [branch, *self.body(node.then, scope, inside), *self.body(node.otherwise, scope, inside)]
        return found

    def _step(self, step: Step, scope: tuple[str, ...], arms: tuple[Key, ...]) -> Task:
        task = Task(("step", step.id), step)
        self._wait(task, [*_needs(step.inputs.values()), *(Need((one,)) for one in step.after)], scope, arms)
        if step.trigger == "all_done":
            task.anyway.update(task.after)
        return task

    def _map(self, node: Map, scope: tuple[str, ...], arms: tuple[Key, ...]) -> Task:
        task = Task(("map", node.id))
        self._wait(task, _needs(node.over.values()), scope, arms)
        task.body = self.body(node.body, (*scope, node.id), ())
        if len(task.body) == 1 and task.body[0].step is not None:  # without what it needs, no item is there to do
            task.after += [key for key in task.body[0].after if key not in task.after]
            task.anyway |= task.body[0].anyway
        inside = {one.key for one in task.body}
        wanted = [key for one in task.body for key in (*one.after, *one.far) if key not in inside]
        over = {*task.after} - task.anyway  # a step that is waited for has succeeded when the map begins
        for one in (inner for child in task.body for inner in child.all()):
            one.after = [key for key in one.after if key not in over]
            one.far = [key for key in one.far if key not in over]
        task.far = [key for key in dict.fromkeys(wanted) if key not in over]
        return task

    def _wait(self, task: Task, needs: list[Need], scope: tuple[str, ...], arms: tuple[Key, ...]) -> None:
        """One of several, or a part of a map, may be enough: then the ledger is asked, once all of them are over."""
        for need in needs:
            for step in need.steps:
                key = self._seen_from(step, scope)
                if key not in task.after:
                    task.after.append(key)
                if len(need.steps) > 1 or self._is_part(key):
                    task.anyway.add(key)
        task.after += [arm for arm in arms if arm not in task.after]

    def _seen_from(self, step: str, scope: tuple[str, ...]) -> Key:
        """A step, or the outermost map around it that is not around the one who asks."""
        shared, own = self.plan.shared(step, scope), self.plan.scope(step)
        return ("map", own[shared]) if len(own) > shared else ("step", step)

    def _is_part(self, key: Key) -> bool:
        kind, name = key
        return kind == "map" and sum(1 for _ in inner_steps(self.plan.maps[name].node)) > 1


def _needs(sources: Iterable[Source]) -> list[Need]:
    return [need for source in sources for need in source_needs(source)]
