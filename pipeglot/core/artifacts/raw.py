"""`bytes/1`: bytes, as they are. Their hash is that of the same bytes as plain data."""

from __future__ import annotations

import binascii
import hashlib
from typing import TYPE_CHECKING

from pipeglot.core.artifacts.codec import Dumped

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_CHUNK = 3 << 18  # of base64, which has four letters for three bytes


def dump(value: bytes, out: Spool, job: Saving) -> Dumped:  # noqa: ARG001  # all codecs are called alike
    """Chunk by chunk: `plain.digest` would have the text of all of it in memory."""
    logical = hashlib.sha256(b'{"~b":"')
    view = memoryview(value)
    for start in range(0, len(view), _CHUNK):
        logical.update(binascii.b2a_base64(view[start : start + _CHUNK], newline=False))
    logical.update(b'"}')
    out.write(value)
    return Dumped(logical.hexdigest())


def load(job: Loading) -> bytes:
    """The bytes."""
    return bytes(job.read())
