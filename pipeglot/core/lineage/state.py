"""The state of a run, derived: one pure function of the pipeline, the parameters and the verdicts.

Skips, branch answers, widths of maps and the run's status are never recorded; everybody who knows the verdicts computes
the same ones here, whatever order the verdicts came in. The local runner drives a run with it, a reader replays one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import ParamError, StepError, ValueRefused
from pipeglot.core.ir import AnyNode, Branch, Map, Pipeline, Step
from pipeglot.core.lineage.arguments import NO_REFS, Arguments
from pipeglot.core.lineage.conditions import evaluate
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.plan import Need, Place, Plan, inner_steps
from pipeglot.core.lineage.records import Failure, Ref, Verdict

Status = Literal["succeeded", "failed", "skipped", "cancelled", "lost"]
RunStatus = Literal["running", "succeeded", "failed", "cancelled", "lost"]
Outcome = Literal["succeeded", "failed", "cancelled", "lost"]


_OURS = (ParamError, ValueRefused)
UNFIT = (*_OURS, LookupError, ValueError, TypeError, AssertionError, AttributeError, ArithmeticError, RecursionError)
"""What deriving a state may raise for records that are whole each, but do not belong together."""


MOST_CELLS = 10_000_000
"""More executions in one run fit into no memory: a record that asks for them is forged."""


class Entry(NamedTuple):
    """What became of a cell. A branch has one only if its condition failed, a map only (by its steps) if it never
    expanded."""

    status: Status
    verdict: Verdict | None = None
    failure: Failure | None = None


class _Waiting:
    """A node at an index, until all that it needs is settled."""

    __slots__ = ("index", "left", "place")

    def __init__(self, place: Place, index: Index, left: int) -> None:
        self.place = place
        self.index = index
        self.left = left


class RunState:
    """Feed it verdicts by `apply`; ask it for `entries`, what is `ready` to run, and the `status`.

    given: the run's parameters. named: what each parameter that names an artifact was resolved to (`Start.artifacts`).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        given: dict[str, Any],
        artifacts: Artifacts,
        plan: Plan | None = None,
        *,
        named: Mapping[str, Ref] = NO_REFS,
    ) -> None:
        self.plan = plan or Plan(pipeline)
        self.arguments = Arguments(self.plan, given, artifacts, self._verdict_of, self.succeeded, named)
        self.entries: dict[Cell, Entry] = {}
        self.ready: list[Cell] = []
        self.fresh: list[Cell] = []
        self._early: dict[Cell, Verdict] = {}
        self.expected: set[Cell] = set()
        self._good: dict[Cell, bool] = {}
        self._open: dict[Cell, int] = {}
        self._bad: set[Cell] = set()
        self._waiters: defaultdict[Cell, list[_Waiting]] = defaultdict(list)
        self._unsettled = 0
        self._todo: list[tuple[Place, Index]] = []
        self._placed = 0
        self._over = False
        """Whether all but the hooks is settled."""
        self._place_all(pipeline.nodes, ())
        self._drain()

    # --- asking -----------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether every cell has a verdict or a derived end, those of hooks too."""
        return self._over and self._unsettled == 0

    @property
    def status(self) -> RunStatus:
        """What became of the run; what becomes of hooks is no part of it."""
        return self.outcome if self.finished else "running"

    @property
    def outcome(self) -> RunStatus:
        """What the status is to be, as soon as all but the hooks is over: they run by it, and cannot change it."""
        if not self._over:
            return "running"
        return worst(self.found)

    @property
    def found(self) -> set[Status]:
        """What became of the cells so far, but for hooks."""
        return {entry.status for (step, _), entry in self.entries.items() if step not in self.plan.hooks}

    def succeeded(self, step: str, prefix: Index) -> bool:
        """Whether a step, or all its items below `prefix`, succeeded."""
        return self._good.get((step, prefix), False)

    def ordered(self) -> list[tuple[Cell, Entry]]:
        """All entries, in the order of the pipeline and of the items."""
        return sorted(self.entries.items(), key=lambda pair: (self.plan.order[pair[0][0]], pair[0][1]))

    def waiting(self) -> Iterator[tuple[AnyNode, Index, set[str]]]:
        """The nodes that cannot be acted on yet, at which index, and the steps that they wait for."""
        found: dict[int, tuple[_Waiting, set[str]]] = {}
        for (step, _), waiters in self._waiters.items():
            for one in waiters:
                found.setdefault(id(one), (one, set()))[1].add(step)
        for waiting, steps in found.values():
            yield waiting.place.node, waiting.index, steps

    def take_ready(self) -> list[Cell]:
        """The cells that became ready since the last call."""
        ready, self.ready = self.ready, []
        return ready

    def take_fresh(self) -> list[Cell]:
        """The cells that got an entry since the last call, skips among them."""
        fresh, self.fresh = self.fresh, []
        return fresh

    # --- feeding ----------------------------------------------------------------------------------------------------

    def apply(self, verdict: Verdict) -> None:
        """Take in a verdict. One whose cell is not expected yet is kept until it is; a second changes nothing."""
        cell = (verdict.step, verdict.index)
        if cell in self.entries:
            return
        if cell not in self.expected:
            self._early[cell] = verdict
            return
        self._settle_cell(cell, Entry(verdict.status, verdict, verdict.observed.failure))
        self._drain()

    def apply_all(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self.apply(verdict)

    # --- placing nodes ----------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Act on all nodes whose needs are settled. A loop, not recursion: chains may be ten thousand steps long."""
        while self._todo:
            place, index = self._todo.pop()
            self._act(place, index)
        if not self._over and not self._unsettled:
            self._over = True
            self._begin_hooks()

    def _begin_hooks(self) -> None:
        """All else is over. Those of `on_success` run if all went well, those of `on_failure` in any other case."""
        due = "on_success" if self.outcome == "succeeded" else "on_failure"
        for step, kind in self.plan.hooks.items():
            self._unsettled += 1
            self._act_step(self.plan.step(step), (), kind == due)

    def _place_all(self, nodes: tuple[AnyNode, ...], index: Index) -> None:
        for node in nodes:
            place = self.plan.maps[node.id] if isinstance(node, Map) else self.plan.places[node.id]
            self._unsettled += 1
            groups = {group for need in place.needs for group in self._groups(need, place.scope, index)}
            waiting = _Waiting(place, index, sum(group not in self._good for group in groups))
            if not waiting.left:
                self._todo.append((place, index))
                continue
            for group in groups:
                if group not in self._good:
                    self._waiters[group].append(waiting)

    def _groups(self, need: Need, scope: tuple[str, ...], index: Index) -> list[Cell]:
        return [(step, index[: self.plan.shared(step, scope)]) for step in need.steps]

    def _act(self, place: Place, index: Index) -> None:
        node = place.node
        met = all(any(self._good[group] for group in self._groups(need, place.scope, index)) for need in place.needs)
        if isinstance(node, Step):
            self._act_step(node, index, met)
        elif not met:
            self._unsettled -= 1
            self._skip(node, index)
        elif isinstance(node, Map):
            self._expand(node, index)
        else:
            self._decide(node, place, index)

    def _act_step(self, node: Step, index: Index, met: bool) -> None:
        cell = (node.id, index)
        if not met and (node.trigger == "all_success" or node.id in self.plan.hooks):
            self._settle_cell(cell, Entry("skipped"))
            return
        self.expected.add(cell)
        early = self._early.pop(cell, None)
        if early is not None:
            self._settle_cell(cell, Entry(early.status, early, early.observed.failure))
        else:
            self.ready.append(cell)

    def _expand(self, node: Map, index: Index) -> None:
        try:
            width = self.arguments.width(node.id, index)
        except StepError as error:
            self._unsettled -= 1
            self._fail_map(node, index, error)
            return
        inner = list(inner_steps(node))
        self._placed += width * len(inner)
        if self._placed > MOST_CELLS:
            raise StepError(f"the run would have more than {MOST_CELLS:,} executions of steps: at map `{node.id}`")
        for step in inner:
            self._open[step.id, index] = width
            if not width:
                self._settle_group((step.id, index), True)
        self._unsettled -= 1
        for position in range(width):
            self._place_all(node.body, (*index, position))

    def _fail_map(self, node: Map, index: Index, error: StepError) -> None:
        """A map over something that is no list: its first step fails, what follows in it is skipped."""
        first, *others = inner_steps(node)
        self._unsettled += 1
        self._settle_cell((first.id, index), Entry("failed", failure=_failure(error, "map")))
        for step in others:
            self._unsettled += 1
            self._settle_cell((step.id, index), Entry("skipped"))

    def _decide(self, node: Branch, place: Place, index: Index) -> None:
        self._unsettled -= 1
        try:
            answer = evaluate(node.when, lambda source: self.arguments.operand(source, place.scope, index))
        except StepError as error:
            self.entries[node.id, index] = Entry("failed", failure=_failure(error, "condition"))
            self.fresh.append((node.id, index))
            self._skip(node, index)
            return
        taken, other = (node.then, node.otherwise) if answer else (node.otherwise, node.then)
        for child in other:
            self._skip(child, index)
        self._place_all(taken, index)

    def _skip(self, node: AnyNode, index: Index) -> None:
        for step in inner_steps(node):
            self._unsettled += 1
            self._settle_cell((step.id, index), Entry("skipped"))

    # --- settling ---------------------------------------------------------------------------------------------------

    def _settle_cell(self, cell: Cell, entry: Entry) -> None:
        self.entries[cell] = entry
        self.fresh.append(cell)
        self.expected.discard(cell)
        self._unsettled -= 1
        self._settle_group(cell, entry.status == "succeeded")

    def _settle_group(self, group: Cell, good: bool) -> None:
        """A step is done at an index; so may be the list of its items one level up."""
        while True:
            self._good[group] = good
            for waiting in self._waiters.pop(group, ()):
                waiting.left -= 1
                if not waiting.left:
                    self._todo.append((waiting.place, waiting.index))
            step, prefix = group
            if not prefix:
                return
            parent = (step, prefix[:-1])
            self._open[parent] -= 1
            if not good:
                self._bad.add(parent)
            if self._open[parent]:
                return
            group, good = parent, parent not in self._bad

    def _verdict_of(self, step: str, index: Index) -> Verdict | None:
        entry = self.entries.get((step, index))
        return entry.verdict if entry else None


def worst(found: Collection[Status]) -> Outcome:
    """What became of a run in which this became of cells. What got lost beside a failure may have been ended for that:
    some engines end a run when a step has failed."""
    order: tuple[Outcome, ...] = ("cancelled", "failed", "lost")
    return next((status for status in order if status in found), "succeeded")


def _failure(error: StepError, cause: Literal["condition", "map"]) -> Failure:
    return Failure(cause=cause, type=type(error).__name__, message=error.message, hint=error.hint, permanent=True)
