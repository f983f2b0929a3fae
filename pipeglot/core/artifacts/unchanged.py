"""An array that a step returns as it was given is stored already: it is known again, and neither hashed nor written.

A large array is loaded by mapping its blob, and what a step writes into it goes to copies of the pages it touches:
so the system knows whether it was changed. On Linux it tells, and is asked; in any doubt, the array is saved anew.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import numpy

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.lineage.records import Ref

    Array = numpy.ndarray[Any, Any]


class _Place(NamedTuple):
    """What an array is made of, apart from the bytes: where they lie, and how they are read."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: numpy.dtype[Any]


class _Loaded(NamedTuple):
    store: str
    ref: Ref
    place: _Place


_loaded: WeakKeyDictionary[mmap.mmap, _Loaded] = WeakKeyDictionary()


def note_loaded(array: Array, job: Loading) -> None:
    """Remember for as long as its mapping lives where an array came from."""
    mapping = _mapping(array)
    if mapping is not None:
        _loaded[mapping] = _Loaded(job.blobs.store.uri, job.ref, _place(array))


def stored(array: Array, job: Saving) -> Ref | None:
    """The reference that the array was loaded by, if saving it now would give the same; None in any doubt."""
    mapping = _mapping(array)
    found = _loaded.get(mapping) if mapping is not None else None
    if found is None or found.store != job.blobs.store.uri or found.place != _place(array):
        return None
    ref = found.ref
    if ref.week != job.week or ref.meta or array.dtype.metadata or array.dtype.names is not None:
        return None  # (the names of fields can be changed in place)
    if not _untouched(found.place.address, array.nbytes):
        return None
    return ref if job.blobs.is_kept(ref.week, ref.blob, ref.size) else None


def _mapping(array: Array) -> mmap.mmap | None:
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)  # of a view, the array that it is of
    return base


def _place(array: Array) -> _Place:
    return _Place(array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)


_NOT_THERE, _OF_THE_FILE = 0, 0b101
"""The top three bits of a page's entry: in memory, swapped out, of a file. A page that was written to is of no file."""


def _untouched(address: int, size: int) -> bool:
    """Whether no page of this memory was written to since it was mapped from a file."""
    import numpy

    first, end = address // mmap.PAGESIZE, -(-(address + size) // mmap.PAGESIZE)
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as pages:
            pages.seek(first * 8)
            found = numpy.fromfile(pages, "u8", end - first) >> 61
    except OSError:  # not Linux, or hidden from this process
        return False
    return len(found) == end - first and bool(((found == _NOT_THERE) | (found == _OF_THE_FILE)).all())
