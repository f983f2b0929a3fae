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
    try:
        return save_as(value, job)
    except NotPlain as unfit:
        if codec_of(value) != "json/1" or isinstance(unfit, TooDeep):
            return _save("pickle/1", value, job)
    try:
        return _save_apart(value, job)
    except NotPlain:
        return _save("items/1" if type(value) in (list, tuple) else "pickle/1", value, job)


def save_as(value: object, job: Saving) -> Ref:
    """By the codec of its type. Raises `NotPlain` for what only a pickle can hold, or a codec of containers."""
    return _save(codec_of(value), value, job)


def _save_apart(value: object, job: Saving) -> Ref:
    """With users' objects taken apart, and parts that have codecs of their own. Raises `NotPlain`."""
    from pipeglot.core.artifacts.apart import Apart

    apart = Apart(value, job.name)
    if not apart.parts:
        return _save("json/1", apart.skeleton, job)
    return _save("items/1", value, job) if type(value) in (list, tuple) else _save("tree/1", apart, job)


def _save(name: str, value: object, job: Saving) -> Ref:
    if name == "npy/1" and (known := _stored(value, job)) is not None:
        return known
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


def _stored(array: Any, job: Saving) -> Ref | None:
    from pipeglot.core.artifacts.unchanged import stored

    return stored(array, job)


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
