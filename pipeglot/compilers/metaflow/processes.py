"""A run of Metaflow's as a process of its own, which goes on when whoever has started it is gone.

It holds a lock for as long as it lives: so anybody can see whether it does, also after a kill.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeglot.compilers.metaflow import run_log
from pipeglot.compilers.metaflow.ends import end_file
from pipeglot.compilers.sandboxes.processes import Child
from pipeglot.core.errors import EngineError
from pipeglot.core.store.files import is_locked, make_private, write_private
from pipeglot.core.task.folders import cache_folder

STARTS = 300.0
"""Seconds that Metaflow has to give a run its id. A busy machine takes long."""

KEPT = 30 * 86400.0
"""Seconds for which the log of a run that is over is kept."""

_LOOK = 0.05
_ALIVE, _LOG, _ID, _CACHE = "alive", "run.log", "run-id", "cache"


class RunFolder:
    """What is kept of a run that was started from here. `ends`: its `end_file`."""

    def __init__(self, path: Path, ends: Path) -> None:
        self.path = path
        self.log = path / _LOG
        self.ends = ends

    def is_alive(self) -> bool:
        """Whether its process is."""
        return is_locked(self.path / _ALIVE)


class RunFolders:
    """Those of one pipeline on one stack."""

    def __init__(self, base: Path, stack: str, pipeline: str) -> None:
        self._stack = stack
        self._pipeline = pipeline
        self._folder = base / "runs" / stack / pipeline

    def find(self, run: str) -> RunFolder | None:
        """That of a run, by Metaflow's id of it; also if whoever has started it did not live to hear the id."""
        if not run or os.sep in run or run in (os.curdir, os.pardir):
            return None
        link = self._folder / run
        if not link.is_dir():
            name = next((path.name for path in self._all() if _id(path) == run), None)
            if name is None:
                return None
            with suppress(FileExistsError):  # somebody else has looked for it, too
                link.symlink_to(name, target_is_directory=True)
        return RunFolder(link, self._ends(link, run))

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        """Start it. Returns the id that Metaflow gives it. Raises `EngineError` if it does not.

        words: with `{id}` where the name of a file is to be, in which Metaflow writes the id. Whoever does not wait for
        the id, as by Ctrl-C, has no run: its process is ended.
        """
        self._sweep()
        path = make_private(self._folder / name)
        write_private(path / _CACHE, bytes(cache_folder()))
        given = [str(path / _ID) if word == "{id}" else word for word in words]
        child = _start(path, given, environment)
        try:
            run = _await_id(path, child)
            self.find(run)
        except BaseException:
            _end(child)
            raise
        return run

    def _all(self) -> list[Path]:
        """The folders of all runs, the latest first."""
        with suppress(FileNotFoundError):
            return sorted((one for one in self._folder.iterdir() if not one.is_symlink()), reverse=True)
        return []

    def _ends(self, path: Path, run: str) -> Path:
        return end_file(self._stack, self._pipeline, run, run, Path(os.fsdecode((path / _CACHE).read_bytes())))

    def _sweep(self) -> None:
        """Forget runs that were over long ago."""
        for path in self._all():
            with suppress(FileNotFoundError):  # another one sweeps, too
                log = path / _LOG
                age = time.time() - (log if log.exists() else path).stat().st_mtime
                if age > KEPT and not is_locked(path / _ALIVE):
                    self._forget(path)

    def _forget(self, path: Path) -> None:
        if run := _id(path):
            self._ends(path, run).unlink(missing_ok=True)
            (self._folder / run).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)


def _id(path: Path) -> str:
    """Metaflow's id of a run; "" if it has given it none so far."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return (path / _ID).read_text(encoding="utf-8").strip()
    return ""


def _end(child: Child) -> None:
    """With all that it has started: its tasks are of its session."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


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
        if found := _id(path):
            return found
        if over:
            raise EngineError(
                f"Metaflow does not start the run: exit code {child.returncode}\n{run_log.last_words(path / _LOG)}",
                hint=f"all that it said is in `{path / _LOG}`",
            )
        time.sleep(_LOOK)
    raise EngineError(
        f"Metaflow has given the run no id within {STARTS:.0f} s\n{run_log.last_words(path / _LOG)}",
        hint="is its datastore, or its metadata service, slow to answer?",
    )
