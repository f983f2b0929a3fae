"""`pipeglot compile`: a pipeline as the files that its stack's backend reads, or as IR."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeglot.cli.output import as_json, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.views import Compiled, CompiledFile
from pipeglot.compilers.base import File
from pipeglot.core import wire
from pipeglot.core.errors import Problem, Unsupported, UsageError
from pipeglot.core.ir import Pipeline
from pipeglot.core.stack import Stack
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded, Target, load, locate


def do_compile(args: argparse.Namespace) -> int:
    folder = folder_of(args)
    if args.check and args.out is None:
        raise UsageError("`--check` compares with files", hint="say where they are: `--out DIR`")
    target = locate(args.target, folder)
    stack = target.workspace.stack(args.stack)
    if not args.ir and isinstance(stack, LocalStack):
        _refuse(stack.name)
    with results_only():
        loaded = load(target)
        files = _ir_file(loaded.pipeline) if args.ir else _compiled(target, loaded, stack)
    if args.out is None:
        sys.stdout.buffer.write(_told(loaded.pipeline.name, files) if args.json else files[0].text.encode())
        return 0
    states = [_settle(folder / args.out / file.name, file.text, check=args.check) for file in files]
    if args.json:
        sys.stdout.buffer.write(_told(loaded.pipeline.name, files, states))
    return _report(states, args)


def _compiled(target: Target, loaded: Loaded, stack: Stack) -> tuple[File, ...]:
    from pipeglot.client.compiling import compiled

    return compiled(target, loaded, stack)


def _ir_file(pipeline: Pipeline) -> tuple[File, ...]:
    return (File(f"{pipeline.name}.pipeglot.json", wire.dump_json(pipeline)),)


def _settle(path: Path, text: str, *, check: bool) -> CompiledFile:
    """Write a file, or with `check` compare what is there."""
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return CompiledFile(path=str(path), state="written")
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return CompiledFile(path=str(path), state="missing")
    if found == text:
        return CompiledFile(path=str(path), state="up to date")
    return CompiledFile(path=str(path), state="out of date", diff=_diff(found, text, _shown(path)))


def _diff(found: str, text: str, name: str) -> str:
    """From what is there to what would be written; of a file of ours for programs, only that it differs."""
    if name.endswith(".json"):
        return ""
    from difflib import unified_diff

    return "".join(unified_diff(found.splitlines(True), text.splitlines(True), name, f"{name} (compiled now)"))


def _told(pipeline: str, files: tuple[File, ...], settled: list[CompiledFile] | None = None) -> bytes:
    """For programs."""
    import json

    ir = json.loads(files[-1].text) if settled is None else None
    text = files[0].text if settled is None and len(files) > 1 else None
    return as_json(Compiled(pipeline=pipeline, files=tuple(settled or ()), ir=ir, text=text))


def _refuse(stack: str) -> None:
    message = f"stack `{stack}` runs pipelines as they are, so there is nothing to compile"
    hint = "`--ir` writes the pipeline as data, which every command takes as TARGET; `pipeglot run` runs it"
    raise Unsupported([Problem("compile", message, None, hint)])


def _report(settled: list[CompiledFile], args: argparse.Namespace) -> int:
    """For people; returns the exit code."""
    stale = [one for one in settled if one.state in ("out of date", "missing")]
    for one in settled:
        if one not in stale:
            what = "wrote {}" if one.state == "written" else "{} is up to date"
            print(what.format(_shown(Path(one.path))), file=sys.stderr)
    if not stale:
        return 0
    from pipeglot.cli.errors import describe

    lines = [f"`{_shown(Path(one.path))}` {_STALE[one.state]}" for one in stale]
    stack = f" --stack {args.stack}" if args.stack else ""
    hint = f"`pipeglot compile {args.target}{' --ir' if args.ir else ''}{stack} --out {args.out}` writes it"
    changes = "".join(one.diff for one in stale)
    sys.stderr.write(describe(UsageError("\n".join(lines), hint=hint))[0])
    sys.stderr.write(changes)
    return 1


_STALE = {"out of date": "is out of date", "missing": "is not there"}


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
