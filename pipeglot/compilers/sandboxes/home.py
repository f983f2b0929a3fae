"""The folder of a sandbox: all that it keeps lies in it, and nobody else may look into it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_urlsafe

import msgspec

from pipeglot.compilers.sandboxes.processes import table
from pipeglot.compilers.sandboxes.records import State
from pipeglot.core.errors import SandboxError
from pipeglot.core.store.files import is_locked, make_private, write_private

_STATE = "sandbox.json"
_LOCK = "lock"


def cache() -> Path:
    """Where sandboxes and their environments lie if nobody says otherwise."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/pipeglot"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipeglot"


class Home:
    """The folder. It may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))

    def exists(self) -> bool:
        """Whether a sandbox was ever started in it."""
        return (self.path / _STATE).exists()

    def make(self) -> None:
        """Make it, or refuse what is there and no sandbox's."""
        if self.path.exists() and not self.path.is_dir():
            raise SandboxError(f"`{self.path}` is no folder", hint="give another one: `--home DIR`")
        if self.path.is_dir() and not (self.path / _LOCK).exists() and any(self.path.iterdir()):
            raise SandboxError(
                f"`{self.path}` holds files that are no sandbox's", hint="give a new or an empty folder: `--home DIR`"
            )
        make_private(self.path)
        self.path.chmod(0o700)

    def folder(self, name: str) -> Path:
        """A folder in it."""
        return make_private(self.path / name)

    def log(self, name: str) -> Path:
        """The log of a part of it."""
        return self.folder("logs") / f"{name}.log"

    def secret(self, name: str) -> str:
        """What a file of it holds that only this user may read: drawn at random when it is first asked for."""
        path = self.path / name
        if not path.exists():
            write_private(path, f"{token_urlsafe(24)}\n".encode())
        return path.read_text(encoding="ascii").strip()

    def write(self, name: str, text: str) -> Path:
        """A file of it that only this user may read."""
        write_private(self.path / name, text.encode())
        return self.path / name

    # --- what it knows of itself --------------------------------------------------------------------------------------

    def read_state(self) -> State | None:
        """What was started last; None if nothing was, or if that cannot be read any more."""
        try:
            return msgspec.json.decode((self.path / _STATE).read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return None

    def write_state(self, state: State) -> None:
        write_private(self.path / _STATE, msgspec.json.format(msgspec.json.encode(state)) + b"\n")

    def purge(self) -> None:
        """Remove all of it. Its lock goes last, so that nobody takes a half of it for no sandbox's."""
        for entry in self.path.iterdir():
            if entry.name != _LOCK:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.rmtree(self.path)

    # --- one at a time ------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self, what: str, busy: Callable[[Holder], None]) -> Iterator[None]:
        """For as long as `what` is done. If another command is at work here, `busy` is told which; then wait for it.

        The system lets go of the lock of a process that was killed.
        """
        fd = self._locked(busy)
        try:
            me = table()[os.getpid()]
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(Holder(what=what, pid=me.pid, born=me.born)), 0)
            yield
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)

    def is_worked_on(self) -> bool:
        """Whether a command holds the lock."""
        return is_locked(self.path / _LOCK)

    def _locked(self, busy: Callable[[Holder], None]) -> int:
        """The lock, open and held. Whoever held it before may have purged the folder, and the lock with it."""
        while True:
            make_private(self.path)
            fd = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy(_holder(os.pread(fd, 4096, 0)))
                fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return fd
            os.close(fd)


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The command that is at work on a sandbox; `what` is "" if it has not yet said."""

    what: str = ""
    pid: int = 0
    born: str = ""

    def runs(self) -> bool:
        """Whether it still does: what the file says may be of an earlier one."""
        process = table().get(self.pid)
        return process is not None and process.born == self.born

    def stop(self) -> None:
        """End it. What it has started is found by its mark, so it need not clean up."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 5.0
            while self.runs() and time.monotonic() < deadline:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
                time.sleep(0.1)


def _holder(data: bytes) -> Holder:
    try:
        return msgspec.json.decode(data, type=Holder)
    except msgspec.DecodeError:
        return Holder()
