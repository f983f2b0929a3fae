"""Arguments as references: what a source of the IR stands for in one run, before any value is loaded.

An `Arg` is small and travels to workers; its hashes are known without reading a byte of the value. Lengths and operands
(`Arguments.width`, `Arguments.operand`) come from the records alone: all readers of a run get the same ones, whatever
became of its blobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from msgspec import UNSET, Struct, structs

from pipeglot.core import params, plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import PipeglotError, StepError
from pipeglot.core.imports import Unimported, is_imported
from pipeglot.core.ir import (
    Constant,
    EnumType,
    ItemRef,
    ListOf,
    ListType,
    OneOf,
    OutputRef,
    ParamRef,
    ParamType,
    Returns,
    Source,
    TupleType,
)
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Hashes, Outline, Ref, Verdict

LISTED = 32
"""A list of more arguments has one hash, made of theirs: else each of n items that take a map's n results lists n."""

MOST_ITEMS = 1_000_000
"""Of one map, at one index. Each has records of its own: so many are a mistake, or forged."""

NO_REFS: Mapping[str, Ref] = MappingProxyType({})


class Given(Struct, frozen=True, tag_field="kind", tag="given"):
    """A parameter or a constant: the value itself, in its tagged form."""

    value: Any
    type: ParamType | None = None


class Saved(Struct, frozen=True, tag_field="kind", tag="saved"):
    """One output of a step."""

    ref: Ref


class Gathered(Struct, frozen=True, tag_field="kind", tag="gathered"):
    """A list of arguments: the items of a map in order, or a list written in the pipeline."""

    items: tuple[Arg, ...]


class Whole(Struct, frozen=True, tag_field="kind", tag="whole"):
    """All that a step with several outputs returned."""

    returns: Returns
    refs: dict[str, Ref]


Arg: TypeAlias = Given | Saved | Gathered | Whole


class _Part:
    """An item of a stored list, or an item of that, which nobody had to look up yet."""

    __slots__ = ("_ref", "position", "whole")

    def __init__(self, whole: Saved | _Part, position: int) -> None:
        self.whole = whole
        self.position = position
        self._ref: Ref | None = None

    def ref(self, artifacts: Artifacts) -> Ref:
        """Its reference: this may read the list."""
        if self._ref is None:
            whole = self.whole.ref if isinstance(self.whole, Saved) else self.whole.ref(artifacts)
            self._ref = artifacts.item(whole, self.position)
        return self._ref

    @property
    def at_hand(self) -> bool:
        """Whether the list travels in its reference."""
        whole = self.whole
        return whole.at_hand if isinstance(whole, _Part) else whole.ref.codec == "json/1" and _is_inline(whole.ref)

    @property
    def around(self) -> Outline | None:
        """What the records tell of the list that it is in."""
        whole = self.whole
        if isinstance(whole, Saved):
            return whole.ref.outline
        outer = whole.around
        return outer.items[whole.position] if outer is not None and outer.items is not None else None


_Known: TypeAlias = Arg | _Part


def _is_inline(ref: Ref) -> bool:
    return ref.inline is not UNSET


def hashes(arg: Arg, *, key: bool = False) -> Hashes:
    """The identity of an argument; with `key`, as cache keys want it (of an opaque value, its bytes)."""
    if isinstance(arg, Given):
        return plain.digest(plain.decode(arg.value))
    if isinstance(arg, Saved):
        return arg.ref.key_hash if key else arg.ref.value
    if isinstance(arg, Gathered):
        found = [hashes(item, key=key) for item in arg.items]
        return found if _count(found) <= LISTED else plain.digest(["list", found])
    return {name: ref.key_hash if key else ref.value for name, ref in arg.refs.items()}


def _count(found: Hashes) -> int:
    if isinstance(found, str):
        return 1
    return sum(map(_count, found.values() if isinstance(found, dict) else found))


def refs(arg: Arg) -> Iterator[Ref]:
    """All saved values in an argument."""
    if isinstance(arg, Saved):
        yield arg.ref
    elif isinstance(arg, Gathered):
        for one in arg.items:
            yield from refs(one)
    elif isinstance(arg, Whole):
        yield from arg.refs.values()


def _length(arg: _Known, name: str, artifacts: Artifacts) -> int:
    """How many items a map finds in it. Raises `StepError` if it is no list."""
    found: int | None = None
    if isinstance(arg, Gathered):
        found = len(arg.items)
    elif isinstance(arg, Saved):
        found = arg.ref.length
    elif isinstance(arg, _Part):
        found = _length_of_part(arg, name, artifacts)
    elif isinstance(arg, Given):
        value = plain.decode(arg.value)
        found = len(value) if type(value) in (list, tuple) else None
    if found is None:
        raise StepError(
            f"`{name}` is no list, so a map cannot step through it",
            hint="return a `list` or `tuple` from the step that makes it",
        )
    return found


