"""A run of Metaflow's as a process of its own, which goes on when whoever has started it is gone.

It holds a lock for as long as it lives: so anybody can see whether it does, also after a kill.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeglot.compilers.metaflow import run_log
from pipeglot.compilers.sandboxes.processes import Child
from pipeglot.core.errors import EngineError
from pipeglot.core.store.files import make_private, write_private

STARTS = 300.0
"""Seconds that Metaflow has to give a run its id. A busy machine takes long."""

KEPT = 30 * 86400.0
"""Seconds for which the log of a run that is over is kept."""

Ends = Callable[[str], Path]

_LOOK = 0.05
_ALIVE, _LOG, _ID, _ENDS = "alive", "run.log", "run-id", "ends"


class RunFolder:
    """What is kept of a run that was started from here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / _LOG

    def is_alive(self) -> bool:
        """Whether its process is."""
        try:
            fd = os.open(self.path / _ALIVE, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def tell_to_end(self) -> None:
        """All that runs and does not clean up."""
        Path(os.fsdecode((self.path / _ENDS).read_bytes())).touch()


class RunFolders:
    """Those of one pipeline on one stack."""

    def __init__(self, base: Path, stack: str, pipeline: str) -> None:
        self._folder = base / "runs" / stack / pipeline

    def find(self, run: str) -> RunFolder | None:
        """That of a run, by Metaflow's id of it."""
        path = self._folder / run
        return RunFolder(path) if run and os.sep not in run and path.is_dir() else None

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str], ends: Ends) -> str:
        """Start it. Returns the id that Metaflow gives it. Raises `EngineError` if it does not.

        words: with `{id}` where the name of a file is to be, in which Metaflow writes the id. ends: gives by that id
        the file that tells its tasks to end.
        """
        self._sweep()
        path = make_private(self._folder / name)
        given = [str(path / _ID) if word == "{id}" else word for word in words]
        child = _start(path, given, environment)
        run = _await_id(path, child)
        write_private(path / _ENDS, bytes(ends(run)))
        (self._folder / run).symlink_to(name, target_is_directory=True)
        return run

    def _sweep(self) -> None:
        """Forget runs that were over long ago."""
        with suppress(FileNotFoundError):
            for path in [one for one in self._folder.iterdir() if not one.is_symlink()]:
                log = path / _LOG
                age = time.time() - (log if log.exists() else path).stat().st_mtime
                if age > KEPT and not RunFolder(path).is_alive():
                    shutil.rmtree(path, ignore_errors=True)
            for link in [one for one in self._folder.iterdir() if one.is_symlink() and not one.exists()]:
                link.unlink(missing_ok=True)


def _start(path: Path, words: Sequence[str], environment: Mapping[str, str]) -> Child:
    """In a session of its own, so that no terminal's Ctrl-C or hangup reaches it."""
    alive = os.open(path / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    log = os.open(path / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX)
        return Child(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[alive],
        )
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        raise EngineError(f"`{words[0]}` cannot be started: {told}") from None
    finally:
        os.close(alive)
        os.close(log)


def _await_id(path: Path, child: Child) -> str:
    deadline = time.monotonic() + STARTS
    while time.monotonic() < deadline:
        over = child.poll() is not None  # before the look at the file
        with suppress(FileNotFoundError):
            if found := (path / _ID).read_text(encoding="utf-8").strip():
                return found
        if over:
            raise EngineError(
                f"Metaflow does not start the run: exit code {child.returncode}\n{run_log.last_words(path / _LOG)}",
                hint=f"all that it said is in `{path / _LOG}`",
            )
        time.sleep(_LOOK)
    child.kill()
    raise EngineError(
        f"Metaflow has given the run no id within {STARTS:.0f} s\n{run_log.last_words(path / _LOG)}",
        hint="is its datastore, or its metadata service, slow to answer?",
    )
