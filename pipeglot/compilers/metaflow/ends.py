"""How the tasks of a run are told to end: by a file that they look for, for Metaflow has no word for it.

A signal would end a task that has not come as far as to hear of it; and with that, Metaflow ends all others.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeglot.core.task.folders import cache_folder


def end_file(run: str) -> Path:
    """The file of a run of Metaflow's, by its id. If it is there, what runs is to end, and only cleaning up goes on.

    Raises `Untrusted`, if others may write to where it lies.
    """
    return cache_folder() / f"metaflow-end-{re.sub('[^A-Za-z0-9_-]', '_', run)[:200]}"
