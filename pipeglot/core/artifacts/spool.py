"""Where a codec writes: hashed as it goes, in memory while small, else into a file that the store only has to name."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Self

from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import create, remove, write_all
from pipeglot.core.store.following import identity

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from pipeglot.core.store.base import Store

INLINE = 4096
"""A value of up to so many stored bytes travels inside its reference; a larger one gets a file."""

_BUFFER = 1 << 16  # smaller writes are gathered


class Spool:
    """A file to write to (Arrow and pickle take it for one). Leaves nothing behind when the `with` block ends."""

    def __init__(self, store: Store) -> None:
        self.size = 0
        self.path: Path | None = None
        self.identity = (0, 0, 0, 0)
        self._store = store
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._fd = -1

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes all of it, or raises `StoreError`."""
        if not isinstance(data, bytes):
            data = memoryview(data).cast("B")
        count = len(data)
        self._hash.update(data)
        self.size += count
        if count + len(self._waiting) <= (_BUFFER if self._fd >= 0 else INLINE):
            self._waiting += data
        else:
            self._flush()
            self._out(data)
        return count

    def sha(self) -> str:
        """The hash of all that was written so far."""
        return self._hash.hexdigest()

    def hash(self) -> hashlib._Hash:
        """A hash of all that was written so far, to go on by itself."""
        return self._hash.copy()

    def small(self) -> bytes | None:
        """The bytes themselves, if they are so few that there is no file."""
        return bytes(self._waiting) if self._fd < 0 else None

    def finish(self) -> Path:
        """End the file. What it is known by from now on (see `identity`) does not change when the store names it."""
        assert self.path is not None
        self._flush()
        self.identity = identity(self._fd)
        return self.path

    def _flush(self) -> None:
        if self._fd < 0:
            self._open()
        if self._waiting:
            self._out(self._waiting)
            self._waiting = bytearray()

    def _open(self) -> None:
        self.path = self._store.temp()
        try:
            self._fd = create(str(self.path), 0o400)  # read-only for whoever opens it next
        except OSError as error:
            raise store_error(error, "write", str(self.path)) from error

    def _out(self, data: bytes | bytearray | memoryview) -> None:
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise store_error(error, "write", str(self.path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            remove(str(self.path))

    # What pyarrow asks of a file:

    closed = False

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing: `finish` does it."""

    def close(self) -> None:
        """Nothing: the `with` block does it."""
