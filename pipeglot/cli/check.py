"""`pipeglot check`: everything that is wrong with a pipeline, and with running it on a stack, without running it."""

from __future__ import annotations

import argparse

from pipeglot.cli.checks import refuse_or_note
from pipeglot.cli.errors import problem_view
from pipeglot.cli.output import print_json, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.text import listed, plural
from pipeglot.client.views import Checked
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
        notes = refuse_or_note(loaded, stacks)
    pipeline = loaded.pipeline
    plan = Plan(pipeline)
    told = Checked(
        pipeline=pipeline.name,
        steps=sum(1 for step in plan.steps() if step.id not in plan.hooks),
        params=tuple(param.name for param in pipeline.params),
        stacks=tuple(stack.name for stack in stacks),
        notes=tuple(problem_view(note) for note in notes),
    )
    if args.json:
        print_json(told)
        return 0
    steps, params = plural(told.steps, "step"), plural(len(told.params), "parameter")
    which = f"{'stacks' if len(told.stacks) > 1 else 'stack'} {listed(told.stacks)}"
    print(f"{told.pipeline} is fine: {steps}, {params}; {which} can run it")
    return 0
