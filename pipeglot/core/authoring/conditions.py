"""Branches and the questions they ask: `when`, `otherwise`, `one_of`, and conditions to join and ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING, type_text
from pipeglot.core.authoring.arguments import Slot, has_value, source_of, usable
from pipeglot.core.authoring.fits import class_of, fits
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.symbols import Poison, SymbolicValue, is_symbolic
from pipeglot.core.authoring.trace import Arm, OpenBranch, Places, Trace, required
from pipeglot.core.authoring.values import Condition, Value

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeglot.core.authoring.trace import Entry

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")

_NOTHING = ir.Truth(value=ir.Constant(value=True))
"""Stands where a condition has a mistake, so that the arms are traced all the same."""

_SCALARS = (str, int, float, bytes)


# --- conditions -------------------------------------------------------------------------------------------------------


def all_of(*conditions: object) -> bool:
    """True when every condition is: what `and` says of plain values."""
    return _joined("all_of", conditions)


def any_of(*conditions: object) -> bool:
    """True when some condition is: what `or` says of plain values."""
    return _joined("any_of", conditions)


def not_(condition: object, /) -> bool:
    """True when the condition is not."""
    trace = required("not_")
    term, values = _term(trace, condition, "`not_`")
    return _asked(trace, ir.Not(term=term) if term else None, values)


def is_in(value: T, among: Collection[T], /) -> bool:
    """True when `value` is one of `among`."""
    trace = required("is_in")
    left, right = _operand(trace, value, "`is_in`"), _operand(trace, among, "`is_in`")
    return _asked(trace, ir.IsIn(value=left, among=right) if left and right else None, (value, among))


def is_none(value: object, /) -> bool:
    """True when `value` is None."""
    trace = required("is_none")
    source = _operand(trace, value, "`is_none`")
    return _asked(trace, ir.IsNone(value=source) if source else None, (value,))


def compare(value: Value, op: Any, other: object) -> SymbolicValue:
    """`value op other`, as a condition."""
    trace = value._trace
    if other is None:
        hint = "use `is_none(x)`, or `not_(is_none(x))`"
        trace.note("compare-none", f"{value._label()} is compared with `None` by `{op}`", hint)
        return Poison(trace)
    right = _operand(trace, other, f"what is compared with {value._label()}")
    if right is None or not _comparable(value, other, op):
        return Poison(trace)
    return Condition(trace, ir.Compare(op=op, left=value._source, right=right), _values((value, other)))


def _comparable(value: Value, other: object, op: str) -> bool:
    """Text and numbers have no order and are never equal; of other types who knows."""
    hint = other._hint if type(other) is Value else type(other)
    kinds = [class_of(one) for one in (value._hint, hint) if one is not MISSING]
    if len(kinds) < 2 or not all(kind in _SCALARS for kind in kinds) or fits(value._hint, hint):
        return True
    label = other._label() if type(other) is Value else f"`{other!r:.40}`"
    types = [f"of type `{type_text(one)}`" for one in (value._hint, hint)]
    message = f"{value._label()}, {types[0]}, is compared by `{op}` with {label}, {types[1]}"
    value._trace.note("compare-types", message, "convert one of them in a step")
    return False


def _joined(name: str, conditions: tuple[object, ...]) -> bool:
    trace = required(name)
    if not conditions:
        trace.note("condition", f"`{name}()` joins nothing", "give it conditions")
    found = [_term(trace, condition, f"`{name}`") for condition in conditions]
    values = tuple(value for _, values in found for value in values)
    terms = tuple(term for term, _ in found if term is not None)
    joined = ir.AllOf(terms=terms) if name == "all_of" else ir.AnyOf(terms=terms)
    return _asked(trace, joined if terms and len(terms) == len(conditions) else None, values)


def _term(trace: Trace, value: object, where: str) -> tuple[ir.Condition | None, tuple[object, ...]]:
    """A condition as it is; of anything else, its truth."""
    if type(value) is Condition:
        return value._condition, value._values
    source = _operand(trace, value, where)
    return ir.Truth(value=source) if source else None, (value,)


def _operand(trace: Trace, value: object, where: str) -> ir.Source | None:
    """Where it comes from and whether it may be used here is asked once the condition is used."""
    if type(value) is Value:
        return value._source
    return source_of(Slot(trace, where), value)


def _asked(trace: Trace, condition: ir.Condition | None, operands: tuple[object, ...]) -> bool:
    made: Any = Poison(trace) if condition is None else Condition(trace, condition, _values(operands))
    return made  # type: ignore[no-any-return]  # to a checker it is a bool


def _values(operands: tuple[object, ...]) -> tuple[Value, ...]:
    return tuple(value for value in operands if type(value) is Value)


# --- branches ---------------------------------------------------------------------------------------------------------


class Branch:
    """One arm of a branch: the steps called in its `with` block run only if it is taken."""

    __slots__ = ("_at", "_condition", "_entered", "_saved", "_trace")

    def __init__(self, trace: Trace, condition: ir.Condition | None) -> None:
        self._trace = trace
        self._condition = condition
        self._at = here()
        self._entered = False
        self._saved: tuple[list[Entry], Places] = trace.block, trace.arms
        trace.unentered[id(self)] = (self._name(), self._at)

    def __enter__(self) -> None:
        trace = self._trace
        if self._entered:
            trace.note(
                "branch", f"{self._name()} is entered twice", "write it anew: each `with` block is an arm of its own"
            )
        self._entered = True
        trace.unentered.pop(id(self), None)
        self._saved = trace.block, trace.arms
        branch = self._opened()
        if branch is None:  # an `otherwise` that belongs nowhere: its steps are looked at, and then forgotten
            trace.block = []
            return
        arm = Arm(branch, self._condition is not None)
        trace.block = branch.then if branch.otherwise is None else branch.otherwise
        trace.arms = (*trace.arms, arm)

    def __exit__(self, *exc: object) -> None:
        trace = self._trace
        if self._condition is not None and not trace.block and exc[0] is None:
            trace.note(
                "branch",
                "no step is called under `when`",
                "call one, or turn the condition around with `not_`",
                self._at,
            )
        trace.block, trace.arms = self._saved

    def __bool__(self) -> bool:
        self._trace.unentered.pop(id(self), None)
        self._trace.note("branch", f"{self._name()} is tested for its truth", f"write `with {self._name()[1:-1]}:`")
        return True

    def _name(self) -> str:
        return "`otherwise()`" if self._condition is None else "`when(…)`"

    def _opened(self) -> OpenBranch | None:
        trace = self._trace
        if self._condition is not None:
            branch = OpenBranch(trace.branch_id(), self._condition, self._at)
            trace.block.append(branch)
            if self._at is not None:
                trace.positions[branch.id] = self._at
            return branch
        last = trace.block[-1] if trace.block else None
        if type(last) is not OpenBranch or last.otherwise is not None:
            message = "`otherwise` does not stand directly behind a `with when(…):` block"
            trace.note(
                "branch", message, "write it behind the block that it belongs to, with nothing in between", self._at
            )
            return None
        last.otherwise = []
        return last


def when(condition: object, /) -> Branch:
    """`with when(winner.auc >= bar):` runs the steps called in the block only if the condition holds."""
    trace = required("when")
    term, operands = _term(trace, condition, "the condition of `when`")
    values = _values(operands)
    usable_here = [usable(trace, value, "the condition of `when`") for value in values]
    if not all(usable_here):
        term = None
    return Branch(trace, term or _NOTHING)


def otherwise() -> Branch:
    """`with otherwise():` directly behind a `when` block: the steps called in it run only if that condition fails."""
    return Branch(required("otherwise"), None)


# --- one of several ---------------------------------------------------------------------------------------------------


@overload
def one_of(a: A, b: B, /) -> A | B: ...
@overload
def one_of(a: A, b: B, c: C, /) -> A | B | C: ...
@overload
def one_of(a: A, b: B, c: C, d: D, /) -> A | B | C | D: ...
@overload
def one_of(*options: A) -> A: ...
def one_of(*options: Any) -> Any:
    """Whichever of these came to be: results of steps in different arms of a branch."""
    trace = required("one_of")
    if len(options) < 2:
        trace.note("one-of", "`one_of` chooses between two results or more", "give it one from each arm of a branch")
        return Poison(trace)
    fine = [_is_option(trace, option) for option in options]
    if not all(fine):
        return Poison(trace)
    for place, one in enumerate(options):
        for other in options[:place]:
            if not _exclusive(one._arms, other._arms):
                _not_exclusive(trace, other, one)
                return Poison(trace)
    return _chosen(trace, options)


def _is_option(trace: Trace, option: object) -> bool:
    if type(option) is Poison:
        return False
    if type(option) is Value and type(option._source) in (ir.OutputRef, ir.OneOf):
        if not _exclusive(option._arms, trace.arms):
            return has_value(trace, option, "an argument of `one_of`")
        message = f"`one_of` is given {option._label()}, which never runs in this arm"
        trace.note("one-of", message, "use `one_of` behind the branch")
        return False
    label = option._label() if is_symbolic(option) else f"`{option!r:.40}`"
    trace.note(
        "one-of",
        f"`one_of` is given {label}, which is no result of a step",
        "give it one result from each arm of a branch",
    )
    return False


def _not_exclusive(trace: Trace, one: Value, other: Value) -> None:
    same = (
        f"both in the {one._arms[-1]}"
        if one._arms and one._arms == other._arms
        else "not in different arms of one branch"
    )
    trace.note(
        "one-of",
        f"{one._label()} and {other._label()} are {same}: `one_of` could not tell which to take",
        "give it one result from each arm of a branch",
    )


def _chosen(trace: Trace, options: tuple[Value, ...]) -> Value:
    refs: list[ir.OutputRef] = []
    for option in options:
        source = option._source
        refs += source.options if isinstance(source, ir.OneOf) else [source] if isinstance(source, ir.OutputRef) else []
    hints = [option._hint for option in options]
    hint = MISSING if any(one is MISSING for one in hints) else _union(hints)
    first = options[0]._declared
    alike = all(option._declared == first and option._is_many() for option in options)
    producers = tuple(producer for option in options for producer in option._producers)
    arms = _meeting([option._arms for option in options])
    return Value(
        trace, ir.OneOf(options=tuple(refs)), hint, arms=arms, declared=first if alike else None, producers=producers
    )


def _union(hints: list[Any]) -> Any:
    from typing import Union

    return Union[tuple(hints)]  # noqa: UP007  # of a list that is known at run time


def _exclusive(one: Places, other: Places) -> bool:
    """Whether two places are in different arms of one branch."""
    for ours, theirs in zip(one, other, strict=False):
        if ours != theirs:
            return type(ours) is type(theirs) is Arm and ours.branch is theirs.branch
    return False


def _meeting(places: Sequence[Places]) -> Places:
    """The arms that all places have in common."""
    found = places[0]
    for place in places[1:]:
        length = 0
        while length < min(len(found), len(place)) and found[length] == place[length]:
            length += 1
        found = found[:length]
    return found
