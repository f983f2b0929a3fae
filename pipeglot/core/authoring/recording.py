"""One call of a step in a pipeline, checked and put into the IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING, list_of
from pipeglot.core.authoring.arguments import Slot, in_arm, list_source, source_of
from pipeglot.core.authoring.bindings import bound_anew
from pipeglot.core.authoring.functions import function_of
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.symbols import Poison, SymbolicValue, is_symbolic
from pipeglot.core.authoring.values import Each, Producer, Rows, Value
from pipeglot.core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.positions import Position
    from pipeglot.core.authoring.steps import Step
    from pipeglot.core.authoring.trace import Trace


def record(
    trace: Trace, step: Step[Any, Any], bound: dict[str, object], lists: set[str] | None = None
) -> SymbolicValue:
    """Put the call of a step, or with `lists` a map of it, into the pipeline, and give what stands for its result."""
    function, declared = step._function, step._declared
    fields = _template(trace, step) | step._fields
    id_ = trace.take_id(step.name, function)
    at = here()
    if at is not None:
        trace.positions[id_] = at
    all_done = fields.get("trigger") == "all_done"
    if all_done:
        bound = {name: value for name, value in bound.items() if not _refused_by_all_done(trace, id_, name, value)}
        if lists and lists <= bound.keys():
            message = f'step `{id_}` has `trigger="all_done"`, and cannot be mapped: a map that fails has no items'
            trace.note("all-done", message, "pass it the whole list")
    inputs: dict[str, ir.Source] = {}
    over: dict[str, ir.Source] = {}
    parameters = function.parameters
    for name, value in bound.items():
        parameter = parameters.get(name)
        slot = Slot(trace, name, parameter.hint if parameter else MISSING, function)
        if lists is not None and name in lists:
            source = list_source(slot, value)
            if source is not None:
                over[name] = source
                inputs[name] = ir.ItemRef(map=id_, name=name)
        else:
            source = source_of(slot, value)
            if source is not None:
                inputs[name] = source
    after = _after(trace, step, all_done=all_done) if step._after else ()
    node = ir.Step(id=id_, inputs=inputs, after=after, **fields)
    if lists is None:
        trace.block.append(node)
    else:
        check_lengths(trace, id_, over)
        trace.block.append(ir.Map(id=id_, over=over, body=(node,)))
    producer = Producer(id_, function, declared, fields.get("trigger", "all_success"), lists is not None)
    hint, outputs = declared.whole, declared if declared.many else None
    if lists is not None:
        hint, outputs = list_of(hint), None
    return Value(trace, ir.OutputRef(step=id_), hint, arms=trace.arms, declared=outputs, producers=(producer,))


def record_hook(trace: Trace, step: Step[Any, Any], bound: dict[str, object], at: Position | None) -> ir.Step:
    """A step that stands beside the nodes, with constants and parameters for arguments."""
    function = step._function
    fields = _template(trace, step) | step._fields
    id_ = trace.take_id(step.name, function)
    if at is not None:
        trace.positions[id_] = at
    inputs: dict[str, ir.Source] = {}
    for name, value in bound.items():
        parameter = function.parameters.get(name)
        source = source_of(Slot(trace, name, parameter.hint if parameter else MISSING, function), value)
        if source is not None:
            inputs[name] = source
    return ir.Step(id=id_, inputs=inputs, **fields)


def _template(trace: Trace, step: Step[Any, Any]) -> dict[str, Any]:
    """What all calls of a function have in common; what is wrong with the function itself is told once."""
    function, declared = step._function, step._declared
    found = trace.templates.get(function)
    if found is None:
        mistakes = function.mistakes() + list(declared.mistakes)
        if not mistakes and trace.project is not None:
            mistakes = bound_anew(trace, function)
        for code, message, hint in mistakes:
            trace.note(code, message, hint, function.at)
        module = trace.module_name(function.module)
        cls = declared.cls if declared.form == "namedtuple" else None
        ref = f"{trace.module_name(cls.__module__)}:{cls.__qualname__}" if cls else ""
        digest = "" if mistakes else trace.digest(module, function)
        found = {
            "code": ir.CodeRef(module=module, qualname=function.qualname, digest=digest),
            "returns": declared.spec(ref),
            "doc": function.doc,
        }
        trace.templates[function] = found
    return found


def _refused_by_all_done(trace: Trace, id_: str, name: str, value: object) -> bool:
    """An `all_done` step runs even if what it waits for has failed, so there may be nothing to hand it."""
    item = next((one for one in _values(value) if type(one._source) is ir.ItemRef), None)
    if item is not None:
        trace.note(
            "all-done",
            f'step `{id_}` has `trigger="all_done"`, and `{name}` is {item._label()}, which is an item of a map',
            "call it outside of the mapped pipeline, with parameters and plain values",
        )
        return True
    producer = next((one._producers[0] for one in _values(value) if one._producers), None)
    if producer is None:
        return False
    trace.note(
        "all-done",
        f'step `{id_}` has `trigger="all_done"`, and `{name}` comes from step `{producer.id}`, which may have failed',
        f"give it parameters and plain values only, and order it by `.after({producer.function.name}(…))`",
    )
    return True


def _values(value: object) -> Iterator[Value]:
    if type(value) is Value:
        yield value
    elif type(value) is Each:
        yield from _values(value._items)
    elif type(value) is Rows:
        yield from _values(tuple(value._lists))
    elif type(value) in (list, tuple):
        for one in value:  # type: ignore[attr-defined]
            yield from _values(one)


def _after(trace: Trace, step: Step[Any, Any], *, all_done: bool) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for result in step._after:
        found |= dict.fromkeys(_waited(trace, step, result, all_done=all_done))
    return tuple(found)


def _waited(trace: Trace, step: Step[Any, Any], result: object, *, all_done: bool) -> Iterator[str]:
    """The steps that one argument of `.after` names."""
    where = f"an argument of `{step.name}.after`"
    if type(result) is Value and result._producers:
        if result._trace is not trace:
            trace.note("foreign", f"{where} is {result._label()} of another tracing", "call the step in this pipeline")
        elif all_done:
            yield from (producer.id for producer in result._producers)
        elif type(result._source) is ir.OneOf:
            hint = "take the value of `one_of(…)` as an argument"
            trace.note(
                "after", f"{where} is `one_of(…)`: one of its steps is always skipped, and so would be this one", hint
            )
        elif in_arm(trace, result, where):
            yield result._producers[0].id
    elif type(result) is Rows:
        yield from _waited(trace, step, list(result._lists), all_done=all_done)
    elif type(result) in (list, tuple):
        for one in result:  # type: ignore[attr-defined]
            yield from _waited(trace, step, one, all_done=all_done)
    elif type(result) is not Poison:
        message, hint = _no_result(result)
        trace.note("after", f"{where} is {message}", hint)


def _no_result(result: object) -> tuple[str, str]:
    function = function_of(result)
    if function is not None:
        return f"the {function.kind} `{function.name}` itself, not its result", f"call it: `.after({function.name}(…))`"
    if result is None:
        return "`None`: a pipeline that returns nothing gives nothing to wait for", "return the result of its last step"
    label = result._label() if is_symbolic(result) else f"`{result!r:.40}`"
    return f"{label}, which is no result of a step", "pass what a step call gave"


def check_lengths(trace: Trace, id_: str, over: dict[str, ir.Source]) -> None:
    """Lists that are known now must be of one length now."""
    counts = {
        name: len(source.value if type(source) is ir.Constant else source.items)  # type: ignore[union-attr]
        for name, source in over.items()
        if type(source) in (ir.Constant, ir.ListOf)
    }
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"`{name}` has {count} item{'s' * (count != 1)}" for name, count in counts.items())
        trace.note("lengths", f"map `{id_}` steps through its lists together, but {shown}", "make them equally long")


def in_thread(trace: Trace, function: Function) -> Poison:
    """A step that got hold of symbolic values, or of the tracing, where no call can be recorded."""
    if trace.over:
        message = (
            f"`{function.name}` is called with a symbolic value, outside of the pipeline function that it belongs to"
        )
        at = here()
        place = trace.locate(at) if at else None
        raise DefinitionError([Problem("foreign", message, place, "call steps in the pipeline function itself")])
    trace.note(
        "thread",
        f"{function.kind} `{function.name}` is called in a thread that the pipeline function has started",
        "call steps in the pipeline function itself: what does not depend on each other runs in parallel anyway",
    )
    return Poison(trace)
