"""Hooks: the steps that a pipeline runs when all else is over, `@pipeline(on_failure=notify, on_success=[a, b])`."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING
from pipeglot.core.authoring.arguments import bind
from pipeglot.core.authoring.functions import function_of
from pipeglot.core.authoring.mapping import Partial
from pipeglot.core.authoring.recording import record_hook
from pipeglot.core.authoring.trace import current
from pipeglot.core.authoring.values import Value

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.pipelines import Pipeline
    from pipeglot.core.authoring.positions import Position
    from pipeglot.core.authoring.settings import Checks
    from pipeglot.core.authoring.steps import Step
    from pipeglot.core.authoring.trace import Trace

    Hooks: TypeAlias = (
        Step[..., Any] | Partial[Any] | list[Step[..., Any] | Partial[Any]] | tuple[Step[..., Any] | Partial[Any], ...]
    )
    """What `on_failure=` and `on_success=` take."""

WHEN = ("on_failure", "on_success")


class Hook(NamedTuple):
    """A step and the arguments that are fixed for it."""

    step: Step[..., Any]
    fixed: dict[str, Any]


def read_hooks(checks: Checks, name: str, given: object) -> tuple[Hook, ...]:
    """What a user wrote as hooks; those that are none are told, and left out."""
    if given is None or checks.unknown(name, given):
        return ()
    found = (_hook(checks, name, one) for one in (given if isinstance(given, list | tuple) else (given,)))
    return tuple(hook for hook in found if hook is not None)


def _hook(checks: Checks, name: str, given: object) -> Hook | None:
    trace = current()
    if trace is not None:  # a module imported by a pipeline function: the hook needs no other call
        trace.uncalled.pop(id(given), None)
    made: Any = given._made if isinstance(given, Partial) else given
    function = function_of(made)
    if function is None or function.kind != "step":
        what, hint = _no_step(made, name, function)
        checks.refuse(f"`{name}` is given {what}, which is no step", hint)
        return None
    if made._fields.get("trigger", "all_success") != "all_success":
        checks.refuse(
            f'`{name}`: step `{made.name}` has `trigger="all_done"`, and a hook runs when all else is over anyway',
            f"leave the trigger out, or call `{made.name}.after(…)` in the pipeline",
        )
        return None
    return Hook(made, dict(given._fixed) if isinstance(given, Partial) else {})


def _no_step(made: object, name: str, function: Function | None) -> tuple[str, str]:
    if function is not None:
        return f"the pipeline `{function.name}`", "write a function with `@step` that does it"
    label = getattr(made, "__name__", None)
    if type(made) is FunctionType:
        return f"`{label}`", f"write `@step` above it, and `{name}={label}`"
    if callable(made) and isinstance(label, str):
        return f"`{label}`", "write a function with `@step` that calls it"
    return f"`{made!r:.40}`", f"write `{name}=notify`, of a function `notify` with `@step`"


def record_hooks(trace: Trace, called: Pipeline[Any, Any], at: Position | None) -> dict[str, tuple[ir.Step, ...]]:
    """The hooks of the pipeline that is traced, as steps; each has an id that no other node has."""
    params = called._function.parameters
    trace.place = at
    found = {when: tuple(_recorded(trace, hook, params, when, at) for hook in called._hooks[when]) for when in WHEN}
    trace.place = None
    return found


def _recorded(trace: Trace, hook: Hook, params: dict[str, Any], when: str, at: Position | None) -> ir.Step:
    """Arguments are those of `partial`, else the pipeline's parameters of the same name, else the step's defaults."""
    function = hook.step._function
    given: dict[str, object] = dict(hook.fixed)
    for name in function.parameters:
        if name in params and name not in given:
            given[name] = Value(trace, ir.ParamRef(name=name), params[name].hint, name=name)
    unfilled = [name for name, one in function.parameters.items() if one.default is MISSING and name not in given]
    for name in unfilled:
        trace.note(
            "hook",
            f"`{when}`: step `{hook.step.name}` takes `{name}`, and the pipeline has no parameter of that name",
            f"write `{when}={hook.step.name}.partial({name}=…)`, or give `{name}` a default",
        )
    bound = given if unfilled else bind(trace, function, (), given)
    return record_hook(trace, hook.step, bound, at)


def check_inlined(trace: Trace, called: Pipeline[Any, Any]) -> None:
    """The hooks of a nested pipeline do not run: those of the pipeline that is run do. So they must be the same."""
    outer = trace.hooks
    for when in WHEN:
        for hook in called._hooks[when]:
            if hook.step._function not in outer.get(when, ()):
                name = hook.step.name
                trace.note(
                    "hook",
                    f"pipeline `{called.name}` has `{when}={name}`, which does not run where it is a part of"
                    f" `{trace.functions[0].name}`: the hooks of a run are those of the pipeline that is run",
                    f"say `{when}={name}` of `{trace.functions[0].name}` too",
                )
