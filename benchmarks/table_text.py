"""A table of text, as Markdown has it."""

from __future__ import annotations

from collections.abc import Sequence


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [head, *rows]
    widths = [max(len(cells[at]) for cells in table) for at in range(len(head))]
    lines = [
        " | ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])  # numbers stand at the right
        for cells in table
    ]
    rule = " | ".join([":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])])
    for line in (lines[0], rule, *lines[1:]):
        print(f"| {line} |")
