"""`@step`: a function that a pipeline can call. There a call is recorded; anywhere else it is the plain function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from pipeglot.core.authoring.arguments import bind
from pipeglot.core.authoring.functions import Function
from pipeglot.core.authoring.mapping import Partial, awaiting, map_call
from pipeglot.core.authoring.options import Options, read_options, safe_name
from pipeglot.core.authoring.recording import in_thread, record
from pipeglot.core.authoring.returns import Declared, declared
from pipeglot.core.authoring.symbols import is_symbolic
from pipeglot.core.authoring.trace import current, required, stray
from pipeglot.core.errors import UsageError

if TYPE_CHECKING:
    from pipeglot.core.authoring.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Step(Generic[P, R_co]):
    """A function that a pipeline can call. `fn` is the function itself, `name` what its calls are named after."""

    __test__ = False  # pytest would collect a step named `test_model`

    fn: Callable[P, R_co]
    name: str
    __name__: str
    __qualname__: str

    def __init__(self, fn: Callable[P, R_co], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self._function = Function(fn, "step")
        fields = read_options(f"step `{self._function.name}`", options)
        self.name = fields.pop("name", None) or safe_name(self._function.name)
        self._fields: dict[str, Any] = fields
        self._given = options
        self._origin: Step[P, R_co] | None = None
        self._after: tuple[object, ...] = ()

    @functools.cached_property
    def _declared(self) -> Declared:
        return declared(self._function.returns, self._function.name)

    # --- calling ------------------------------------------------------------------------------------------------------

    @overload
    def __call__(self: Step[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is None or trace.elsewhere():
            return self._call_plainly(trace, args, kwargs)
        trace.uncalled.pop(id(self), None)
        return record(trace, self, bind(trace, self._function, args, kwargs))

    def _call_plainly(self, trace: Trace | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaked = next((value for value in (*args, *kwargs.values()) if is_symbolic(value)), None)
        trace = trace or stray() or (leaked._trace if leaked is not None else None)
        if trace is not None:
            return in_thread(trace, self._function)
        if self._function.is_async:
            return _awaited(self.fn, args, kwargs)
        return self.fn(*args, **kwargs)

    @overload
    def map(self: Step[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> list[T]: ...
    @overload
    def map(self, *args: P.args, **kwargs: P.kwargs) -> list[R_co]: ...
    @overload
    def map(self: Step[P, Coroutine[Any, Any, T]], **lists: list[Any] | tuple[Any, ...]) -> list[T]: ...
    @overload
    def map(self, **lists: list[Any] | tuple[Any, ...]) -> list[R_co]: ...
    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run once for each item: of what is given as `each(xs)`; without an `each`, of all the lists given by name."""
        return map_call(self, args, kwargs)

    def _mapped(self, trace: Trace, bound: dict[str, object], lists: set[str]) -> Any:
        return record(trace, self, bound, lists)

    def partial(self, **fixed: Any) -> Partial[R_co]:
        """Fix arguments, to `.map(…)` over lists for the others."""
        return awaiting(Partial(self, fixed), self, f"{self.name}.partial(…)")

    # --- variants -----------------------------------------------------------------------------------------------------

    def after(self, *results: object) -> Step[P, R_co]:
        """This step, to run only after others, of which it takes no value."""
        required(f"{self.name}.after")
        made = self._copy()
        made._after = (*self._after, *results)
        return awaiting(made, self, f"{self.name}.after(…)")

    def with_options(self, **options: Unpack[Options]) -> Step[P, R_co]:
        """This step with other options; what is not named stays."""
        made = self._copy()
        fields = read_options(f"step `{self.name}`", options)
        made.name = fields.pop("name", None) or self.name
        made._fields = self._fields | fields
        made._given = self._given | dict(options)
        return awaiting(made, self, f"{self.name}.with_options(…)")

    def _copy(self) -> Step[P, R_co]:
        made: Step[P, R_co] = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._origin = self._origin or self
        return made

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By reference, as functions are; a variant is made anew from the step that it comes from."""
        if self._origin is None:
            return self._function.qualname
        return _variant, (self._origin, self._given)

    def __repr__(self) -> str:
        return f"<step {self.name}: {self._function.module}.{self._function.qualname}>"


class Decorator(Protocol):
    """What `step(…)` with options gives."""

    def __call__(self, fn: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**options: Unpack[Options]) -> Decorator: ...
def step(fn: Any = None, /, **options: Any) -> Any:
    """Make a function a step, with or without options: `@step`, `@step(retry=Retry(3), timeout="2h")`."""
    if fn is not None:
        return Step(fn, options)
    return functools.partial(_decorate, options)


def _decorate(options: dict[str, Any], fn: Callable[P, R], /) -> Step[P, R]:
    return Step(fn, options)


def _variant(origin: Step[P, R], options: dict[str, Any]) -> Step[P, R]:
    return origin.with_options(**options)


def _awaited(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(fn(*args, **kwargs))
    raise UsageError(
        f"`{fn.__name__}` is an async step, and an event loop is running here",
        hint=f"`await {fn.__name__}.fn(…)`",
    )
