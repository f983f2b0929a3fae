"""Whether a step is what its module has under its name, by which workers import it."""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from pipeglot.core.authoring.functions import function_of

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.trace import Trace

_MAIN = "__main__"
_NOTHING = object()


def bound_anew(trace: Trace, function: Function) -> list[tuple[str, str, str]]:
    """Why a worker would run something else in place of a step: (code, message, hint). Only what is certain is told.

    A name may be bound anew while lists and other names still hold the step that it was given to.
    """
    found = _under_name(function)
    what = _other(trace, function, found)
    if not what:
        return []
    script = function.module == _MAIN
    where = "in the notebook" if script else f"in module `{trace.module_name(function.module)}`"
    hint = "give each a name of its own: workers import steps by their names"
    again = f"; if you have defined it anew, run the cell again that takes `{function.name}` into the pipeline"
    message = f"step `{function.name}` cannot be found by its name: {where}, {what}"
    return [("bound-anew", message, hint + (again if script else ""))]


def _under_name(function: Function) -> Any:
    found: Any = sys.modules.get(function.module, function.fn)
    if found is function.fn:  # its module was not imported in the usual way: nothing is known
        return found
    for part in function.qualname.split("."):
        found = getattr(found, part, _NOTHING)
    return found


def _other(trace: Trace, function: Function, found: Any) -> str:
    """What else it is; empty for the function itself, and for what may lead to it, such as a decorator's wrapper."""
    if found is _NOTHING:
        return f"there is no `{function.qualname}` any more"
    if not callable(found):
        return f"`{function.qualname}` is of the type `{type(found).__name__}`"
    own = function_of(found)
    code = own.code if own else _code(found, function)
    if code is None or code == function.code or _is_reloaded(function.code, code):
        return ""
    from pipeglot.core.authoring.sources import definition_line
    from pipeglot.core.errors import Location

    kind = own.kind if own else "function"
    return f"`{function.qualname}` is the {kind} of {trace.locate(Location(code.co_filename, definition_line(code)))}"


def _code(found: Any, function: Function) -> CodeType | None:
    """Of a plain function, if it is defined under the same name; others may be wrappers."""
    while type(found) is FunctionType and hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    same = type(found) is FunctionType and found.__code__.co_name == function.code.co_name
    return found.__code__ if same else None


def _is_reloaded(old: CodeType, new: CodeType) -> bool:
    """Whether two functions are one definition, of a module that was imported again: workers import it anew, too."""
    if old.co_filename != new.co_filename or old.co_name != new.co_name:
        return False
    from pipeglot.core.authoring import sources

    return old.co_firstlineno == new.co_firstlineno or sources.function(old) is None
