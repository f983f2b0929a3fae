"""What the tests of all codecs do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore

OPAQUE = "0" * 64


def save(artifacts: Artifacts, value: object, name: str = "output `x` of step `y`", **more: Any) -> Ref:
    return artifacts.save(value, name=name, opaque_id=lambda: OPAQUE, **more)


def blob_file(store: FolderStore, ref: Ref) -> Path:
    """The file that holds a value."""
    return Path(store.root) / "blobs" / ref.week / ref.blob


def damage(path: Path, data: bytes | None = None) -> None:
    """Change a file that we made read-only, as a bad disk would."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        if data is None:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
        else:
            file.truncate(0)
            file.write(data)
    path.chmod(0o400)
