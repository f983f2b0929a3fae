"""The symbolic values: results, outputs and parameters, conditions on them, and lists to be stepped through."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.symbols import Poison, SymbolicValue, unpacked

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.returns import Declared
    from pipeglot.core.authoring.trace import Places, Trace


class Value(SymbolicValue):
    """What a step will return, one of its outputs, a parameter, or whichever of several `one_of` will give."""

    __slots__ = ("_arms", "_declared", "_hint", "_name", "_producers", "_source")
    _arms: Places
    _declared: Declared | None
    _hint: Any
    _name: str
    _producers: tuple[Producer, ...]
    _source: ir.Source

    def __init__(
        self,
        trace: Trace,
        source: ir.Source,
        hint: Any = MISSING,
        *,
        name: str = "",
        arms: Places = (),
        declared: Declared | None = None,
        producers: tuple[Producer, ...] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "_trace", trace)
        put(self, "_source", source)
        put(self, "_hint", hint)
        put(self, "_name", name)
        put(self, "_arms", arms)
        put(self, "_declared", declared)
        put(self, "_producers", producers)

    def _label(self) -> str:
        source = self._source
        if self._name:
            return f"parameter `{self._name}`"
        if type(source) is ir.OutputRef and source.output:
            return f"output `{source.output}` of step `{source.step}`"
        if type(source) is ir.OutputRef:
            return f"the {'list of results' if self._producers[0].mapped else 'result'} of step `{source.step}`"
        return "what `one_of` gives" if type(source) is ir.OneOf else "a list of results"

    def _is_whole(self) -> bool:
        """Whether this is all that one step returns."""
        return type(self._source) is ir.OutputRef and self._source.output is None

    def _is_many(self) -> bool:
        return self._declared is not None and self._declared.many

    # --- its outputs --------------------------------------------------------------------------------------------------

    def _output(self, name: str) -> Value:
        """One of several declared outputs."""
        assert self._declared is not None
        source = self._source
        if type(source) is ir.OneOf:
            source = ir.OneOf(options=tuple(ir.OutputRef(step=option.step, output=name) for option in source.options))
        else:
            assert type(source) is ir.OutputRef
            source = ir.OutputRef(step=source.step, output=name)
        hint = self._declared.hints[name]
        return Value(self._trace, source, hint, arms=self._arms, producers=self._producers)

    def __getattr__(self, name: str) -> Any:
        declared = self._declared
        if declared is not None and declared.form == "namedtuple" and name in declared.hints:
            return self._output(name)
        return SymbolicValue.__getattr__(self, name)

    def __getitem__(self, key: object) -> Any:
        declared = self._declared
        if declared is not None and declared.many:
            names = list(declared.hints)
            if declared.form == "typeddict" and type(key) is str and key in names:
                return self._output(key)
            if declared.form != "typeddict" and type(key) is int and -len(names) <= key < len(names):
                return self._output(names[key])
        return self._misuse("item", repr(key))

    def __iter__(self) -> Iterator[Any]:
        count = unpacked(sys._getframe(1))
        declared = self._declared
        if declared is not None and declared.form in ("namedtuple", "tuple") and count in (None, len(declared.hints)):
            return iter([self._output(name) for name in declared.hints])
        if count is not None:
            return self._unpack(count)
        self._misuse("iteration")
        return iter([Poison(self._trace)])

    def _misuse(self, use: str, detail: str = "") -> Poison:
        from pipeglot.core.authoring.undeclared import explain_output

        if use in ("attribute", "item", "unpack"):
            at = here()
            message, hint = explain_output(self, use, detail, at)
            self._trace.note_use("unpack" if use == "unpack" else "undeclared-output", message, hint, at)
            return Poison(self._trace)
        return super()._misuse(use, detail)

    def _compare(self, op: Any, other: object) -> SymbolicValue:
        from pipeglot.core.authoring.conditions import compare

        return compare(self, op, other)


Value.__name__ = SymbolicValue.__name__  # for Python's own messages, such as that of `",".join([value])`


class Producer(NamedTuple):
    """The step that a value comes from, as much as messages and checks need of it."""

    id: str
    function: Function
    declared: Declared
    trigger: str
    mapped: bool


class Condition(SymbolicValue):
    """A question about values, for `when`."""

    __slots__ = ("_condition", "_values")
    _condition: ir.Condition
    _values: tuple[Value, ...]

    def __init__(self, trace: Trace, condition: ir.Condition, values: tuple[Value, ...]) -> None:
        object.__setattr__(self, "_trace", trace)
        object.__setattr__(self, "_condition", condition)
        object.__setattr__(self, "_values", values)

    def _label(self) -> str:
        return self._values[0]._label() if self._values else "a condition"


class Each(SymbolicValue):
    """A list that a `map` is to step through."""

    __slots__ = ("_items",)
    _items: object

    def __init__(self, trace: Trace, items: object) -> None:
        object.__setattr__(self, "_trace", trace)
        object.__setattr__(self, "_items", items)

    def _label(self) -> str:
        return "`each(…)`"

    def _misuse(self, _use: str, _detail: str = "") -> Poison:
        at = here()
        self._trace.note_use("each", "`each(…)` is no value: it belongs in `map`", "write `step.map(each(…))`", at)
        return Poison(self._trace)


class Rows(SymbolicValue):
    """What a mapped pipeline gives that returns several results: a list of tuples, known only part by part."""

    __slots__ = ("_id", "_lists")
    _id: str
    _lists: Any

    def __init__(self, trace: Trace, id: str, lists: Any) -> None:  # noqa: A002  # as in the IR
        object.__setattr__(self, "_trace", trace)
        object.__setattr__(self, "_id", id)
        object.__setattr__(self, "_lists", lists)

    def _label(self) -> str:
        return f"the list of what mapped pipeline `{self._id}` returns"

    def _misuse(self, _use: str, _detail: str = "") -> Poison:
        names = ", ".join(getattr(self._lists, "_fields", None) or "abcdefghijklmnopqrstuvwxyz"[: len(self._lists)])
        message = f"{self._label()} has {len(self._lists)} results in each item, which are lists of their own"
        at = here()
        self._trace.note_use("rows", message, f"take them apart: `{names} = unzip(…)`", at)
        return Poison(self._trace)
