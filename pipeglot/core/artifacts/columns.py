"""The columns of a frame as Arrow arrays and back, each with a note of what it was, so that it comes back as just that.

A codec of its own, as Arrow's and pandas' conversions lose or change some of it, and other parts with each version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy
import pandas
import pyarrow

from pipeglot.core.artifacts import objects
from pipeglot.core.artifacts.objects import Unfit, nulls_of, validity

if TYPE_CHECKING:
    from collections.abc import Callable

Note = dict[str, Any]
_NAT = numpy.iinfo("i8").min


class Encoded(NamedTuple):
    """A column as it is stored."""

    note: Note
    array: Any


class Memory:
    """The bytes of a stored frame, writable: arrays of numbers are views of them."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.arrow = pyarrow.py_buffer(buffer)

    def view(self, array: Any, code: str) -> Any:
        """The values of an Arrow array of fixed width, under nulls too."""
        data, count = array.buffers()[1], len(array)
        if data is None or not count:
            return numpy.empty(count, code)
        skip = array.offset * numpy.dtype(code).itemsize
        start = data.address - self.arrow.address
        if 0 <= start <= self.arrow.size:
            return numpy.frombuffer(self.buffer, code, count, start + skip)
        return numpy.frombuffer(data, code, count, skip).copy()


def encode(values: Any) -> Encoded:
    """A NumPy or pandas array, Series or Index. Raises `Unfit`."""
    dtype = values.dtype
    if isinstance(dtype, numpy.dtype):
        return _encode_numpy(values.to_numpy() if hasattr(values, "to_numpy") else values)
    pair = _EXTENSIONS.get(type(dtype).__name__) if type(dtype).__module__.partition(".")[0] == "pandas" else None
    if pair is None:
        raise Unfit(f"has the type `{dtype}`, which cannot be stored", "change it with `.astype(…)`")
    return pair(getattr(values, "array", values), dtype)


def decode(note: Note, array: Any, memory: Memory) -> Any:
    """What `encode` was given: a NumPy or a pandas array."""
    return _DECODERS[note["is"]](note, array, memory)


# --- NumPy's own types ------------------------------------------------------------------------------------------------


def _encode_numpy(values: Any) -> Encoded:
    dtype = values.dtype
    kind = dtype.kind
    if kind == "O":
        return Encoded(*objects.encode(values))
    if kind == "b":
        return Encoded({"is": "bool"}, pyarrow.array(values, pyarrow.bool_()))
    if kind in "iu" or (kind == "f" and dtype.itemsize <= 8):
        native = numpy.ascontiguousarray(values, dtype.newbyteorder("="))
        note = {"is": "number", "dtype": dtype.str}
        return Encoded(note, _fixed(pyarrow.from_numpy_dtype(native.dtype), native))
    if kind == "c" and dtype.itemsize <= 16:
        note = {"is": "number", "dtype": dtype.str}
        return Encoded(note, _fixed(pyarrow.binary(dtype.itemsize), numpy.ascontiguousarray(values)))
    if kind in "mM":
        unit = numpy.datetime_data(dtype)[0]
        arrow = pyarrow.timestamp(unit) if kind == "M" else pyarrow.duration(unit)
        note = {"is": "datetime" if kind == "M" else "timedelta", "unit": unit}
        return Encoded(note, _ticks(arrow, numpy.ascontiguousarray(values, dtype.newbyteorder("=")).view("i8")))
    raise Unfit(f"has the type `{dtype}`, which cannot be stored", "change it with `.astype(…)`")


def _fixed(arrow: Any, values: Any, valid: Any = None) -> Any:
    """An Arrow array over the very memory of a NumPy array."""
    data = pyarrow.py_buffer(values.view("u1")) if values.size else pyarrow.py_buffer(b"")
    return pyarrow.Array.from_buffers(arrow, len(values), [valid, data])


def _ticks(arrow: Any, ticks: Any) -> Any:
    """Times as integers; the one that stands for "not a time" lies under a null."""
    missing = ticks == _NAT
    return _fixed(arrow, ticks, validity(~missing) if missing.any() else None)


