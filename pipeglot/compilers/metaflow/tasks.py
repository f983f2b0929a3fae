"""From rows and blocks to steps of Metaflow's: linear, split, foreach, switch or join, each of them only one of these.

A step of the pipeline forks, lists the items of a map or chooses an arm by itself where it may: where it is no join.
And it joins what comes before it. Else there is a step of Metaflow's between, with a name that tells what it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeglot.compilers.metaflow.layout import Body
from pipeglot.compilers.metaflow.names import Names, together
from pipeglot.compilers.metaflow.posets import Block, Group, Row
from pipeglot.core.ir import AnyNode, Branch, Map, Step

Kind = Literal["linear", "split", "foreach", "switch", "end"]


@dataclass(eq=False)
class Task:
    """A step of Metaflow's.

    name: there. step: of the pipeline, which it runs; group: several, of which each of its tasks runs one. is_join:
    whether others end in it. kind: how it goes on, and to which; of a switch to the first if the condition holds, else
    to the second. node: the map that it lists the items of, or the branch that it chooses an arm of; shared: or the
    steps that those after it share. each: the attribute that a foreach goes over. is_switched: whether a switch
    stands in its map.
    """

    name: str
    step: Step | None = None
    group: tuple[Step, ...] = ()
    is_join: bool = False
    kind: Kind = "end"
    next: list[Task] = field(default_factory=list)
    node: Map | Branch | None = None
    shared: tuple[Step, ...] = ()
    each: str = ""
    is_switched: bool = False

    def go(self, kind: Kind, *to: Task) -> None:
        self.kind = kind
        self.next = list(to)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those of the pipeline that it runs."""
        return (self.step,) if self.step is not None else self.group


Lead = Callable[[Task], None]


class _Open(NamedTuple):
    """Where something is to go on. lead: it does, with this task. last: the only task before, which may still be told
    to fork; None if there are several. joins: whether the next one is a join. name: of a task that closes it."""

    lead: Lead
    last: Task | None = None
    joins: bool = False
    name: str = ""


def tasks(root: Body, hooks: tuple[Step, ...], names: Names) -> list[Task]:
    """Those of a flow, in an order in which they may run: `start` first, hooks after all others, `end` last."""
    return _Tasks(names).all(root, hooks)


class _Tasks:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.found: list[Task] = []

    def all(self, root: Body, hooks: tuple[Step, ...]) -> list[Task]:
        start = Task("start")
        self.found.append(start)
        self._reserve(root, hooks)
        at = self._row(root, root.row, _one(start))
        for hook in hooks:
            at = self._step(hook, at)
        end = Task("end")
        (self._closed(at) if at.joins else at).lead(end)
        return [*self.found, end]

    def _reserve(self, root: Body, hooks: tuple[Step, ...]) -> None:
        """Steps of the pipeline have the first choice of names."""
        steps = [node for body in root.all() for node in body.nodes if isinstance(node, Step)]
        self.of_steps = {step.id: self.names.step(step.id) for step in (*steps, *hooks)}

    def _new(self, name: str, lead: Lead) -> Task:
        task = Task(self.names.step(name))
        self.found.append(task)
        lead(task)
        return task

    # --- rows and blocks ----------------------------------------------------------------------------------------------

    def _row(self, body: Body, row: Row, at: _Open) -> _Open:
        for part in row:
            if isinstance(part, Block):
                at = self._block(body, part, at)
            elif isinstance(part, Group):
                at = self._group(body, part, at)
            else:
                at = self._node(body, part, at)
        return at

    def _node(self, body: Body, number: int, at: _Open) -> _Open:
        node: AnyNode = body.nodes[number]
        if isinstance(node, Step):
            return self._step(node, at)
        inner = body.inner[number]
        if isinstance(node, Map):
            return self._map(node, inner[0], at)
        if number in body.inline:
            for arm in inner:
                at = self._row(arm, arm.row, at)
            return at
        return self._branch(node, inner, at)

    def _step(self, step: Step, at: _Open) -> _Open:
        task = Task(self.of_steps[step.id], step=step)
        self.found.append(task)
        at.lead(task)
        return _one(task)

    def _block(self, body: Body, block: Block, at: _Open) -> _Open:
        if len(block.rows) == 1:
            return self._row(body, block.rows[0], at)
        ids = [body.ids(row) for row in block.rows]
        fork = self._free(at, f"fork_{together(one[0] for one in ids)}")
        firsts: list[Task] = []
        tails = [self._single(self._row(body, row, _Open(firsts.append))) for row in block.rows]
        fork.go("split", *firsts)
        return _join(tails, f"join_{together(one[-1] for one in ids)}")

    def _group(self, body: Body, group: Group, at: _Open) -> _Open:
        steps = tuple(node for node in map(body.nodes.__getitem__, group.elements) if isinstance(node, Step))
        ids = [step.id for step in steps]
        lists = self._free(at, f"share_{together(ids)}")
        task = self._new(together(ids, "or"), lambda _: None)
        task.group = steps
        lists.shared, lists.each = steps, self.names.each(task.name)
        lists.go("foreach", task)
        return _join([task], f"join_{together(ids)}")

    def _map(self, node: Map, body: Body, at: _Open) -> _Open:
        lists = self._free(at, f"{node.id}_items")
        lists.node = node
        lists.each = self.names.each(node.id)
        lists.is_switched = body.is_switched
        firsts: list[Task] = []
        tail = self._single(self._row(body, body.row, _Open(firsts.append)))
        lists.go("foreach", *firsts)
        return _join([tail], f"{node.id}_join")

    def _branch(self, node: Branch, arms: list[Body], at: _Open) -> _Open:
        chooses = self._free(at, node.id)
        chooses.node = node
        firsts: list[Task] = []
        tails = [self._single(self._row(arm, arm.row, _Open(firsts.append))) for arm in arms if arm.nodes]
        chooses.go("switch", *firsts)

        def lead(task: Task) -> None:
            for tail in tails:
                tail.go("linear", task)
            chooses.next += [task] * (2 - len(firsts))

        return _Open(lead, name=f"{node.id}_over")

    # --- between them -------------------------------------------------------------------------------------------------

    def _free(self, at: _Open, name: str) -> Task:
        """A task that may fork: the last one, if it is no join, else one of its own."""
        if at.last is not None and not at.last.is_join:
            return at.last
        return self._new(name, (self._closed(at) if at.joins else at).lead)

    def _closed(self, at: _Open) -> _Open:
        return _one(self._new(at.name, at.lead))

    def _single(self, at: _Open) -> Task:
        """The only task at the end: a join, or where the arms of a branch come together, is made if there are more."""
        return at.last if at.last is not None else self._new(at.name, at.lead)


def _one(task: Task) -> _Open:
    return _Open(lambda following: task.go("linear", following), last=task)


def _join(tails: list[Task], name: str) -> _Open:
    def lead(task: Task) -> None:
        task.is_join = True
        for tail in tails:
            tail.go("linear", task)

    return _Open(lead, joins=True, name=name)
