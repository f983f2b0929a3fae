"""`@pipeline`: a function that calls steps, traced once into the IR."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING
from pipeglot.core.authoring.failing import explain_failure
from pipeglot.core.authoring.functions import Function, Parameter
from pipeglot.core.authoring.hooks import WHEN, Hook, read_hooks, record_hooks
from pipeglot.core.authoring.logical_date import LogicalDateDefault
from pipeglot.core.authoring.mapping import Partial, awaiting, map_call
from pipeglot.core.authoring.nesting import enter, inline, map_over
from pipeglot.core.authoring.options import checked_name, safe_name
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.recording import in_thread
from pipeglot.core.authoring.settings import Checks
from pipeglot.core.authoring.trace import Endless, Trace, current, nodes
from pipeglot.core.authoring.values import Value
from pipeglot.core.errors import DefinitionError, Location, ParamError, UsageError
from pipeglot.core.suggest import meant

if TYPE_CHECKING:
    from pipeglot.client.run import Run  # what it gives back; at run time core knows nothing of it
    from pipeglot.core.authoring.hooks import Hooks
    from pipeglot.core.authoring.schedules import Schedule
    from pipeglot.core.code import Project

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Traced(NamedTuple):
    """A pipeline as data, and where the user wrote each of its nodes (which is no part of it)."""

    pipeline: ir.Pipeline
    locations: dict[str, Location]


class Pipeline(Generic[P, R_co]):
    """A function that says which steps run, on what, and after what.

    Called in another pipeline, its steps become part of that one.
    """

    __test__ = False

    fn: Callable[P, R_co]
    name: str
    __name__: str
    __qualname__: str

    def __init__(self, fn: Callable[P, R_co], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self._function = Function(fn, "pipeline")
        fields = _read(self._function.name, options)
        self.name = fields.pop("name", None) or safe_name(self._function.name)
        self._hooks: dict[str, tuple[Hook, ...]] = {when: fields.pop(when) for when in WHEN}
        self._at = here() if any(self._hooks.values()) else None
        self._fields = fields

    def __reduce__(self) -> str:
        return self._function.qualname

    def __repr__(self) -> str:
        return f"<pipeline {self.name}: {self._function.module}.{self._function.qualname}>"

    # --- tracing ------------------------------------------------------------------------------------------------------

    def trace(self, project: Project | None = None) -> Traced:
        """Run the function on symbolic values. Raises one `DefinitionError` with all that is wrong.

        Code digests are those of `project`; without one they are empty.
        """
        function, trace = self._function, Trace(project)
        failure: Exception | None = None
        params: tuple[ir.Param, ...] = ()
        hooks: dict[str, tuple[ir.Step, ...]] = {}
        empty = True
        with trace, suppress(Endless):
            trace.hooks = {when: {hook.step._function for hook in found} for when, found in self._hooks.items()}
            params = tuple(_params(trace, function))
            if enter(trace, function):
                failure = _run(trace, function)
            empty = not trace.positions
            hooks = record_hooks(trace, self, self._at)
            for what, at in trace.unentered.values():
                hint = f"write `with {what[1:-1]}:`, and call steps in the block"
                trace.note("branch", f"{what} stands alone", hint, at)
            if failure is None and not trace.noted:  # else it may be what that mistake is about
                _note_uncalled(trace)
        problems = trace.problems()
        if failure is not None:
            problems += explain_failure(trace, failure, function)
        if not problems and empty:
            problems = trace.empty(function)
        if problems:
            raise DefinitionError(problems) from failure
        found = self._build(trace, params, hooks)
        return Traced(found, {id_: trace.lines.locate(at) for id_, at in trace.positions.items()})

    def _build(self, trace: Trace, params: tuple[ir.Param, ...], hooks: dict[str, tuple[ir.Step, ...]]) -> ir.Pipeline:
        from pipeglot.core.validate import validate

        found = ir.Pipeline(
            name=self.name,
            doc=self._function.doc,
            params=params,
            nodes=nodes(trace.nodes),
            closures=trace.closures,
            on_failure=hooks["on_failure"],
            on_success=hooks["on_success"],
            **self._fields,
        )
        problems = validate(found)  # finds nothing, unless a check of ours is missing
        if problems:
            raise DefinitionError([problem._replace(at=trace.locate(self._function.at)) for problem in problems])
        return found

    # --- running ------------------------------------------------------------------------------------------------------

    @overload
    def run(self, *args: P.args, **kwargs: P.kwargs) -> Run: ...
    @overload
    def run(self, *args: Any, stack: str, **kwargs: Any) -> Run: ...
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run it on the active stack of its project, wait for the end, and give the run.

        Raises `RunFailed` if a step failed; `.on(check=False).run(…)` returns a failed run, too.
        """
        stack = kwargs.pop("stack", None) if "stack" not in self._function.parameters else None
        return _start(self, args, kwargs, {"stack": stack})

    def on(
        self,
        stack: str | None = None,
        *,
        cache: bool = True,
        check: bool = True,
        quiet: bool = False,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Start[P, R_co]:
        """How to run it: `flights.on("prod").run(year=2013)`.

        stack: where; on the active stack if left out.
        cache: `False` runs every step, whatever was computed before.
        check: `False` returns a run that failed or was cancelled, in place of raising.
        quiet: `True` shows no progress.
        tags: short words to find the run by later: `tags={"team": "risk"}`.
        """
        return Start(self, {"stack": stack, "cache": cache, "check": check, "quiet": quiet, "tags": dict(tags)})

    def _repr_html_(self) -> str:
        from importlib import import_module

        found: str = import_module("pipeglot.client.html.page").pipeline_html(self)
        return found

    # --- as a part of another pipeline --------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        trace = current()
        if trace is None:
            raise UsageError(
                f"`{self.name}` is a pipeline: calling it runs nothing",
                hint=f"`{self._function.name}.run(…)` runs it, as does `pipeglot run FILE.py:{self._function.name}`;"
                " in another pipeline, a call adds its steps",
            )
        if trace.elsewhere():
            return in_thread(trace, self._function)  # type: ignore[return-value]  # poison
        return inline(trace, self, args, kwargs)  # type: ignore[no-any-return]  # to a checker, the results

    @overload
    def map(self, *args: P.args, **kwargs: P.kwargs) -> list[R_co]: ...
    @overload
    def map(self, **lists: list[Any] | tuple[Any, ...]) -> list[R_co]: ...
    def map(self, *args: Any, **kwargs: Any) -> Any:
        """All its steps, once for each item: of what is given as `each(xs)`, or else of all the lists given by name.

        What it returns is then the list of what it returns for each item; `unzip` takes a list of tuples apart.
        """
        return map_call(self, args, kwargs)

    def partial(self, **fixed: Any) -> Partial[R_co]:
        """Fix arguments, to `.map(…)` over lists for the others."""
        return awaiting(Partial(self, fixed), self, f"{self.name}.partial(…)")

    def _mapped(self, trace: Trace, bound: dict[str, object], lists: set[str]) -> Any:
        if trace.elsewhere():
            return in_thread(trace, self._function)
        return map_over(trace, self, bound, lists)


class Start(Generic[P, R_co]):
    """A pipeline and how to run it: what `Pipeline.on` gives."""

    def __init__(self, pipeline: Pipeline[P, R_co], how: dict[str, Any]) -> None:
        self._pipeline = pipeline
        self._how = how

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Run:
        """Run it, wait for the end, and give the run."""
        return _start(self._pipeline, args, kwargs, self._how)

    def __repr__(self) -> str:
        return f"<{self._pipeline!r} on {self._how['stack'] or 'the active stack'}>"


def _start(pipeline: Pipeline[..., Any], args: tuple[Any, ...], given: dict[str, Any], how: dict[str, Any]) -> Run:
    """The one place where authoring reaches up: what runs pipelines is a layer above, and comes in by name."""
    if current() is not None:
        raise UsageError(
            f"`{pipeline.name}.run(…)` stands in a pipeline, which only says what runs",
            hint=f"`{pipeline.name}(…)` adds its steps",
        )
    from importlib import import_module

    api = import_module("pipeglot.client.api")
    found: Run = api.run(pipeline, args, given, api.How(**how))
    return found


def _run(trace: Trace, function: Function) -> Exception | None:
    """Call the user's function; what it raises is given back."""
    try:
        function.fn(**{name: _parameter(trace, one) for name, one in function.parameters.items()})
    except Exception as error:  # noqa: BLE001  # whatever the user's function raises
        return error
    return None


def _parameter(trace: Trace, parameter: Parameter) -> Value:
    return Value(trace, ir.ParamRef(name=parameter.name), parameter.hint, name=parameter.name)


def _params(trace: Trace, function: Function) -> Any:
    """The parameters of the pipeline itself."""
    from pipeglot.core import params

    for name, one in function.parameters.items():
        owner = f"parameter `{name}` of pipeline `{function.name}`"
        try:
            kind = params.type_of(Any if one.hint is MISSING else one.hint, owner=owner)
            if one.default is MISSING:
                yield ir.Param(name=name, type=kind)
            elif type(one.default) is LogicalDateDefault:
                yield _logical_date(name, kind, owner)
            else:
                yield ir.Param(name=name, type=kind, default=params.normalise(kind, one.default, name=name))
        except ParamError as error:
            trace.note("param", error.message, error.hint, function.at)


def _logical_date(name: str, kind: ir.ParamType, owner: str) -> ir.Param:
    """A parameter that is a day. Raises `ParamError` for any other."""
    if kind == ir.ScalarType(name="date"):
        return ir.Param(name=name, type=kind, logical_date=True)
    hint = f"write `{name}: date = LogicalDate()`"
    if kind == ir.ScalarType(name="datetime"):
        hint += "; in a step, `current_run().logical_date` has the time too"
    raise ParamError(f"{owner} defaults to `LogicalDate()`, which is a `date`, and is no `date` itself", hint=hint)


# --- the decorator ----------------------------------------------------------------------------------------------------


def _read(what: str, options: dict[str, Any]) -> dict[str, Any]:
    from pipeglot.core.authoring.schedules import Schedule

    checks = Checks(f"pipeline `{what}`")
    known = ("name", "schedule", "tags", "max_parallel", *WHEN)
    for name in sorted(options.keys() - set(known)):
        checks.refuse(f"there is no option `{name}`", meant(name, known, "the options are", most=99))
    schedule = options.get("schedule")
    if schedule is not None and not isinstance(schedule, Schedule):
        wanted = "Assets" if isinstance(schedule, str) and "://" in schedule else "Cron"
        hint = (
            f"write `schedule={wanted}({schedule!r})`"
            if isinstance(schedule, str)
            else 'write `schedule=Cron("0 6 * * *")`'
        )
        checks.refuse(f"`schedule={schedule!r}` is no schedule", hint)
        schedule = None
    fields = {
        "name": checked_name(checks, options.get("name")),
        "schedule": schedule and schedule.spec,
        "tags": checks.texts("tags", options.get("tags")),
        "max_parallel": options.get("max_parallel"),
        **{when: read_hooks(checks, when, options.get(when)) for when in WHEN},
    }
    if fields["max_parallel"] is not None:
        checks.number("max_parallel", fields["max_parallel"], least=1, whole=True)
    checks.done()
    return fields


class PipelineDecorator(Protocol):
    """What `pipeline(…)` with options gives."""

    def __call__(self, fn: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(fn: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(
    *,
    name: str | None = None,
    schedule: Schedule | None = None,
    tags: list[str] | tuple[str, ...] = (),
    max_parallel: int | None = None,
    on_failure: Hooks | None = None,
    on_success: Hooks | None = None,
) -> PipelineDecorator: ...
def pipeline(fn: Any = None, /, **options: Any) -> Any:
    """Make a function a pipeline, with or without options: `@pipeline`, `@pipeline(schedule=Cron("0 6 * * *"))`."""
    if fn is not None:
        return Pipeline(fn, options)
    return functools.partial(_decorate, options)


def _decorate(options: dict[str, Any], fn: Callable[P, R], /) -> Pipeline[P, R]:
    return Pipeline(fn, options)


def _note_uncalled(trace: Trace) -> None:
    for _, what, at in trace.uncalled.values():
        call = f"{what}.map(x=xs)" if ".partial(" in what else f"{what}(…)"
        trace.note("uncalled", f"`{what}` stands alone: it calls nothing", f"call it: `{call}`", at)
