"""Where a peer runs: its environment's programs, the folder with its flows, and a home that is not the user's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Case

_FLOWS = Path(__file__).with_name("flows")


class Place(NamedTuple):
    """`folder` holds the flows, and whatever the peer writes."""

    name: str
    folder: Path
    programs: Path

    @classmethod
    def made(cls, folder: Path, environment: Path, name: str) -> Place:
        shutil.copytree(_FLOWS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        return cls(name, folder, environment / "bin")

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "PATH": f"{self.programs}:/usr/bin:/bin"}

    def case(self, row: str, *words: str, cached: bool = False) -> Case:
        return Case(row, self.name, words, cached)

    def program(self, name: str) -> str:
        return str(self.programs / name)

    def python(self, *words: str) -> tuple[str, ...]:
        return (self.program("python"), *words)
