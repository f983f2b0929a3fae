"""`pipeglot runs resume`: go on with a run that did not succeed, as a new run that takes over what it had finished."""

from __future__ import annotations

import argparse
import sys

from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, say
from pipeglot.cli.run import Commands, run_target
from pipeglot.client.launch import Request
from pipeglot.client.records import Found, Records
from pipeglot.client.records import open_records as records_of
from pipeglot.client.resume import is_resumable, target_of, unfinished_hooks
from pipeglot.client.text import SHORT_ID, cell_name, listed, when
from pipeglot.client.unfinished import over
from pipeglot.core.errors import NotFound, PipeglotError, UsageError
from pipeglot.core.lineage.records import Asked
from pipeglot.stacks.target import locate


def resume(args: argparse.Namespace) -> int:
    records = open_records(args)
    found = over(records, _find(records, args), _note)
    run = found.start.run[:SHORT_ID]
    if not is_resumable(found):
        say(f"run {run} of {found.start.pipeline} succeeded: there is nothing left to do", sys.stderr)
        if args.json:
            print_json(found.view)
        return 0
    target = locate(target_of(records, found, args.target), records.workspace.root)
    asked = found.start.asked or Asked()
    request = Request(
        stack=args.stack or _stack(records, found),
        cache=asked.cache,
        anew=asked.anew,
        until=asked.until,
        inline=args.inline,
        resumes=found.start,
    )
    say(_told(found), sys.stderr)
    more = [args.target] if args.target else []
    onward = Commands(args, target.workspace, lambda run: ["runs", "resume", run, *more])
    return run_target(target, request, onward, json=args.json)


def _note(told: str) -> None:
    sys.stderr.write(note(told))


def _find(records: Records, args: argparse.Namespace) -> Found:
    """The run, in the store of the stack on which it is to go on. Raises `NotFound`, `UsageError`."""
    try:
        return records.run(args.run)
    except NotFound:
        uri = records.ledger.store.uri
        for name in records.workspace.config.stacks if args.stack else ():
            there, runs = _runs_of(records, name)
            if there != uri and any(run.startswith(args.run) for run in runs):
                message = f"run `{args.run}` is in `{there}`, and stack `{args.stack}` has `{uri}`"
                hint = f"a run goes on in its own store: give `{args.stack}` the `store:` of stack `{name}`"
                raise UsageError(message, hint=hint) from None
        raise


def _runs_of(records: Records, stack: str) -> tuple[str, list[str]]:
    """The store of another stack and its runs. What stands against reading it is no answer to what was asked."""
    try:
        found = records_of(records.workspace, stack)
        return found.ledger.store.uri, found.ledger.runs()
    except PipeglotError:
        return "", []


def _stack(records: Records, found: Found) -> str | None:
    """That of the run, if it is still there with the same store; else the active one, where the run was found."""
    stack = records.workspace.config.stacks.get(found.start.stack)
    active = records.workspace.stack()
    same = stack is not None and records.workspace.store_uri(stack) == records.workspace.store_uri(active)
    return found.start.stack if same else None


def _told(found: Found) -> str:
    view = found.view
    failed = [cell_name(step.id, step.index) for step in view.steps if step.status == "failed"]
    how = {"failed": "failed", "cancelled": "was cancelled", "lost": "was lost"}.get(view.status)
    if view.status == "lost" and view.seen is not None and not found.lease.certain:
        how = f"was last heard of at {when(view.seen)} and is now recorded as lost"
    if how is None:
        how = f"succeeded, but for its hooks: {listed(unfinished_hooks(found))}"
    at = f" at {failed[0]}{f' and {len(failed) - 1} more' if len(failed) > 1 else ''}" if failed else ""
    return f"resuming run {view.run_id[:SHORT_ID]} of {view.pipeline}, which {how}{at}"
