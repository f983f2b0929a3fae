"""What a step returned, to be loaded: one value, or those of all items of a map."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeglot.client.text import plural, size
from pipeglot.core.errors import UsageError

if TYPE_CHECKING:
    from pipeglot.client.records import Records
    from pipeglot.core.lineage.naming import Artifact

_folders: dict[int, str] = {}
"""By process: a forked one must not remove the folder of the one that it comes from."""


class Output:
    """One value in the store. It is not read before `load`."""

    def __init__(self, records: Records, artifact: Artifact) -> None:
        self._records = records
        self._artifact = artifact

    @property
    def id(self) -> str:
        """As `pipeglot artifact get` takes it."""
        return self._artifact.id

    @property
    def size(self) -> int:
        """In bytes, as it is stored."""
        return self._artifact.ref.size

    @property
    def codec(self) -> str:
        """How it is stored, as `json/1`, `frame/1`, `pickle/1`."""
        return self._artifact.ref.codec

    @property
    def hash(self) -> str:
        """The sha256 of the value: equal for equal values."""
        return self._artifact.ref.value

    def load(self, to: str | os.PathLike[str] | None = None) -> Any:
        """The value. A file or folder is put into the folder `to`, and its path is returned.

        Without `to` it is put into a temporary folder, which is removed when this Python ends. Each `load` gives a copy
        of its own: what is done to it does not reach the store.
        """
        if to is None:
            scratch = Path(tempfile.mkdtemp(dir=_temporary()))
        else:
            scratch = Path(to).absolute()
            if scratch.exists() and not scratch.is_dir():
                raise UsageError(f"`to={str(to)!r}` is no folder", hint="name a folder: the file is put into it")
            scratch.mkdir(parents=True, exist_ok=True)
        artifact = self._artifact
        found = self._records.artifacts.load(artifact.ref, name=artifact.output, scratch=scratch)
        if to is None and not any(scratch.iterdir()):
            scratch.rmdir()
        return found

    def __repr__(self) -> str:
        return f"<output {self.id}: {self.codec}, {size(self.size)}>"


class Outputs(Sequence[Any]):
    """One output of all items of a map, in item order; in a map in a map, lists of them."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def load(self) -> list[Any]:
        """All values."""
        return [item.load() for item in self._items]

    def __getitem__(self, number: Any) -> Any:
        return Outputs(self._items[number]) if isinstance(number, slice) else self._items[number]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{plural(len(self), 'output')}{f': {self._items[0]!r}, …' if self._items else ''}>"


def _temporary() -> str:
    """One folder for all that this process loads."""
    pid = os.getpid()
    if pid not in _folders:
        _folders[pid] = tempfile.mkdtemp(prefix="pipeglot-loaded-")
        atexit.register(_remove, pid)
    return _folders[pid]


def _remove(pid: int) -> None:
    if pid == os.getpid():
        shutil.rmtree(_folders[pid], ignore_errors=True)


@contextmanager
def load_files() -> Iterator[Path]:
    """A folder for a moment."""
    with tempfile.TemporaryDirectory(prefix="pipeglot-log-") as folder:
        yield Path(folder)