def _decode_number(note: Note, array: Any, memory: Memory) -> Any:
    dtype = numpy.dtype(note["dtype"])
    if dtype.kind == "c":
        return memory.view(array, dtype.str)
    return memory.view(array, dtype.newbyteorder("=").str).astype(dtype, copy=False)


def _decode_bool(_: Note, array: Any, __: Memory) -> Any:
    return numpy.array(array.to_numpy(zero_copy_only=False))


def _decode_datetime(note: Note, array: Any, memory: Memory) -> Any:
    values = memory.view(array, "i8").view(f"M8[{note['unit']}]")
    if "tz" not in note:
        return values
    tz = objects.zone(note["tz"], note["library"])
    return pandas.DatetimeIndex(values, copy=False).tz_localize("UTC").tz_convert(tz).array.copy()


def _decode_timedelta(note: Note, array: Any, memory: Memory) -> Any:
    return memory.view(array, "i8").view(f"m8[{note['unit']}]")


# --- the types of pandas ----------------------------------------------------------------------------------------------


def _encode_tz(values: Any, dtype: Any) -> Encoded:
    tz = objects.zone_name(dtype.tz)
    arrow = pyarrow.timestamp(dtype.unit, tz if isinstance(tz, str) else "UTC")
    note = {"is": "datetime", "unit": dtype.unit, "tz": tz, "library": objects.zone_library(dtype.tz)}
    return Encoded(note, _ticks(arrow, numpy.array(values.asi8)))


def _encode_period(values: Any, dtype: Any) -> Encoded:
    return Encoded({"is": "period", "dtype": dtype.name}, _ticks(pyarrow.int64(), numpy.array(values.asi8)))


def _decode_period(note: Note, array: Any, memory: Memory) -> Any:
    dtype: Any = pandas.api.types.pandas_dtype(note["dtype"])
    return pandas.arrays.PeriodArray(memory.view(array, "i8"), dtype=dtype)


def _encode_interval(values: Any, dtype: Any) -> Encoded:
    left, right = encode(values.left), encode(values.right)
    array = pyarrow.StructArray.from_arrays([left.array, right.array], names=["left", "right"])
    return Encoded({"is": "interval", "closed": dtype.closed, "ends": [left.note, right.note]}, array)


def _decode_interval(note: Note, array: Any, memory: Memory) -> Any:
    left, right = (decode(end, array.field(i), memory) for i, end in enumerate(note["ends"]))
    return pandas.arrays.IntervalArray.from_arrays(left, right, note["closed"])


def _encode_category(values: Any, dtype: Any) -> Encoded:
    of = encode(values.categories)
    note = {"is": "category", "ordered": bool(dtype.ordered), "of": of.note}
    return Encoded(note, coded(values.codes, of.array))


def coded(codes: Any, of: Any) -> Any:
    """Positions in another array, -1 for none, as an Arrow dictionary."""
    codes = numpy.ascontiguousarray(codes)
    missing = codes == -1
    valid = validity(~missing) if missing.any() else None
    positions = _fixed(pyarrow.from_numpy_dtype(codes.dtype), codes, valid)
    return pyarrow.DictionaryArray.from_arrays(positions, of, safe=False)


def positions(array: Any, memory: Memory) -> Any:
    """The codes again. What lay under a null is not relied on: other writers put a 0 there."""
    codes = memory.view(array.indices, numpy.dtype(array.indices.type.to_pandas_dtype()).str)
    if array.indices.null_count:
        codes[nulls_of(array.indices)] = -1
    return codes


def _decode_category(note: Note, array: Any, memory: Memory) -> Any:
    kind = pandas.CategoricalDtype(index_of(note["of"], array.dictionary, memory), note["ordered"])
    return pandas.Categorical.from_codes(positions(array, memory), dtype=kind)


def index_of(note: Note, array: Any, memory: Memory) -> Any:
    """A pandas Index of the column's type."""
    values = decode(note, array, memory)
    return pandas.Index(values, dtype=values.dtype, copy=False)


def _encode_masked(values: Any, dtype: Any) -> Encoded:
    return Encoded({"is": "masked", "dtype": str(dtype)}, pyarrow.array(values))


