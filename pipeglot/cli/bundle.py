"""`pipeglot bundle`: the archive in which a project's code travels: what is in it, its digest, or the file itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeglot.cli.output import print_fields, print_json, print_table, results_only
from pipeglot.cli.parsing import folder_of, out_file
from pipeglot.client.compiling import make_code_bundle
from pipeglot.client.deploying import push
from pipeglot.client.records import open_stack_store
from pipeglot.client.text import plural, size
from pipeglot.core.bundle.archive import Bundle
from pipeglot.core.errors import UsageError
from pipeglot.stacks.target import load, locate

_OTHERS = "it is no Python file, and `include:` does not name it"


def do_bundle(args: argparse.Namespace) -> int:
    _refuse(args)
    target = locate(args.target, folder_of(args))
    workspace = target.workspace
    with results_only():
        loaded = load(target)
        bundle = make_code_bundle(workspace, loaded)
        if args.push:
            stack = workspace.stack(args.stack)
            push(open_stack_store(workspace, stack), stack.name, loaded.pipeline, bundle, {})
    out = _write(bundle, args)
    if args.json:
        print_json(bundle.view(str(out) if out else None))
    elif args.list:
        _print_list(bundle, verbose=args.verbose)
    else:
        fields = [("digest", bundle.digest), ("size", size(len(bundle.data))), ("files", str(len(bundle.files)))]
        print_fields([*fields, ("written", str(out))] if out else fields)
    return 0


def _refuse(args: argparse.Namespace) -> None:
    if args.verbose and not args.list:
        raise UsageError("`--verbose` is of the list", hint="say `--list -v`")


def _write(bundle: Bundle, args: argparse.Namespace) -> Path | None:
    if args.out is None:
        return None
    out = out_file(args, "bundle.tar")
    bundle.write(out)
    return out


def _print_list(bundle: Bundle, *, verbose: bool) -> None:
    print_table(["FILE", "SIZE"], [[file.path, size(file.size)] for file in bundle.files])
    print(f"\n{plural(len(bundle.files), 'file')}, {size(len(bundle.data))} as an archive\n{bundle.digest}")
    told = [one for one in bundle.left_out if verbose or one.why != _OTHERS]
    if told:
        print()
        print_table(["LEFT OUT", "WHY"], [[one.path, one.why] for one in told])
    elif bundle.left_out:
        print(f"\n{plural(len(bundle.left_out), 'file')} left out, which are no Python: `-v` shows them")
