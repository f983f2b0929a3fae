"""The lineage digest: one hash over the portable part of a run. Equal runs have equal ones, on whatever backend."""

from __future__ import annotations

import hashlib
from typing import Any

from pipeglot.core import plain
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.state import Entry, RunState


def lineage_digest(state: RunState) -> str | None:
    """`sha256:…` of pipeline, params and every cell; None while the run goes on, or if cells were lost or cancelled.

    A parameter that names an artifact counts by the value of that. Hooks do not count.
    """
    if not state.finished or state.found & {"lost", "cancelled"}:
        return None
    codes = state.plan.codes
    hooks = state.plan.hooks
    cells = sorted((pair for pair in state.entries.items() if pair[0][0] not in hooks), key=lambda pair: pair[0])
    given, named = state.arguments.given, state.arguments.named
    portable = {
        "lineage": 1,
        "pipeline": state.plan.pipeline.name,
        "params": {name: named[name].value if name in named else plain.decode(value) for name, value in given.items()},
        "steps": [_portable(cell, entry, codes) for cell, entry in cells],
    }
    return f"sha256:{hashlib.sha256(plain.canonical(portable)).hexdigest()}"


def _portable(cell: Cell, entry: Entry, codes: dict[str, str]) -> dict[str, Any]:
    step, index = cell
    record: dict[str, Any] = {"step": step, "index": list(index), "status": entry.status, "code": ""}
    if entry.verdict is not None:
        part = entry.verdict.portable
        record |= {"code": part.code, "inputs": part.inputs, "outputs": part.outputs}
    elif step in codes:
        record["code"] = codes[step]
    return record
