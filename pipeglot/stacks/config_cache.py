"""The checked configuration, kept as JSON beside the project: reading YAML costs more than all else at a start.

One small file. It counts only for the very bytes it was made from, by this very pipeglot, and undamaged; whatever is
wrong with it, the YAML is read instead.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipeglot import __version__
from pipeglot.core.errors import NotFound
from pipeglot.core.store.files import make_private, write_private
from pipeglot.stacks.models import Config, decode_config
from pipeglot.stacks.state import make_state

_FILE = "config.json"
_MOST = 16 << 20


def cached_config(state: Path, data: bytes, parse: Callable[[bytes], Config]) -> Config:
    """The configuration in `data`, from the cache in the folder `state`, or parsed and put there."""
    path = state / "cache" / _FILE
    key = hashlib.sha256(b"%s\n%s" % (__version__.encode(), data)).hexdigest()
    found = _read(path, key)
    if found is None:
        found = parse(data)
        _write(path, key, found)
    return found


def _read(path: Path, key: str) -> Config | None:
    """The file is a line `<key> <sha256 of the rest>`, and JSON. It counts only if it `_is_ours`."""
    try:
        with path.open("rb") as file:
            head, _, body = file.read(_MOST).partition(b"\n") if _is_ours(os.fstat(file.fileno())) else (b"", b"", b"")
    except OSError:
        return None
    if head.decode("ascii", "replace") != f"{key} {hashlib.sha256(body).hexdigest()}":
        return None
    try:
        return decode_config(body)
    except (msgspec.DecodeError, NotFound, RecursionError):
        return None


def _write(path: Path, key: str, config: Config) -> None:
    """Never a reason to fail: the next command then reads the YAML again."""
    body = msgspec.json.encode(config)
    try:
        make_state(path.parent.parent.parent)
        make_private(path.parent)
        write_private(path, f"{key} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    except OSError:
        return


def _is_ours(info: os.stat_result) -> bool:
    """Written by this user, for this user only: what somebody put into the checkout must not stand for the YAML."""
    return info.st_uid == os.geteuid() and not info.st_mode & 0o077
