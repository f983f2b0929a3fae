"""Stored bytes under their own hash: put once, verified before they are used, repaired by who holds good ones."""

from __future__ import annotations

import hashlib
import os
import re
import time
from typing import TYPE_CHECKING

from pipeglot.core.artifacts.spool import Spool
from pipeglot.core.errors import Corrupt
from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import chunks, write_all
from pipeglot.core.store.following import filled, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeglot.core.store.base import Store

    _Read = Callable[[str, str, int, str], tuple[int, Path]]

_TRIES = 3
_MANY = 1 << 16
_PLACE = re.compile(r"\d{4}-W\d\d/[0-9a-f]{64}")
_verified: dict[tuple[int, int, int, int], str] = {}
"""The hash of each file that this process has written or verified, so that it reads none twice for that alone."""

Verified = tuple[str, int, int, int, int]
"""The hash of a file, and what the file is known by (`identity`)."""

WORTH_TELLING = 1 << 20
"""Smaller files are hashed as soon as another process is told of them."""
_news: list[Verified] = []


def news() -> list[Verified]:
    """The large files that this process has written or verified since the last call: for the others of the same run."""
    found = _news[:]
    _news.clear()
    return found


def learn(verified: Iterable[Verified]) -> None:
    """Take over what another process of the same run has verified on this machine."""
    for sha, *file in verified:
        _keep_in_mind((file[0], file[1], file[2], file[3]), sha)


def this_week() -> str:
    """The ISO week, in UTC. Blobs lie by week of saving, so that gc can tell which no new reference can come to."""
    return time.strftime("%G-W%V", time.gmtime())


def blob_key(week: str, sha: str) -> str:
    """Raises `Corrupt` if a record names no place where a blob may lie."""
    place = f"{week}/{sha}"
    if not _PLACE.fullmatch(place):
        raise Corrupt(f"`{place}` names no blob: the record that refers to it is damaged")
    return f"blobs/{place}"


