"""System calls that finish what they start: whole writes, whole copies, files that reach the disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 1 << 20


def create(path: str, mode: int = 0o600) -> int:
    """A new file, open for writing; an error if there is one. A `mode` without `w` counts from the next opening on."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """`os.write` may write less than it was given, such as 2 GB, or what fits on the disk."""
    done = os.write(fd, data)
    if done == len(data):
        return
    rest = memoryview(data)[done:]
    while rest:
        done = os.write(fd, rest)
        if not done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[done:]


def make_private(folder: Path) -> Path:
    """A folder that nobody else may look into, whatever the umask; those above it that are missing too."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_private(path: Path, data: bytes) -> None:
    """A file that nobody else may read, whole or not at all."""
    temp = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        fd = create(str(temp))
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)


def write_at(fd: int, data: bytes | memoryview, at: int) -> None:
    """All of it, from a place in the file on; several threads may write at theirs."""
    rest = memoryview(data)
    while rest:
        done = os.pwrite(fd, rest, at)
        if not done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest, at = rest[done:], at + done


def chunks(fd: int, size: int = CHUNK) -> Iterator[memoryview]:
    """The rest of an open file. Each chunk is valid until the next one is asked for."""
    buffer = memoryview(bytearray(size))
    while count := os.readv(fd, [buffer]):
        yield buffer[:count]


def copy(source: str, target: int) -> None:
    """All of a file, in chunks, into an open one."""
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for chunk in chunks(fd):
            write_all(target, chunk)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """For temporary files: what cannot be removed now is swept up later."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def is_locked(path: str | Path) -> bool:
    """Whether some process holds a lock of this file (`flock`). False if it is not there, or may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def count_names(path: str) -> int:
    """How many hard links a file has; 0 if that cannot be told."""
    try:
        return os.stat(path).st_nlink
    except OSError:
        return 0


def sync(path: str) -> None:
    """Let a file or a folder reach the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def sync_file(fd: int) -> None:
    """As `sync`, of an open file. On macOS, plain fsync stops at the disk's own cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(fd)
    else:
        fcntl.fcntl(fd, full)
