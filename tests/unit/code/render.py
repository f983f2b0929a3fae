"""Print the digests of the example, on any Python: `render.py ROOT STEP…`."""

from __future__ import annotations

import sys

from pipeglot.core.code import Project


def render(root: str, starts: list[str]) -> str:
    """What each step's closure is, as the golden file has it. One project for all: the order must not matter."""
    project = Project([root])
    lines = []
    for start in starts:
        module, _, qualname = start.partition(":")
        closure = project.closure(module, qualname)
        lines += [f"{start} {closure.digest}", *(f"    {name} {value}" for name, value in closure.members.items()), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.buffer.write(render(sys.argv[1], sys.argv[2:]).encode())
