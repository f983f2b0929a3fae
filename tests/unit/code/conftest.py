"""Small projects written as one text: `# file: name.py` starts a file, and what stands before it is `steps.py`."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from pipeglot.core.code import Closure, Project


class Close(Protocol):
    """The closure of a step in a project written as one text."""

    def __call__(self, text: str, start: str = "steps:run", root: str = "") -> Closure: ...


def write(text: str, folder: Path) -> Path:
    """Lay out the files of a project. Bytes are kept, so a text may have any line ends."""
    for part in ("# file: steps.py\n" + text).split("# file: ")[1:]:
        name, _, body = part.partition("\n")
        file = folder / name.strip()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body.encode())
    return folder


@pytest.fixture
def close(tmp_path: Path) -> Close:
    places = count()

    def closure(text: str, start: str = "steps:run", root: str = "") -> Closure:
        folder = write(text, tmp_path / str(next(places)))
        module, _, qualname = start.partition(":")
        return Project([folder / root]).closure(module, qualname)

    return closure
