"""How the tasks of a run are told to end: by a file that they look for, for Metaflow has no word for it.

A signal would end a task that has not come as far as to hear of it; and with that, Metaflow ends all others.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from pipeglot.core.lineage.keys import run_id
from pipeglot.core.task.folders import cache_folder

KEPT = 30 * 86400.0
"""Seconds after which such a file is one that nobody has removed."""

_PREFIX = "metaflow-end-"


def end_file(stack: str, pipeline: str, began: str, run: str, folder: Path | None = None) -> Path:
    """The file of a run. If it is there, what runs is to end, and only cleaning up goes on.

    began, run: Metaflow's ids: of the run in which ours began, and of this one, which may resume that. Only together
    with stack and pipeline they are like no other's. folder: where it lies, if that is not the cache of this process.

    Raises `Untrusted`, if others may write to where it lies.
    """
    ours, name = run_id(stack, pipeline, began), re.sub("[^A-Za-z0-9_-]", "_", run)[:100]
    return (folder or cache_folder()) / f"{_PREFIX}{ours}-{name}"


def forget_old() -> None:
    """Remove those that no run of today can mean."""
    limit = time.time() - KEPT
    for file in cache_folder().glob(f"{_PREFIX}*"):
        try:
            if file.stat().st_mtime < limit:
                file.unlink()
        except FileNotFoundError:  # another run was faster
            continue
