"""`pipeglot check`: everything that is wrong with a pipeline, and with running it on a stack, without running it."""

from __future__ import annotations

import argparse

from pipeglot.cli.checks import refuse_or_note
from pipeglot.cli.output import results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.text import listed, plural
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.plan import Plan
from pipeglot.stacks.target import load, locate


def do_check(args: argparse.Namespace) -> int:
    if args.all and args.stack:
        raise UsageError("`--all` and `--stack` exclude each other")
    target = locate(args.target, folder_of(args))
    workspace = target.workspace
    stacks = list(workspace.config.stacks.values()) if args.all else [workspace.stack(args.stack)]
    with results_only():
        loaded = load(target)
        refuse_or_note(loaded, stacks)
    pipeline = loaded.pipeline
    plan = Plan(pipeline)
    steps = plural(sum(1 for step in plan.steps() if step.id not in plan.hooks), "step")
    params = plural(len(pipeline.params), "parameter")
    names = listed([stack.name for stack in stacks])
    print(f"{pipeline.name} is fine: {steps}, {params}; {'stacks' if len(stacks) > 1 else 'stack'} {names} can run it")
    return 0
