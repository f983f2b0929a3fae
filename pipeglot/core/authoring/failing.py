"""When a pipeline function raises: its exception, where it was raised, and what a symbolic value had to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeglot.core.authoring.functions import function_of
from pipeglot.core.authoring.positions import Position, is_ours, is_users
from pipeglot.core.authoring.symbols import SymbolicUse, is_symbolic
from pipeglot.core.errors import DefinitionError, PipeglotError, Problem

if TYPE_CHECKING:
    from types import TracebackType

    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.trace import Trace

_SYMBOLIC = "a symbolic value stands for what a step will return: work with it in a step"


def explain_failure(trace: Trace, error: Exception, function: Function) -> list[Problem]:
    """What to tell of it, beside the problems found so far. An error of our own making is raised as it is."""
    if isinstance(error, SymbolicUse):
        return []  # what led to it is told already
    if isinstance(error, DefinitionError):
        return list(error.problems)
    told = repr(error)
    if trace.noted and ("what a mistake left" in told or "keywords must be strings" in told):
        return []
    at, inside_ours = _raised_at(error.__traceback__)
    place = trace.lines.locate(at) if at else trace.locate(function.at)
    if isinstance(error, PipeglotError):
        return [Problem("raised", error.message, place, error.hint)]
    if inside_ours:
        raise error
    return [Problem("raised", f"pipeline `{function.name}` raised `{_text(error)}`", place, _hint(trace, error))]


def _text(error: Exception) -> str:
    """As a traceback ends. A symbolic value in it must not be asked for its text."""
    shown = repr(error.args[0]) if error.args and is_symbolic(error.args[0]) else str(error)
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def _raised_at(traceback: TracebackType | None) -> tuple[Position | None, bool]:
    """The innermost instruction of the user's, and whether the exception left our own code there."""
    at, inside_ours = None, False
    while traceback is not None:
        code = traceback.tb_frame.f_code
        inside_ours = is_ours(code.co_filename)
        if is_users(code.co_filename):
            at = Position(code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return at, inside_ours


def _hint(trace: Trace, error: Exception) -> str:
    told = f"{error!r} {_text(error)}"
    if "SymbolicValue" in told or "known only when the pipeline runs" in told:
        return _SYMBOLIC
    owner = getattr(error, "obj", None)
    wrapped = function_of(getattr(owner, "__wrapped__", None))
    if isinstance(error, AttributeError) and wrapped is not None:
        return f"write `@{wrapped.kind}` above the other decorators of `{wrapped.name}`"
    return "it may follow from the problems above" if trace.noted else ""
