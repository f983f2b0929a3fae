"""`.pipeglot`, the folder in a project for our own files: the active stack, caches, the local store, logs of runs."""

from __future__ import annotations

from pathlib import Path

STATE = ".pipeglot"


def make_state(root: Path) -> Path:
    """The folder below a project's root, made if it is not there, with a `.gitignore` that keeps it out of git."""
    folder = root / STATE
    if not (folder / ".gitignore").exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
    return folder
