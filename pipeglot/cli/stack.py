"""`pipeglot stack`: the stacks of a project, and which of them is active."""

from __future__ import annotations

import argparse

from pipeglot.cli.output import print_fields, print_json, print_table
from pipeglot.cli.parsing import folder_of
from pipeglot.client.views import StackView
from pipeglot.core.errors import ConfigError
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.workspace import Workspace, workspace_at


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


def _view(workspace: Workspace, stack: LocalStack, active: str | None) -> StackView:
    fields = {name: getattr(stack, name) for name in stack.__struct_fields__}
    source = str(workspace.file) if workspace.file else None
    return StackView(**fields, backend=stack.backend, active=stack.name == active, file=source)


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
