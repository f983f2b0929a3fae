"""The store: where artifacts and the run ledger lie. A folder or a bucket: both have the same verbs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pipeglot.core.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeglot.core.store.base import Store

__all__ = ["open_store"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(
    uri: str | Path, *, trusted: bool | None = None, durable: bool = False, copies: Path | None = None
) -> Store:
    """The store at a path or a `file://` URI, or in a bucket. Nothing is made or changed before the first write.

    trusted: may code from it be run (may pickles be loaded)? None: only from a folder of this user's own, mode 0700.
    durable: a finished write survives a power cut too, not only a killed process; each costs an fsync.
        In a bucket it always does.
    copies: a folder for local copies of what is read from a bucket; without one, below that for temporary files.
    """
    from pipeglot.core.store.folder import FolderStore

    text = os.fspath(uri)
    scheme = _SCHEME.match(text) if isinstance(uri, str) else None
    if scheme is None:
        return FolderStore(_expand(text), trusted=trusted, durable=durable)
    if scheme[1].lower() == "file":
        return FolderStore(_path_of(text), trusted=trusted, durable=durable)
    from pipeglot.core.store.clouds import is_bucket, parse_place, unknown_scheme

    if not is_bucket(scheme[1]):
        raise unknown_scheme(scheme[1])
    from pipeglot.core.store.bucket import BucketStore

    return BucketStore(parse_place(text), trusted=trusted, copies=copies)


def _expand(text: str) -> str:
    if not text:
        raise StoreError("the store has an empty path", hint="give a folder, such as `.pipeglot/store`")
    return os.path.expanduser(text)


def _path_of(uri: str) -> str:
    from urllib.parse import unquote

    host, slash, path = uri[len("file://") :].partition("/")
    if host not in ("", "localhost") or not slash:
        raise StoreError(f"`{uri}` names no folder here", hint="a file URI has three slashes: `file:///srv/store`")
    return "/" + unquote(path, errors="surrogateescape")
