"""What an engine cannot carry of a run's parameters: it travels through the store, and the run says where it lies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from pipeglot.core.artifacts.blobs import Blobs, blob_key, this_week
from pipeglot.core.errors import Corrupt, StoreError
from pipeglot.core.store.base import Store

MOST = 256 << 20
"""Bytes that may lie there. What `pipeglot run` takes has 32 MB at most, which JSON may write in more."""


class Held(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies in the store for a run.

    names: of the parameters, for whoever sees the run in the engine's pages. week, blob: the place and the hash of a
    JSON object: their values by name. No number is among these, for an engine may have doubles alone.
    """

    names: tuple[str, ...]
    week: str
    blob: str


def hold(values: Mapping[str, Any], store: Store) -> Held:
    """Put values into the store, for the first task of a run. Raises `StoreError`."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "surrogatepass")
    week = this_week()
    return Held(names=tuple(values), week=week, blob=Blobs(store).keep_bytes(data, week))


def read_held(held: Held, store: Store) -> dict[str, Any]:
    """The values, by name. Raises `Corrupt` if they are gone, or not what was put there; `StoreError`."""
    named = ", ".join(f"`{name[:60]}`" for name in held.names[:5]) + (" and more" if held.names[5:] else "")
    what = f"what this run was given for {named}"
    try:
        found = json.loads(_bytes(held, store, what))
    except Corrupt as error:
        hint = "start the run anew: `pipeglot run` puts it there again"
        raise Corrupt(error.message, hint=hint) from None
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{what} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Corrupt(f"{what} is no JSON object")
    return found


def _bytes(held: Held, store: Store, what: str) -> bytes:
    size = store.size(blob_key(held.week, held.blob)) or 0  # of what is gone, the next line tells
    if size > MOST:
        raise Corrupt(f"{what} has {size:,} bytes, and {MOST >> 20} MB are the most")
    fd, path = Blobs(store).open(held.week, held.blob, size, what)
    try:
        with os.fdopen(fd, "rb") as file:
            return file.read()
    except OSError as error:
        raise StoreError(f"`{path}` cannot be read: {error.strerror}") from None
