"""Step functions that tell how often their process has hashed a stored file. Imported by workers only."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeglot.core.artifacts import blobs

_hashed = list[int]()
_hash = blobs._hash


def _counting(fd: int) -> str:
    _hashed.append(fd)
    return _hash(fd)


blobs._hash = _counting


def large(n: int) -> Any:
    return np.arange(float(n))


def hashes(x: Any, folder: str, others: int) -> tuple[int, int]:
    """Its process, and how often that has hashed. It waits until so many other steps are at work."""
    Path(folder, str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) <= others:
        time.sleep(0.01)
    assert x[-1] == len(x) - 1
    return os.getpid(), len(_hashed)
