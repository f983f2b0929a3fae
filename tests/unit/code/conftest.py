"""What the tests of code digests share."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest

from pipeglot.core.code import Closure, Project
from tests.unit.code.projects import write

if TYPE_CHECKING:
    from pathlib import Path


class Close(Protocol):
    """The closure of a step in a project written as one text."""

    def __call__(self, text: str, start: str = "steps:run") -> Closure: ...


@pytest.fixture
def close(tmp_path: Path) -> Close:
    places = count()

    def closure(text: str, start: str = "steps:run") -> Closure:
        folder = write(text, tmp_path / str(next(places)))
        module, _, qualname = start.partition(":")
        return Project([folder]).closure(module, qualname)

    return closure
