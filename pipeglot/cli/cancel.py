"""`pipeglot runs cancel`: stop a run, wait until it has, and close one whose process is gone."""

from __future__ import annotations

import argparse
import sys

from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, say
from pipeglot.client.cancel import PATIENCE, Cancellation, cancel
from pipeglot.client.text import SHORT_ID, when


def cancel_run(args: argparse.Namespace) -> int:
    """Exit code 1 if the run was to be waited for and did not answer."""
    records = open_records(args)
    found = cancel(records, records.run_id(args.run), wait=not args.no_wait, force=args.force, waiting=_waiting)
    if args.json:
        print_json(found)
    else:
        say(_told(found, forced=args.force))
    if found.outcome != "asked" or args.no_wait:
        return 0
    run = found.run_id[:SHORT_ID]
    gone = f"`{found.host}` or its process" if found.host else "what drives it"
    hint = f"if {gone} is gone, close the run: `pipeglot runs cancel {run} --force`"
    say(f"it has not answered for {PATIENCE:.0f} s\n\nhint: {hint}", sys.stderr)
    return 1


def _waiting(host: str) -> None:
    say(f"asked to stop; waiting for its steps on {host} to end (Ctrl-C stops waiting only)", sys.stderr)


def _told(found: Cancellation, *, forced: bool) -> str:
    run = f"run {found.run_id[:SHORT_ID]} of {found.pipeline}"
    match found.outcome:
        case "over":
            return f"{run} is over already: {found.status}"
        case "closed":
            silence = f"was last heard of at {when(found.seen)}" if found.seen else "had no process any more"
            why = "is closed" if forced else silence
            return f"{run} {why}: it is now recorded as {found.status}"
        case "asked":
            return f"{run} is asked to stop"
        case "stopped" if found.status == "cancelled":
            return f"{run} is cancelled"
        case _:
            return f"{run} had {found.status} before it could be cancelled"
