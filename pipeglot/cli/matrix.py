"""`pipeglot matrix`: what each backend supports, from the same tables that refuse a pipeline."""

from __future__ import annotations

import argparse
import sys

from pipeglot.cli.output import print_json, print_table
from pipeglot.client.matrix import markdown, matrix
from pipeglot.core.errors import UsageError


def do_matrix(args: argparse.Namespace) -> int:
    if args.json and args.markdown:
        raise UsageError("`--json` and `--markdown` exclude each other")
    if args.markdown:
        sys.stdout.write(markdown())
        return 0
    rows = matrix()
    if args.json:
        print_json(rows)
        return 0
    names = list(rows[0].backends)
    head = ["FEATURE", *(name.upper() for name in names), "NOTE"]
    print_table(
        head,
        [
            [
                row.feature,
                *(row.backends[name].level for name in names),
                "; ".join(dict.fromkeys(cell.note for cell in row.backends.values() if cell.note)),
            ]
            for row in rows
        ],
    )
    return 0
