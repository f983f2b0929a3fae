"""Edits that change nothing that a step computes, and so must not change its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeglot.core.code import Project
from tests.unit.code.projects import Case, cases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.code.conftest import Close

BYTES = {
    "byte order mark": ("def run(x):\n    return 'é'", "\ufeffdef run(x):\n    return 'é'"),
    "line ends": ('def run(x):\n    return """a\nb"""', 'def run(x):\r\n    return """a\r\nb"""\r\n'),
    "old line ends": ('def run(x):\n    return """a\nb"""', 'def run(x):\r    return """a\rb"""\r'),
    "form feed": ("def run(x):\n    return x", "\fdef run(x):\n    return x"),
    "tabs": ("def run(x):\n    if x:\n        return x", "def run(x):\n\tif x:\n\t\treturn x"),
    "spaces at the end of a line": ("def run(x):\n    return x", "def run(x):   \n    return x\t\n   "),
    "no end of line at the end": ("def run(x):\n    return x\n", "def run(x):\n    return x"),
    "comment at the end": ("def run(x):\n    return x\n", "def run(x):\n    return x\n    # end"),
}
"""What a text file of cases cannot show."""


@pytest.mark.parametrize("case", cases("same.txt"), ids=str)
def test_same_digest(case: Case, close: Close) -> None:
    start = case.expected or "steps:run"
    assert close(case.before, start) == close(case.after, start)


@pytest.mark.parametrize("name", BYTES)
def test_same_digest_of_other_bytes(name: str, close: Close) -> None:
    before, after = BYTES[name]
    assert close(before) == close(after)


def test_same_digest_in_another_encoding(tmp_path: Path) -> None:
    text = "# -*- coding: {} -*-\ndef run(x):\n    return 'é'\n"
    digests = set()
    for encoding in ("utf-8", "latin-1", "cp1252"):
        (tmp_path / "steps.py").write_bytes(text.format(encoding).encode(encoding))
        digests.add(Project([tmp_path]).closure("steps", "run").digest)
    assert len(digests) == 1
