"""The meaning of a run in a few dozen lines: no store, no processes, no schedule. What the runner is held against.

It shares the IR with the runner and nothing else: neither the plan, nor the conditions, nor the derived state.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from pipeglot.core import plain
from pipeglot.core.errors import Permanent
from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    Branch,
    Compare,
    Condition,
    Constant,
    IsIn,
    IsNone,
    ItemRef,
    ListOf,
    Map,
    Not,
    OneOf,
    OutputRef,
    ParamRef,
    Pipeline,
    Source,
    Step,
    Truth,
)
from tests.oracle.behaviours import BEHAVIOURS

Index = tuple[int, ...]


class Outcome(NamedTuple):
    """What became of one execution of a step; `attempts` is 0 if it did not run."""

    status: str
    value: Any = None
    attempts: int = 0


class Undecided(Exception):
    """A condition that has no answer, or a list that is none."""


class Interpreter:
    """Runs a pipeline from top to bottom; `cells` then holds every outcome by step and index."""

    def __init__(self, pipeline: Pipeline, given: dict[str, Any]) -> None:
        self.given = given
        self.cells: dict[tuple[str, Index], Outcome] = {}
        self.scopes: dict[str, tuple[str, ...]] = {}
        self.steps: dict[str, Step] = {}
        self.maps: dict[str, Map] = {}
        self.lengths: dict[tuple[str, Index], int] = {}
        self._note(pipeline.nodes, ())
        self._block(pipeline.nodes, (), ())
        self.status = "failed" if any(one.status == "failed" for one in self.cells.values()) else "succeeded"
        self.hooks = {step.id for step in (*pipeline.on_failure, *pipeline.on_success)}
        self._hooks(pipeline.on_failure, due=self.status == "failed")
        self._hooks(pipeline.on_success, due=self.status == "succeeded")

    def _note(self, nodes: tuple[AnyNode, ...], scope: tuple[str, ...]) -> None:
        for node in nodes:
            match node:
                case Step():
                    self.scopes[node.id], self.steps[node.id] = scope, node
                case Map():
                    self.maps[node.id] = node
                    self._note(node.body, (*scope, node.id))
                case Branch():
                    self._note(node.then + node.otherwise, scope)

    def _block(self, nodes: tuple[AnyNode, ...], scope: tuple[str, ...], index: Index) -> None:
        for node in nodes:
            match node:
                case Step():
                    self._step(node, scope, index)
                case Map():
                    self._map(node, scope, index)
                case Branch():
                    self._branch(node, scope, index)

    def _step(self, step: Step, scope: tuple[str, ...], index: Index) -> None:
        sources = [*step.inputs.values(), *(OutputRef(step=one) for one in step.after)]
        if step.trigger == "all_success" and not self._all_there(sources, scope, index):
            self.cells[step.id, index] = Outcome("skipped")
            return
        inputs = {name: self._value(source, scope, index) for name, source in step.inputs.items()}
        self.cells[step.id, index] = _execute(step, inputs)

    def _hooks(self, hooks: tuple[Step, ...], *, due: bool) -> None:
        """The outcome is known: nothing that becomes of them changes it."""
        self._note(hooks, ())
        for step in hooks:
            if due:
                self._step(step, (), ())
            else:
                self.cells[step.id, ()] = Outcome("skipped")

    def _map(self, node: Map, scope: tuple[str, ...], index: Index) -> None:
        if not self._all_there(list(node.over.values()), scope, index):
            self._skip(node, index)
            return
        lists = [self._value(source, scope, index) for source in node.over.values()]
        if any(type(one) is not list for one in lists) or len({len(one) for one in lists}) != 1:
            self._skip(node, index)
            self.cells[_first(node), index] = Outcome("failed")
            return
        self.lengths[node.id, index] = len(lists[0])
        for position in range(len(lists[0])):
            self._block(node.body, (*scope, node.id), (*index, position))

    def _branch(self, node: Branch, scope: tuple[str, ...], index: Index) -> None:
        if not self._all_there(_operands(node.when), scope, index):
            self._skip(node, index)
            return
        try:
            answer = self._answer(node.when, scope, index)
        except Undecided:
            self._skip(node, index)
            self.cells[node.id, index] = Outcome("failed")
            return
        for arm, taken in ((node.then, answer), (node.otherwise, not answer)):
            if taken:
                self._block(arm, scope, index)
            for child in () if taken else arm:
                self._skip(child, index)

    def _skip(self, node: AnyNode, index: Index) -> None:
        if isinstance(node, Step):
            self.cells[node.id, index] = Outcome("skipped")
            return
        for child in node.body if isinstance(node, Map) else node.then + node.otherwise:
            self._skip(child, index)

    # --- sources ------------------------------------------------------------------------------------------------------

    def _seen(self, step: str, scope: tuple[str, ...], index: Index) -> Index:
        """Where a step is looked for: at the items of the maps that both stand in."""
        shared = 0
        while shared < min(len(scope), len(self.scopes[step])) and scope[shared] == self.scopes[step][shared]:
            shared += 1
        return index[:shared]

    def _good(self, step: str, prefix: Index) -> bool:
        below = self.scopes[step][len(prefix) :]
        if not below:
            return self.cells[step, prefix].status == "succeeded"
        count = self.lengths.get((below[0], prefix))
        return count is not None and all(self._good(step, (*prefix, i)) for i in range(count))

    def _there(self, source: Source, scope: tuple[str, ...], index: Index) -> bool:
        match source:
            case OutputRef():
                return self._good(source.step, self._seen(source.step, scope, index))
            case OneOf():
                return any(self._there(one, scope, index) for one in source.options)
            case ListOf():
                return self._all_there(list(source.items), scope, index)
        return True

    def _all_there(self, sources: list[Source], scope: tuple[str, ...], index: Index) -> bool:
        return all(self._there(source, scope, index) for source in sources)

    def _value(self, source: Source, scope: tuple[str, ...], index: Index) -> Any:
        match source:
            case Constant():
                return plain.decode(source.value)
            case ParamRef():
                return self.given[source.name]
            case ItemRef():
                level = scope.index(source.map)
                whole = self._value(self.maps[source.map].over[source.name], scope[:level], index[:level])
                return whole[index[level]]
            case ListOf():
                return [self._value(one, scope, index) for one in source.items]
            case OneOf():
                return self._value(next(one for one in source.options if self._there(one, scope, index)), scope, index)
            case OutputRef():
                return self._output(source, self._seen(source.step, scope, index))

    def _output(self, source: OutputRef, prefix: Index) -> Any:
        below = self.scopes[source.step][len(prefix) :]
        if below:
            return [self._output(source, (*prefix, i)) for i in range(self.lengths[below[0], prefix])]
        value = self.cells[source.step, prefix].value
        names = [output.name for output in self.steps[source.step].returns.outputs]
        return value[names.index(source.output)] if source.output and len(names) > 1 else value

    # --- conditions ---------------------------------------------------------------------------------------------------

    def _answer(self, condition: Condition, scope: tuple[str, ...], index: Index) -> bool:
        match condition:
            case AllOf():
                return all(self._answer(term, scope, index) for term in condition.terms)
            case AnyOf():
                return any(self._answer(term, scope, index) for term in condition.terms)
            case Not():
                return not self._answer(condition.term, scope, index)
            case IsNone():
                return self._value(condition.value, scope, index) is None
            case Truth():
                return bool(self._value(condition.value, scope, index))
            case IsIn():
                value = self._value(condition.value, scope, index)
                return any(_same(value, one) for one in self._value(condition.among, scope, index))
            case Compare():
                sides = [self._value(side, scope, index) for side in (condition.left, condition.right)]
                return _compare(condition.op, *sides)


def _execute(step: Step, inputs: dict[str, Any]) -> Outcome:
    """Attempts until one succeeds, raises `Permanent` or something that is not worth another try, or was the last."""
    behaviour, seed = BEHAVIOURS[step.code.qualname], inputs.pop("seed")
    attempts = step.retry.attempts if step.retry else 1
    for attempt in range(1, attempts + 1):
        try:
            return Outcome("succeeded", behaviour(seed, attempt, **inputs), attempt)
        except Permanent:
            return Outcome("failed", attempts=attempt)
        except Exception as error:  # noqa: BLE001  # whatever a behaviour raises is a failure of its step
            worth = step.retry is not None and (not step.retry.on or _is_named(error, step.retry.on))
            if not worth or attempt == attempts:
                return Outcome("failed", attempts=attempt)
    raise AssertionError("there is at least one attempt")


def _is_named(error: Exception, names: tuple[str, ...]) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def _operands(condition: Condition) -> list[Source]:
    match condition:
        case AllOf() | AnyOf():
            return [source for term in condition.terms for source in _operands(term)]
        case Not():
            return _operands(condition.term)
        case Compare():
            return [condition.left, condition.right]
        case IsIn():
            return [condition.value, condition.among]
        case IsNone() | Truth():
            return [condition.value]


def _same(one: Any, other: Any) -> bool:
    return other is not None and _compare("==", one, other)


def _compare(op: str, left: Any, right: Any) -> bool:
    """Text compares with text, a bool with a bool, and any number with any other."""
    if left is None or right is None or any(isinstance(left, one) is not isinstance(right, one) for one in (str, bool)):
        raise Undecided
    words = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
    return bool(getattr(operator, words[op])(left, right))


def _first(node: AnyNode) -> str:
    while not isinstance(node, Step):
        node = node.body[0] if isinstance(node, Map) else (node.then + node.otherwise)[0]
    return node.id
