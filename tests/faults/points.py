"""The points where a process changes or reads something, and a fault at one of them.

A point is a system call on the files of a store, a statement that SQLite is given, a verb of a store, or a request to
a bucket. They are counted as a run comes by; the fault waits for its number. Whoever forks shares the count with its
children.
"""

from __future__ import annotations

import builtins
import errno
import mmap
import os
import signal
import sqlite3
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, NoReturn

from pipeglot.core.lineage.index import sqlite
from pipeglot.core.store import folder, rename

CHANGES = ("open", "write", "fsync", "close", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "utime", "chmod")
"""System calls that change something; `open` and `close` do so where the file is open for writing."""

READS = ("stat", "fstat", "scandir", "listdir", "readv", "read")
TAKES_SPACE = frozenset({"create", "write", "link", "mkdir", "rename", "rename_new", "replace"})

_real: dict[str, Any] = {name: getattr(os, name) for name in (*CHANGES, *READS, "kill")}
_rename_new = rename.rename_new


class Point(NamedTuple):
    """Where a run came by. `layer`: `change`, `read`, `sql`, `verb`, `request`; `where`: the path, key or table."""

    number: int
    layer: str
    call: str
    where: str


class Fault(NamedTuple):
    """What goes wrong, and at which point: or at the next of that layer and call, for a slow run has a few more."""

    point: int
    kind: str
    layer: str = ""
    call: str = ""

    def is_at(self, number: int, layer: str, call: str) -> bool:
        return number >= self.point and self.layer in ("", layer) and self.call in ("", call)


