"""Artifact ids: where an output comes from, as people and parameters write it."""

from __future__ import annotations

from pipeglot.core.errors import NotFound
from pipeglot.core.lineage.keys import Cell, Index


def artifact_id(run: str, cell: Cell, output: str) -> str:
    """`<run>/<step>/<output>`, and in a map `<run>/<step>/<index>/<output>`, as in `k7…/train/3.7/auc`."""
    step, index = cell
    return "/".join([run, step, ".".join(map(str, index)), output] if index else [run, step, output])


def parse_artifact_id(text: str) -> tuple[str, str, Index, str]:
    """The run (or a prefix of it), step, index and output of an artifact id. Raises `NotFound` if it is none."""
    parts = text.split("/")
    if len(parts) == 3:
        return parts[0], parts[1], (), parts[2]
    if len(parts) == 4 and all(number.isdigit() for number in parts[2].split(".")):
        return parts[0], parts[1], tuple(map(int, parts[2].split("."))), parts[3]
    raise NotFound(
        f"`{text[:200]}` is no artifact id",
        hint="an id is `RUN/STEP/OUTPUT`, or `RUN/STEP/INDEX/OUTPUT` in a map; `pipeglot artifact list` shows them",
    )
