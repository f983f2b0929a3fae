"""`pipeglot worker`: what the workers of an engine need."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from msgspec import structs

from pipeglot.cli.errors import note
from pipeglot.cli.output import print_fields, print_json, results_only, say
from pipeglot.cli.parsing import folder_of, out_file
from pipeglot.client.image.dockerfile import WRITTEN, Dockerfile, Wishes, dockerfile
from pipeglot.client.text import plural
from pipeglot.client.worker import worker_requirements
from pipeglot.core.errors import UsageError
from pipeglot.stacks.target import load, locate


def do_requirements(args: argparse.Namespace) -> int:
    found = worker_requirements(args.airflow, args.wheel)
    if args.json:
        print_json(found)
        return 0
    say(f"# pipeglot on the workers of Airflow {found.airflow}: beside what is there, and changing nothing of it")
    for requirement in found.requirements:
        say(str(requirement))
    return 0


def do_dockerfile(args: argparse.Namespace) -> int:
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    out = _out(args)
    with results_only():
        made, missing = dockerfile(target, load(target), stack, _wishes(args, out))
    if out is not None:
        out.write_text(made.text, encoding="utf-8")
        made = structs.replace(made, out=str(out))
    if args.json:
        print_json(made)
    elif out is None:
        say(made.text.removesuffix("\n"))
    else:
        _print_written(made)
    for one in missing:
        told = f"{one.at}: `{one.name}` is not installed here, so which package has it is not known"
        sys.stderr.write(note(f"{told}: if it must be in the image, name the package in `@step(packages=[…])`"))
    return 0


def _wishes(args: argparse.Namespace, out: Path | None) -> Wishes:
    named = (("--image", args.image), ("--python", args.python), ("--base", args.base), ("--wheel", args.wheel))
    words = [word for flag, value in (*named, ("--out", args.out)) if value for word in (flag, value)]
    before = out.read_text(encoding="utf-8") if out is not None and out.exists() else ""
    image, python, base, wheel = (value or "" for _, value in named)
    return Wishes(image, python, base, wheel, before, upgrade=args.upgrade, words=tuple(words))


def _out(args: argparse.Namespace) -> Path | None:
    """Where to write it. What is there must be one of ours, or nothing."""
    if args.out is None:
        return None
    out = out_file(args, "Dockerfile")
    if out.exists() and WRITTEN not in out.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(
            f"`{out}` is there already, and not written by pipeglot", hint="name another file, or remove it"
        )
    return out


def _print_written(made: Dockerfile) -> None:
    steps = plural(len(made.steps), "step")
    print_fields(
        [("written", made.out or ""), ("for", steps), ("packages", str(len(made.packages))), ("base", made.base)]
    )
