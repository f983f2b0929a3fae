"""Code that is installed where tasks run, and does not travel: it must be what the pipeline was compiled from."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec

from pipeglot.core.code import Closure, Project
from pipeglot.core.errors import DefinitionError, StepError
from pipeglot.core.ir import Pipeline, Step

_SHOWN = 12
_PARSING = threading.Lock()
"""Python 3.11 does not parse in two threads at once: `SystemError: AST constructor recursion depth mismatch`."""
_MOST = 3


def refuse_other_code(step: Step, pipeline: Pipeline) -> None:
    """Raises `StepError` if the installed code of a step has another digest, or none that could be told."""
    tops = _project(step, pipeline)
    roots = sorted({root for top in tops for root in _roots(top)}, key=_place)
    hint = "install here what the pipeline was compiled from; or compile and deploy it again, from what is installed"
    try:
        with _PARSING:
            found = Project(roots, only=tops).closure(step.code.module, step.code.qualname)
    except DefinitionError:
        raise StepError(
            f"the code of step `{step.id}` is not installed here: no `{step.code.module}:{step.code.qualname}` can be"
            f" read by `{sys.executable}`",
            hint=hint,
        ) from None
    if found.digest != step.code.digest:
        raise StepError(
            f"the code of step `{step.id}` that is installed here is not what the pipeline was compiled from:"
            f" its digest is {found.digest[:_SHOWN]} here, and {step.code.digest[:_SHOWN]} there"
            f"{_differences(pipeline.closures.get(step.code.digest, {}), found)}",
            hint=hint,
        )


def _project(step: Step, pipeline: Pipeline) -> frozenset[str]:
    """The names of the project's modules and packages: whatever else is installed is part of no digest."""
    members = (member for closure in pipeline.closures.values() for member in closure)
    return frozenset(name.partition(":")[0].partition(".")[0] for name in (step.code.module, *members))


def _roots(top: str) -> Iterator[str]:
    """The folders that a module or a package is imported from."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # ValueError: `__main__` of a program that is no module
        return
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        yield from (os.path.dirname(os.path.abspath(folder)) for folder in spec.submodule_search_locations)
    elif spec.origin is not None:
        yield os.path.dirname(os.path.abspath(spec.origin))


def _place(root: str) -> tuple[int, str]:
    """In the order in which Python looks."""
    paths = [os.path.abspath(path) for path in sys.path]
    return paths.index(root) if root in paths else len(paths), root


def _differences(before: dict[str, str], now: Closure) -> str:
    """What of it is another, by name."""
    changed = [name for name in sorted({*before, *now.members}) if before.get(name) != now.members.get(name)]
    if not before or not changed:
        return ""
    shown = ", ".join(f"`{name}`" for name in changed[:_MOST])
    return f"; other are {shown}" + (f" and {len(changed) - _MOST} more" if len(changed) > _MOST else "")
