"""A user's function as it is written: parameters and annotations, where it stands, and whether a worker could run it.

Read from the code object, for `inspect` costs as much to import as all of this package.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pipeglot.core.authoring.annotations import MISSING, type_text
from pipeglot.core.authoring.logical_date import LogicalDateDefault
from pipeglot.core.authoring.positions import Lines, declare, here
from pipeglot.core.errors import DefinitionError, Location, Problem

if TYPE_CHECKING:
    from types import CodeType

_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x08, 0x20, 0x80, 0x200

Kind = Literal["step", "pipeline"]


class Parameter(NamedTuple):
    """A parameter of a function; `default` is `MISSING` if an argument must be given."""

    name: str
    hint: Any
    default: Any
    keyword_only: bool

    def __str__(self) -> str:
        return f"{self.name}: {type_text(self.hint)}" if self.hint is not MISSING else self.name


class Function:
    """What tracing knows of a step's or a pipeline's function. `mistakes` are told when a pipeline uses it."""

    def __init__(self, fn: Callable[..., Any], kind: Kind) -> None:
        self.fn = fn
        self.kind = kind
        self.innermost = _innermost(fn, kind)
        self.code: CodeType = self.innermost.__code__
        self.module: str = fn.__module__ or "__main__"
        self.qualname: str = fn.__qualname__
        self.doc = clean(fn.__doc__ or "")
        declare(self.code.co_filename)
        self._parameters: dict[str, Parameter] | None = None
        self._returns: Any = MISSING
        self._hints_error: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return self.innermost.__name__

    @property
    def file(self) -> str:
        return self.code.co_filename

    @property
    def at(self) -> Location:
        """The line of `def`. Slow: it reads the source."""
        from pipeglot.core.authoring.sources import definition_line

        return Location(self.file, definition_line(self.code))

    @property
    def is_async(self) -> bool:
        return bool(self.code.co_flags & _COROUTINE)

    @property
    def is_unusable(self) -> bool:
        """Whether a pipeline's function cannot even be called with a value for each parameter."""
        wrong = _VARKEYWORDS | _GENERATOR | _COROUTINE | _ASYNC_GENERATOR
        return self.is_unfit or bool(self.code.co_flags & wrong)

    @property
    def parameters(self) -> dict[str, Parameter]:
        if self._parameters is None:
            self._read()
        assert self._parameters is not None
        return self._parameters

    @property
    def returns(self) -> Any:
        """The annotation of what it returns, `MISSING` if there is none."""
        if self._parameters is None:
            self._read()
        return self._returns

    @property
    def is_unfit(self) -> bool:
        """Whether its arguments cannot be told apart by name."""
        return bool(self.code.co_flags & _VARARGS or self.code.co_posonlyargcount)

    @property
    def open(self) -> bool:
        """Whether it has `**kwargs`."""
        return bool(self.code.co_flags & _VARKEYWORDS)

    def signature(self) -> str:
        """The `def` line, for people."""
        shown, star = [], False
        for parameter in self.parameters.values():
            if parameter.keyword_only and not star:
                shown.append("*")
                star = True
            shown.append(f"{parameter}{_default(parameter)}")
        if self.open:
            shown.append("**kwargs")
        returns = "" if self.returns is MISSING else f" -> {type_text(self.returns)}"
        return f"{self.qualname}({', '.join(shown)}){returns}"

    def mistakes(self) -> list[tuple[str, str, str]]:
        """Why this cannot be a step, or a pipeline: (code, message, hint)."""
        self.parameters  # noqa: B018  # reads the annotations
        found = list(self._unreachable()) if self.kind == "step" else list(self._no_pipeline())
        found += self._unbindable()
        if self._hints_error:
            found.append(("annotation", *self._hints_error))
        if self.kind == "step":
            found += self._dated()
        return found

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        hints = self._hints()
        self._returns = hints.get("return", MISSING)
        code, fn = self.code, self.innermost
        positional = code.co_varnames[: code.co_argcount]
        keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        defaults = dict(zip(reversed(positional), reversed(fn.__defaults__ or ()), strict=False))
        defaults |= fn.__kwdefaults__ or {}
        self._parameters = {
            name: Parameter(name, hints.get(name, MISSING), defaults.get(name, MISSING), name in keyword_only)
            for name in (*positional, *keyword_only)
        }

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self.fn, include_extras=True)
        except NameError as error:
            self._hints_error = (
                f"an annotation of `{self.qualname}` names `{error.name}`, which is not there at run time",
                f"import `{error.name}` at the top of the module, outside `if TYPE_CHECKING:`",
            )
        except Exception as error:  # noqa: BLE001  # annotations are arbitrary code of the user's
            self._hints_error = (
                f"an annotation of `{self.qualname}` cannot be read: {type(error).__name__}: {error}",
                "write an annotation that can be evaluated when the module is imported",
            )
        return {}

    # --- what cannot be -----------------------------------------------------------------------------------------------

    def _unreachable(self) -> typing.Iterator[tuple[str, str, str]]:
        if self.name == "<lambda>":
            yield (
                "lambda",
                "a lambda cannot be a step: no worker can import it",
                "write it as a function at module level",
            )
        elif "<locals>" in self.qualname:
            outer = self.qualname.rpartition(".<locals>")[0]
            yield (
                "nested",
                f"step `{self.name}` is defined inside `{outer}`: no worker can import it",
                f"move `{self.name}` to module level",
            )
        if self.code.co_flags & (_GENERATOR | _ASYNC_GENERATOR):
            yield (
                "generator",
                f"step `{self.name}` is a generator: what it yields cannot be stored",
                "return a list, or write files and return their `Path`",
            )

    def _no_pipeline(self) -> typing.Iterator[tuple[str, str, str]]:
        if self.name == "<lambda>":
            yield "lambda", "a lambda cannot be a pipeline: it has no name", "write it as a function"
        if self.code.co_flags & _COROUTINE:
            yield (
                "async-pipeline",
                f"pipeline `{self.name}` is `async`: it only says what runs after what, and awaits nothing",
                "write `def`; steps may be `async`",
            )
        if self.code.co_flags & (_GENERATOR | _ASYNC_GENERATOR):
            yield "generator", f"pipeline `{self.name}` is a generator", "call the steps, and yield nothing"
        if self.open:
            yield (
                "parameters",
                f"pipeline `{self.name}` takes `**{self._starred()[-1]}`: a pipeline's parameters have names",
                "name each parameter, or take one `dict[str, …]`",
            )

    def _unbindable(self) -> typing.Iterator[tuple[str, str, str]]:
        if self.code.co_flags & _VARARGS:
            yield (
                "parameters",
                f"{self.kind} `{self.name}` takes `*{self._starred()[0]}`: arguments are passed by name",
                f"take one list: `{self._starred()[0]}: list[…]`",
            )
        for name in self.code.co_varnames[: self.code.co_posonlyargcount]:
            yield (
                "parameters",
                f"parameter `{name}` of {self.kind} `{self.name}` is positional-only: arguments are passed by name",
                "leave out the `/`",
            )

    def _dated(self) -> typing.Iterator[tuple[str, str, str]]:
        for one in self.parameters.values():
            if type(one.default) is LogicalDateDefault:
                yield (
                    "logical-date",
                    f"parameter `{one.name}` of step `{self.name}` defaults to `LogicalDate()`, which is for pipelines",
                    f"write `{one.name}: date = LogicalDate()` in the pipeline, and pass `{one.name}` to the step",
                )

    def _starred(self) -> tuple[str, ...]:
        """The names of `*args` and `**kwargs`, which follow the others."""
        code = self.code
        first = code.co_argcount + code.co_kwonlyargcount
        count = bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)
        return code.co_varnames[first : first + count]


