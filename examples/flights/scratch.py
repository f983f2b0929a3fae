"""Folders for files on their way into the store."""

import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "flights-report-"


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def sweep(keep_hours: int) -> None:
    """Remove old ones. Younger ones may belong to a run that is under way."""
    oldest = time.time() - keep_hours * 3600
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)
