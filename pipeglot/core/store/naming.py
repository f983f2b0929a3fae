"""What every store agrees on: which texts are keys, and the mark that says of which format a store is."""

from __future__ import annotations

import json
from typing import NamedTuple

from pipeglot.core.errors import Corrupt, NewerFormat, StoreError

FORMAT = 1
"""Of keys and folders. A store of a later format is refused."""

LONGEST = 64 << 20
"""Bytes that `get` gives at most, and one more: records and pipelines are smaller. Values are read by `local`."""

MARK = "store.json"
TEMP = "tmp"
"""A folder keeps its unfinished writes there, so no key begins with it anywhere."""


class Entry(NamedTuple):
    """An object as a listing tells of it. `modified`: seconds since 1970, by the clock of the store."""

    key: str
    size: int
    modified: float


def check_key(key: str) -> None:
    """Whoever built the key checked its parts; this is the second lock, for keys become paths and addresses."""
    parts = key.split("/")
    if "" in parts or "." in parts or ".." in parts or "\0" in key or "\\" in key or parts[0] == TEMP:
        raise StoreError(f"`{key!r}` is no key of a store")


def new_mark() -> bytes:
    """What the mark of a new store holds."""
    return b'{"format": %d}\n' % FORMAT


def check_mark(data: bytes, store: str) -> None:
    """Raises `Corrupt` or `NewerFormat`. `store`: its path or URI, for messages."""
    try:
        mark = json.loads(data)
        number = mark["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Corrupt(
            f"`{store}/{MARK}` is damaged",
            hint=f'if nothing else is, write `{{"format": {FORMAT}}}` into it',
        ) from None
    if type(number) is not int or number > FORMAT:
        needs = mark.get("needs")
        raise NewerFormat(
            f"the store `{store}` has format {number}, and this pipeglot reads format {FORMAT}",
            hint=f"install `{needs}`" if isinstance(needs, str) else "upgrade pipeglot",
        )
