"""One NaN for all in the bytes that are hashed: which of its many bit patterns a NaN has depends on how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]


def canonical(data: Array) -> Array:
    """The same bytes with equal bits for all NaN: `data` itself if they are so already. For contiguous arrays."""
    import numpy

    kind, code = data.dtype.kind, data.dtype.str
    if kind == "c":
        return canonical(data.reshape(-1).view(f"{code[0]}f{data.dtype.itemsize // 2}"))
    if kind != "f" or not data.size:
        return data
    with numpy.errstate(invalid="ignore"):
        if not numpy.isnan(data.min()):  # the fastest question that a single NaN answers
            return data
    nan = numpy.isnan(data)
    bits: Array = data.view(code.replace("f", "u"))
    quiet = numpy.array([float("nan")], data.dtype).view(bits.dtype)
    if (bits[nan] == quiet).all():
        return data
    bits = bits.copy()
    bits[nan] = quiet
    return bits
