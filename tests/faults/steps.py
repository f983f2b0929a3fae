"""Steps of the pipeline that is written by hand: what generated ones do not do. The interpreter knows them too."""

from __future__ import annotations

from typing import Any

from pipeglot.core.checkpoints import checkpoint
from pipeglot.core.context import current_run
from tests.oracle import behaviours
from tests.oracle.behaviours import mix

SIZE = 70_000
"""Bytes of a value that gets a blob, written in more than one piece."""


def large(seed: int, **inputs: Any) -> bytes:
    return _large(seed, 1, **inputs)


def kept(seed: int, **inputs: Any) -> int:
    """Saves its state, fails, and goes on from there in the next attempt."""
    with checkpoint() as c:
        file = c.dir / "found"
        if not c.restored:
            file.write_text(str(mix(seed, inputs)))
            (c.dir / "large").write_bytes(bytes(10_000))
            c.save()
        if current_run().attempt == 1:
            raise ConnectionError("the first attempt never succeeds")
        return int(file.read_text())


def printed(seed: int, **inputs: Any) -> str:
    print("a line for the log")
    return _printed(seed, 1, **inputs)


def _large(seed: int, _: int, **inputs: Any) -> bytes:
    return bytes([mix(seed, inputs) % 256]) * SIZE


def _kept(seed: int, attempt: int, **inputs: Any) -> int:
    if attempt == 1:
        raise ConnectionError("the first attempt never succeeds")
    return mix(seed, inputs)


def _printed(seed: int, _: int, **inputs: Any) -> str:
    return f"{mix(seed, inputs)}" * 2000


behaviours.BEHAVIOURS.update(large=_large, kept=_kept, printed=_printed)
