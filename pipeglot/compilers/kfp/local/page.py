"""What a browser is shown: the runs, and what became of them. `#/runs/details/ID`, as KFP has it, marks one."""

from __future__ import annotations

import html
from collections.abc import Iterable

from pipeglot.compilers.kfp.local.kept import Record

_HEAD = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>KFP, the sandbox</title>
<style>
body { font-family: sans-serif } td, th { padding: 0.2em 1em; text-align: left } :target { background: #fe9 }
</style>
</head><body><h1>Runs</h1>
<p><code>pipeglot runs show</code> and <code>pipeglot runs logs</code> tell more: a sandbox has no page but this.</p>
<table><tr><th>run</th><th>name</th><th>state</th><th>began</th><th>ended</th></tr>
"""


def page(runs: Iterable[Record]) -> str:
    """The newest first."""
    rows = [_row(one) for one in sorted(runs, key=lambda one: str(one["created_at"]), reverse=True)]
    return f"{_HEAD}{''.join(rows)}</table></body></html>\n"


def _row(run: Record) -> str:
    words = (run["run_id"], run["display_name"], run["state"], run["created_at"], run.get("finished_at", ""))
    cells = "".join(f"<td>{html.escape(str(word))}</td>" for word in words)
    return f'<tr id="/runs/details/{html.escape(run["run_id"])}">{cells}</tr>\n'
