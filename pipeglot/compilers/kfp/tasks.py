"""A pipeline as KFP sees it: tasks, those of a map or a branch inside of one, and what each comes after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pipeglot.compilers.kfp.names import LONGEST_LOOP, Names
from pipeglot.core.ir import AnyNode, Branch, Map, Source, Step
from pipeglot.core.lineage.plan import Plan, operands, source_needs

Kind = Literal["step", "list", "choose", "outcome", "loop", "branch", "then", "otherwise"]


@dataclass(eq=False)
class Task:
    """A task, or what stands for several: a loop, a branch, or an arm of one.

    name: KFP's. kind: what it does. node: the step, map or branch that it stands for. after: those beside it that it
    comes after. anyway: whether it runs however these have ended, and the ledger tells whether it is due. body: the
    tasks inside of it. told: of a loop the task that lists its items, of a branch and its arms the one that chooses.
    first: whether the run may begin with it. is_mapped: whether it has items. mute: whether it ends well even if what
    it does fails.
    """

    name: str
    kind: Kind
    node: str
    step: Step | None = None
    after: list[Task] = field(default_factory=list)
    anyway: bool = False
    body: list[Task] = field(default_factory=list)
    told: Task | None = None
    first: bool = False
    is_mapped: bool = False
    mute: bool = False

    def all(self) -> Iterator[Task]:
        """Itself, and all in it."""
        yield self
        for one in self.body:
            yield from one.all()

    @property
    def is_simple(self) -> bool:
        """Whether it has failed only if there is nothing to be had from any step in it."""
        if self.kind == "loop":
            return [one.kind for one in self.body] == ["step"]
        return all([one.kind for one in arm.body] == ["step"] for arm in self.body)


def tasks(plan: Plan, *, waits_for_failed: bool) -> list[Task]:
    """Those of the root, in the order of the pipeline.

    waits_for_failed: whether a task can be told to run after others that have failed, and those beside a failed one
    still begin. Where that is not so, tasks end well that others would suffer from, and a last one asks what became of
    the run.
    """
    return _Tasks(plan, waits_for_failed).all()


Path = tuple[Task, ...]
"""The tasks around something, outermost first."""


class _Tasks:
    def __init__(self, plan: Plan, waits_for_failed: bool) -> None:
        self.plan = plan
        self.waits_for_failed = waits_for_failed
        self.names = Names()
        self.places: dict[str, tuple[Path, Task]] = {}
        """Where the task of each step stands."""

    def all(self) -> list[Task]:
        found = self._body(self.plan.pipeline.nodes, ())
        for task in found:
            self._wait_in(task, ())
        for task in found:
            task.first = not task.after  # never one with others in it: what lists or chooses comes before it
        return [*found, *self._last(found)]

    # --- what there is ------------------------------------------------------------------------------------------------

    def _body(self, nodes: Iterable[AnyNode], path: Path) -> list[Task]:
        found: list[Task] = []
        for node in nodes:
            if isinstance(node, Step):
                task = self._new(node.id, "step", node.id, path)
                task.step = node
                self.places[node.id] = (path, task)
                found.append(task)
            elif isinstance(node, Map):
                found += self._map(node, path)
            else:
                found += self._branch(node, path)
        return found

    def _map(self, node: Map, path: Path) -> list[Task]:
        listed = self._new(f"{node.id}-items", "list", node.id, path)
        loop = self._new(f"{node.id}-each", "loop", node.id, path)
        loop.told, loop.after = listed, [listed]
        loop.body = self._body(node.body, (*path, loop))
        return [listed, loop]

    def _branch(self, node: Branch, path: Path) -> list[Task]:
        """What chooses stands before the branch: within it, the run's parameters would have to come through the branch,
        and Kubeflow brings no optional one that was not given into a DAG in a DAG."""
        task = self._new(node.id, "branch", node.id, path)
        chooses = self._new(f"{node.id}-holds", "choose", node.id, path)
        task.told, task.after = chooses, [chooses]
        inside = (*path, task)
        arms: list[tuple[Kind, tuple[AnyNode, ...]]] = [("then", node.then), ("otherwise", node.otherwise)]
        for kind, nodes in arms:
            if nodes:
                arm = self._new(f"{node.id}-{kind}", kind, node.id, inside)
                arm.told = chooses
                arm.body = self._body(nodes, (*inside, arm))
                task.body.append(arm)
        return [chooses, task]

    def _new(self, name: str, kind: Kind, node: str, path: Path) -> Task:
        is_mapped = any(one.kind == "loop" for one in path)
        own = self.names.new(name, LONGEST_LOOP) if kind == "loop" else self.names.new(name)
        return Task(own, kind, node, is_mapped=is_mapped)

    # --- what each comes after ----------------------------------------------------------------------------------------

    def _wait_in(self, task: Task, path: Path) -> None:
        """What a task waits for, and all in it. What lists or chooses comes first: without that nothing is to do."""
        if task.kind == "step":
            self._wait_step(task, path)
        elif task.kind == "list":
            node = self.plan.maps[task.node].node
            assert isinstance(node, Map)
            self._wait(task, node.over.values(), path)
            only = node.body[0] if len(node.body) == 1 else None
            if isinstance(only, Step) and only.trigger != "all_done":  # without what it needs, no item is there to do
                self._wait(task, only.inputs.values(), path)
                for step in only.after:
                    self._after(task, path, (step,), anyway=False)
        elif task.kind == "choose":
            branch = self.plan.places[task.node].node
            assert isinstance(branch, Branch)
            self._wait(task, operands(branch.when), path)
        for one in task.body:
            self._wait_in(one, (*path, task))

    def _wait_step(self, task: Task, path: Path) -> None:
        assert task.step is not None
        anyway = task.step.trigger == "all_done"
        self._wait(task, task.step.inputs.values(), path, anyway=anyway)
        for step in task.step.after:
            self._after(task, path, (step,), anyway=anyway)

    def _wait(self, task: Task, sources: Iterable[Source], path: Path, *, anyway: bool = False) -> None:
        for source in sources:
            for need in source_needs(source):
                self._after(task, path, need.steps, anyway=anyway)

    def _after(self, task: Task, path: Path, steps: tuple[str, ...], *, anyway: bool) -> None:
        """Come after steps of which one must have succeeded. What waits stands beside what is waited for: the task
        itself, or the outermost task around it that is not around them."""
        seen = [self._seen(task, path, step) for step in steps]
        is_one = all(one == seen[0] for one in seen)
        for waits, before in seen:
            far = waits is not task
            is_other_arm = waits.told is not None and waits.told is before.told  # nothing of it comes
            if before not in waits.after and not is_other_arm:
                waits.after.append(before)
                fails = anyway or far or not is_one or (bool(before.body) and not before.is_simple)
                waits.anyway = waits.anyway or fails

    def _seen(self, task: Task, path: Path, step: str) -> tuple[Task, Task]:
        other, producer = self.places[step]
        shared = 0
        while shared < min(len(path), len(other)) and path[shared] is other[shared]:
            shared += 1
        around = path[shared] if shared < len(path) else task
        waits = around.told if around.kind in ("loop", "branch") and around.told is not None else around
        return waits, other[shared] if shared < len(other) else producer

    # --- the ends -----------------------------------------------------------------------------------------------------

    def _last(self, found: list[Task]) -> list[Task]:
        """Hooks, and where the tasks at the ends do not tell how the run went, one that does."""
        every = [inner for task in found for inner in task.all()]
        ends = _ends(found)
        hooks = [
            Task(self.names.new(hook), "step", hook, self.plan.step(hook), [*ends], anyway=bool(ends), mute=True)
            for hook in self.plan.hooks
        ]
        if not self.waits_for_failed:
            _mute([*hooks, *every])
            _mute_beside(found, is_beside=False)
        if not hooks and not any(task.anyway or task.mute for task in every):
            return []
        for hook in hooks:
            hook.first = not ends
        last = hooks or ends  # when it has failed, nothing else may be to do
        done = Task(self.names.new("done"), "outcome", "", None, [*last], anyway=self.waits_for_failed)
        return [*hooks, done] if ends else hooks


def _ends(found: list[Task]) -> list[Task]:
    """Those that no other one comes after."""
    before = {one for task in found for one in task.after}
    return [task for task in found if task not in before]


def _mute(every: list[Task]) -> None:
    """All that a task which runs anyway comes after ends well; nothing else makes KFP run it."""
    waiting = [one for task in every if task.anyway for one in task.after]
    seen: set[Task] = set()
    while waiting:
        task = waiting.pop()
        if task not in seen:
            seen.add(task)
            waiting += task.after
            for inner in task.all():
                inner.mute = True
    for task in every:
        task.anyway = False


def _mute_beside(found: list[Task], *, is_beside: bool) -> None:
    """All that others run beside, which do not come after it, ends well: once a task of a DAG has failed, Kubeflow's
    engine begins no more of its tasks. is_beside: whether something runs beside all of these."""
    number = {task: place for place, task in enumerate(found)}
    before: list[int] = []  # as bits, by number: tasks come in the order in which they may run
    for task in found:
        bits = 0
        for one in task.after:
            bits |= before[number[one]] | 1 << number[one]
        before.append(bits)
    for task, bits in zip(found, before, strict=True):
        mine = 1 << number[task]
        other_arms = sum(1 for one in found if one.told is task.told and one is not task) if task.told else 0
        later = sum(1 for one in before if one & mine)
        alone = bits.bit_count() + later + other_arms == len(found) - 1
        if not alone or is_beside:
            task.mute = True
        _mute_beside(task.body, is_beside=is_beside or not alone or task.kind == "loop")
