"""`checkpoint()`: what a long step saves of itself, so that its next attempt goes on from there.

A state is a folder. Its files go into the store as blobs, and then a small record names them: a state is complete or
is not there. So what was saved survives a retry, a killed worker, and a killed run that is resumed, on any backend.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from pipeglot.core.context import Active, Keeper, active_step
from pipeglot.core.errors import StepError, UsageError


def checkpoint() -> Checkpoint:
    """A folder whose content a step can save, to find it again when it is tried again::

        with checkpoint() as c:
            model = load(c.dir / "model") if c.restored else new()
            for epoch in …:
                …
                c.save()

    The folder holds what the last `save` of this execution kept, or nothing. Outside a pipeline's run, as in a unit
    test of the function, it is a temporary folder, and `save` keeps nothing.
    """
    return Checkpoint()


class Checkpoint:
    """The folder `dir`, and whether a saved state was put back into it (`restored`). Valid within its `with` block."""

    def __init__(self) -> None:
        self.restored = False
        self._dir: Path | None = None
        self._active: Active | None = None
        self._keeper: Keeper = _Nowhere()

    @property
    def dir(self) -> Path:
        """A folder for this execution alone. It is removed when the `with` block ends."""
        return self._inside("dir")

    def save(self) -> None:
        """Keep all that is in `dir` now, in place of what was kept before. Once this returns, it is safe.

        Raises `ValueRefused` for what cannot be stored (a socket, a link out of the folder), `StoreError`.
        """
        folder = self._inside("save()")
        if not folder.is_dir():
            raise StepError(
                f"the folder of the checkpoint is gone: `{folder}`",
                hint="write into `c.dir`, and leave the folder itself where it is",
            )
        self._keeper.save(folder)

    def __enter__(self) -> Self:
        if self._dir is not None:
            raise UsageError("this checkpoint is open already", hint="write `with checkpoint() as c:` once")
        active = active_step()
        if active is not None:
            if active.in_checkpoint:
                raise UsageError(
                    f"step `{active.context.step}` opens a checkpoint within a checkpoint",
                    hint="an execution has one saved state: keep all of it in one `c.dir`",
                )
            active.in_checkpoint = True
            self._keeper = active.keeper or self._keeper
        self._active = active
        try:
            self._dir, self.restored = self._keeper.restore()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        folder, self._dir = self._dir, None
        self._leave()
        if folder is not None:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed goes with the attempt's other files

    def _leave(self) -> None:
        if self._active is not None:
            self._active.in_checkpoint = False

    def _inside(self, what: str) -> Path:
        if self._dir is None:
            raise UsageError(
                f"`{what}` of a checkpoint was used outside its `with` block",
                hint="write `with checkpoint() as c:`, and use `c` in the lines below it",
            )
        return self._dir


class _Nowhere:
    """Keeps nothing: for a step's function that is called without a run."""

    def restore(self) -> tuple[Path, bool]:
        import tempfile

        return Path(tempfile.mkdtemp(prefix="checkpoint-")), False

    def save(self, folder: Path) -> None:
        pass
