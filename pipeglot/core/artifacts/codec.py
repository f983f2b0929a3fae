"""What a codec is, which one a value gets, and what the two of its directions are given to work with."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import mmap
import os
import sys
import weakref
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import UNSET, Struct

from pipeglot.core import plain
from pipeglot.core.artifacts.blobs import damaged
from pipeglot.core.errors import NewerFormat
from pipeglot.core.serializers import serializer_of
from pipeglot.core.store.failures import store_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeglot.core.artifacts.blobs import Blobs
    from pipeglot.core.artifacts.spool import Spool
    from pipeglot.core.lineage.records import Ref

Buffer = TypeVar("Buffer", bound="mmap.mmap | bytearray")

MAX_NESTED = 32
"""Lists in lists, of values that each have a reference of their own."""


class Dumped(Struct):
    """What a codec says of the value that it has just written.

    value: its logical hash; or "" if it has none, so that where it comes from must stand for it.
    tree: the bytes as JSON, if that is what they are.
    parts: whether blobs of their own belong to it.
    """

    value: str
    tree: Any = UNSET
    length: int | None = None
    needs: dict[str, str] = {}
    meta: dict[str, Any] = {}
    parts: bool = False


class Saving:
    """One value on its way into the store. `name` is how messages call it."""

    def __init__(
        self, blobs: Blobs, week: str, name: str, opaque_id: Callable[[], str], outer: tuple[object, ...] = ()
    ) -> None:
        self.blobs = blobs
        self.week = week
        self.name = name
        self.opaque_id = opaque_id
        self.outer = outer  # the lists around it

    def item(self, position: int, items: object) -> Saving:
        """The same for one item of the list `items`."""
        return Saving(
            self.blobs,
            self.week,
            below(self.name, position),
            lambda: item_id(self.opaque_id(), position),
            (*self.outer, items),
        )

    def part(self, at: int, path: str) -> Saving:
        """The same for what stands at a path in the value."""
        return Saving(
            self.blobs,
            self.week,
            inside(self.name, path),
            lambda: item_id(self.opaque_id(), at),
            self.outer,
        )


class Loading:
    """One value on its way out of the store. `name` is how messages call it, `scratch` is where its files go."""

    def __init__(self, blobs: Blobs, ref: Ref, name: str, scratch: Path | None, depth: int = 0) -> None:
        self.blobs = blobs
        self.ref = ref
        self.name = name
        self.scratch = scratch
        self.depth = depth

    @property
    def what(self) -> str:
        """The name as it begins a message."""
        return quoted(self.name)

    def item(self, position: int, ref: Ref) -> Loading:
        """The same for one item of the list that this is."""
        return Loading(self.blobs, ref, below(self.name, position), self.scratch, self.depth + 1)

    def part(self, path: str, ref: Ref) -> Loading:
        """The same for what stands at a path in the value that this is."""
        return Loading(self.blobs, ref, inside(self.name, path), self.scratch, self.depth + 1)

    def open(self) -> tuple[int, Path]:
        """The verified file of a value that is not inline."""
        ref = self.ref
        return self.blobs.open(ref.week, ref.blob, ref.size, self.what)

    def small(self) -> bytes | None:
        """The verified bytes of an inline value; None if it is not inline."""
        ref = self.ref
        if ref.inline is UNSET:
            return None
        try:
            data = plain.dumps_ordered(ref.inline) if ref.codec == "json/1" else base64.b64decode(ref.inline)
        except (TypeError, ValueError, binascii.Error):
            raise damaged(self.what, "its reference", "readable inline bytes", "something else") from None
        found = hashlib.sha256(data).hexdigest()
        if found != ref.blob:
            raise damaged(self.what, "its reference", f"sha256 {ref.blob}", found)
        return data

    def read(self) -> bytes | bytearray:
        """All bytes, verified."""
        data = self.small()
        if data is not None:
            return data
        return self._from_file(_read)

    def buffer(self) -> mmap.mmap | bytearray:
        """All bytes, verified, in memory that may be written to: a large file is mapped, and pages copied on write."""
        data = self.small()
        if data is not None:
            return bytearray(data)
        return self._from_file(_map)

    def _from_file(self, get: Callable[[int, int], Buffer]) -> Buffer:
        fd, path = self.open()
        try:
            return get(fd, self.ref.size)
        except OSError as error:
            raise store_error(error, "read", str(path)) from error
        finally:
            os.close(fd)


class Codec(Protocol):
    """A module with these two functions. They raise `ValueRefused` for what they cannot take."""

    def dump(self, value: Any, out: Spool, job: Saving) -> Dumped:
        """Write the value."""

    def load(self, job: Loading) -> object:
        """Read it."""


_MODULES = {
    "json/1": "values",
    "bytes/1": "raw",
    "file/1": "files",
    "dir/1": "folders",
    "npy/1": "arrays",
    "frame/1": "frames",
    "arrow/1": "tables",
    "polars/1": "polars_frames",
    "custom/1": "custom",
    "items/1": "items",
    "tree/1": "trees",
    "pickle/1": "pickles",
}
_TYPES = {
    ("builtins", "bytes"): "bytes/1",
    ("pathlib", "PosixPath"): "file/1",
    ("numpy", "ndarray"): "npy/1",
    ("pandas", "DataFrame"): "frame/1",
    ("pandas", "Series"): "frame/1",
    ("polars", "DataFrame"): "polars/1",
    ("polars", "LazyFrame"): "polars/1",
    ("polars", "Series"): "polars/1",
    ("pyarrow", "Table"): "arrow/1",
    ("pyarrow", "RecordBatch"): "arrow/1",
    ("pyarrow", "ChunkedArray"): "arrow/1",
}


def codec(name: str) -> Codec:
    """The codec of that id; its module is imported only now. Raises `NewerFormat` for one that is not known."""
    module = _MODULES.get(name)
    if module is None:
        raise NewerFormat(
            f"a value is stored as `{name}`, which this pipeglot cannot read",
            hint="upgrade pipeglot to the version that wrote it",
        )
    found: Codec = import_module(f"pipeglot.core.artifacts.{module}")
    return found


def codec_of(value: object) -> str:
    """By exact type, as a subclass may hold more. What has no codec of its own is tried as plain data first."""
    name = codec_of_type(type(value))
    if name == "file/1" and os.path.isdir(value):  # type: ignore[arg-type]  # it is a Path
        return "dir/1"
    return name if name != "json/1" or serializer_of(type(value)) is None else "custom/1"


def codec_of_type(kind: type) -> str:
    """The codec of ours."""
    home = kind.__module__.partition(".")[0]
    name = _TYPES.get((home, kind.__name__))
    if home == "pyarrow" and name is None and kind.__name__.endswith("Array"):  # one class for each type
        name = "arrow/1"
    known = name is not None and any(  # not one of the user's own that looks like it
        getattr(sys.modules.get(module), kind.__name__, None) is kind for module in (home, kind.__module__)
    )
    return name if name is not None and known else "json/1"


def quoted(name: str) -> str:
    """A bare name in backticks; one that says more, such as "output `x` of step `y`", as it is."""
    return name if "`" in name or " " in name else f"`{name}`"


def below(name: str, position: int) -> str:
    """How messages call an item."""
    return f"item {position} of {name}" if "`" in name or " " in name else f"{name}[{position}]"


def inside(name: str, path: str) -> str:
    """How messages call what stands at a path such as `.weights['a']` in a value."""
    return f"`{path.lstrip('.')}` of {name}" if "`" in name or " " in name else f"{name}{path}"


def item_id(whole: str, position: int) -> str:
    """The lineage identity of an item that has no hash of its own, from that of the list."""
    return plain.digest(["item", whole, position])


# --- memory that may be written to ------------------------------------------------------------------------------------

MAP_FROM = 1 << 20
"""Smaller files are read: a mapping has a cost, and there is a limit to their number."""
_MANY_MAPS = 256  # each holds a file descriptor
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def _map(fd: int, size: int) -> mmap.mmap | bytearray:
    if size < MAP_FROM or len(_maps) >= _MANY_MAPS:
        return _read(fd, size)
    try:
        found = mmap.mmap(fd, size, access=mmap.ACCESS_COPY)
    except OSError:  # no descriptors or no address space left, or a file system that cannot
        return _read(fd, size)
    _maps.add(found)
    return found


def _read(fd: int, size: int) -> bytearray:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = os.readv(fd, [view[done:]])
        if not count:
            raise OSError(errno.EIO, "it ends too early")
        done += count
    return data