def function_of(made: object) -> Function | None:
    """The function of a step or a pipeline; None for anything else."""
    if type(made).__module__ not in ("pipeglot.core.authoring.steps", "pipeglot.core.authoring.pipelines"):
        return None
    found: Function | None = getattr(made, "_function", None)
    return found


def _default(parameter: Parameter) -> str:
    if parameter.default is MISSING:
        return ""
    default = parameter.default
    is_member = hasattr(type(default), "__members__")
    text = f"{type(default).__name__}.{default.name}" if is_member else repr(default)
    text = text if len(text) <= 30 else "…"
    return f" = {text}" if parameter.hint is not MISSING else f"={text}"


def _innermost(fn: Any, kind: Kind) -> FunctionType:
    """The function below `functools.wraps`. Raises `DefinitionError` for what is no function, or is a method."""
    inner = fn
    while type(inner) is FunctionType and hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    mistake = _no_function(fn, inner, kind)
    if mistake:
        code, message, hint = mistake
        raise DefinitionError([Problem(code, message, _place(inner), hint)])
    assert type(inner) is FunctionType
    return inner


def _place(inner: Any) -> Location | None:
    """Where a function is defined; of another object, where it is handed to us."""
    if type(inner) is FunctionType:
        from pipeglot.core.authoring.sources import definition_line

        return Location(inner.__code__.co_filename, definition_line(inner.__code__))
    at = here()
    return Lines().locate(at) if at else None


def _no_function(fn: Any, inner: Any, kind: Kind) -> tuple[str, str, str] | None:
    if type(fn) is staticmethod or type(fn) is classmethod:
        name = type(fn).__name__
        hint = (
            f"write `@staticmethod` above `@{kind}`" if name == "staticmethod" else "move the function out of the class"
        )
        return "decorator-order", f"`@{kind}` stands above `@{name}`", hint
    other = function_of(inner)
    if other is not None:
        return (
            "decorator-order",
            f"`@{kind}` stands above `@{other.kind}`: `{other.name}` would be both",
            "keep one of them",
        )
    if type(inner) is not FunctionType:
        return (
            "no-function",
            f"`@{kind}` takes a function, and this is {_a(fn)}",
            f"write a function that calls it, with `@{kind}`",
        )
    owner, _, name = inner.__qualname__.rpartition(".")
    first = inner.__code__.co_varnames[:1]
    if owner and not owner.endswith("<locals>") and first and first[0] in ("self", "cls"):
        return (
            "method",
            f"`{name}` is a method of `{owner}`, which cannot be a {kind}: a worker would have no `{first[0]}`",
            "move it out of the class, and pass what it needs as arguments",
        )
    return None


def _a(value: object) -> str:
    if isinstance(value, type):
        return f"the class `{value.__qualname__}`"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} `{name}`"


def clean(doc: str) -> str:
    """A docstring without its indentation, which Python strips or not depending on its version."""
    lines = doc.expandtabs().strip("\n").split("\n")
    rest = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(rest, default=0)
    return "\n".join([lines[0].strip(), *(line[margin:].rstrip() for line in lines[1:])]).strip()
