"""`pipeglot compile`: a pipeline as files. So far that is its IR; the local runner reads nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeglot.cli.output import results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.core import wire
from pipeglot.core.errors import Problem, Unsupported, UsageError
from pipeglot.stacks.target import load, locate


def do_compile(args: argparse.Namespace) -> int:
    folder = folder_of(args)
    if args.check and args.out is None:
        raise UsageError("`--check` compares with a file", hint="say where it is: `--out DIR`")
    target = locate(args.target, folder)
    if not args.ir:
        _refuse(target.workspace.stack(args.stack).name)
    with results_only():
        pipeline = load(target).pipeline
    text = wire.dump_json(pipeline)
    if args.out is None:
        sys.stdout.buffer.write(text.encode())
        return 0
    path = folder / args.out / f"{pipeline.name}.pipeglot.json"
    if args.check:
        return _compare(path, text, args)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {_shown(path)}", file=sys.stderr)
    return 0


def _refuse(stack: str) -> None:
    message = f"stack `{stack}` runs pipelines as they are, so there is nothing to compile"
    hint = "`--ir` writes the pipeline as data, which every command takes as TARGET; `pipeglot run` runs it"
    raise Unsupported([Problem("compile", message, None, hint)])


def _compare(path: Path, text: str, args: argparse.Namespace) -> int:
    try:
        same = path.read_bytes() == text.encode()
        what = "is out of date"
    except FileNotFoundError:
        same, what = False, "is not there"
    if same:
        print(f"{_shown(path)} is up to date", file=sys.stderr)
        return 0
    from pipeglot.cli.errors import describe

    hint = f"`pipeglot compile {args.target} --ir --out {args.out}` writes it"
    sys.stderr.write(describe(UsageError(f"`{_shown(path)}` {what}", hint=hint))[0])
    return 1


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
