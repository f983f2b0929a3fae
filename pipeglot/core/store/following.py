"""Files that this process fills from a bucket, hashed while their parts come: nobody has to read them again for it.

They are hashed in the order of the file: a piece that comes when it is waited for out of memory, one that came before
out of the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Identity = tuple[int, int, int, int]

_MANY = 256
_CHUNK = 1 << 20
_hashes: dict[Identity, str] = {}


def identity(fd: int) -> Identity:
    """What tells an unchanged file: device, inode, time of the last change and size."""
    info = os.fstat(fd)
    return (info.st_dev, info.st_ino, info.st_mtime_ns, info.st_size)


def filled(file: Identity) -> str:
    """The hash of a file that was filled here and not changed since; "" of any other. Told once."""
    return _hashes.pop(file, "")


class Following:
    """The sha256 of a file that several threads write, a piece each: it is taken of what is there from the start on."""

    def __init__(self, fd: int, piece: int, size: int) -> None:
        """`fd`: open for reading; it is closed when nobody hashes any more."""
        self._fd = fd
        self._piece, self._size = piece, size
        self._hash = hashlib.sha256()
        self._there: set[int] = set()
        self._at = 0
        self._turn = threading.Lock()

    def wrote(self, at: int, data: memoryview) -> None:
        """A piece is there. Whoever brings the one that is waited for hashes it, and what came before that one did."""
        if self._at == at and self._turn.acquire(blocking=False):
            try:
                self._hash.update(data)
                self._at = at + len(data)
            finally:
                self._turn.release()
        else:
            self._there.add(at)  # for who holds the turn, or comes with the one before
        while self._at in self._there and self._turn.acquire(blocking=False):
            try:
                while self._at in self._there:
                    self._take(min(self._at + self._piece, self._size))
            finally:
                self._turn.release()

    def note(self) -> None:
        """All pieces are there, and the file is not written to any more."""
        with self._turn:
            if self._at == self._size:
                if len(_hashes) >= _MANY:
                    _hashes.clear()
                _hashes[identity(self._fd)] = self._hash.hexdigest()

    def _take(self, end: int) -> None:
        at = self._at
        while at < end:
            data = os.pread(self._fd, min(_CHUNK, end - at), at)
            if not data:
                raise OSError(errno.EIO, f"it ends at {at}, while it is filled")
            self._hash.update(data)
            at += len(data)
        self._at = end

    def __del__(self) -> None:
        os.close(self._fd)