class Blobs:
    """The blobs of one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def spool(self) -> Spool:
        """Where to write what `keep` then keeps."""
        return Spool(self.store)

    def keep(self, spool: Spool, week: str) -> None:
        """Store what was spooled. If it is there already, make sure that it is good, or replace it."""
        path, sha = spool.finish(), spool.sha()
        if self._keep(blob_key(week, sha), path, sha, spool.size):
            _remember(spool.identity, sha)

    def keep_bytes(self, data: bytes, week: str) -> str:
        """The same for what is in memory. Returns its hash."""
        sha = hashlib.sha256(data).hexdigest()
        self._keep(blob_key(week, sha), data, sha, len(data))
        return sha

    def _keep(self, key: str, data: bytes | Path, sha: str, size: int) -> bool:
        """False if a good one was there."""
        for _ in range(_TRIES):
            if self.store.put(key, data):
                return True
            if self._is_good(key, sha, size):
                return False
            self.store.delete(key)
        raise Corrupt(f"blob `{key}` of `{self.store.uri}` is damaged again as soon as it is repaired")

    def has(self, week: str, sha: str, size: int) -> bool:
        """Is it there, and whole as far as its size tells?"""
        return self.store.size(blob_key(week, sha)) == size

    def is_kept(self, week: str, sha: str, size: int) -> bool:
        """Is it there, and whole? Its bytes are read only if this process has not verified them yet."""
        if not self.has(week, sha, size):
            return False
        try:
            os.close(self.open(week, sha, size, "")[0])
        except Corrupt:
            return False
        return True

    def verify(self, week: str, sha: str, size: int, what: str) -> None:
        """Read a blob in chunks, whatever this process knows of it. Raises `Corrupt` if it is gone or damaged."""
        _verified.clear()
        self.store.forget_copy(blob_key(week, sha))
        os.close(self._opened(week, sha, size, what, self._open_verified)[0])

    def open(self, week: str, sha: str, size: int, what: str) -> tuple[int, Path]:
        """A file open at its start, its bytes verified, and its path. Raises `Corrupt`; `what` names the value.

        Of a folder that others may write to, it is a copy of our own: they could change the file after that.
        """
        return self._opened(week, sha, size, what, self._open_copied if self._is_shared else self._open_verified)

    @property
    def _is_shared(self) -> bool:
        return not self.store.trusted and self.store.uri.startswith("file:")

    def _opened(self, week: str, sha: str, size: int, what: str, read: _Read) -> tuple[int, Path]:
        key = blob_key(week, sha)
        try:
            return read(key, sha, size, what)
        except Corrupt:
            if not self.store.forget_copy(key):
                raise
        return read(key, sha, size, what)  # it was only the copy on this machine

    def _open_copied(self, key: str, sha: str, size: int, what: str) -> tuple[int, Path]:
        import tempfile

        source, path = self._open(key, what)
        try:
            with tempfile.TemporaryFile() as file:
                _check(_copied(source, file.fileno(), size), sha, size, key, self.store.uri, what)
                return os.dup(file.fileno()), path.with_name(f"{path.name} (a copy)")
        except OSError as error:
            raise store_error(error, "copy", str(path)) from error
        finally:
            os.close(source)

    def _open_verified(self, key: str, sha: str, size: int, what: str) -> tuple[int, Path]:
        fd, path = self._open(key, what)
        try:
            self._verify(fd, key, sha, size, what)
        except BaseException:
            os.close(fd)
            raise
        return fd, path

    def _open(self, key: str, what: str) -> tuple[int, Path]:
        for _ in range(_TRIES):
            path = self.store.local(key)
            if path is None:
                break
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC), path
            except FileNotFoundError:  # it was just deleted; or it was a copy, and there were too many
                continue
            except OSError as error:
                raise store_error(error, "read", str(path)) from error
        raise self._missing(key, what)

    def _verify(self, fd: int, key: str, sha: str, size: int, what: str) -> None:
        file = identity(fd)
        if file[3] == size and _verified.get(file) == sha:
            return
        try:
            found = ((filled(file) or _hash(fd)) if file[3] == size else ""), file[3]
        except OSError as error:
            raise store_error(error, "read", key) from error
        _check(found, sha, size, key, self.store.uri, what)
        _remember(file, sha)

    def _is_good(self, key: str, sha: str, size: int) -> bool:
        _, week, _ = key.split("/")
        self.store.forget_copy(key)  # it is about what is in the store
        try:
            fd, _ = self._opened(week, sha, size, "", self._open_verified)
        except Corrupt:
            return False
        os.close(fd)
        return True

    def _missing(self, key: str, what: str) -> Corrupt:
        return Corrupt(
            f"{what} is gone: the store `{self.store.uri}` has no blob `{key}`",
            hint="it was removed from the store: run the step that made it again",
        )


def damaged(what: str, where: str, expected: str, found: str) -> Corrupt:
    """The error for bytes that are not what was written."""
    return Corrupt(
        f"{what} is damaged: {where} should have {expected}, and has {found}",
        hint="run the step that made it again: saving the same value repairs it",
    )


def _check(found: tuple[str, int], sha: str, size: int, key: str, store: str, what: str) -> None:
    """Raises `Corrupt` for another hash or size than the record says."""
    where = f"blob `{key}` of `{store}`"
    if found[1] != size:
        raise damaged(what, where, f"{size} bytes", f"{found[1]} bytes")
    if found[0] != sha:
        raise damaged(what, where, f"sha256 {sha}", found[0])


def _copied(source: int, target: int, most: int) -> tuple[str, int]:
    """Copy a file, and give hash and size of what was copied: little more than there should be. Ends at its start."""
    found, size = hashlib.sha256(), 0
    for chunk in chunks(source):
        write_all(target, chunk)
        found.update(chunk)
        size += len(chunk)
        if size > most:
            break
    os.lseek(target, 0, os.SEEK_SET)
    return found.hexdigest(), size


def _hash(fd: int) -> str:
    found = hashlib.sha256()
    for chunk in chunks(fd):
        found.update(chunk)
    os.lseek(fd, 0, os.SEEK_SET)
    return found.hexdigest()


def _remember(file: tuple[int, int, int, int], sha: str) -> None:
    _keep_in_mind(file, sha)
    if file[3] >= WORTH_TELLING and len(_news) < _MANY:
        _news.append((sha, *file))


def _keep_in_mind(file: tuple[int, int, int, int], sha: str) -> None:
    if len(_verified) >= _MANY:
        _verified.clear()
    _verified[file] = sha
