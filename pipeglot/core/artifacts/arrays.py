"""`npy/1`: NumPy arrays, as `.npy` files, so that a reader maps them.

The value of an array is the hash of one certain `.npy` file: C order, one NaN, no padding. Most arrays are stored as
just that file, and then one hash serves for both.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from pipeglot.core.artifacts.codec import Dumped
from pipeglot.core.artifacts.nan import canonical
from pipeglot.core.artifacts.unchanged import note_loaded
from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.plain import NotPlain
from pipeglot.core.syntax import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

    Array = numpy.ndarray[Any, Any]

_MAGIC = b"\x93NUMPY"
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 20


def dump(value: Array, out: Spool, job: Saving) -> Dumped:  # noqa: ARG001  # all codecs are called alike
    """Raises `NotPlain` for what the format does not hold: objects, and types of other libraries."""
    dtype, fortran = value.dtype, value.flags.f_contiguous and not value.flags.c_contiguous
    out.write(_header(_describe(dtype), value.shape, fortran))
    as_stored = not fortran and dtype.names is None
    logical = None if as_stored else hashlib.sha256(_header(_describe(_packed(dtype)), value.shape, fortran=False))
    for chunk in _chunks(value.T if fortran else value):
        if as_stored and logical is None and canonical(chunk) is not chunk:
            logical = out.hash()  # from here on, what is stored and what is hashed differ
        if as_stored and logical is not None:
            logical.update(_bytes(canonical(chunk)))
        out.write(_bytes(chunk))
    if logical is None:
        return Dumped(out.sha())
    if not as_stored:
        for chunk in _chunks(value):
            logical.update(_bytes(_normal(chunk)))
    return Dumped(logical.hexdigest())


def load(job: Loading) -> Array:
    """An array that may be written to: of a large one, only the pages that are changed are copied."""
    try:
        import numpy
    except ImportError as error:
        raise ValueRefused(
            f"{job.what} is a NumPy array, and numpy is not installed here", hint="pip install 'pipeglot[numpy]'"
        ) from error
    buffer = job.buffer()
    description, shape, fortran, start = _parse(buffer)
    dtype = numpy.lib.format.descr_to_dtype(description)
    if dtype.hasobject:
        raise Corrupt(f"{job.what} is damaged: an array of objects is never stored like this")
    found: Array = numpy.ndarray(shape, dtype, buffer, start, order="F" if fortran else "C")
    note_loaded(found, job)
    return found


# --- the header: written here, so that it is the same with every version of NumPy -------------------------------------


def _describe(dtype: numpy.dtype[Any]) -> Any:
    """What the header says of a dtype: text, or for a structured one a list. Raises `NotPlain`."""
    import numpy

    if not (dtype.hasobject or dtype.isbuiltin == 2 or dtype.metadata) and _is_portable(dtype):
        with contextlib.suppress(ValueError, TypeError, SyntaxError):  # fields that overlap, say
            found = numpy.lib.format.dtype_to_descr(dtype)
            if numpy.lib.format.descr_to_dtype(literal(repr(found))) == dtype:
                return found
    raise NotPlain(f"an array of `{dtype}` has no portable form")


def _is_portable(dtype: numpy.dtype[Any]) -> bool:
    """False for long doubles, which are another type on each kind of machine."""
    if dtype.names is not None:
        return all(_is_portable(dtype[name]) for name in dtype.names)
    if dtype.subdtype is not None:
        return _is_portable(dtype.subdtype[0])
    return not (dtype.kind == "f" and dtype.itemsize > 8) and not (dtype.kind == "c" and dtype.itemsize > 16)


def _header(description: Any, shape: tuple[int, ...], fortran: bool) -> bytes:
    text = f"{{'descr': {description!r}, 'fortran_order': {fortran}, 'shape': {tuple(map(int, shape))!r}, }}"
    version, data = (1, text.encode()) if text.isascii() else (3, text.encode())
    if len(data) > 65000 and version == 1:
        version = 2
    fixed = 10 if version == 1 else 12
    data += b" " * (-(fixed + len(data) + 1) % 64) + b"\n"
    return _MAGIC + bytes([version, 0]) + len(data).to_bytes(fixed - 8, "little") + data


def _parse(buffer: Any) -> tuple[Any, tuple[int, ...], bool, int]:
    """Description, shape, Fortran order, and where the data begin. Raises `ValueError` and the like."""
    head = bytes(buffer[:12])
    if head[:6] != _MAGIC or head[6] not in (1, 2, 3):
        raise ValueError("no .npy file")
    start = 10 if head[6] == 1 else 12
    end = start + int.from_bytes(head[8:start], "little")
    if end > _LONGEST_HEADER:
        raise ValueError("its header is too long")
    try:
        found = literal(bytes(buffer[start:end]).decode())
    except (MemoryError, RecursionError):
        raise ValueError("its header is nested too deeply") from None
    if any(type(size) is not int or size < 0 for size in found["shape"]):
        raise ValueError("its shape is none")
    return found["descr"], found["shape"], found["fortran_order"], end


# --- the data ---------------------------------------------------------------------------------------------------------


def _chunks(value: Array) -> Iterator[Array]:
    """All items in C order, in contiguous arrays of one dimension."""
    import numpy

    if not value.size or not value.dtype.itemsize:
        return
    count = max(1, _CHUNK // value.dtype.itemsize)
    if value.flags.c_contiguous:
        flat = value.reshape(-1)
        for start in range(0, flat.size, count):
            yield flat[start : start + count]
    else:
        flags = {"flags": ["external_loop", "buffered"], "op_flags": [["readonly", "contig"]], "order": "C"}
        iterate: Any = numpy.nditer
        yield from iterate(value, buffersize=count, **flags)


def _bytes(chunk: Array) -> memoryview:
    return chunk.view("u1").data


def _packed(dtype: numpy.dtype[Any]) -> numpy.dtype[Any]:
    """Without padding."""
    import numpy

    if dtype.names is not None:
        return numpy.dtype([(name, _packed(dtype[name])) for name in dtype.names])
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return numpy.dtype((_packed(base), shape))
    return dtype


def _normal(chunk: Array) -> Array:
    """Without padding, and with one NaN."""
    import numpy

    if chunk.dtype.names is None:
        return canonical(chunk)
    packed = numpy.empty(chunk.shape, _packed(chunk.dtype))
    for name in chunk.dtype.names:
        field = numpy.ascontiguousarray(chunk[name])
        packed[name] = _normal(field).view(packed.dtype[name].base).reshape(field.shape)
    return packed
