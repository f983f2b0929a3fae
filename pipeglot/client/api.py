"""From Python and notebooks: run a pipeline, list runs, open one, open what one has made."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pipeglot.client.outputs import Output
from pipeglot.client.records import Records, open_records
from pipeglot.client.run import Run
from pipeglot.client.selection import Selection
from pipeglot.client.text import SHORT_ID, plural
from pipeglot.core import session
from pipeglot.core.errors import Problem, RunFailed, UsageError
from pipeglot.core.lineage.naming import find_artifact
from pipeglot.stacks.target import Loaded, found_outside, load, locate, target_text
from pipeglot.stacks.workspace import Workspace, workspace_at

if TYPE_CHECKING:
    from pipeglot.client.launch import Request
    from pipeglot.core.authoring.pipelines import Pipeline
    from pipeglot.core.lineage.view import RunView

_MAIN = "__main__"


class How(NamedTuple):
    """How to run, as `Pipeline.on` was told."""

    stack: str | None = None
    cache: bool = True
    check: bool = True
    quiet: bool = False
    tags: Mapping[str, str] = MappingProxyType({})


# --- run --------------------------------------------------------------------------------------------------------------


def run(pipeline: Pipeline[..., Any], args: tuple[Any, ...], given: dict[str, Any], how: How) -> Run:
    """Run a pipeline and wait for its end. Raises `RunFailed` unless `how.check` is false."""
    _refuse_nested(pipeline)

    from pipeglot.client.launch import Request

    values = _by_name(pipeline, args, given)
    code = _load(pipeline)
    request = Request(stack=how.stack, params=values, cache=how.cache, tags=dict(how.tags), target=code.target)
    view = _execute(code, request, quiet=how.quiet)
    found = Run(open_records(code.workspace, how.stack), view.run_id)
    if how.check and view.status == "cancelled":
        raise KeyboardInterrupt(f"run {view.run_id[:SHORT_ID]} of `{view.pipeline}` was cancelled")
    if how.check and view.status != "succeeded":
        raise RunFailed(*_failure(view), run=found)
    return found


def _execute(code: _Code, request: Request, *, quiet: bool) -> RunView:
    """In workers of a new Python: the caller's own has user code in it, and maybe threads."""
    from pipeglot.client.launch import launch

    overrides = {"roots": code.roots, "session": code.session}
    with _Screen(quiet=quiet) as screen:
        tell = screen.tell
        found = launch(code.workspace, code.loaded, request, listener=screen.listener, tell=tell, overrides=overrides)
        screen.ended(found.view)
    return found.view


class _Screen:
    """Progress for whoever looks on: a person at a terminal, a notebook, a log, nobody."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.began = time.monotonic()
        self.notebook = not quiet and in_notebook()
        self.listener = self._listener()

    def _listener(self) -> Any:
        from pipeglot.runtime_local.listener import Silent

        if self.quiet:
            return Silent()
        if self.notebook:
            from pipeglot.client.display.board import Board
            from pipeglot.client.display.guard import Guard
            from pipeglot.client.display.notebook import Notebook

            return Guard(Notebook(Board()))
        from pipeglot.client.display import make_display

        return make_display(sys.stderr)

    def tell(self, note: Problem | str) -> None:
        if not self.quiet:
            _tell(note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.quiet:
            self.listener.close()

    def ended(self, view: RunView) -> None:
        """One line if all went well. What failed is told by the exception, or by the run that is returned."""
        if self.quiet or self.notebook:
            return
        self.listener.close()
        from pipeglot.client.display.report import summary

        sys.stderr.write(f"{summary(view, time.monotonic() - self.began, sys.stderr)}\n")


def _tell(note: Problem | str) -> None:
    sys.stderr.write(f"note: {note}\n")


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this, which shows HTML."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return found is not None and hasattr(found, "kernel")


def _failure(view: RunView) -> tuple[str, str]:
    """What failed and why, first things first; and where more is told."""
    failed = [step for step in view.steps if step.status == "failed"]
    lines = [f"run {view.run_id[:SHORT_ID]} of `{view.pipeline}` {view.status}"]
    for step in failed[:3]:
        from pipeglot.client.text import cell_name

        error = step.error
        if error is not None:
            lines += ["", f"step `{cell_name(step.id, step.index)}`:", error.traceback.rstrip() or _told(error)]
    if len(failed) > 3:
        lines += ["", f"and {len(failed) - 3} more failed"]
    hints = [step.error.hint for step in failed[:3] if step.error and step.error.hint]
    more = f"`pipeglot runs show {view.run_id[:SHORT_ID]}` tells more; `.on(check=False).run(…)` returns a failed run"
    return "\n".join(lines), "; ".join(dict.fromkeys([*hints, more]))


def _told(error: Any) -> str:
    return f"{error.type}: {error.message}"


# --- what is run ------------------------------------------------------------------------------------------------------


def _by_name(pipeline: Pipeline[..., Any], args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Positional arguments by name, as a call would bind them."""
    names = list(pipeline._function.parameters)
    if len(args) > len(names):
        raise UsageError(
            f"`{pipeline.name}.run` is given {len(args)} arguments,"
            f" and `{pipeline.name}` has {plural(len(names), 'parameter')}",
            hint=f"its parameters are: {', '.join(f'`{name}`' for name in names)}" if names else "leave them out",
        )
    values = dict(zip(names, args, strict=False))
    twice = next((name for name in values if name in given), None)
    if twice is not None:
        raise UsageError(f"`{pipeline.name}.run` is given `{twice}` twice: by place and by name", hint="give it once")
    return {**values, **given}


