"""Maps: `each` marks a list to step through, `.partial(…).map(…)` fixes the rest, `unzip` takes the results apart."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import list_of
from pipeglot.core.authoring.arguments import bind, has_value
from pipeglot.core.authoring.functions import Function
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.symbols import Poison, is_symbolic
from pipeglot.core.authoring.trace import current, required
from pipeglot.core.authoring.values import Each, Rows, Value

if TYPE_CHECKING:
    from pipeglot.core.authoring.trace import Trace

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Mappable(Protocol):
    """What a step and a pipeline have in common here."""

    name: str
    _function: Function

    def _mapped(self, trace: Trace, bound: dict[str, object], lists: set[str]) -> Any: ...


def map_call(made: Mappable, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    """`made.map(…)`: over what is given as `each(xs)`; without an `each`, over all the lists given by name."""
    trace = required(f"{made.name}.map")
    trace.uncalled.pop(id(made), None)
    given = any(type(value) is Each for value in (*args, *kwargs.values()))
    if not given and (args or not kwargs):
        hint = f"mark the lists to step through: `{made.name}.map(…, each(xs))`"
        trace.note("each", f"`{made.name}.map` is given no `each(…)`", hint)
        return Poison(trace)
    bound = bind(trace, made._function, args, kwargs)
    return made._mapped(trace, bound, {name for name, value in bound.items() if not given or type(value) is Each})


class Partial(Generic[R_co]):
    """A step or a pipeline with some of its arguments, waiting for lists; as a hook, for the pipeline's parameters."""

    def __init__(self, made: Mappable, fixed: dict[str, Any]) -> None:
        self._made = made
        self._fixed = fixed

    @overload
    def map(self: Partial[Coroutine[Any, Any, T]], **lists: list[Any] | tuple[Any, ...]) -> list[T]: ...
    @overload
    def map(self, **lists: list[Any] | tuple[Any, ...]) -> list[R_co]: ...
    def map(self, **lists: Any) -> Any:
        """Run once for each item of the lists, which are stepped through together."""
        made = self._made
        trace = required(f"{made.name}.partial(…).map")
        trace.uncalled.pop(id(self), None)
        for name in sorted(self._fixed.keys() & lists.keys()):
            trace.note(
                "argument-twice", f"`{made.name}` is given `{name}` twice: in `partial` and in `map`", "leave one out"
            )
        if not lists:
            trace.note(
                "each", f"`{made.name}.partial(…).map()` is given no list", f"write `{made.name}.partial(…).map(x=xs)`"
            )
            return Poison(trace)
        return made._mapped(trace, bind(trace, made._function, (), self._fixed | lists), set(lists))


def awaiting(made: T, of: object, what: str) -> T:
    """Remember that a variant made in a pipeline is there to be called; the one that it comes from has been used."""
    trace = current()
    if trace is not None:
        trace.uncalled.pop(id(of), None)
        trace.uncalled[id(made)] = (made, what, here())
    return made


def each(xs: list[T] | tuple[T, ...], /) -> T:
    """In `.map(…)`: run once for each item of `xs`, with that item as the argument."""
    made: Any = Each(required("each"), xs)
    return made  # type: ignore[no-any-return]  # to a checker it is an item


# --- what a map gives -------------------------------------------------------------------------------------------------


@overload
def unzip(rows: Sequence[tuple[A]], /) -> tuple[list[A]]: ...
@overload
def unzip(rows: Sequence[tuple[A, B]], /) -> tuple[list[A], list[B]]: ...
@overload
def unzip(rows: Sequence[tuple[A, B, C]], /) -> tuple[list[A], list[B], list[C]]: ...
@overload
def unzip(rows: Sequence[tuple[A, B, C, D]], /) -> tuple[list[A], list[B], list[C], list[D]]: ...
@overload
def unzip(rows: Sequence[tuple[Any, ...]], /) -> tuple[list[Any], ...]: ...
def unzip(rows: Any, /) -> Any:
    """The outputs of a map's items, as one list each: `models, aucs = unzip(train.map(table, each(names)))`.

    Of steps and mapped pipelines that return a NamedTuple or a tuple of outputs, in the order of its fields.
    """
    trace = required("unzip")
    if type(rows) is Rows:
        return rows._lists
    if type(rows) is not Poison:
        columns = _columns(trace, rows)
        if columns is not None:
            return columns
        label = rows._label() if is_symbolic(rows) else f"`{rows!r:.40}`"
        trace.note(
            "unzip",
            f"`unzip` is given {label}, which is no list of a map's results with several outputs each",
            "give it what `.map(…)` gave, of a step that returns a `NamedTuple`, or a pipeline that returns a tuple",
        )
    return Poison(trace)


def _columns(trace: Trace, rows: object) -> tuple[Value, ...] | None:
    """The list of each output of a mapped step; None if this is no such thing."""
    if type(rows) is not Value or not rows._producers or type(rows._source) is not ir.OutputRef:
        return None
    producer = rows._producers[0]
    declared = producer.declared
    if not producer.mapped or rows._source.output is not None or declared.form not in ("namedtuple", "tuple"):
        return None
    if getattr(rows._hint, "__args__", ()) != (declared.whole,) or not has_value(trace, rows, "what `unzip` is given"):
        return None
    source = rows._source.step
    return tuple(
        Value(trace, ir.OutputRef(step=source, output=name), list_of(hint), arms=rows._arms, producers=rows._producers)
        for name, hint in declared.hints.items()
    )
