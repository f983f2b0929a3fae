"""What the ledger says of the steps before one: read cell by cell, for a worker may have no right to list.

A run as a whole is derived from all its records (`lineage.state`). A task asks only for what it needs itself: whether
its own upstreams have succeeded, and what they returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import StepError
from pipeglot.core.ir import AnyNode, Branch, Map
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.arguments import Arg, Arguments
from pipeglot.core.lineage.conditions import evaluate
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.ledger import Ledger, unpack_verdict
from pipeglot.core.lineage.plan import Need, Place, Plan, inner_steps
from pipeglot.core.lineage.records import Start, Verdict

NO_LIST = -1
"""In the place of an item's position: the map has no list to step through."""


class Cells:
    """The cells of one run, as far as they were asked for. What has succeeded stays so; all else is read again."""

    def __init__(self, plan: Plan, start: Start, ledger: Ledger, artifacts: Artifacts) -> None:
        self.plan = plan
        self.run = start.run
        self.ledger = ledger
        self.arguments = Arguments(plan, start.params, artifacts, self.verdict, self.succeeded, start.artifacts)
        self._good: dict[Cell, Verdict] = {}
        self._arms = dict(_arms(plan.pipeline.nodes, ()))
        """By step or map: the branches around it, outermost first, each with the answer that its arm is for."""

    def verdict(self, step: str, index: Index) -> Verdict | None:
        """The verdict that counts: that of success, else the latest."""
        cell = (step, index)
        if self.plan.repeats(step):
            latest = last_verdict(self.ledger, self.run, cell, repeats=True)
            is_open = latest is not None and self.ledger.is_reopened(self.run, *cell, latest.slot + 1)
            return None if is_open else latest
        found = self._good.get(cell) or last_verdict(self.ledger, self.run, cell)
        if found is not None and found.status == "succeeded":
            self._good[cell] = found
        return found

    def succeeded(self, step: str, prefix: Index) -> bool:
        """Whether a step, or all its items below `prefix`, have succeeded."""
        below = self.plan.scope(step)[len(prefix) :]
        if not below:
            found = self.verdict(step, prefix)
            return found is not None and found.status == "succeeded"
        around = self.plan.maps[below[0]]
        if not self.is_led(below[0], prefix) or not self.met(around, prefix):  # an empty list counts only if it is due
            return False
        try:
            width = self.arguments.width(below[0], prefix)
        except StepError:  # there is no list, so its steps have failed for it
            return False
        indexes = [(*prefix, item) for item in range(width)]
        if len(below) == 1:
            self._read_ahead(step, indexes)
        return all(self.succeeded(step, index) for index in indexes)

    def met(self, place: Place, index: Index) -> bool:
        """Whether all that a node needs at an index has succeeded."""
        return all(self._is_met(need, place.scope, index) for need in place.needs)

    def is_due(self, step: str, index: Index) -> bool:
        """Whether a step is to run: the branches around it lead to it, and all that it needs has succeeded."""
        return self.is_led(step, index) and self.met(self.plan.places[step], index)

    def answer(self, branch: str, index: Index) -> bool | None:
        """Whether a branch's condition holds, for what stands at this index or below; None if it cannot be asked.

        Raises `StepError` if it has no answer.
        """
        place = self.plan.places[branch]
        assert isinstance(place.node, Branch)
        at = index[: len(place.scope)]
        if not self.met(place, at):
            return None
        return evaluate(place.node.when, lambda source: self.arguments.operand(source, place.scope, at))

    def of_step(self, step: str, index: Index) -> dict[str, Arg]:
        """The arguments of an execution whose needs are met."""
        return self.arguments.of_step(step, index)

    def indexes(self, step: str) -> Iterator[Index]:
        """All positions of a step in its maps, in order. Of a map that has no list to step through, its first step has
        one with `NO_LIST` at its end: to fail there."""
        yield from self._below(step, ())

    def successes(self, step: str) -> list[Verdict]:
        """What has made something for a step: of one in maps, all items that did."""
        indexes = list(self.indexes(step))
        self._read_ahead(step, indexes)
        found = [self.verdict(step, index) for index in indexes if NO_LIST not in index]
        return [one for one in found if one is not None and one.status == "succeeded"]

    def fails_for_list(self, step: str, index: Index) -> bool:
        """Whether it is this step that fails where its map has no list: of all in the map, the first one does."""
        return next(inner_steps(self.plan.maps[self.plan.scope(step)[len(index) - 1]].node)).id == step

    def why_no_list(self, step: str, index: Index) -> StepError:
        """What is wrong with the list of a map, at a position that ends with `NO_LIST`."""
        try:
            self.arguments.width(self.plan.scope(step)[len(index) - 1], index[:-1])
        except StepError as error:
            return error
        raise AssertionError("a list does not change in a run")

    def _below(self, step: str, prefix: Index) -> Iterator[Index]:
        scope = self.plan.scope(step)
        if len(prefix) == len(scope):
            yield prefix
            return
        for index in self.items(scope[len(prefix)], prefix):
            if NO_LIST not in index:
                yield from self._below(step, index)
            elif self.fails_for_list(step, index):
                yield index

    def items(self, map_: str, prefix: Index) -> Iterator[Index]:
        """The positions of a map's items below `prefix`; if there is no list to step through, one with `NO_LIST`."""
        if NO_LIST in prefix:
            yield prefix  # of a map around it
            return
        if not self.is_led(map_, prefix) or not self.met(self.plan.maps[map_], prefix):
            return
        try:
            width = self.arguments.width(map_, prefix)
        except StepError:
            yield (*prefix, NO_LIST)
            return
        for item in range(width):
            yield (*prefix, item)

    def is_led(self, node: str, index: Index) -> bool:
        """Whether all branches around a node lead to it, as far as they can be seen from this index."""
        try:
            return all(self.answer(branch, index) == wanted for branch, wanted in self._arms.get(node, ()))
        except StepError:  # the branch has failed for it
            return False

    def _is_met(self, need: Need, scope: tuple[str, ...], index: Index) -> bool:
        return any(self.succeeded(step, index[: self.plan.shared(step, scope)]) for step in need.steps)

    def _read_ahead(self, step: str, indexes: Iterable[Index]) -> None:
        """Many at once, which a bucket answers as fast as one."""
        cells = ((step, index) for index in indexes)
        wanted = {keys.verdict(self.run, *cell): cell for cell in cells if cell not in self._good}
        if len(wanted) < 2 or self.plan.repeats(step):
            return
        for key, data in self.ledger.store.get_all(wanted):
            if data is None:
                continue
            found = unpack_verdict(data, key, self.run)
            if found.status == "succeeded":
                self._good[wanted[key]] = found


Arms = tuple[tuple[str, bool], ...]


def _arms(nodes: Iterable[AnyNode], around: Arms) -> Iterator[tuple[str, Arms]]:
    for node in nodes:
        if isinstance(node, Branch):
            yield from _arms(node.then, (*around, (node.id, True)))
            yield from _arms(node.otherwise, (*around, (node.id, False)))
            continue
        if around:
            yield node.id, around
        if isinstance(node, Map):
            yield from _arms(node.body, around)


def last_verdict(ledger: Ledger, run: str, cell: Cell, *, repeats: bool = False) -> Verdict | None:
    """The verdict of a cell's last slot that has one; slots are opened in order, and none after a success, but of a
    step that `repeats`."""
    found, slot = None, 1
    while True:
        verdict = ledger.verdict(run, *cell, slot)
        if verdict is None:
            return found
        if verdict.status == "succeeded" and not repeats:
            return verdict
        found, slot = verdict, slot + 1
