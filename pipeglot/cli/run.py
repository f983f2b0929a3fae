"""`pipeglot run`: run a pipeline on a stack, with live progress, and say what became of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pipeglot.cli.output import print_json, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.launch import Outcome, Request, launch
from pipeglot.client.written import params_of, tags_of
from pipeglot.core.errors import Problem, Unsupported
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.view import RunView
from pipeglot.core.workers.pool import Pool
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded, Target, load, locate, target_text
from pipeglot.stacks.workspace import Workspace, workspace_at


def do_run(args: argparse.Namespace) -> int:
    request = Request(
        stack=args.stack,
        texts=params_of(args.params),
        cache=not args.no_cache,
        tags=tags_of(args.tags),
        anew=tuple(args.from_),
        until=tuple(args.until),
        inline=args.inline,
        wait=not args.no_wait,
        logical_date=args.logical_date or "",
    )
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    if args.no_wait and isinstance(stack, LocalStack):
        _refuse_not_to_wait(stack.name)
    return run_target(target, request, Commands(args, target.workspace), json=args.json)


def run_target(target: Target, request: Request, onward: Commands, *, json: bool) -> int:
    """The order matters: the pool forks the process that makes workers, so it comes before any code of the user's."""
    attached = request.inline and not json
    with _pool(request) as pool, nullcontext() if attached else results_only():
        view = _execute(target, load(target), request, pool, onward).view
    if json:
        print_json(view)
    return exit_code(view) if request.wait else 0


def exit_code(view: RunView) -> int:
    return {"succeeded": 0, "cancelled": 130}.get(view.status, 1)


@contextmanager
def _pool(request: Request) -> Iterator[Pool | None]:
    pool = None if request.inline else Pool()
    try:
        yield pool
    finally:
        if pool is not None:
            pool.close()


def _execute(target: Target, loaded: Loaded, request: Request, pool: Pool | None, onward: Commands) -> Outcome:
    from msgspec import structs

    from pipeglot.client.display import make_display
    from pipeglot.client.display.report import report

    request = structs.replace(request, target=target_text(target, loaded.pipeline))
    display = make_display(sys.stderr, plain=request.inline)
    try:
        outcome = launch(target.workspace, loaded, request, listener=display, tell=_note, pool=pool)
    finally:
        display.close()
    if not request.wait:
        return outcome
    report(outcome.view, outcome.plan, outcome.artifacts, onward, outcome.seconds, sys.stderr)
    return outcome


def _note(told: Problem | str) -> None:
    from pipeglot.cli.errors import note

    sys.stderr.write(note(told))


def _refuse_not_to_wait(stack: str) -> None:
    """A process in the background that nobody sees would be one more thing to look after, and shells do it well."""
    message = (
        f"`--no-wait`: stack `{stack}` runs pipelines in this very process, so there is nobody to go on without it"
    )
    hint = "let the shell do it: `nohup pipeglot run … &`; `pipeglot runs list` and `runs cancel` work as ever"
    raise Unsupported([Problem("no-wait", message, None, hint)])


class Commands:
    """The command lines to go on with, as they are to be typed here."""

    def __init__(
        self, args: argparse.Namespace, workspace: Workspace, again: Callable[[str], list[str]] | None = None
    ) -> None:
        """`again` makes the words of a command of a run's id; without one it is `run`, as it was typed."""
        self._target: str | None = args.target
        self._again = again or (lambda _: _run_again(args))
        self._project = ["-C", args.folder] if args.folder is not None else []
        self._stack = ["--stack", args.stack] if args.stack is not None else []
        here = args.folder is None and workspace_at(Path.cwd()).root.samefile(workspace.root)
        self._elsewhere = self._project if here or args.folder is not None else ["-C", os.path.relpath(workspace.root)]

    def again(self, run: str) -> str:
        return _quoted(["pipeglot", *self._again(run), *self._project, *self._stack])

    def logs(self, run: str, step: str, index: Index) -> str:
        return _quoted(["pipeglot", "runs", "logs", run, step, *_at(index), *self._elsewhere, *self._stack])

    def replay(self, run: str, step: str, index: Index) -> str:
        words = ["pipeglot", "replay", run, step, *_at(index), "--pdb"]
        return _quoted([*words, *self._elsewhere, *self._stack])

    def resume(self, run: str, *, named: bool = False) -> str:
        target = [self._target] if named and self._target else []
        return _quoted(["pipeglot", "runs", "resume", run, *target, *self._elsewhere, *self._stack])


def _at(index: Index) -> list[str]:
    return ["--index", ".".join(map(str, index))] if index else []


def _run_again(args: argparse.Namespace) -> list[str]:
    """Without `--from` and `--no-cache`: what has finished need not run a second time."""
    words = ["run", args.target]
    for flag, values in (("-p", args.params), ("--until", args.until), ("--tag", args.tags)):
        words += [word for value in values for word in (flag, value)]
    words += ["--logical-date", args.logical_date] if args.logical_date else []
    return [*words, "--inline"] if args.inline else words


def _quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)
