"""Where each node of a pipeline stands, and what it waits for: the static half of deriving a run's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    Branch,
    Compare,
    Condition,
    IsIn,
    IsNone,
    ListOf,
    Map,
    Not,
    OneOf,
    OutputRef,
    Pipeline,
    Source,
    Step,
    Truth,
)


class Need(NamedTuple):
    """Steps that a node waits for, and of which one (`OneOf`) or the only one must have succeeded."""

    steps: tuple[str, ...]


class Place(NamedTuple):
    """A node, the maps that it stands in (outermost first), and what it needs."""

    node: AnyNode
    scope: tuple[str, ...]
    needs: tuple[Need, ...]


class Plan:
    """All nodes of a pipeline by id. Steps and branches share one space of names, maps have their own."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.params = {param.name: param for param in pipeline.params}
        self.places: dict[str, Place] = {}
        self.maps: dict[str, Place] = {}
        self.order: dict[str, int] = {}
        self._walk(pipeline.nodes, ())

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
        place = self.places[step]
        found = [*self.step(step).inputs.values()]
        for name in place.scope:
            node = self.maps[name].node
            found += node.over.values() if isinstance(node, Map) else ()
        return {one for source in found for need in source_needs(source) for one in need.steps}

    def scope(self, step: str) -> tuple[str, ...]:
        return self.places[step].scope

    def steps(self) -> Iterator[Step]:
        """All steps, in the order they were written."""
        return (place.node for place in self.places.values() if isinstance(place.node, Step))

    def shared(self, step: str, scope: tuple[str, ...]) -> int:
        """How many maps a step has in common with something that stands in `scope`."""
        count = 0
        for own, other in zip(self.scope(step), scope, strict=False):
            if own != other:
                break
            count += 1
        return count

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
