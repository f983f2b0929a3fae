"""`pipeglot sandbox`: real engines on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeglot.cli.output import print_fields, print_json, say
from pipeglot.cli.parsing import folder_of
from pipeglot.client.sandboxes import add_stack, find_sandbox, made_sandboxes, parse_settings
from pipeglot.client.text import paint, safe, size
from pipeglot.compilers.sandboxes.records import SandboxView
from pipeglot.stacks.workspace import workspace_at

_COLOURS = {"up": "green", "starting": "cyan", "broken": "red", "down": "dim"}


def do_up(args: argparse.Namespace) -> int:
    sandbox = find_sandbox(args.engine, args.version, _home(args))
    workspace = workspace_at(folder_of(args))
    view = sandbox.up(parse_settings(args.options), _tell)
    add_stack(workspace, sandbox, _tell)
    if args.json:
        print_json(view)
        return 0
    _print(view)
    return 0


def do_down(args: argparse.Namespace) -> int:
    ended = [one.down(purge=args.purge) for one in made_sandboxes(args.engine, args.version, _home(args))]
    if args.json:
        print_json(ended)
        return 0
    for view in ended:
        gone = "its data are removed" if args.purge else f"its data stay in {view.home}"
        say(f"{view.engine} {view.release} is down; {gone}")
    if not ended:
        print(f"no sandbox of {args.engine} was started")
    return 0


def do_status(args: argparse.Namespace) -> int:
    views = [one.view() for one in made_sandboxes(None, None, _home(args))]
    if args.json:
        print_json(views)
        return 0
    for at, view in enumerate(views):
        if at:
            print()
        _print(view)
    if not views:
        print("no sandbox was started yet: `pipeglot sandbox up airflow` starts one")
    return 0


def _home(args: argparse.Namespace) -> Path | None:
    return folder_of(args) / Path(args.home).expanduser() if args.home else None


def _tell(text: str) -> None:
    """What happens meanwhile: it takes a minute, or the first time some."""
    sys.stderr.write(f"{safe(text)}\n")


def _print(view: SandboxView) -> None:
    status = paint(view.status, _COLOURS[view.status], sys.stdout)
    say(f"{view.engine} {view.release} is {status}{f': {view.trouble}' if view.trouble else ''}")
    fields = []
    if view.status != "down":
        fields += [("url", view.url)] if view.url else []
        fields += [("user", f"{view.user}, with the password in {view.password_file}")] if view.user else []
        fields += [(part.name, _part(part.pid, part.memory)) for part in view.services]
        fields += [("memory", f"{size(view.memory)}, with all that runs in it")]
    fields += [(name, path) for name, path in view.folders.items() if name in ("dags", "logs", "datastore")]
    print_fields([*fields, ("home", view.home)])


def _part(pid: int | None, memory: int) -> str:
    return "does not run" if pid is None else f"process {pid}, {size(memory)}"