class Board:
    """What a process and those that it forks have in common: the count of points, and whether the fault has come."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def step(self) -> int:
        number: int = struct.unpack_from("q", self._memory)[0] + 1
        struct.pack_into("q", self._memory, 0, number)
        return number

    @property
    def fired(self) -> bool:
        return self._memory[8] != 0

    @fired.setter
    def fired(self, value: bool) -> None:
        self._memory[8] = value

    @property
    def stop(self) -> bool:
        """Whether the reader beside may go home."""
        return self._memory[9] != 0

    @stop.setter
    def stop(self, value: bool) -> None:
        self._memory[9] = value


class Injector:
    """Watches this process from `install` on, as far as the files below `root` and SQLite go.

    seen: is told of every point. between: is called before every point, and is watched by nobody.
    lost: where a power cut writes which files it takes (see `Unsynced`).
    """

    def __init__(
        self,
        root: str,
        board: Board,
        fault: Fault | None = None,
        *,
        seen: Callable[[Point], object] | None = None,
        between: Callable[[], object] | None = None,
        lost: str = "",
    ) -> None:
        self.root = os.path.join(os.path.abspath(root), "")
        self.board = board
        self.fault = fault
        self.seen = seen
        self.between = between
        self.disk: int = 0
        """The error of a disk that takes nothing more; a dead one gives nothing either."""
        self.dead = False
        self.network: Callable[[], Exception] | None = None
        """What every request comes to, once it is down."""
        self._lock = threading.Lock()  # requests come from several threads
        self.unsynced = Unsynced(self.root, lost)
        self._files: dict[int, tuple[str, bool]] = {}
        self._off = False

    def at(self, layer: str, call: str, where: str, real: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Come by a point: do what is to be done there, or what the fault makes of it."""
        do = partial(real, *args, **named)
        if self._off:
            return do()
        with self._lock:
            number = self.board.step()
            if self.seen is not None:
                self.seen(Point(number, layer, call, where.removeprefix(self.root)[:60]))
            is_here = self.fault is not None and not self.board.fired and self.fault.is_at(number, layer, call)
            self.board.fired |= is_here
        if self.between is not None:
            self._off = True
            try:
                self.between()
            finally:
                self._off = False
        if is_here and self.fault is not None:
            return EVERY_KIND[self.fault.kind](self, call, do)
        if self.network is not None and layer == "request":
            raise self.network()
        if self.dead and layer in ("change", "read"):
            raise _error(self.disk)
        if self.disk and (call in TAKES_SPACE or (self.disk == errno.EROFS and layer == "change")):
            raise _error(self.disk)
        return do()

    # --- what is watched ----------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Stand between pipeglot and the system, for the rest of this process."""
        for name in ("link", "rename", "replace", "unlink", "mkdir", "rmdir", "utime", "chmod"):
            setattr(os, name, partial(self._by_path, "change", name))
        for name in ("stat", "scandir", "listdir"):
            setattr(os, name, partial(self._by_path, "read", name))
        for name, layer in (("write", "change"), ("fsync", "change"), ("readv", "read"), ("fstat", "read")):
            setattr(os, name, partial(self._by_file, layer, name))
        setattr(os, "open", self._open)  # noqa: B010  # mypy wants no other function in its place
        setattr(os, "close", self._close)  # noqa: B010
        setattr(folder, "open", self._open_to_read)  # noqa: B010  # the module's own, before the builtin
        setattr(folder, "rename_new", partial(self._by_path, "change", "rename_new"))  # noqa: B010
        setattr(sqlite, "FileConnection", self._connection())  # noqa: B010

    def _by_path(self, layer: str, name: str, path: Any, *args: Any, **named: Any) -> Any:
        real = _real.get(name, _rename_new)
        text = _folder(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not text.startswith(self.root) or named.get("dir_fd") is not None:
            return real(path, *args, **named)
        result = self.at(layer, name, text[:-1], real, path, *args, **named)
        self.unsynced.changed(name, text[:-1], *args)
        return result

    def _by_file(self, layer: str, name: str, fd: int, *args: Any) -> Any:
        path, _ = self._files.get(fd, ("", False))
        if not path:
            return _real[name](fd, *args)
        result = self.at(layer, name, path, _real[name], fd, *args)
        if name == "fsync":
            self.unsynced.synced(path)
        return result

    def _open(self, path: Any, flags: int, *args: Any, **named: Any) -> int:
        text = os.fsdecode(path)
        if not _folder(path).startswith(self.root) or named:
            return int(_real["open"](path, flags, *args, **named))
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        layer, call = ("change", "create") if writes else ("read", "open")
        fd = int(self.at(layer, call, text, _real["open"], path, flags, *args))
        self._files[fd] = text, writes
        if writes:
            self.unsynced.changed(call, text)
        return fd

    def _close(self, fd: int) -> None:
        path, writes = self._files.pop(fd, ("", False))
        if writes:
            self.at("change", "close", path, _real["close"], fd)
        else:
            _real["close"](fd)

    def _open_to_read(self, path: Any, *args: Any, **named: Any) -> Any:
        return self.at("read", "open", os.fsdecode(path), builtins.open, path, *args, **named)

    def _connection(self) -> type[sqlite.FileConnection]:
        at = self.at

        class Watched(sqlite.FileConnection):
            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                found: sqlite3.Cursor = at("sql", "execute", sql, super().execute, sql, *args)
                return found

            def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
                found: sqlite3.Cursor = at("sql", "executemany", sql, super().executemany, sql, *args)
                return found

        return Watched


class Unsynced:
    """What the disk does not have for certain yet: names in folders, and the bytes of files.

    A power cut takes either: `lost` then lists the paths, and whoever looks after it takes them away.
    """

    def __init__(self, root: str, lost: str) -> None:
        self.root = root
        self.lost = lost
        self.names: dict[str, None] = {}
        self.bytes: dict[str, None] = {}

    def changed(self, call: str, path: str, *args: Any) -> None:
        if not self.lost:
            return
        if call in ("link", "rename", "rename_new", "replace"):
            self.names[os.fsdecode(args[0])] = None
            if path in self.bytes:
                self.bytes[os.fsdecode(args[0])] = None
        elif call in ("create", "mkdir"):
            self.names[path] = None
            if call == "create":
                self.bytes[path] = None
        elif call in ("unlink", "rmdir"):
            self.names.pop(path, None)
            self.bytes.pop(path, None)

    def synced(self, path: str) -> None:
        self.bytes.pop(path, None)
        for name in [name for name in self.names if os.path.dirname(name) == path]:
            del self.names[name]

    def cut(self, what: str) -> NoReturn:
        fd = _real["open"](self.lost, os.O_WRONLY | os.O_CREAT, 0o600)
        taken = self.names if what == "names" else self.bytes
        _real["write"](fd, "".join(f"{what}\t{path}\n" for path in taken).encode())
        _die()


def _folder(path: str | bytes | os.PathLike[str]) -> str:
    """With a `/` behind it, so that the root lies below the root too."""
    return os.path.join(os.fsdecode(path), "")


# --- what goes wrong --------------------------------------------------------------------------------------------------

Do = partial[Any]


class Injected(MemoryError):
    """What nobody foresees."""


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _die() -> NoReturn:
    _real["kill"](os.getpid(), signal.SIGKILL)
    raise AssertionError("this process is gone")


def _killed_before(_: Injector, __: str, ___: Do) -> NoReturn:
    _die()


def _killed_after(_: Injector, __: str, do: Do) -> NoReturn:
    do()
    _die()


def _fails(code: int) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(_: Injector, call: str, do: Do) -> NoReturn:
        if call == "close":  # the descriptor is gone whatever it says
            do()
        raise _error(code)

    return fail


def _for_good(code: int, *, dead: bool = False) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(injector: Injector, _: str, __: Do) -> NoReturn:
        injector.disk, injector.dead = code, dead
        raise _error(code)

    return fail


def _answer_lost(_: Injector, __: str, do: Do) -> NoReturn:
    do()
    raise _error(errno.EIO)


def _sent_again(_: Injector, __: str, do: Do) -> Any:
    do()
    return do()


def _exception(_: Injector, __: str, ___: Do) -> NoReturn:
    raise Injected("an exception that nobody foresees")


def _slow(_: Injector, __: str, do: Do) -> Any:
    time.sleep(0.015)
    result = do()
    time.sleep(0.015)
    return result


def _short(_: Injector, __: str, do: Do) -> Any:
    fd, data = do.args
    return do.func(fd, bytes(data)[: max(1, len(data) // 2)])


def _short_and_full(injector: Injector, call: str, do: Do) -> Any:
    injector.disk = errno.ENOSPC
    return _short(injector, call, do)


def _sql_error(name: str, kind: type[sqlite3.Error], text: str) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(_: Injector, __: str, ___: Do) -> NoReturn:
        error = kind(text)
        error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
        raise error

    return fail


def _cut(what: str) -> Callable[[Injector, str, Do], NoReturn]:
    def cut(injector: Injector, _: str, __: Do) -> NoReturn:
        injector.unsynced.cut(what)

    return cut


def _timeout(_: Injector, call: str, __: Do) -> NoReturn:
    raise timed_out(call)


def _reply_lost(_: Injector, call: str, do: Do) -> NoReturn:
    do()
    raise timed_out(call)


def _retried_put(_: Injector, __: str, do: Do) -> bool:
    """The client sent it again, and finds its own object there."""
    do()
    return False


def _truncated(_: Injector, __: str, do: Do) -> Any:
    return do.func(*do.args, **do.keywords, cut=True)


def timed_out(call: str) -> Exception:
    """As a client of a bucket tells it."""
    from pipeglot.core.errors import StoreError

    return StoreError(f"the store does not answer ({call}): timed out", hint="look at the network, and run it again")


Kind = Callable[[Injector, str, Do], Any]

KINDS: dict[str, Kind] = {
    "killed before": _killed_before,
    "killed after": _killed_after,
    "EIO": _fails(errno.EIO),
    "ENOSPC": _fails(errno.ENOSPC),
    "ESTALE": _fails(errno.ESTALE),
    "full from here on": _for_good(errno.ENOSPC),
    "over quota from here on": _for_good(errno.EDQUOT),
    "read-only from here on": _for_good(errno.EROFS),
    "dead from here on": _for_good(errno.EIO, dead=True),
    "answer lost": _answer_lost,
    "sent again": _sent_again,
    "exception": _exception,
    "slow": _slow,
    "short write": _short,
    "short write, then full": _short_and_full,
    "power cut, names lost": _cut("names"),
    "power cut, bytes lost": _cut("bytes"),
    "SQLITE_IOERR": _sql_error("SQLITE_IOERR", sqlite3.OperationalError, "disk I/O error"),
    "SQLITE_FULL": _sql_error("SQLITE_FULL", sqlite3.OperationalError, "database or disk is full"),
    "SQLITE_BUSY": _sql_error("SQLITE_BUSY", sqlite3.OperationalError, "database is locked"),
    "SQLITE_CORRUPT": _sql_error("SQLITE_CORRUPT", sqlite3.DatabaseError, "database disk image is malformed"),
    "timeout": _timeout,
    "reply lost": _reply_lost,
    "reply lost, sent again": _retried_put,
    "truncated body": _truncated,
}

EVERY_KIND = dict(KINDS)
"""Those of requests too, once `tests.faults.requests` is imported."""

_KILLS = ("killed before", "killed after")
_ON_CHANGE = (
    *_KILLS,
    "EIO",
    "ENOSPC",
    "full from here on",
    "over quota from here on",
    "read-only from here on",
    "dead from here on",
    "answer lost",
    "exception",
    "slow",
)
_OF_CALL = {
    "write": ("short write", "short write, then full"),
    "link": ("sent again",),
    "mkdir": ("sent again",),
    "unlink": ("sent again",),
}
_ON_SQL = (*_KILLS, "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CORRUPT", "exception", "slow")
_READ = ("timeout", "exception", "slow")
_OF_VERB = {
    "put": (*_KILLS, "timeout", "reply lost", "reply lost, sent again", "exception", "slow"),
    "delete": (*_KILLS, "timeout", "reply lost", "exception", "slow"),
    "get": (*_READ, "truncated body"),
    "local": (*_READ, "truncated body"),
    "list": (*_READ, "truncated body"),
    "size": _READ,
    "temp": _READ,
}
_ON_READ = (
    *("killed before", "exception", "slow", "503", "429", "connection refused", "connection reset", "no answer"),
    *("cut short", "busy from here on", "down from here on"),
)
_ON_WRITE = (
    *(*_ON_READ, "killed after"),
    *("503, and done", "500, and done", "connection reset, and done", "no answer, and done"),
)
ON_REQUEST = {
    "put": (*_ON_WRITE, "409 of two at once"),
    "delete": _ON_WRITE,
    "get": _ON_READ,
    "get_range": _ON_READ,
    "head": _ON_READ,
    "list": _ON_READ,
}
"""By the name of the client's call."""


def kinds_at(point: Point, *, durable: bool) -> tuple[str, ...]:
    """What can go wrong at a point."""
    match point.layer:
        case "change" if point.call == "close":
            return (*_KILLS, "EIO")
        case "change":
            cuts = ("power cut, names lost", "power cut, bytes lost") if durable else ()
            return (*_ON_CHANGE, *_OF_CALL.get(point.call, ()), *cuts)
        case "read":
            return ("EIO", "ESTALE", "dead from here on", "slow")
        case "sql":
            return _ON_SQL
        case "request":
            return ON_REQUEST[point.call]
        case _:
            return _OF_VERB[point.call]
