"""The folders of a run while it goes on: one in the project for logs and inputs, a short one for temporary files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pipeglot.core.store.files import create, write_all

_PREFIX = "pipeglot-"
_LINK = "temp"
_STORE = "store"


def make_folders(folder: Path, store: str) -> Path:
    """Make both; returns the one for temporary files. Its path is short: sockets in it may have 108 bytes of path.

    `store` is the URI of the run's store, for whoever finds the folder when the run's process is gone.
    """
    system = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  # it is made with mode 0700, and must not be there
    temp = Path(system, f"{_PREFIX}{os.urandom(8).hex()}").absolute()
    folder.mkdir(parents=True, mode=0o700)
    (folder / _LINK).symlink_to(temp)  # so that whoever finds this folder after a crash finds the other one
    temp.mkdir(mode=0o700)
    write_new(folder / _STORE, store.encode())
    return temp


def write_new(path: Path, data: bytes) -> None:
    """A new file that nobody else may read, whatever the umask."""
    fd = create(str(path))
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


def store_of(folder: Path) -> str:
    """The URI of the store of the run whose folder this is; empty if its process did not get that far."""
    try:
        return (folder / _STORE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def remove_folders(folder: Path) -> None:
    """Remove both, of a run that is over or whose process is gone. What cannot be removed is left."""
    import shutil

    with suppress(OSError):
        temp = (folder / _LINK).readlink()
        if temp.name.startswith(_PREFIX) and temp.lstat().st_uid == os.geteuid() and not temp.is_symlink():
            shutil.rmtree(temp, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
