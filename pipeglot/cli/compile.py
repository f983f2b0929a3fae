"""`pipeglot compile`: a pipeline as files. So far that is its IR; the local runner reads nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Literal, TypeAlias

from pipeglot.cli.output import results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.core import wire
from pipeglot.core.errors import Problem, Unsupported, UsageError
from pipeglot.stacks.target import load, locate

State: TypeAlias = Literal["written", "up to date", "out of date", "missing"]


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
        sys.stdout.buffer.write(_told(pipeline.name, ir=text) if args.json else text.encode())
        return 0
    path = folder / args.out / f"{pipeline.name}.pipeglot.json"
    state = _compare(path, text) if args.check else _write(path, text)
    if args.json:
        sys.stdout.buffer.write(_told(pipeline.name, path, state))
    return _report(path, state, args)


def _told(pipeline: str, path: Path | None = None, state: State = "written", *, ir: str = "null") -> bytes:
    """For programs."""
    import json

    from pipeglot.cli.output import as_json
    from pipeglot.client.views import Compiled, CompiledFile

    files = (CompiledFile(path=str(path), state=state),) if path else ()
    return as_json(Compiled(pipeline=pipeline, files=files, ir=json.loads(ir)))


def _refuse(stack: str) -> None:
    message = f"stack `{stack}` runs pipelines as they are, so there is nothing to compile"
    hint = "`--ir` writes the pipeline as data, which every command takes as TARGET; `pipeglot run` runs it"
    raise Unsupported([Problem("compile", message, None, hint)])


def _write(path: Path, text: str) -> State:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return "written"


def _compare(path: Path, text: str) -> State:
    try:
        return "up to date" if path.read_bytes() == text.encode() else "out of date"
    except FileNotFoundError:
        return "missing"


def _report(path: Path, state: State, args: argparse.Namespace) -> int:
    """For people; returns the exit code."""
    if state in ("written", "up to date"):
        what = f"wrote {_shown(path)}" if state == "written" else f"{_shown(path)} is up to date"
        print(what, file=sys.stderr)
        return 0
    from pipeglot.cli.errors import describe

    what = "is out of date" if state == "out of date" else "is not there"
    hint = f"`pipeglot compile {args.target} --ir --out {args.out}` writes it"
    sys.stderr.write(describe(UsageError(f"`{_shown(path)}` {what}", hint=hint))[0])
    return 1


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
