"""Small projects written as one text, and edits of them written as a diff.

`# file: name.py` starts a file; what stands before the first is `steps.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).parent / "cases"


class Case(NamedTuple):
    """A project before and after an edit. `=== name => what is expected` heads it; `-` and `+` lines are the edit."""

    name: str
    expected: str
    before: str
    after: str

    def __str__(self) -> str:
        return self.name


def cases(file: str) -> list[Case]:
    """The cases of a file, in which each name stands once."""
    found = [_case(text) for text in f"\n{(CASES / file).read_text('utf-8')}".split("\n=== ")[1:]]
    assert len({case.name for case in found}) == len(found)
    return found


def _case(text: str) -> Case:
    title, *lines = text.rstrip("\n").split("\n")
    name, _, expected = title.partition(" => ")
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    assert before != after, name
    return Case(name, expected, before, after)


def write(text: str, folder: Path) -> Path:
    """Lay out the files of a project. Line ends stay as they are."""
    whole = text if text.startswith("# file: ") else f"# file: steps.py\n{text}"
    for part in f"\n{whole}".split("\n# file: ")[1:]:
        name, _, body = part.partition("\n")
        file = folder / name.strip()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body.encode())
    return folder
