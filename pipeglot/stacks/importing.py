"""The user's module: imported under its one name, and its own errors shown with its own frames only."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from pipeglot.core import session
from pipeglot.core.authoring.pipelines import Pipeline
from pipeglot.core.errors import PipeglotError, TargetError
from pipeglot.core.suggest import meant

_OURS = str(Path(__file__).parents[1]) + os.sep


def import_user_module(name: str, file: Path, root: Path) -> ModuleType:
    """Import a module of the project. Raises `TargetError` with the user's own traceback for whatever it raises."""
    try:
        with session.importing():
            module = importlib.import_module(name)
    except PipeglotError:
        raise
    except SystemExit as error:
        raise TargetError(
            f"`{_shown(file, root)}` ended Python while it was imported: `sys.exit({error.code!r})`",
            hint='put what a script does below `if __name__ == "__main__":`',
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a module may raise anything
        raise TargetError(
            f"`{_shown(file, root)}` cannot be imported:\n\n{user_traceback(error)}", hint=_hint(error)
        ) from None
    found = getattr(module, "__file__", None)
    if found is None or os.path.realpath(found) != os.path.realpath(file):
        raise TargetError(
            f"`import {name}` gives `{found or name}`, not `{_shown(file, root)}`",
            hint="two modules have this name: rename one of them",
        )
    return module


def find_pipeline(module: ModuleType, name: str | None, target: str) -> Pipeline[..., Any]:
    """The pipeline of that name, or the only one. Raises `TargetError`."""
    found = _pipelines(module)
    if name is not None:
        return _named(module, name, found)
    file = target.partition(":")[0]
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise TargetError(
            f"there is no pipeline in `{file}`",
            hint="write `@pipeline` (`from pipeglot import pipeline`) above the function that calls the steps",
        )
    lines = "\n".join(f"  {file}:{one}" for one in found)
    raise TargetError(f"`{file}` has {len(found)} pipelines; say which:\n\n{lines}")


def _pipelines(module: ModuleType) -> dict[str, Pipeline[..., Any]]:
    """By variable, each pipeline once. Imported ones count only where there are no others."""
    found: dict[int, tuple[str, Pipeline[..., Any]]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Pipeline):
            found.setdefault(id(value), (name, value))
    own = {name: value for name, value in found.values() if value.__module__ == module.__name__}
    return own or dict(found.values())


def _named(module: ModuleType, name: str, found: dict[str, Pipeline[..., Any]]) -> Pipeline[..., Any]:
    value: Any = getattr(module, name, None)
    if isinstance(value, Pipeline):
        return value
    by_name = [one for one in found.values() if one.name == name]
    if by_name:
        return by_name[0]
    where = f"`{module.__name__}`"
    if value is None:
        raise TargetError(f"{where} has no pipeline `{name}`", hint=meant(name, found, "its pipelines are"))
    kind = "a step" if type(value).__module__ == "pipeglot.core.authoring.steps" else f"a `{type(value).__name__}`"
    hint = (
        "write `@pipeline` above it"
        if callable(value) and kind != "a step"
        else meant(name, found, "its pipelines are")
    )
    raise TargetError(f"`{name}` in {where} is {kind}, not a pipeline", hint=hint)


# --- the user's own errors --------------------------------------------------------------------------------------------


def user_traceback(error: BaseException) -> str:
    """As Python prints it, without our frames and those of the import system, in the chained exceptions too."""
    import traceback

    for one in _chain(error, set()):
        one.__traceback__ = _without_ours(one.__traceback__)
    return "".join(traceback.format_exception(error)).rstrip()


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """An exception, those that it came from, and the members of groups."""
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        for member in getattr(error, "exceptions", ()) if isinstance(error, BaseExceptionGroup) else ():
            yield from _chain(member, seen)
        yield from _chain(error.__cause__, seen)
        error = error.__context__


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((_OURS, "<frozen importlib")) and file != importlib.__file__:
            kept.append(trace)
        trace = trace.tb_next
    found: TracebackType | None = None
    for one in reversed(kept):
        found = TracebackType(found, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return found


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("pipeglot"):
        top = error.name.partition(".")[0]
        if top not in sys.modules:
            return f"is `{top}` installed for this Python (`{sys.executable}`), or in the project's root?"
    return ""


def _shown(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
