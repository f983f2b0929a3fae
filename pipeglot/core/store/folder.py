"""A store in a folder: each file is created whole or not at all, and never changed.

A write goes to a temporary file in `tmp/`, which then gets its real name by a hard link: that fails if the name is
taken, and a process killed at any point leaves nothing but the temporary file, which a later writer sweeps away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from pipeglot.core.errors import StoreError
from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import copy, count_names, create, remove, sync, sync_file, write_all
from pipeglot.core.store.naming import FORMAT, LONGEST, MARK, TEMP, Entry, check_key, check_mark, new_mark
from pipeglot.core.store.rename import rename_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["FORMAT", "FolderStore", "sweep"]

_PREFIX = "put-"  # of temporary files; whatever else lies in `tmp/` is not ours to sweep
_SWEPT = "swept"  # its time is that of the last sweep
_DAY = 86_400
_TRIES = 10
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_HARMLESS = frozenset({TEMP, "lost+found", ".DS_Store", ".gitignore", ".gitkeep", ".keep", ".snapshot"})
"""What an empty folder may hold: a store that another process is just making, and what systems leave in new folders."""
_SYSTEM = (".nfs", ".DS_Store")  # files that an NFS client or a file manager puts anywhere: never keys


_open = os.open  # of the system


def _open_at_once(path: str, flags: int) -> int:
    """Where somebody has put a pipe in place of a file, nobody waits for a writer."""
    return _open(path, flags | os.O_NONBLOCK)


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")  # of a URI


class FolderStore:
    """Implements `Store`. Opening an existing one reads one small file; a missing one is made by the first `put`."""

    def __init__(self, path: str | Path, trusted: bool | None = None, durable: bool = False) -> None:
        self.root = os.path.abspath(os.fspath(path))
        self.durable = durable
        self._trusted = trusted
        self._temp = f"{self.root}/{TEMP}"
        self._ready = False  # to write
        self._links = True  # until the file system says otherwise
        self._exists = self._open()

    def __repr__(self) -> str:
        return f"FolderStore({self.root!r})"

    @property
    def uri(self) -> str:
        """`file://` and the absolute path."""
        return "file://" + "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in os.fsencode(self.root))

    @property
    def trusted(self) -> bool:
        """As said when it was opened; else whether the folder is this user's and nobody else may enter it."""
        if self._trusted is None:
            try:
                info = os.stat(self.root)
            except FileNotFoundError:
                return True  # if this process makes it, it will be; so look again when it is there
            except OSError as error:
                raise store_error(error, "read", self.root) from error
            self._trusted = info.st_uid == os.geteuid() and not info.st_mode & 0o077
        return self._trusted

    @property
    def at_once(self) -> int:
        return 1

    # --- the verbs ---------------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes | Path) -> bool:
        """Create `key` from bytes or from a file, whole or not at all. False if it was there: nothing is changed."""
        path = self._path(key)
        if not self._ready:
            self._prepare()
        if not isinstance(data, bytes) and os.path.dirname(source := os.fspath(data)) == self._temp:
            return self._put_own(source, path)
        return self._put_new(data, path)

    def get(self, key: str) -> bytes | None:
        """The bytes of `key`, or None if there is none. Of more than `LONGEST`, one more than that."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0, opener=_open_at_once) as file:
                large = os.fstat(file.fileno()).st_size > LONGEST
                return file.read(LONGEST + 1) if large else file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(error, "read", path) from error

    def size(self, key: str) -> int | None:
        """How many bytes `key` holds, or None if there is none."""
        path = self._path(key)
        try:
            info = os.stat(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(error, "read", path) from error
        if not stat.S_ISREG(info.st_mode):
            raise store_error(OSError(errno.EISDIR, os.strerror(errno.EISDIR)), "read", path)
        return info.st_size

    def local(self, key: str) -> Path | None:
        """The very file of `key`: read-only, and not to be changed; None if there is none."""
        from pathlib import Path

        return None if self.size(key) is None else Path(self._path(key))

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Several, in the order of `keys`."""
        return ((key, self.get(key)) for key in keys)

    def forget_copy(self, _key: str) -> bool:
        """False: what `local` gives is no copy."""
        return False

    def delete(self, key: str) -> None:
        """Remove `key`, and the folders that it leaves empty; fine if it is not there."""
        path = self._path(key)
        try:
            os.unlink(path)
            while len(path := os.path.dirname(path)) > len(self.root):
                os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise store_error(error, "delete", path) from error

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove several."""
        for key in keys:
            self.delete(key)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All keys below `prefix` as `list` has them, each with its size, and when its file was written."""
        for key in self.list(prefix):
            path = f"{self.root}/{key}"
            try:
                info = os.stat(path)
            except FileNotFoundError:  # deleted meanwhile
                continue
            except OSError as error:
                raise store_error(error, "read", path) from error
            yield Entry(key, info.st_size, info.st_mtime)

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (which ends with `/`; "" is all), by code point. No unfinished writes among them."""
        if not prefix:
            return self._walk(self.root, "")
        if not prefix.endswith("/"):
            raise StoreError(f"the prefix `{prefix}` does not end with `/`")
        return self._walk(self._path(prefix[:-1]), prefix)

    def temp(self) -> Path:
        """A private name, nothing there yet, for a file that `put` then takes without a copy. The caller removes it."""
        from pathlib import Path

        if not self._ready or not os.path.isdir(self._temp):
            self._prepare()
        return Path(self._temp_name())

    # --- keys and listing --------------------------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        """The file of a key. Whoever built it checked its parts; this is the second lock, for keys go to the disk."""
        check_key(key)
        if not key.isascii():
            try:
                os.fsencode(key)
            except UnicodeEncodeError:
                raise StoreError(f"`{key!r}` is no key of a store") from None
        return f"{self.root}/{key}"

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        """In the order of whole keys, as a bucket lists them: `a-b` comes before what is in the folder `a`."""
        try:
            with os.scandir(folder) as entries:
                names = sorted(_listed(entry) for entry in entries)
        except FileNotFoundError:
            return
        except OSError as error:
            raise store_error(error, "list", folder) from error
        for name in names:
            if name.startswith(_SYSTEM) or not name:
                continue
            if not name.endswith("/"):
                yield prefix + name
            elif prefix or name != f"{TEMP}/":
                yield from self._walk(f"{folder}/{name[:-1]}", prefix + name)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _put_new(self, data: bytes | Path, path: str) -> bool:
        temp = self._temp_name()
        try:
            self._fill(temp, data)
            return self._publish(temp, path, links=1)
        except OSError as error:
            raise store_error(error, "write", path) from error
        finally:
            remove(temp)

    def _put_own(self, temp: str, path: str) -> bool:
        """Publish a file that the caller wrote in our own `tmp/`."""
        try:
            if self.durable:
                sync(temp)
            return self._publish(temp, path, links=os.stat(temp).st_nlink)
        except OSError as error:
            raise store_error(error, "write", path) from error

    def _temp_name(self) -> str:
        return f"{self._temp}/{_PREFIX}{os.getpid():x}-{os.urandom(12).hex()}"

    def _fill(self, temp: str, data: bytes | Path) -> None:
        try:
            target = create(temp)
        except FileNotFoundError:  # somebody cleaned up behind us
            if not self._ready:  # it could not be made in the first place
                raise
            self._prepare()
            target = create(temp)
        try:
            if isinstance(data, bytes):
                write_all(target, data)
            else:
                copy(os.fspath(data), target)
            if self.durable:
                sync_file(target)
        finally:
            os.close(target)

    def _publish(self, temp: str, path: str, links: int) -> bool:
        """Give the finished file its name. `links`: how many names it has so far."""
        for _ in range(_TRIES):
            try:
                created = self._name(temp, path, links)
            except FileNotFoundError:  # no folder yet, or a `delete` has just removed the empty one
                self._make_folders(os.path.dirname(path))
                continue
            if self.durable:
                sync(os.path.dirname(path))  # a loser too: it goes on as if the file were safe
            return created
        raise FileNotFoundError(errno.ENOENT, "its folder, or the temporary file, vanishes while it is written")

    def _name(self, temp: str, path: str, links: int) -> bool:
        if self._links:
            try:
                os.link(temp, path)
            except OSError as error:
                if count_names(temp) == links + 1:  # NFS: done, but the answer was lost and the request sent again
                    return True
                if error.errno not in _NO_LINKS:
                    return _was_there(error)
                self._links = False
            else:
                return True
        try:
            rename_new(temp, path)
        except OSError as error:
            if error.errno in (errno.EINVAL, *_NO_LINKS):
                raise self._no_links() from error
            return _was_there(error)
        return True

    def _no_links(self) -> StoreError:
        return StoreError(
            f"the file system of `{self.root}` has neither hard links nor a rename that spares existing files",
            hint="two writers could overwrite each other there: put the store on another file system",
        )

    def _make_folders(self, path: str) -> None:
        """Below the root only: if the root itself is gone, say so and do not build a second store in its place."""
        if path == self.root and self._exists:
            raise StoreError(f"the store `{self.root}` is gone", hint="is its disk still mounted?")
        for _ in range(_TRIES):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                return
            except FileNotFoundError:
                self._make_folders(os.path.dirname(path))
                continue
            if self.durable:
                sync(os.path.dirname(path))
            return

    # --- the folder itself -------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Is there a store? Refuses one of a later format, and a folder with somebody else's files in it."""
        try:
            data = self._read_mark()
            if data is None and MARK in self._check_empty():  # another process was just making the store
                data = self._read_mark()
        except OSError as error:
            raise store_error(error, "open the store", self.root) from error
        if data is not None:
            check_mark(data, self.root)
        return data is not None

    def _read_mark(self) -> bytes | None:
        try:
            with open(f"{self.root}/{MARK}", "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _check_empty(self) -> set[str]:
        """Refuse a folder that holds what a store does not. Gives the names in it."""
        try:
            names = set(os.listdir(self.root))
        except FileNotFoundError:
            return set()
        if MARK in names or names <= _HARMLESS:
            return names
        raise StoreError(
            f"`{self.root}` is not empty and is no store (it has no `{MARK}`)",
            hint=f"give the store a folder of its own, such as `{self.root}/store`",
        )

    def _prepare(self) -> None:
        """Before the first write of a process, and when `tmp/` was removed under us."""
        try:
            self._make_folders(self._temp)
            if not self._exists and not self._open():
                self._put_new(new_mark(), f"{self.root}/{MARK}")
                self._open()
        except OSError as error:
            raise store_error(error, "write to the store", self.root) from error
        self._exists = self._ready = True
        with contextlib.suppress(OSError):  # house-keeping never fails a write
            sweep(self._temp)


def sweep(folder: str) -> None:
    """At most once a day: remove what killed processes left in `tmp/`. All times are of the store's own clock."""
    mark = f"{folder}/{_SWEPT}"
    try:
        if os.stat(mark).st_mtime > time.time() - _DAY:
            return
    except FileNotFoundError:
        pass
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.utime(mark)
    oldest = os.stat(mark).st_mtime - _DAY
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                remove(entry.path)


def _listed(entry: os.DirEntry[str]) -> str:
    """How an entry sorts and reads in a list: folders end with `/`; what is neither file nor folder is none of ours."""
    if entry.is_dir(follow_symlinks=False):
        return f"{entry.name}/"
    return entry.name if entry.is_file(follow_symlinks=False) else ""


def _was_there(error: OSError) -> bool:
    """False, the answer of a put that lost, if that is what the error says."""
    if error.errno != errno.EEXIST:
        raise error
    return False
