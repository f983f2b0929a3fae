"""`file/1`: a `Path` to a file. Its content and suffix are the value; its name and place are not."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import chunks, create, remove, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".br", ".Z"})
_SUFFIX = re.compile(r"(\.[^./\\\0-\x20\x7f]{1,32}){0,2}")
_CHUNK = 1 << 20


def dump(value: Path, out: Spool, job: Saving) -> Dumped:
    """Stream it."""
    stream(value, out.write, job.name)
    found = suffix(value.name)
    return Dumped(plain.digest(["file/1", found, out.sha()]), meta={"suffix": found} if found else {})


def load(job: Loading) -> Path:
    """A read-only file in the scratch folder."""
    ending = job.ref.meta.get("suffix", "")
    if type(ending) is not str or not _SUFFIX.fullmatch(ending):
        raise Corrupt(f"{job.what} is damaged: `{ending!r}` is no suffix of a file")
    folder = scratch(job)
    small = job.small()
    if small is not None:
        return place(folder, stem(job.name), ending, lambda path: write_small(path, small))
    fd, source = job.open()
    try:
        return place(folder, stem(job.name), ending, lambda path: link_or_copy(fd, source, path))
    finally:
        os.close(fd)


def stream(path: str | Path, write: Callable[[memoryview], object], name: str) -> None:
    """All bytes of a user's file, in chunks. Raises `ValueRefused` if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ValueRefused(f"{quoted(name)} cannot be stored: `{path}` is neither a file nor a folder")
            for chunk in chunks(fd):
                write(chunk)
        finally:
            os.close(fd)
    except OSError as error:
        raise unreadable(name, path, error) from error


def unreadable(name: str, path: str | Path, error: OSError) -> ValueRefused:
    """The error for a user's path that leads to nothing readable."""
    hint = "write the file before you return its path, and return an absolute one if the step changes folders"
    return ValueRefused(
        f"{quoted(name)} is the path `{path}`, which cannot be read: {error.strerror}",
        hint=hint if error.errno == errno.ENOENT else "",
    )


def suffix(name: str) -> str:
    """What readers go by: the last suffix, and the one before it if that one is of a compression. "" if unusual."""
    head, dot, last = name.rpartition(".")
    if not dot or not head:
        return ""
    found = f".{last}"
    if found in _PACKED:
        inner, dot, before = head.rpartition(".")
        if dot and inner:
            found = f".{before}{found}"
    return found if _SUFFIX.fullmatch(found) and found.isprintable() else ""


# --- out of the store -------------------------------------------------------------------------------------------------


def scratch(job: Loading) -> Path:
    """Where the files of a value go: the caller's folder, or else a new one that is the caller's from now on."""
    from pathlib import Path

    if job.scratch is not None:
        job.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return job.scratch
    import tempfile

    return Path(tempfile.mkdtemp(prefix="pipeglot-"))


def stem(name: str) -> str:
    """A file name from the name of a value: "output `model` of step `train`" is `model`."""
    word = re.search(r"`([^`]+)`", name)
    text = re.sub(r"[^A-Za-z0-9_.-]+", "-", word[1] if word else name).strip("-.")[:80]
    return text or "value"


def place(folder: Path, name: str, ending: str, make: Callable[[str], None]) -> Path:
    """Make a file or folder under the first free one of `name`, `name-2`, …"""
    number = 1
    while True:
        path = folder / f"{name}{ending if number == 1 else f'-{number}{ending}'}"
        try:
            make(str(path))
        except FileExistsError:
            number += 1
        except OSError as error:
            raise store_error(error, "write", str(path)) from error
        else:
            return path


def write_small(path: str, data: bytes | memoryview, mode: int = 0o400) -> None:
    """A new file of these bytes."""
    _make(path, mode, lambda target: write_all(target, data))


def link_or_copy(fd: int, source: Path, path: str, mode: int = 0o400) -> None:
    """A new name for the blob's own file; or a copy of it, where a link is not possible or not safe.

    Not safe: the link is read-only, but not to root, who would change the blob with it.
    """
    if mode == 0o400 and os.geteuid():
        try:
            os.link(source, path)
        except FileExistsError:
            raise
        except OSError:
            pass
        else:
            return
    _make(path, mode, lambda target: _copy(fd, target))


def _make(path: str, mode: int, fill: Callable[[int], None]) -> None:
    target = create(path, mode)
    try:
        fill(target)
    except BaseException:
        remove(path)
        raise
    finally:
        os.close(target)


def _copy(fd: int, target: int) -> None:
    """By the kernel where it can, which on some file systems copies nothing."""
    try:
        while os.copy_file_range(fd, target, 1 << 30):
            pass
    except (AttributeError, OSError):
        os.lseek(fd, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        for chunk in chunks(fd):
            write_all(target, chunk)
