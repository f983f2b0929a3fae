"""Where tasks work on a machine: what they share, a folder of each attempt, and what killed ones have left behind."""

from __future__ import annotations

import os
import random
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from pipeglot.core.bundle.unpack import refuse_others
from pipeglot.core.lineage.processes import is_there, this_process
from pipeglot.core.workers.folders import make_folders, remove_folders, write_new

_PREFIX = "task-"
_PROCESS = "process"

_LOOK_AT = 20
"""So many folders are looked at by a task, whatever has piled up: the tasks after it look at others."""

_DAY = 86400.0
"""Seconds after which a folder that says nothing of its process is taken for left behind."""


def cache_folder() -> Path:
    """For bundles, copies and attempts: `PIPEGLOT_CACHE`, or a folder among temporary files. Raises `Untrusted`."""
    named = os.environ.get("PIPEGLOT_CACHE")
    if named:
        folder = Path(named)  # whose it is, is for whoever names it to say
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir(), f"pipeglot-{os.geteuid()}")
    refuse_others(folder)
    return folder


def new_folder(base: Path) -> Path:
    """The name of one for an attempt of this process."""
    return base / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


def make_for_attempt(folder: Path, store: str) -> Path:
    """Make it, and the one for temporary files, which is returned. What killed processes have left beside it goes."""
    _sweep(folder.parent)
    temp = make_folders(folder, store)
    write_new(folder / _PROCESS, msgspec.json.encode(this_process()))
    return temp


def _sweep(base: Path) -> None:
    with os.scandir(base) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(_PREFIX)]
    for folder in [base / name for name in random.sample(names, min(len(names), _LOOK_AT))]:
        with suppress(FileNotFoundError):  # another process was faster
            if _is_left(folder):
                remove_folders(folder)


def _is_left(folder: Path) -> bool:
    try:
        process = msgspec.json.decode((folder / _PROCESS).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):  # it did not get that far, or is just about to
        return time.time() - folder.stat().st_mtime > _DAY
    return is_there(process) is False