def _length_of_part(part: _Part, name: str, artifacts: Artifacts) -> int | None:
    if part.at_hand:
        return part.ref(artifacts).length
    around = part.around
    if around is None or around.lengths is None:
        raise StepError(
            f"`{name}` is an item of a list too large for the run's records, so a map cannot tell how long it is",
            hint="let a step flatten the lists into one, and map over that",
        )
    return around.lengths[part.position]


def _operand(arg: _Known, artifacts: Artifacts, trusted: bool) -> Any:
    """The value that a condition compares. Raises `StepError` if the records do not have it."""
    if isinstance(arg, Given):
        return _compared(arg, trusted)
    if isinstance(arg, Gathered):
        return [_operand(one, artifacts, trusted) for one in arg.items]
    ref: Ref | None = None
    if isinstance(arg, Saved):
        ref = arg.ref
    elif isinstance(arg, _Part) and arg.at_hand:
        ref = arg.ref(artifacts)
    elif isinstance(arg, _Part):
        around = arg.around
        found = around.values[arg.position] if around is not None and around.values is not None else None
        if found is not None:
            return plain.decode(found[0])
    if ref is None or ref.codec != "json/1" or not _is_inline(ref):
        raise StepError(
            "the condition looks at a value that is no plain data, or a large one",
            hint="compare in a step, and return the answer",
        )
    return plain.decode(ref.inline)


def _compared(arg: Given, trusted: bool) -> Any:
    """A parameter or a constant. For an enum, a reader of runs imports no module of the user's if it need not."""
    kind = arg.type
    if isinstance(kind, EnumType) and not is_imported(kind.ref):
        return Unimported(kind.ref, params.to_json(kind, arg.value), lambda: _given(arg, trusted))
    return _given(arg, trusted)


def _item(arg: _Known, position: int) -> _Known:
    """One item of a list. Reads nothing."""
    if isinstance(arg, Gathered):
        return arg.items[position]
    if isinstance(arg, Saved | _Part):
        return _Part(arg, position)
    assert isinstance(arg, Given)
    tree = arg.value["~t"] if type(arg.value) is dict else arg.value
    return Given(tree[position], _item_type(arg.type, position))


def _item_type(kind: ParamType | None, position: int) -> ParamType | None:
    if isinstance(kind, ListType):
        return kind.of
    return kind.of[position] if isinstance(kind, TupleType) else None


def load(arg: Arg, artifacts: Artifacts, *, name: str, trusted: bool = True, **where: Any) -> Any:
    """The value itself. `where` goes to `Artifacts.load`; `trusted` is what `Plan.trusted` says. Raises `Untrusted`."""
    if isinstance(arg, Given):
        if arg.type is not None and arg.value is not None and params.artifact_type(arg.type) is not None:
            raise StepError(f"`{name}` is an artifact, and this run has not looked up what it is")
        return _given(arg, trusted)
    if isinstance(arg, Saved):
        return artifacts.load(arg.ref, name=name, **where)
    if isinstance(arg, Gathered):
        return [load(one, artifacts, name=f"{name}[{i}]", trusted=trusted, **where) for i, one in enumerate(arg.items)]
    values = {key: artifacts.load(ref, name=f"{name}.{key}", **where) for key, ref in arg.refs.items()}
    return rebuild(arg.returns, values, name=name, trusted=trusted)


def _given(arg: Given, trusted: bool) -> Any:
    """The value of a parameter or a constant. What its type names is imported only if the pipeline is trusted."""
    if arg.type is None:
        return plain.decode(arg.value)
    return params.decode(arg.type, arg.value, trusted=trusted)


def rebuild(returns: Returns, values: dict[str, Any], *, name: str = "value", trusted: bool = True) -> Any:
    """What the step's function returned, from its outputs. Raises `ValueRefused` if its class is none, `Untrusted`."""
    if returns.form == "typeddict":
        return values
    if returns.form == "namedtuple" and returns.ref:
        from pipeglot.core.instances import load_namedtuple

        return load_namedtuple(returns.ref, f"`{name}`", trusted=trusted)(**values)
    return tuple(values.values())


