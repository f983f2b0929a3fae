"""What a step printed: read from the store, whole or its last lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeglot.client.text import safe_log
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.records import Ref

_TAIL = 1 << 16


@contextmanager
def log_file(artifacts: Artifacts, ref: Ref) -> Iterator[Path]:
    """The log as a file, for a while. Raises `Corrupt`, `StoreError`."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="pipeglot-log-") as folder:
        path = artifacts.load(ref, name="log", scratch=Path(folder))
        assert isinstance(path, Path), "a log is saved as a file"
        yield path


def last_lines(artifacts: Artifacts, ref: Ref, count: int) -> list[str]:
    """The last lines of a log, safe to print; a first one says so if there are more."""
    with log_file(artifacts, ref) as path, path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(0, size - _TAIL))
        text = file.read().decode("utf-8", "replace")
    lines = [safe_log(line) for line in text.rstrip("\n").split("\n")]
    kept = list(deque(lines, maxlen=count))
    return ["…", *kept] if len(lines) > count or size > _TAIL else kept
