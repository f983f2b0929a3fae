"""`pipeglot deploy`: a pipeline to where it will run: its code into the store, its files to the orchestrator."""

from __future__ import annotations

import argparse
import shlex
import sys

from msgspec import structs

from pipeglot.cli.checks import refuse_or_note
from pipeglot.cli.errors import note
from pipeglot.cli.output import print_fields, print_json, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.deploying import Installed, deploy
from pipeglot.compilers.remote import Installs, Remote
from pipeglot.core.errors import Problem
from pipeglot.core.stack import Stack
from pipeglot.stacks.target import Loaded, load, locate


def do_deploy(args: argparse.Namespace) -> int:
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    remote = _remote(stack)
    with results_only():
        loaded = load(target)
        refuse_or_note(loaded, [stack])
        done = deploy(target, loaded, stack, remote)
        if remote is not None and done.written and not args.no_wait:
            done = _read_there(remote, loaded, done, stack)
        if isinstance(remote, Installs) and (told := remote.install(done.pipeline)):
            _tell(told)
    if args.json:
        print_json(done)
    else:
        _print(done)
    for told in _notes(done, stack, args, can_ask=remote is not None):
        sys.stderr.write(note(told))
    return 0


def _remote(stack: Stack) -> Remote | None:
    """What can tell whether the files were read. Raises `ConfigError` before anything is written."""
    if not stack.is_live:
        return None
    from pipeglot.compilers.registry import live

    return live(stack)


def _read_there(remote: Remote, loaded: Loaded, done: Installed, stack: Stack) -> Installed:
    from pipeglot.client.remote import await_live

    await_live(remote, done, stack, _tell)
    if loaded.pipeline.schedule is not None and remote.is_paused(done.pipeline):
        _tell(f"`{done.pipeline}` is paused there, so its schedule starts nothing until somebody unpauses it")
    return structs.replace(done, live=True)


def _tell(told: Problem | str) -> None:
    sys.stderr.write(note(told))


def _print(done: Installed) -> None:
    code = done.bundle.removeprefix("sha256:")[:12] or "installed"
    fields = [("pipeline", done.pipeline), ("stack", done.stack), ("ir", done.ir[:12]), ("code", code)]
    fields += [("written" if done.written else "to commit", file) for file in done.files]
    print_fields([*fields, *([("read", "yes: this version is live")] if done.live else [])])


def _notes(done: Installed, stack: Stack, args: argparse.Namespace, *, can_ask: bool) -> list[str]:
    if not done.written and stack.files_setting:
        files = " and ".join(f"`{file}`" for file in done.files)
        words = ["pipeglot", "compile", args.target, "--stack", stack.name, "--out"]
        folder = ["-C", args.folder] if args.folder is not None else []
        told = (
            f"code and pipeline are in the store; stack `{stack.name}` does not say where its files lie:"
            f" commit {files} to where they come from, as `{shlex.join(words)} DIR{_said(folder)}` writes them;"
            f" or write `{stack.files_setting}:` into the stack"
        )
        return [told]
    if not can_ask:
        told = stack.untold or "whether they are read is not known here"
        return [f"stack `{stack.name}` has no `{stack.live_setting}:`: {told}"]
    return []


def _said(words: list[str]) -> str:
    return f" {shlex.join(words)}" if words else ""
