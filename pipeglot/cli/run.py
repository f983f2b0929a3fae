"""`pipeglot run`: run a pipeline on a stack, with live progress, and say what became of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from pipeglot.cli.output import as_json, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.launch import local_settings
from pipeglot.client.records import open_stack_store
from pipeglot.core.errors import ParamError
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.view import RunView
from pipeglot.runtime_local.pool import Pool
from pipeglot.runtime_local.runner import LocalRun
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Target, load, locate
from pipeglot.stacks.workspace import Workspace, workspace_at


def do_run(args: argparse.Namespace) -> int:
    """The order matters: the pool forks the process that makes workers, so it comes before any code of the user's."""
    texts = parse_params(args.params)
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    pool = Pool()
    try:
        with results_only():
            view = _execute(args, target, stack, texts, pool)
    finally:
        pool.close()
    if args.json:
        sys.stdout.buffer.write(as_json(view))
    return {"succeeded": 0, "cancelled": 130}.get(view.status, 1)


def parse_params(given: list[str]) -> dict[str, str]:
    """`KEY=VALUE` texts by key. Raises `ParamError`."""
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ParamError(
                f"`-p {text}`: there is no `=` after a name", hint="write `-p KEY=VALUE`, as `-p year=2013`"
            )
        if key in found:
            raise ParamError(
                f"parameter `{key}` is given twice: `{found[key]}` and `{value}`",
                hint=f"give it once; a list is one value, as `-p '{key}=[1, 2]'`",
            )
        found[key] = value
    return found


def _execute(args: argparse.Namespace, target: Target, stack: LocalStack, texts: dict[str, str], pool: Pool) -> RunView:
    from pipeglot.cli.checks import refuse_or_note
    from pipeglot.client.display import make_display
    from pipeglot.client.display.report import report
    from pipeglot.core.params import resolve

    loaded = load(target)
    refuse_or_note(loaded, [stack])
    given = resolve(loaded.pipeline.params, {}, texts=texts)
    workspace = target.workspace
    settings = local_settings(workspace, stack, loaded.sources, cache=not args.no_cache)
    display = make_display(sys.stderr)
    began = time.monotonic()
    run = LocalRun(loaded.pipeline, given, open_stack_store(workspace, stack), settings, pool, display)
    try:
        view = run.execute()
    finally:
        display.close()
    report(view, run.plan, run.artifacts, Commands(args, workspace), time.monotonic() - began, sys.stderr)
    return view


class Commands:
    """The command lines to go on with, as they are to be typed here."""

    def __init__(self, args: argparse.Namespace, workspace: Workspace) -> None:
        self._again = ["pipeglot", "run", args.target]
        for text in args.params:
            self._again += ["-p", text]
        self._project = ["-C", args.folder] if args.folder is not None else []
        self._stack = ["--stack", args.stack] if args.stack is not None else []
        here = args.folder is None and workspace_at(Path.cwd()).root.samefile(workspace.root)
        self._elsewhere = self._project if here or args.folder is not None else ["-C", os.path.relpath(workspace.root)]

    def again(self) -> str:
        return _quoted([*self._again, *self._project, *self._stack])

    def logs(self, run: str, step: str, index: Index) -> str:
        words = ["pipeglot", "runs", "logs", run, step]
        words += ["--index", ".".join(map(str, index))] if index else []
        return _quoted([*words, *self._elsewhere, *self._stack])


def _quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)
