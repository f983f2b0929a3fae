"""`pipeglot stack`: the stacks of a project, and which of them is active."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeglot.cli.output import print_fields, print_json, print_table, results_only, say
from pipeglot.cli.parsing import folder_of
from pipeglot.client.text import paint
from pipeglot.client.views import StackView
from pipeglot.core.errors import ConfigError, UsageError
from pipeglot.core.stack import COMMON, Stack
from pipeglot.stacks.state import FILE
from pipeglot.stacks.workspace import Workspace, workspace_at

if TYPE_CHECKING:
    from pipeglot.client.stack_checks import StackChecked
    from pipeglot.stacks.target import Loaded, Target


def do_list(args: argparse.Namespace) -> int:
    workspace = workspace_at(folder_of(args))
    active = _active(workspace)
    stacks = workspace.config.stacks.values()
    if args.json:
        print_json([_view(workspace, stack, active) for stack in stacks])
        return 0
    rows = [["*" if stack.name == active else "", stack.name, stack.backend, stack.store] for stack in stacks]
    print_table(["", "NAME", "BACKEND", "STORE"], rows)
    return 0


def do_show(args: argparse.Namespace) -> int:
    workspace = workspace_at(folder_of(args))
    stack = workspace.stack(args.name)
    found = _view(workspace, stack, _active(workspace))
    if args.json:
        print_json(found)
        return 0
    print_fields([(name, _shown(getattr(found, name))) for name in found.__struct_fields__])
    return 0


def do_add(args: argparse.Namespace) -> int:
    from pipeglot.client.stack_options import stack_fields
    from pipeglot.stacks.editing import write_stack

    workspace = workspace_at(folder_of(args))
    file = _file(workspace)
    if args.name in workspace.config.stacks:
        raise UsageError(
            f"there is a stack `{args.name}` already",
            hint=f"change it in `{FILE}`; or `pipeglot stack remove {args.name}` first",
        )
    write_stack(file, args.name, stack_fields(args.backend, args.options))
    workspace = workspace_at(folder_of(args))
    if args.json:
        print_json(_view(workspace, workspace.stack(args.name), _active(workspace)))
        return 0
    say(f"added the stack {args.name}; `pipeglot stack check {args.name}` looks whether all is there")
    return 0


def do_remove(args: argparse.Namespace) -> int:
    from pipeglot.stacks.editing import remove_stack

    workspace = workspace_at(folder_of(args))
    file = _file(workspace)
    stack = workspace.stack(args.name)
    view = _view(workspace, stack, _active(workspace))
    remove_stack(file, args.name)
    if workspace.chosen() == args.name:
        workspace.forget_choice()
    if args.json:
        print_json(view)
        return 0
    say(f"removed the stack {args.name}; its store `{stack.store}` is as it was")
    return 0


def do_check(args: argparse.Namespace) -> int:
    """Exit code 2 if anything is wrong."""
    from pipeglot.client.stack_checks import check_stack

    if args.target is not None:
        from pipeglot.stacks.target import locate

        target = locate(args.target, folder_of(args))
        workspace, loaded = target.workspace, _load(target)
    else:
        workspace, loaded = workspace_at(folder_of(args)), None
    found = check_stack(workspace, workspace.stack(args.name), loaded)
    if args.json:
        print_json(found)
    else:
        _print_check(found)
    return 0 if found.ok else 2


def _load(target: Target) -> Loaded:
    from pipeglot.stacks.target import load

    with results_only():
        return load(target)


def _print_check(found: StackChecked) -> None:
    width = max(len(one.what) for one in found.checks)
    for one in found.checks:
        mark = paint("ok   " if one.ok else "wrong", "green" if one.ok else "red", sys.stdout)
        say(f"{mark}  {one.what:{width}}  {one.message}")
        if one.hint:
            say(f"       {'':{width}}  {paint('hint:', 'cyan', sys.stdout)} {one.hint}")


def _file(workspace: Workspace) -> Path:
    if workspace.file is None:
        raise ConfigError(f"there is no `{FILE}` here", hint="`pipeglot init` makes one; `-C DIR` looks elsewhere")
    return workspace.file


def do_schema(args: argparse.Namespace) -> int:  # noqa: ARG001  # every command has them
    from pipeglot.stacks.schema import schema_text

    print(schema_text(), end="")
    return 0


def do_set(args: argparse.Namespace) -> int:
    workspace = workspace_at(folder_of(args))
    workspace.choose(args.name)
    if args.json:
        print_json(_view(workspace, workspace.stack(args.name), args.name))
        return 0
    print(f"the active stack is {args.name}")
    return 0


def _active(workspace: Workspace) -> str | None:
    try:
        return workspace.active()
    except ConfigError:
        return None


def _view(workspace: Workspace, stack: Stack, active: str | None) -> StackView:
    common = {name: getattr(stack, name) for name in ("name", *COMMON)}
    own = {name: msgspec.to_builtins(getattr(stack, name)) for name in stack.settings if name not in COMMON}
    local = {name: own.pop(name) for name in ("pools", "max_parallel") if name in own}
    source = str(workspace.file) if workspace.file else None
    return StackView(**common, **local, settings=own, backend=stack.backend, active=stack.name == active, file=source)


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name}: {one}" for name, one in value.items()) or "-"
        case _:
            return str(value)
