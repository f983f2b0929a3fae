"""The table of closures: small projects, each with edits of which it is said whether the step has to run again.

A case is headed by `=== name`; its project follows, with `$` for the package that it is laid out in, so that all cases
fit in one folder. The step is `run` in `steps.py`, which is called with 3. Each edit is one line below the project:

--- runs: old => new
--- kept: old => new

`old` stands in the project once; `\\n` is an end of line. To add a case, write it down: nothing else knows of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.unit.code.projects import CASES, write

FILES = ("closure_calls.txt", "closure_classes.txt", "closure_imports.txt", "closure_registers.txt")
ARGUMENT = 3


class Edit(NamedTuple):
    """A project before and after one edit, in the package that stands for `$`."""

    name: str
    package: str
    runs: bool
    before: str
    after: str

    def __str__(self) -> str:
        return self.name

    def write(self, folder: Path, *, edited: bool) -> None:
        write(self.after if edited else self.before, folder)


def edits() -> list[Edit]:
    """All edits of all cases, each with a package of its own."""
    found: list[Edit] = []
    for file in FILES:
        for case in f"\n{(CASES / file).read_text('utf-8')}".split("\n=== ")[1:]:
            name, _, rest = case.partition("\n")
            project, *lines = rest.split("\n--- ")
            assert lines, name
            found += [
                _edit(name, project, line.rstrip("\n"), f"c{len(found) + place}") for place, line in enumerate(lines)
            ]
    names = [edit.name for edit in found]
    assert len(set(names)) == len(names)
    return found


def _edit(name: str, project: str, line: str, package: str) -> Edit:
    verdict, _, change = line.partition(": ")
    old, arrow, new = change.partition(" => ")
    old, new = old.replace("\\n", "\n"), new.replace("\\n", "\n")
    assert verdict in ("runs", "kept"), line
    assert arrow, line
    assert project.count(old) == 1, f"{name}: {line}"
    before, after = (_laid_out(text, package) for text in (project, project.replace(old, new)))
    return Edit(f"{name}: {line}", package, verdict == "runs", before, after)


def _laid_out(project: str, package: str) -> str:
    """As `projects.write` takes it, with the step's decorator: the import stands where any other may not."""
    steps = project.replace("\ndef run(x)", "\nfrom pipeglot import step\n@step\ndef run(x)", 1)
    if project.startswith("def run(x)"):
        steps = f"from pipeglot import step\n@step\n{project}"
    assert "@step\n" in steps, project
    whole = f"# file: __init__.py\n# file: steps.py\n{steps}\n"
    return whole.replace("# file: ", f"# file: {package}/").replace("$", package)
