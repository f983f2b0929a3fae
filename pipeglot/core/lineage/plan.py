"""Where each node of a pipeline stands, and what it waits for: the static half of deriving a run's state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NamedTuple

from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    Branch,
    Compare,
    Condition,
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
from pipeglot.core.lineage.records import Look

Hook = Literal["on_failure", "on_success"]
Want = Literal["length", "value"]
Wants = set[tuple[int, Want]]
"""What is asked of the items of a list: at which depth (1: its own items), and what."""


class Need(NamedTuple):
    """Steps that a node waits for, and of which one (`OneOf`) or the only one must have succeeded."""

    steps: tuple[str, ...]


class Place(NamedTuple):
    """A node, the maps that it stands in (outermost first), and what it needs."""

    node: AnyNode
    scope: tuple[str, ...]
    needs: tuple[Need, ...]


class Plan:
    """All nodes of a pipeline by id. Steps and branches share one space of names, maps have their own.

    trusted: whether the modules of classes that it names may be imported: not if it was read from a store that is not.
    """

    def __init__(self, pipeline: Pipeline, *, trusted: bool = True) -> None:
        self.pipeline = pipeline
        self.trusted = trusted
        self.params = {param.name: param for param in pipeline.params}
        self.places: dict[str, Place] = {}
        self.maps: dict[str, Place] = {}
        self.order: dict[str, int] = {}
        self.hooks: dict[str, Hook] = {}
        self._walk(pipeline.nodes, ())
        self._add_hooks("on_failure", pipeline.on_failure)
        self._add_hooks("on_success", pipeline.on_success)

    def repeats(self, step: str) -> bool:
        """Whether a step runs again, though it has succeeded, when what was before it did: clean-up steps and hooks."""
        return step in self.hooks or self.step(step).trigger == "all_done"

    def step(self, step: str) -> Step:
        node = self.places[step].node
        assert isinstance(node, Step)
        return node

    @property
    def codes(self) -> dict[str, str]:
        """The code digest of each step."""
        return {step.id: step.code.digest for step in self.steps()}

    def sources(self, step: str) -> set[str]:
        """The steps that a step takes values from: its own arguments, and the lists of the maps that it stands in."""
        return {one for source in self.origins(step) for need in source_needs(source) for one in need.steps}

    def origins(self, step: str) -> list[Source]:
        """Where a step takes values from: its own arguments, and the lists of the maps that it stands in."""
        found = [*self.step(step).inputs.values()]
        for name in self.places[step].scope:
            node = self.maps[name].node
            found += node.over.values() if isinstance(node, Map) else ()
        return found

    def scope(self, step: str) -> tuple[str, ...]:
        return self.places[step].scope

    def steps(self) -> Iterator[Step]:
        """All steps, in the order they were written; hooks come last."""
        return (place.node for place in self.places.values() if isinstance(place.node, Step))

    def shared(self, step: str, scope: tuple[str, ...]) -> int:
        """How many maps a step has in common with something that stands in `scope`."""
        count = 0
        for own, other in zip(self.scope(step), scope, strict=False):
            if own != other:
                break
            count += 1
        return count

    def looks(self, step: str) -> dict[str, Look]:
        """What the shape of a run depends on in the items of a step's outputs, by output."""
        return {output: _look(wants) for output, wants in self._wanted[step].items()} if step in self._wanted else {}

    def looks_of_params(self) -> dict[str, Look]:
        """The same for parameters that name artifacts."""
        return self.looks("")

    @cached_property
    def _wanted(self) -> dict[str, dict[str, Wants]]:
        """By step (parameters stand under no step) and output."""
        found: dict[str, dict[str, Wants]] = {}
        for place in (*self.maps.values(), *self.places.values()):
            if isinstance(place.node, Map):
                for source in place.node.over.values():
                    self._want(source, place.scope, 0, "length", found)
            elif isinstance(place.node, Branch):
                for source in operands(place.node.when):
                    self._want(source, place.scope, 0, "value", found)
        return found

    def _want(
        self, source: Source, scope: tuple[str, ...], depth: int, want: Want, found: dict[str, dict[str, Wants]]
    ) -> None:
        """Note whose items `source` leads to; `depth` counts the items that were stepped into on the way here."""
        if isinstance(source, ItemRef):
            place = self.maps[source.map]
            if isinstance(place.node, Map):
                self._want(place.node.over[source.name], place.scope, depth + 1, want, found)
        elif isinstance(source, OneOf):
            for option in source.options:
                self._want(option, scope, depth, want, found)
        elif isinstance(source, ListOf) and (depth or want == "value"):
            for item in source.items:
                self._want(item, scope, max(0, depth - 1), want, found)
        elif isinstance(source, OutputRef):
            inner = depth - (len(self.scope(source.step)) - self.shared(source.step, scope))
            if inner > 0:
                found.setdefault(source.step, defaultdict(set))[source.output or "output"].add((inner, want))
        elif isinstance(source, ParamRef) and depth:
            found.setdefault("", defaultdict(set))[source.name].add((depth, want))

    def _add_hooks(self, kind: Hook, hooks: tuple[Step, ...]) -> None:
        for step in hooks:
            self.order[step.id] = len(self.order)
            self.places[step.id] = Place(step, (), ())
            self.hooks[step.id] = kind

    def _walk(self, nodes: tuple[AnyNode, ...], scope: tuple[str, ...]) -> None:
        for node in nodes:
            place = Place(node, scope, _needs(node))
            if isinstance(node, Map):
                self.maps[node.id] = place
                self._walk(node.body, (*scope, node.id))
                continue
            self.order[node.id] = len(self.order)
            self.places[node.id] = place
            if isinstance(node, Branch):
                self._walk(node.then, scope)
                self._walk(node.otherwise, scope)


def _needs(node: AnyNode) -> tuple[Need, ...]:
    if isinstance(node, Step):
        found = [need for source in node.inputs.values() for need in source_needs(source)]
        found += [Need((step,)) for step in node.after]
    elif isinstance(node, Map):
        found = [need for source in node.over.values() for need in source_needs(source)]
    else:
        found = [need for source in operands(node.when) for need in source_needs(source)]
    return tuple(dict.fromkeys(found))


def source_needs(source: Source) -> Iterator[Need]:
    """What must have succeeded before a source has a value. An item is there once its map has expanded."""
    if isinstance(source, OutputRef):
        yield Need((source.step,))
    elif isinstance(source, OneOf):
        yield Need(tuple(option.step for option in source.options))
    elif isinstance(source, ListOf):
        for item in source.items:
            yield from source_needs(item)


def operands(condition: Condition) -> Iterator[Source]:
    """All sources in a condition, left to right."""
    if isinstance(condition, Compare):
        yield from (condition.left, condition.right)
    elif isinstance(condition, AllOf | AnyOf):
        for term in condition.terms:
            yield from operands(term)
    elif isinstance(condition, Not):
        yield from operands(condition.term)
    elif isinstance(condition, IsIn):
        yield from (condition.value, condition.among)
    elif isinstance(condition, IsNone | Truth):
        yield condition.value


def inner_steps(node: AnyNode) -> Iterator[Step]:
    """The steps of a node and of all that it contains, in order."""
    if isinstance(node, Step):
        yield node
        return
    inner = node.body if isinstance(node, Map) else node.then + node.otherwise
    for child in inner:
        yield from inner_steps(child)


def _look(wants: Wants) -> Look:
    look: Look | None = None
    for depth in range(max(depth for depth, _ in wants), 0, -1):
        look = Look((depth, "length") in wants, (depth, "value") in wants, look)
    assert look is not None, "a want is of depth 1 or more"
    return look