def _decode_masked(note: Note, array: Any, memory: Memory) -> Any:
    dtype: Any = pandas.api.types.pandas_dtype(note["dtype"])
    missing = nulls_of(array)
    if note["dtype"] == "boolean":
        values = numpy.array(array.fill_null(False).to_numpy(zero_copy_only=False))
    else:
        values = memory.view(array, numpy.dtype(dtype.type).str)
    return dtype.construct_array_type()(values, missing, copy=False)


def _encode_string(values: Any, dtype: Any) -> Encoded:
    storage, missing = dtype.storage, "nan" if dtype.na_value is not pandas.NA else "NA"
    try:
        array = pyarrow.array(values, pyarrow.large_string())
    except UnicodeEncodeError:
        raise Unfit("holds text with lone surrogates", "encode it, or use the dtype `object`") from None
    note = {"is": "string", "missing": missing, "storage": storage.removesuffix("_numpy")}
    return Encoded(note, flat(array).cast(pyarrow.large_string()))


def _decode_string(note: Note, array: Any, _: Memory) -> Any:
    dtype = _string_dtype(note["storage"], note["missing"])
    if dtype is None:  # this pandas has no text with NaN: an object column is the nearest
        return objects.decode({"is": "text", "missing": "nan"}, array)
    if note["storage"] == "pyarrow" and _NARROW:
        array = array.cast(pyarrow.string())
    return dtype.__from_arrow__(pyarrow.chunked_array([array]))


_VERSION = tuple(int(part) for part in pandas.__version__.split(".")[:2])
_NARROW = _VERSION < (2, 2)  # its arrays of Arrow text have 32-bit offsets


def _string_dtype(storage: str, missing: str) -> Any:
    if missing == "NA":
        return pandas.StringDtype(storage)
    if _VERSION >= (2, 3):
        return pandas.StringDtype(storage, na_value=numpy.nan)
    return pandas.StringDtype("pyarrow_numpy") if _VERSION >= (2, 1) else None


def _encode_arrow(values: Any, _: Any) -> Encoded:
    return Encoded({"is": "arrow"}, flat(pyarrow.array(values)))


def _decode_arrow(_: Note, array: Any, __: Memory) -> Any:
    return pandas.arrays.ArrowExtensionArray(pyarrow.chunked_array([array]))


def flat(array: Any) -> Any:
    """One array of one that may be in chunks."""
    if not isinstance(array, pyarrow.ChunkedArray):
        return array
    if array.num_chunks == 1:
        return array.chunk(0)
    return pyarrow.concat_arrays(array.chunks) if array.num_chunks else pyarrow.array([], array.type)


def _refuse_sparse(_: Any, dtype: Any) -> Encoded:
    raise Unfit(f"has the sparse type `{dtype}`", "make it dense with `.sparse.to_dense()`")


_MASKED = [f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)]
_EXTENSIONS: dict[str, Callable[[Any, Any], Encoded]] = {
    **dict.fromkeys([*_MASKED, "Float32Dtype", "Float64Dtype", "BooleanDtype"], _encode_masked),
    "ArrowDtype": _encode_arrow,
    "CategoricalDtype": _encode_category,
    "DatetimeTZDtype": _encode_tz,
    "IntervalDtype": _encode_interval,
    "PeriodDtype": _encode_period,
    "SparseDtype": _refuse_sparse,
    "StringDtype": _encode_string,
}
_DECODERS: dict[str, Callable[[Note, Any, Memory], Any]] = {
    "arrow": _decode_arrow,
    "bool": _decode_bool,
    "category": _decode_category,
    "datetime": _decode_datetime,
    "interval": _decode_interval,
    "masked": _decode_masked,
    "number": _decode_number,
    "period": _decode_period,
    "string": _decode_string,
    "timedelta": _decode_timedelta,
    "text": lambda note, array, _: objects.decode(note, array),
    "bytes": lambda note, array, _: objects.decode(note, array),
    "date": lambda note, array, _: objects.decode(note, array),
    "objects": lambda note, array, _: objects.decode(note, array),
}
