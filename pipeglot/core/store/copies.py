"""Local copies of what lies in a bucket: read once, mapped many times, thrown away when they grow too many.

A folder of files named by the hash of their key. Each appears whole, by a rename or a hard link, so processes share it
without a lock; one that is removed while it is open stays readable. Whoever reads a copy verifies its bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.errors import StoreError
from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import remove
from pipeglot.core.store.folder import sweep
from pipeglot.core.store.naming import TEMP

if TYPE_CHECKING:
    from pathlib import Path

MOST = 10 << 30
"""Bytes of copies that are kept for one store."""

_YOUNG = 60.0
"""Seconds in which a copy that was just asked for is not removed."""

_SHARE = 16
"""After each so many-th part of `MOST` that a process adds, it looks whether there is too much."""


class Copies:
    """The copies of one store on this machine. Nothing is made before the first is needed."""

    def __init__(self, folder: str, most: int = MOST) -> None:
        self.folder = folder
        self.most = most
        self._temp = f"{folder}/{TEMP}"
        self._ready = self._private = False
        self._added = most  # the first copy that a process adds makes it look

    def find(self, key: str) -> str | None:
        """The copy of a key, if there is one."""
        path = self._path(key)
        try:
            if not self._private:
                self._check()
            info = os.stat(path)
            os.utime(path, ns=(time.time_ns(), info.st_mtime_ns))  # when it was last used; the other time stays
        except OSError:
            return None
        return path

    def temp(self) -> str:
        """A name for a new file beside the copies. Raises `StoreError`."""
        if not self._ready or not os.path.isdir(self._temp):
            self._make()
        return f"{self._temp}/put-{os.getpid():x}-{os.urandom(12).hex()}"

    def owns(self, path: str) -> bool:
        """Is it a name that `temp` gave?"""
        return os.path.dirname(path) == self._temp

    def make_room(self, size: int) -> None:
        """Where the disk is too full for so many bytes more, copies that nobody used just now go first."""
        try:
            disk = os.statvfs(self.folder)
            lacking = size - disk.f_bavail * disk.f_frsize
            if lacking > 0:
                self._shrink(sum(file.size for file in _files(self.folder)) - lacking)
        except OSError:
            return  # whoever writes is told by the system what it lacks

    def take(self, key: str, temp: str) -> str:
        """Make a file that was filled under a name of `temp` the copy of a key; it is moved. Raises `OSError`."""
        path = self._path(key)
        size = os.stat(temp).st_size
        os.rename(temp, path)
        self._grown(size)
        return path

    def share(self, key: str, temp: str) -> None:
        """The same, and the file keeps its name beside. Where that cannot be, there is no copy."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            os.link(temp, path)
            self._grown(os.stat(path).st_size)

    def forget(self, key: str) -> bool:
        """Remove the copy of a key. False if there was none."""
        try:
            os.unlink(self._path(key))
        except OSError:
            return False
        return True

    def _path(self, key: str) -> str:
        return f"{self.folder}/{hashlib.sha256(key.encode()).hexdigest()}"

    def _check(self) -> None:
        """Whose the folders are; whoever could write there could change a file that was verified a moment ago."""
        for folder in (os.path.dirname(self.folder), self.folder):
            _check_private(folder)
        self._private = True

    def _make(self) -> None:
        try:
            os.makedirs(os.path.dirname(self.folder), mode=0o700, exist_ok=True)
            for folder in (os.path.dirname(self.folder), self.folder, self._temp):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o700)
            self._check()
            _check_private(self._temp)
        except OSError as error:
            raise store_error(error, "make the folder for local copies", self.folder) from error
        self._ready = True
        with contextlib.suppress(OSError):  # house-keeping never fails a read
            sweep(self._temp)

    def _grown(self, size: int) -> None:
        self._added += size
        if self._added * _SHARE >= self.most:
            self._added = 0
            with contextlib.suppress(OSError):
                self._shrink(self.most)

    def _shrink(self, most: int) -> None:
        """Remove the copies that were not used for longest, until what is left is no more than `most`."""
        found = sorted(_files(self.folder))
        total = sum(file.size for file in found)
        young = time.time() - _YOUNG
        for file in found:
            if total <= most or file.used > young:
                return
            remove(file.path)
            total -= file.size


class _File(NamedTuple):
    used: float
    path: str
    size: int


def _files(folder: str) -> list[_File]:
    with os.scandir(folder) as entries:
        infos = [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries if len(entry.name) == 64]
    return [_File(info.st_atime, path, info.st_size) for path, info in infos if stat.S_ISREG(info.st_mode)]


def _check_private(folder: str) -> None:
    """It may lie where others write too: a folder of somebody else's could change under what is read from it."""
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        raise StoreError(f"`{folder}` is not a folder of this user's own", hint="remove it, or set `TMPDIR` to another")


def default_folder() -> Path:
    """Where copies lie if there is no project: below the folder for temporary files, one for each user."""
    from pathlib import Path

    return Path(os.environ.get("TMPDIR") or "/tmp", f"pipeglot-copies-{os.geteuid()}")  # noqa: S108  # checked, 0700
