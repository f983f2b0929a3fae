"""The names in a project that are ours: `pipeglot.yaml`, and `.pipeglot` for what we keep there."""

from __future__ import annotations

from pathlib import Path

from pipeglot.core.store.files import write_private

STATE = ".pipeglot"
FILE = "pipeglot.yaml"
SCHEMA = "pipeglot.schema.json"
"""Of `pipeglot.yaml`: in the package, and for editors in `.pipeglot`, where they need no network to find it."""

MAX_BYTES = 1 << 20
"""A `pipeglot.yaml` is no larger."""


def make_state(root: Path) -> Path:
    """The folder below a project's root, made if it is not there, with a `.gitignore` that keeps it out of git."""
    folder = root / STATE
    if not (folder / ".gitignore").exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / ".gitignore", b"*\n")
        write_schema(folder)
    return folder


def write_schema(folder: Path) -> None:
    """Put the schema of this pipeglot into the state folder."""
    write_private(folder / SCHEMA, (Path(__file__).parent / SCHEMA).read_bytes())
