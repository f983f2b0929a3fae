"""`pipeglot cache explain`: why an execution ran or was reused, part by part of its cache key."""

from __future__ import annotations

import argparse
import sys

from pipeglot.cli.errors import note_of
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, say
from pipeglot.cli.parsing import parse_index
from pipeglot.client.explain import Change, Explanation, explain
from pipeglot.client.text import SHORT_ID, cell_name, safe_line, when


def do_explain(args: argparse.Namespace) -> int:
    records = open_records(args)
    found = records.run(args.run)
    index = parse_index(args.index) if args.index is not None else None
    told = explain(records, found, records.cell(found, args.step, index))
    if args.json:
        print_json(told)
        return 0
    for line in _lines(told):
        say(line)
    sys.stdout.flush()
    sys.stderr.writelines(map(note_of, told.notes))
    return 0


def _lines(told: Explanation) -> list[str]:
    name = cell_name(told.step, told.index)
    if told.reused_from is not None:
        origin = told.reused_from
        where = f"{cell_name(origin.step, origin.index)} of run {origin.run[:SHORT_ID]}"
        lines = [f"{name} was reused from {where}: code, inputs and all else in its key are equal"]
    else:
        lines = [f"{name} {_verb(told.status)}: {told.why}"]
    if told.against is not None and told.reused_from is None:
        lines += [
            "",
            f"against run {told.against[:SHORT_ID]} of {when(told.against_created)}, where it last succeeded:",
        ]
        lines += [f"  {line}" for change in told.changes for line in _change(change)] or [
            "  nothing in its key differs"
        ]
    return lines


def _verb(status: str) -> str:
    return {"succeeded": "ran", "failed": "ran and failed"}.get(status, f"is {status}")


def _change(change: Change) -> list[str]:
    title = f"{change.part} `{change.name}`" if change.name else change.part
    lines = [f"{title} differs{f': {safe_line(change.detail, 300)}' if change.detail else ''}"]
    if change.before is not None or change.after is not None:
        lines.append(f"  {_value(change.before)} → {_value(change.after)}")
    return lines


def _value(value: object) -> str:
    import json

    return safe_line(json.dumps(value, ensure_ascii=False), 100)
