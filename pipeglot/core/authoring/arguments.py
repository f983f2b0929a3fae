"""From the arguments of a call to sources of the IR, with every check that a call can fail."""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.core import ir, plain
from pipeglot.core.artifact_refs import ArtifactRef
from pipeglot.core.authoring.annotations import MISSING, type_text
from pipeglot.core.authoring.fits import accepts, fits, list_item
from pipeglot.core.authoring.functions import Function, function_of
from pipeglot.core.authoring.logical_date import LogicalDateDefault
from pipeglot.core.authoring.symbols import CONTAINERS, Poison, SymbolicValue, holds_symbols, is_symbolic
from pipeglot.core.authoring.values import Each, Rows, Value
from pipeglot.core.suggest import did_you_mean

if TYPE_CHECKING:
    from pipeglot.core.authoring.trace import Trace

_ATOMS = frozenset({str, int, float, bool, type(None)})


class Slot(NamedTuple):
    """Where a value goes: a parameter of a function, or an operand of a condition."""

    trace: Trace
    name: str
    hint: Any = MISSING
    function: Function | None = None

    def __str__(self) -> str:
        return f"argument `{self.name}` of `{self.function.name}`" if self.function else self.name

    def declared(self) -> str:
        """What it takes, and where that is written."""
        assert self.function is not None
        return f"{self} is `{type_text(self.hint)}` ({self.trace.locate(self.function.at)})"


# --- which argument is which ------------------------------------------------------------------------------------------


def bind(trace: Trace, function: Function, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object]:
    """The arguments by name, in the order of the signature."""
    parameters = function.parameters
    names = [name for name, parameter in parameters.items() if not parameter.keyword_only]
    bound = dict(zip(names, args, strict=False))
    told = function.is_unfit  # which is told by itself
    if len(args) > len(names) and not told:
        told = True
        given = f"{len(args)} are given" if len(args) > 1 else "1 is given"
        takes = f"{len(names)} positional argument{'s' * (len(names) != 1)}" if names else "no positional arguments"
        _refuse(trace, function, "argument-count", f"`{function.name}` takes {takes}, and {given}")
    for name, value in kwargs.items():
        if name in bound:
            _refuse(
                trace, function, "argument-twice", f"`{function.name}` is given `{name}` twice: by position and by name"
            )
        elif name in parameters or function.open:
            bound[name] = value
        else:
            told = True
            hint = f"{did_you_mean(name, parameters)} ".lstrip()
            _refuse(trace, function, "argument-unknown", f"`{function.name}` has no parameter `{name}`", hint)
    missing = [name for name, one in parameters.items() if one.default is MISSING and name not in bound]
    if missing and not told and not any(type(value) is Poison for value in args):
        listed = ", ".join(f"`{name}`" for name in missing)
        _refuse(trace, function, "argument-missing", f"`{function.name}` is called without {listed}")
    extra = sorted(name for name in bound if name not in parameters)
    return {name: bound[name] for name in (*parameters, *extra) if name in bound}


def _refuse(trace: Trace, function: Function, code: str, message: str, before: str = "") -> None:
    trace.note(code, message, f"{before}its signature is `{function.signature()}`")


# --- what an argument is ----------------------------------------------------------------------------------------------


def source_of(slot: Slot, value: object) -> ir.Source | None:
    """The source that stands for an argument; None after a mistake."""
    kind = type(value)
    if kind is Value:
        return _edge(slot, value) if usable(slot.trace, value, str(slot)) else None  # type: ignore[arg-type]
    if kind in _ATOMS:
        return _constant(slot, value)
    if issubclass(kind, SymbolicValue):
        _no_source(slot, value)
        return None
    if kind in CONTAINERS and holds_symbols(value):
        return _list_of(slot, value)
    return _constant(slot, value)


def usable(trace: Trace, value: Value, where: str) -> bool:
    """Whether a value may be used here and now, as far as where it comes from is concerned."""
    return has_value(trace, value, where) and in_arm(trace, value, where)


def has_value(trace: Trace, value: Value, where: str) -> bool:
    """Whether there will be a value at all, in this run."""
    if value._trace is not trace:
        trace.note(
            "foreign",
            f"{where} is {value._label()} of another tracing",
            "pass it as an argument; a global variable keeps what an earlier tracing left there",
        )
        return False
    for producer in value._producers:
        if producer.declared.form == "none":
            trace.note(
                "no-value",
                f"{where} is the result of step `{producer.id}`, which returns nothing",
                f"`.after({producer.function.name}(…))` on a step puts it first without taking a value",
            )
            return False
        if producer.trigger == "all_done":
            trace.note(
                "no-value",
                f"{where} comes from step `{producer.id}`, which runs whatever happened before it: it may give nothing",
                'leave out `trigger="all_done"` there, or order the steps by `.after(…)`',
            )
            return False
    return True


def in_arm(trace: Trace, value: Value, where: str) -> bool:
    """Whether the arm of a branch in which a value comes to be is taken wherever we are now."""
    arms = value._arms
    if not arms or trace.arms[: len(arms)] == arms:
        return True
    from pipeglot.core.authoring.arms import explain_arm

    message, hint = explain_arm(trace, value, where)
    trace.note("arm", message, hint)
    return False


def _edge(slot: Slot, value: Value) -> ir.Source | None:
    if slot.hint is MISSING or value._hint is MISSING or fits(value._hint, slot.hint):
        return value._source
    _misfit(slot, value, value._label(), value._hint)
    return None


