"""What killed runs of this machine left behind: their work folders, and runs that nobody has ended.

Each run has a work folder while it goes on, named `<run>-<pid>`. So one look into the folder of those finds the runs
whose process is gone, however many runs the store has.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeglot.client.text import SHORT_ID
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import PipeglotError, StoreError
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.processes import is_there
from pipeglot.core.store import open_store
from pipeglot.core.store.files import make_private
from pipeglot.core.workers.folders import remove_folders, store_of
from pipeglot.stacks.workspace import Workspace


def work_folder(workspace: Workspace) -> Path:
    """Where runs of this machine keep their logs while they go on."""
    return make_private(workspace.state("run", os.uname().nodename))


def clear_leftovers(workspace: Workspace) -> list[str]:
    """Record as lost the runs whose process is gone, and remove their folders. Returns what is to be told of it."""
    with os.scandir(work_folder(workspace)) as entries:
        stale = [Path(entry.path) for entry in entries if _is_stale(entry.name)]
    return [told for path in stale if (told := _clear(path))]


def _clear(folder: Path) -> str:
    run, store = folder.name.rpartition("-")[0], store_of(folder)
    try:
        told = _close(run, store) if store else ""
    except PipeglotError as error:
        told = f"run `{run[:SHORT_ID]}` was killed, and cannot be recorded as lost: {error.message}"
        if type(error) is StoreError:  # the store is not there just now: the next start tries again
            return told
    if told is not None:
        remove_folders(folder)
    return told or ""


def _close(run: str, store: str) -> str | None:
    """What is to be told; None if the run goes on, where the numbers of processes are not ours (in a container)."""
    opened = open_store(store)
    ledger = Ledger(opened)
    start = ledger.started(run)
    if start is None or ledger.ended(run) is not None or ledger.gone(run) is not None:
        return ""
    if is_there(start.engine) is not False:
        return None
    status = close(ledger, Artifacts(opened), run).status
    onward = "" if status == "succeeded" else f"; `pipeglot runs resume {run[:SHORT_ID]}` goes on with it"
    return f"run `{run[:SHORT_ID]}` of `{start.pipeline}` was killed: it is now recorded as {status}{onward}"


def _is_stale(name: str) -> bool:
    """`<run>-<pid>` of a process that is no more."""
    _, _, pid = name.rpartition("-")
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
