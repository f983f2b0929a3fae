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
from pipeglot.stacks.models import Config
from pipeglot.stacks.state import make_state

_FILE = "config.json"


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
    """The file is a line `<key> <sha256 of the rest>`, and JSON."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if head.decode("ascii", "replace") != f"{key} {hashlib.sha256(body).hexdigest()}":
        return None
    try:
        return msgspec.json.decode(body, type=Config)
    except (msgspec.DecodeError, RecursionError):
        return None


def _write(path: Path, key: str, config: Config) -> None:
    """Never a reason to fail: the next command then reads the YAML again."""
    body = msgspec.json.encode(config)
    temp = path.with_name(f"{_FILE}.{os.getpid()}")
    try:
        make_state(path.parent.parent.parent)
        path.parent.mkdir(exist_ok=True)
        temp.write_bytes(f"{key} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
        temp.replace(path)
    except OSError:
        return
