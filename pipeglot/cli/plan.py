"""`pipeglot plan`: which steps a run would run, which come from the cache, and why. Nothing is run or written."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator

from pipeglot.cli.errors import note
from pipeglot.cli.output import print_json, print_table, results_only
from pipeglot.cli.parsing import folder_of
from pipeglot.client.launch import Request, prepare
from pipeglot.client.plan import PlannedStep, RunPlan, plan_run
from pipeglot.client.records import open_records
from pipeglot.client.text import SHORT_ID, cell_name, listed, plural
from pipeglot.client.written import params_of
from pipeglot.stacks.target import load, locate

MOST_ITEMS = 10
"""More items of one step are told in one line."""

_WORDS = {"cached": "cached", "run": "would run", "open": "depends", "skipped": "skipped", "failed": "would fail"}


def do_plan(args: argparse.Namespace) -> int:
    request = Request(stack=args.stack, texts=params_of(args.params), anew=tuple(args.from_), until=tuple(args.until))
    target = locate(args.target, folder_of(args))
    stack = target.workspace.stack(args.stack)
    records = open_records(target.workspace, args.stack)
    with results_only():
        prepared = prepare(load(target), stack, request, records)
        found = plan_run(prepared, records.ledger.store, stack.name, cache=not args.no_cache)
    if args.json:
        print_json(found)
        return 0
    sys.stderr.writelines(note(one) for one in prepared.notes)
    print_table(["STEP", "STATE", "WHY"], list(_rows(found)))
    print(f"\n{_summary(found)}")
    return 0


def _rows(found: RunPlan) -> Iterator[list[str]]:
    for _, group in itertools.groupby(found.steps, key=lambda step: step.id):
        items = list(group)
        if len(items) <= MOST_ITEMS:
            yield from ([_name(step), _WORDS[step.state], _why(step)] for step in items)
            continue
        for state in dict.fromkeys(step.state for step in items):
            same = [step for step in items if step.state == state]
            first = _why(same[0]) if len({step.why for step in same}) == 1 else f"{same[0].why}; …"
            yield [f"{items[0].id}[…]", f"{len(same)} {_WORDS[state]}", first]


def _name(step: PlannedStep) -> str:
    name = f"{step.id}[…]" if step.index is None else cell_name(step.id, step.index)
    return f"{name} ({step.hook})" if step.hook else name


def _why(step: PlannedStep) -> str:
    return f"{step.why} (run {step.origin.run[:SHORT_ID]})" if step.origin else step.why


def _summary(found: RunPlan) -> str:
    """`3 steps would run, 2 are cached, 4 depend on what those give`. Hooks are told apart, as in the end of a run."""
    count = Counter(step.state for step in found.steps if step.hook is None)
    hooks = [step.id for step in found.steps if step.hook is not None and step.state == "run"]
    told = f"; hook{'s'[: len(hooks) > 1]} {listed(hooks)} would run" if hooks else ""
    if set(count) <= {"cached", "skipped"}:
        return f"nothing would run: {plural(count['cached'], 'step')} cached{told}"
    parts = [f"{plural(count['run'], 'step')} would run", f"{count['cached']} cached"]
    if count["open"]:
        parts.append(f"{count['open']} depend on what those give")
    if count["failed"]:
        parts.append(f"{count['failed']} would fail")
    return ", ".join(parts) + told
