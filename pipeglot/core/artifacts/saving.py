"""From a value to its reference: the codec writes, and what it wrote goes into the reference or into a blob."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from pipeglot.core.artifacts.codec import codec, codec_of
from pipeglot.core.lineage.records import Ref
from pipeglot.core.plain import NotPlain, TooDeep

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Saving
    from pipeglot.core.artifacts.spool import Spool

_EXACT = 1 << 53  # up to here every integer is a float


def save_value(value: object, job: Saving) -> Ref:
    """Raises `ValueRefused`, `StoreError`."""
    name = codec_of(value)
    try:
        return _save(name, value, job)
    except NotPlain as unfit:
        if name == "npy/1":  # an array that has no plain form: of objects, say
            return _save("pickle/1", value, job)
        alone = type(value) not in (list, tuple) or isinstance(unfit, TooDeep)
        return _save("pickle/1" if alone else "items/1", value, job)


def _save(name: str, value: object, job: Saving) -> Ref:
    with job.blobs.spool() as out:
        dumped = codec(name).dump(value, out, job)
        small = keep(out, job)
        inline = _inline(small, dumped.tree)
        return Ref(
            value=dumped.value or job.opaque_id(),
            blob=out.sha(),
            size=out.size,
            codec=name,
            week=job.week if small is None or dumped.parts else "",
            inline=inline,
            length=dumped.length,
            opaque=not dumped.value,
            needs=dumped.needs,
            meta=dumped.meta,
        )


def keep(out: Spool, job: Saving) -> bytes | None:
    """Put what was written into the store, unless it is small: then these are the bytes."""
    small = out.small()
    if small is None:
        job.blobs.keep(out, job.week)
    return small


def _inline(small: bytes | None, tree: Any) -> Any:
    if small is None:
        return UNSET
    return base64.b64encode(small).decode() if tree is UNSET else tree


def undone(value: Any, declared: object) -> Any:
    """A NumPy scalar as the plain type that its output declares, if it is exactly that; else the value as it is."""
    if type(value).__module__ != "numpy" or not any(declared is kind for kind in (float, int, bool, str)):
        return value
    if not isinstance(value, sys.modules["numpy"].generic):
        return value
    item = value.item()
    if type(item) is int and declared is float and -_EXACT <= item <= _EXACT:
        return float(item)
    return item if type(item) is declared else value