class Arguments:
    """Resolves the sources of one run into arguments, given the verdicts of the steps before.

    given: the parameters. named: what each parameter that names an artifact was resolved to.
    `succeeded(step, prefix)` tells of a step, or of all its items below `prefix`; `one_of` asks it.
    """

    def __init__(
        self,
        plan: Plan,
        given: dict[str, Any],
        artifacts: Artifacts,
        verdict: Callable[[str, Index], Verdict | None],
        succeeded: Callable[[str, Index], bool],
        named: Mapping[str, Ref] = NO_REFS,
    ) -> None:
        self.plan = plan
        self.given = given
        self.named = named
        self.artifacts = artifacts
        self._verdict = verdict
        self._succeeded = succeeded
        self._gathered: dict[tuple[str, str | None, Index], Gathered] = {}
        self._expansions: dict[tuple[str, Index], dict[str, _Known]] = {}

    def of_step(self, step: str, index: Index) -> dict[str, Arg]:
        """The arguments of one execution, by name."""
        place = self.plan.places[step]
        return {name: self.resolve(source, place.scope, index) for name, source in self.plan.step(step).inputs.items()}

    def width(self, map_id: str, prefix: Index) -> int:
        """How many items a map has. Raises `StepError` for something that is no list, or lists of unlike lengths."""
        lists = self._lists(map_id, prefix)
        counts = {name: _length(arg, name, self.artifacts) for name, arg in lists.items()}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"`{name}` has {count}" for name, count in counts.items())
            raise StepError(f"map `{map_id}` steps through its lists together, but {shown} items")
        width = next(iter(counts.values()))
        if width > MOST_ITEMS:
            raise StepError(
                f"map `{map_id}` has {width:,} items, and at most {MOST_ITEMS:,} are taken",
                hint="let the step return lists of items, and map over those",
            )
        return width

    def operand(self, source: Source, scope: tuple[str, ...], index: Index) -> Any:
        """The value of a source in a condition. Raises `StepError` if it has none that the records tell."""
        if isinstance(source, ListOf):
            return [self.operand(one, scope, index) for one in source.items]
        return _operand(self._known(source, scope, index), self.artifacts, self.plan.trusted)

    def resolve(self, source: Source, scope: tuple[str, ...], index: Index) -> Arg:
        """What a source means to something that stands in `scope`, at `index`. This may read lists from the store."""
        found = self._known(source, scope, index)
        if isinstance(found, _Part):
            return Saved(found.ref(self.artifacts))
        if isinstance(found, Saved) and found.ref.outline is not None:
            return Saved(structs.replace(found.ref, outline=None))  # it is for who derives, not for who loads
        return found

    def _known(self, source: Source, scope: tuple[str, ...], index: Index) -> _Known:
        if isinstance(source, Constant):
            return Given(source.value, source.type)
        if isinstance(source, ParamRef):
            if source.name in self.named:
                return Saved(self.named[source.name])
            return Given(self.given[source.name], self.plan.params[source.name].type)
        if isinstance(source, ItemRef):
            level = scope.index(source.map)
            return _item(self._lists(source.map, index[:level])[source.name], index[level])
        if isinstance(source, ListOf):
            return Gathered(tuple(self.resolve(one, scope, index) for one in source.items))
        if isinstance(source, OneOf):
            return self._whichever(source, scope, index)
        return self._output(source, index[: self.plan.shared(source.step, scope)])

    def _whichever(self, source: OneOf, scope: tuple[str, ...], index: Index) -> Arg:
        for option in source.options:
            prefix = index[: self.plan.shared(option.step, scope)]
            if self._succeeded(option.step, prefix):
                return self._output(option, prefix)
        raise PipeglotError("none of the steps in `one_of` succeeded")

    def _output(self, source: OutputRef, prefix: Index) -> Arg:
        below = self.plan.scope(source.step)[len(prefix) :]
        if below:
            return self._gather(source, prefix, below[0])
        verdict = self._verdict(source.step, prefix)
        if verdict is None or verdict.status != "succeeded":
            raise PipeglotError(f"the ledger does not say that step `{source.step}` succeeded")
        refs = verdict.observed.refs
        if source.output is not None:
            return Saved(refs[source.output])
        returns = self.plan.step(source.step).returns
        return Saved(refs["output"]) if returns.form == "single" else Whole(returns, refs)

    def _gather(self, source: OutputRef, prefix: Index, map_id: str) -> Gathered:
        """The list of a map's items; made once, for every item of another map may ask for it."""
        key = (source.step, source.output, prefix)
        found = self._gathered.get(key)
        if found is None:
            count = self.width(map_id, prefix)
            found = Gathered(tuple(self._output(source, (*prefix, i)) for i in range(count)))
            self._gathered[key] = found
        return found

    def _lists(self, map_id: str, prefix: Index) -> dict[str, _Known]:
        found = self._expansions.get((map_id, prefix))
        if found is None:
            place = self.plan.maps[map_id]
            over = place.node.over  # type: ignore[union-attr]  # `maps` holds maps only
            found = {name: self._known(source, place.scope, prefix) for name, source in over.items()}
            self._expansions[map_id, prefix] = found
        return found
