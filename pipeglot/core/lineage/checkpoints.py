"""Where an execution's checkpoints are kept: blobs, and a small record for each saved state, in the run's store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, NewerFormat
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.records import CheckpointRecord, Start

TRIES = 3
"""So many of the latest states are looked at before it is said that there is none: the latest may be damaged."""


class Checkpoints:
    """Keeps the states of one execution in its run's store. Implements `Keeper`.

    `key` tells of code and inputs: a state of others is not put back. A resumed run goes on from the last state of the
    run that it resumes, or of the one before that, until it has one of its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        artifacts: Artifacts,
        start: Start,
        cell: Cell,
        *,
        attempt: int,
        key: Callable[[], str],
        scratch: Path | None,
    ) -> None:
        self.ledger = ledger
        self.artifacts = artifacts
        self.start = start
        self.cell = cell
        self.attempt = attempt
        self.key = key
        self.scratch = scratch
        self._number = 0

    def restore(self) -> tuple[Path, bool]:
        self._number = self.ledger.last_checkpoint(self.start.run, *self.cell)
        found = self._latest(self.start.run, self._number)
        resumed, asked = self.start.resumes, {self.start.run}
        while found is None and resumed is not None and resumed not in asked:  # a forged record may lead in a circle
            asked.add(resumed)
            found = self._latest(resumed, self.ledger.last_checkpoint(resumed, *self.cell))
            if found is not None:
                self._put(structs.replace(found[0], attempt=0))  # whoever resumes this run looks here first
            resumed = self._resumed_by(resumed)
        return (found[1], True) if found is not None else (self._new_folder(), False)

    def _resumed_by(self, run: str) -> str | None:
        """It may have been stopped before it came to this execution."""
        try:
            start = self.ledger.started(run)
        except (Corrupt, NewerFormat):
            return None
        return start.resumes if start is not None else None

    def save(self, folder: Path) -> None:
        step = self.cell[0]
        ref = self.artifacts.save(folder, name=f"checkpoint of step `{step}`", opaque_id=str)
        run, (_, index) = self.start.run, self.cell
        at = now().isoformat()
        self._put(
            CheckpointRecord(
                run=run, step=step, index=index, number=0, key=self.key(), attempt=self.attempt, at=at, ref=ref
            )
        )

    def _put(self, record: CheckpointRecord) -> None:
        """Under the next free number: a process of an attempt before, or one that the step started, may save too."""
        while True:
            self._number += 1
            if self.ledger.save_checkpoint(structs.replace(record, run=self.start.run, number=self._number)):
                return

    def _latest(self, run: str, number: int) -> tuple[CheckpointRecord, Path] | None:
        for older in range(number, max(0, number - TRIES), -1):
            try:
                record = self.ledger.checkpoint(run, *self.cell, older)
                if record is None or record.key != self.key():
                    continue
                return record, self._put_back(record)
            except (Corrupt, NewerFormat) as error:
                sys.stderr.write(f"checkpoint {older} is passed over: {error.message}\n")
        return None

    def _put_back(self, record: CheckpointRecord) -> Path:
        """A copy to work in: the stored files are read-only, and may be the store's own."""
        import shutil

        stored = self.artifacts.load(record.ref, name="checkpoint", scratch=self.scratch)
        if not isinstance(stored, Path):
            raise Corrupt("its record refers to no folder")
        folder = self._new_folder()
        for path, folders, files in os.walk(stored):
            below = folder / Path(path).relative_to(stored)
            for name in folders:
                _take(Path(path, name), below / name)
            for name in files:
                _take(Path(path, name), below / name)
        shutil.rmtree(stored, ignore_errors=True)
        return folder

    def _new_folder(self) -> Path:
        import tempfile

        return Path(tempfile.mkdtemp(prefix="checkpoint-", dir=self.scratch))


def _take(source: Path, target: Path) -> None:
    """Into a new folder: a link as it is, a folder empty, a file by moving or copying it, to be written to."""
    import shutil

    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(mode=0o700)
    else:
        mode = source.stat().st_mode
        if source.stat().st_nlink > 1:
            shutil.copyfile(source, target)
        else:
            source.rename(target)
        target.chmod(0o700 if mode & 0o100 else 0o600)