def _misfit(slot: Slot, value: Value, label: str, hint: Any) -> None:
    """Tell both ends of an edge that cannot be."""
    made = f" ({slot.trace.locate(value._producers[0].function.at)})" if value._producers else ""
    slot.trace.note(
        "types",
        f"{slot.declared()}, and {label} is `{type_text(hint)}`{made}",
        "change one of the annotations, or put a step between them",
    )


def _no_source(slot: Slot, value: object) -> None:
    if type(value) is Poison:
        return
    if any(value is told for told in slot.trace.told):
        return
    if type(value) is Each:
        name = slot.function.name if slot.function else "step"
        slot.trace.note("each", f"{slot} is `each(…)`, which belongs in `map`", f"write `{name}.map(…)`")
    elif type(value) is Rows:
        value._misuse("rows")
    else:
        slot.trace.note(
            "condition", f"{slot} is a condition, which is no value", "compute it in a step that returns a bool"
        )


def _list_of(slot: Slot, value: object) -> ir.Source | None:
    if type(value) is not list:
        kind = type(value).__name__
        hint = (
            "write a list" if kind == "tuple" else "pass each result as an argument of its own, or build it in a step"
        )
        slot.trace.note("container", f"{slot} is a {kind} with results of steps in it, where only a list can be", hint)
        return None
    item = Any if slot.hint is MISSING else list_item(slot.hint)
    if item is None:
        slot.trace.note("types", f"{slot.declared()}, and a list is given", "change the annotation, or pass one result")
        return None
    sources = [
        source_of(slot._replace(name=f"{slot.name}[{place}]", hint=item), one) for place, one in enumerate(value)
    ]
    return None if None in sources else ir.ListOf(items=tuple(sources))  # type: ignore[arg-type]


# --- values written in the pipeline -----------------------------------------------------------------------------------


def _constant(slot: Slot, value: object) -> ir.Constant | None:
    function = function_of(value)
    if function is not None:
        message = f"{slot} is the {function.kind} `{function.name}` itself, not its result"
        slot.trace.note("constant", message, f"call it: `{function.name}(…)`")
        return None
    if _is_a_default(slot, value):
        return None
    if slot.hint is not MISSING and not accepts(value, slot.hint):
        slot.trace.note("types", f"{slot.declared()}, which `{_short(value)}` is not", "pass a value of that type")
        return None
    try:
        return ir.Constant(value=plain.encode(value, slot.name if slot.function else "value"))
    except plain.NotPlain as error:
        found = _rich(slot, value)
        if found is None:
            message = f"{slot} cannot be written into a pipeline: {error.message}"
            slot.trace.note("constant", message, "make a step that returns it, or pass what it is made from")
        return found


def _is_a_default(slot: Slot, value: object) -> bool:
    """What stands for a value of the run, and belongs where its parameters are declared."""
    if type(value) is LogicalDateDefault:
        hint = "write `def flow(day: date = LogicalDate())`, and pass `day`"
        slot.trace.note(
            "logical-date", f"{slot} is `LogicalDate()`, which is the default of a pipeline's parameter only", hint
        )
        return True
    if type(value) is ArtifactRef:
        hint = "write `def flow(model: Artifact[Model])`, pass `model`, and name the artifact when you run it"
        slot.trace.note("artifact", f"{slot} is `{value!r}`, which is the value of a pipeline's parameter only", hint)
        return True
    return False


def _rich(slot: Slot, value: object) -> ir.Constant | None:
    """An enum member, a dataclass, a pydantic model, or a list of them: what could be a parameter."""
    from pipeglot.core import params
    from pipeglot.core.errors import PipeglotError

    for hint in (slot.hint, type(value)):
        if hint is not MISSING:
            try:
                kind = params.type_of(hint, owner=str(slot))
                return ir.Constant(value=params.normalise(kind, value, name=slot.name), type=kind)
            except PipeglotError:
                continue
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]} …"


# --- lists to step through --------------------------------------------------------------------------------------------


def list_source(slot: Slot, value: object) -> ir.Source | None:
    """The list that a map steps through; `slot.hint` is what one item must be."""
    if type(value) is Each:
        value = value._items
    if type(value) is Value:
        return _list_edge(slot, value)
    if is_symbolic(value):
        _no_source(slot, value)
        return None
    if type(value) is list or type(value) is tuple:
        if holds_symbols(value):
            parts = [source_of(slot._replace(name=f"{slot.name}[{place}]"), one) for place, one in enumerate(value)]
            return None if None in parts else ir.ListOf(items=tuple(parts))  # type: ignore[arg-type]
        return _constant_list(slot, list(value))
    slot.trace.note(
        "no-list",
        f"{slot} is to be stepped through, and is a `{type(value).__name__}`",
        "make it a list; what is the same for all items goes through `.partial(…)`, or beside `each(…)`",
    )
    return None


def _constant_list(slot: Slot, values: list[object]) -> ir.Source | None:
    for place, one in enumerate(values):
        if slot.hint is not MISSING and not accepts(one, slot.hint):
            return _constant(slot._replace(name=f"{slot.name}[{place}]"), one)
    return _constant(slot if slot.hint is MISSING else slot._replace(hint=GenericAlias(list, (slot.hint,))), values)


def _list_edge(slot: Slot, value: Value) -> ir.Source | None:
    if not usable(slot.trace, value, str(slot)):
        return None
    item = Any if value._hint is MISSING else list_item(value._hint)
    if item is None:
        slot.trace.note(
            "no-list",
            f"{slot} is to be stepped through, and {value._label()} is `{type_text(value._hint)}`",
            "map over a list; what is the same for all items goes through `.partial(…)`, or beside `each(…)`",
        )
        return None
    if slot.hint is not MISSING and not fits(item, slot.hint):
        _misfit(slot, value, f"an item of {value._label()}", item)
        return None
    return value._source
