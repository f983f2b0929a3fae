"""A pipeline as Airflow sees it: its tasks, what each comes after, and the rule by which it starts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from pipeglot.compilers.airflow.groups import around
from pipeglot.compilers.python_text import literal
from pipeglot.core.ir import AnyNode, Branch, Map, OneOf, Source, Step
from pipeglot.core.lineage.plan import Plan, inner_steps, operands, source_needs

ALL_DONE = "all_done"
NONE_FAILED = "none_failed"
ONE_OF = "none_failed_min_one_success"


@dataclass
class Task:
    """A task of the DAG.

    id: Airflow's, which is the step's or the branch's. call: what its function does, as `run("train")`.
    node: the step or branch that pipeglot is asked for; of the outcome, a step in whose image to ask. told: of a branch
    that a pod decides, that pod's task.
    after: the ids of the tasks that come before. rule: its trigger rule; empty is Airflow's own, all_success.
    over: the task whose list it is mapped over: itself, or in a group that is. groups: those that it stands in,
    outermost first. mapped: the one of them that is mapped. teardown: whether it cleans up, or is a hook. last: whether
    it comes after all that work.
    """

    id: str
    kind: str
    call: str
    node: str = ""
    step: Step | None = None
    after: list[str] = field(default_factory=list)
    rule: str = ""
    over: str = ""
    told: str = ""
    groups: list[str] = field(default_factory=list)
    mapped: str = ""
    teardown: bool = False
    last: bool = False


def tasks(plan: Plan, *, pods: bool = False) -> list[Task]:
    """All tasks, in the order of the pipeline; hooks come last.

    In pods, the condition of a branch has a task of its own, for Airflow's can only choose by what it is given.
    """
    return _Tasks(plan, pods).all()


class _Tasks:
    def __init__(self, plan: Plan, pods: bool) -> None:
        self.plan = plan
        self.pods = pods
        self.found: dict[str, Task] = {}
        self.groups = {name: around(name, plan.places) for name in plan.places}
        self.members: dict[str, set[str]] = defaultdict(set)
        for name, groups in self.groups.items():
            for group in groups:
                self.members[group].add(name)
        self.ids = {*plan.places, *self.members}
        self.mapped = {name for name in plan.maps if self._is_mapped(name)}
        self.lists: dict[tuple[str, ...], str] = {}
        """The task that lists the positions in these maps."""
        self.asked: tuple[str, ...] = ()
        """What the conditions of the branches around it hang on, where they are in a map."""
        self.arms: dict[str, list[list[str]]] = {}
        """The tasks in each arm of a branch."""

    def all(self) -> list[Task]:
        for node in self.plan.pipeline.nodes:
            self._add(node, ())
        self._add_last()
        last = [task.id for task in self.found.values() if task.last]
        for branch, arms in self.arms.items():  # what comes after all comes after an arm with nothing in it, too
            then, other = (literal(arm or last) for arm in arms)
            if self.pods:
                self.found[branch].call = f"return {then} if holds else {other}"
            else:
                self.found[branch].call = f"return choose({literal(branch)}, {then}, {other})"
        for task in self.found.values():
            task.groups = self.groups.get(task.id) or around(task.id, self.plan.places)
        return list(self.found.values())

    def _add_last(self) -> None:
        """What comes after all: hooks, and where the tasks at the ends do not tell how the run went, one that does.

        Airflow asks the tasks at the ends: one that runs whatever happened before it hides what did, and so does one
        that a branch has skipped before what it needs failed. And when somebody ends a run, teardowns still run and
        all else is skipped, which counts as success: so where there are clean-up steps or hooks, the ledger is asked.
        """
        found, before = list(self.found.values()), list(self.found)
        cleaning = [*(task.id for task in found if task.teardown), *self.plan.hooks]
        if cleaning:
            done = self._new_id("done")
            call = "return outcome()"
            self.found[done] = Task(done, "outcome", call, cleaning[0], after=before, teardown=True, last=True)
        elif any(task.rule == ALL_DONE or task.kind == "branch" for task in found):
            done = self._new_id("done")
            self.found[done] = Task(done, "empty", "", after=before, rule=NONE_FAILED, last=True)
        for hook in self.plan.hooks:
            step = self.plan.step(hook)
            self.found[hook] = Task(hook, "step", _call("run", hook), hook, step, before, teardown=True, last=True)

    def _is_mapped(self, name: str) -> bool:
        """Whether a map is a mapped group: one of a nested pipeline that has neither maps nor branches, nor is in one.

        Airflow maps nothing in a mapped group, and a branch in it would skip the steps of all items.
        """
        place = self.plan.maps[name]
        assert isinstance(place.node, Map)
        body = place.node.body
        steps = all(isinstance(child, Step) for child in body)
        return not place.scope and steps and self.members.get(name) == {child.id for child in body}

    def _add(self, node: AnyNode, branches: tuple[str, ...]) -> None:
        if isinstance(node, Map):
            scope = (*self.plan.maps[node.id].scope, node.id)
            first = next((step for step in inner_steps(node) if self.plan.scope(step.id) == scope), None)
            if first is not None:
                self._add_items(first, scope, branches)
            for child in node.body:
                self._add(child, branches)
        elif isinstance(node, Branch):
            self._add_branch(node, branches)
        else:
            self._add_step(node, branches)

    def _add_branch(self, node: Branch, branches: tuple[str, ...]) -> None:
        if self.plan.scope(node.id):  # in a map, items skip themselves: an engine's branch would skip them all
            outer, self.asked = self.asked, (*self.asked, *self._before(list(operands(node.when)), ()))
            for child in node.then + node.otherwise:
                self._add(child, branches)
            self.asked = outer
            return
        sources = list(operands(node.when))
        after, rule = [*self._before(sources, ()), *branches], self._rule(sources, ())
        told = ""
        if self.pods:
            told = self._new_id(f"{node.id}_holds")
            self.found[told] = Task(told, "choose", "", node.id, after=after, rule=rule)
            after, rule = [told], ""
        self.found[node.id] = Task(node.id, "branch", "", node.id, after=after, rule=rule, told=told)
        self.arms[node.id] = [self._add_arm(arm, (*branches, node.id)) for arm in (node.then, node.otherwise)]

    def _add_arm(self, nodes: tuple[AnyNode, ...], branches: tuple[str, ...]) -> list[str]:
        """Returns the ids of all tasks in it that come right after its branch."""
        before = len(self.found)
        for node in nodes:
            self._add(node, branches)
        return [task.id for task in list(self.found.values())[before:] if branches[-1] in task.after]

    def _add_step(self, step: Step, branches: tuple[str, ...]) -> None:
        scope = self.plan.scope(step.id)
        needs = list(step.inputs.values())
        task = Task(step.id, "step", _call("run", step.id), step.id, step)
        after = (*step.after, *self.asked)
        task.after = self._before(needs, after)
        if scope:
            task.over = self.lists[scope]
            task.mapped = scope[0] if scope[0] in self.mapped else ""
        task.rule = self._rule(needs, after, scope)
        if not task.mapped:  # else the list that its group is mapped over comes after the branch
            task.after += [one for one in branches if one not in task.after]
        if step.trigger == "all_done":
            task.teardown, task.rule = not scope, ALL_DONE if scope else ""
        self.found[step.id] = task

    def _add_items(self, step: Step, scope: tuple[str, ...], branches: tuple[str, ...]) -> None:
        """The task that lists where the step runs, and all others in the same maps: once their lists are there."""
        name = self.lists[scope] = self._new_id(f"{scope[-1]}_items")
        sources = [source for one in scope for source in _over(self.plan, one)]
        task = Task(name, "items", _call("items", step.id), step.id)
        task.after = [*self._before(sources, self.asked), *branches]
        task.rule = ALL_DONE if len(scope) > 1 else self._rule(sources, self.asked)
        self.found[name] = task

    def _before(self, sources: list[Source], after: tuple[str, ...]) -> list[str]:
        found = [one for source in sources for need in source_needs(source) for one in need.steps]
        return list(dict.fromkeys([*found, *after]))

    def _rule(self, sources: list[Source], after: tuple[str, ...], scope: tuple[str, ...] = ()) -> str:
        before = self._before(sources, after)
        if any(scope and self.plan.shared(one, scope) for one in before):
            return ALL_DONE  # other items of the same map may have failed: each looks for its own
        if any(self.plan.scope(one) for one in before):
            return NONE_FAILED  # a map of nothing counts as skipped
        return ONE_OF if any(map(_chooses, sources)) else ""

    def _new_id(self, text: str) -> str:
        name, number = text, 2
        while name in self.ids:
            name, number = f"{text}_{number}", number + 1
        self.ids.add(name)
        return name


def _over(plan: Plan, name: str) -> list[Source]:
    node = plan.maps[name].node
    assert isinstance(node, Map)
    return list(node.over.values())


def _chooses(source: Source) -> bool:
    return isinstance(source, OneOf)


def _call(function: str, step: str) -> str:
    return f"return {function}({literal(step)})"