class _Code(NamedTuple):
    """A pipeline as data, its project, where modules are imported from, and what workers are sent of a notebook.

    target: what a command line can load it from; empty if nothing can.
    """

    workspace: Workspace
    roots: tuple[str, ...]
    loaded: Loaded
    target: str = ""
    session: bytes = b""


def _load(pipeline: Pipeline[..., Any]) -> _Code:
    module = pipeline._function.module
    file = _file(module)
    if module == _MAIN and file is None:
        return _load_session(pipeline)
    if file is None:
        raise UsageError(
            f"`{pipeline.name}` is of the module `{module}`, which has no file: no worker could import it",
            hint="write it in a file, or in a notebook",
        )
    target = locate(f"{file}:{pipeline._function.qualname}")
    roots = target.workspace.roots
    # a script is imported by its name, as workers do, so that it is the same code to all of them
    loaded = load(target) if module == _MAIN else _traced(pipeline, roots)
    return _Code(target.workspace, roots, loaded, target_text(target, loaded.pipeline))


def _traced(pipeline: Pipeline[..., Any], roots: tuple[str, ...], main: str | None = None) -> Loaded:
    from pipeglot.core.code import Project

    _reach(roots)
    project = Project(roots, main)
    traced = pipeline.trace(project)
    return Loaded(traced.pipeline, traced.locations, project.sources(), found_outside(project))


def _load_session(pipeline: Pipeline[..., Any]) -> _Code:
    from pipeglot.core.code import cells

    workspace = workspace_at(Path.cwd())
    roots = tuple(dict.fromkeys([*workspace.roots, os.getcwd()]))  # a notebook imports what lies beside it
    loaded = _traced(pipeline, roots, cells.source())
    names = session.needed(loaded.pipeline)
    return _Code(workspace, roots, loaded, session=session.save(names) if names else b"")


def _file(module: str) -> Path | None:
    found = getattr(sys.modules.get(module), "__file__", None)
    return Path(found).absolute() if found and os.path.isfile(found) else None


def _reach(roots: Iterable[str]) -> None:
    """Values may be of the project's classes; what comes first on the caller's path stays first."""
    sys.path += [root for root in roots if root not in sys.path]


_GUARD = 'put what a script does below `if __name__ == "__main__":`'


def _refuse_nested(pipeline: Pipeline[..., Any]) -> None:
    """A run within a run: workers and scripts that import themselves would never end."""
    if session.is_worker():
        raise UsageError(
            f"`{pipeline.name}.run(…)` was called in a worker: a run does not start runs",
            hint=f"{_GUARD}; in a pipeline, `{pipeline.name}(…)` adds the steps of another one",
        )
    if session.is_importing():
        message = f"`{pipeline.name}.run(…)` was called while its module was imported to find a pipeline in it"
        raise UsageError(message, hint=_GUARD)


# --- runs -------------------------------------------------------------------------------------------------------------


def runs(
    *,
    pipeline: str | None = None,
    status: str | Iterable[str] | None = None,
    since: datetime | date | timedelta | str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    limit: int | None = 20,
    stack: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> list[Run]:
    """The runs in a store that fit, the latest first; `limit=None` gives all of them.

    since: a time, or how long ago: `timedelta(days=2)`, `"2d"`.
    params, tags: what the run must have been given.
    stack: whose store; that of the active one if left out.
    project: a folder in the project; the working directory if left out.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise UsageError(f"`limit={limit!r}` is no number of runs", hint="a whole number, or `None` for all of them")
    records = _records(stack, project)
    chosen = Selection.of(pipeline=pipeline, status=status, since=since, params=params, tags=tags)
    return [Run(records, run) for run in chosen.runs(records, limit, _tell)]


def get_run(run: str, *, stack: str | None = None, project: str | os.PathLike[str] | None = None) -> Run:
    """A run by its id, a beginning of it that no other has, or `"latest"`. Raises `NotFound`."""
    records = _records(stack, project)
    return Run(records, records.run_id(run))


def get_artifact(artifact: str, *, stack: str | None = None, project: str | os.PathLike[str] | None = None) -> Output:
    """What a step returned, by its id (`RUN/STEP/OUTPUT`) or name (`PIPELINE/STEP.OUTPUT@latest`); `load()` reads it.

    The name is looked up now: what runs later does not change what it stands for. Raises `NotFound`.
    """
    records = _records(stack, project)
    return Output(records, find_artifact(records, artifact))


def _records(stack: str | None, project: str | os.PathLike[str] | None) -> Records:
    folder = Path(project).absolute() if project is not None else Path.cwd()
    if not folder.is_dir():
        raise UsageError(f"`project={str(project)!r}`: there is no such folder")
    records = open_records(workspace_at(folder), stack)
    _reach(records.workspace.roots)
    return records
