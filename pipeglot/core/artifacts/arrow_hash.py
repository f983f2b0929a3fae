"""The hash of an Arrow array as a logical value.

Not seen are: where it begins in its buffers, what lies under a null, the bits of a NaN, the width of offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pyarrow

from pipeglot.core.artifacts.nan import canonical

if TYPE_CHECKING:
    import hashlib

_CHUNK = 1 << 17
_types = pyarrow.types


class Unhashable(Exception):
    """An Arrow type that is not covered; the argument names it."""


def update(into: hashlib._Hash, array: Any) -> None:
    """Add an array to a hash."""
    array = _common(array)
    kind = array.type
    into.update(f"{_name(kind)} {len(array)};".encode())
    nulls = _nulls(array)
    into.update(b"-" if nulls is None else numpy.packbits(nulls).tobytes())
    if _types.is_null(kind):
        return
    if _types.is_boolean(kind):
        bits = _bits(array.buffers()[1], array)
        into.update(numpy.packbits(bits if nulls is None else bits & ~nulls).tobytes())
    elif _is_text(kind):
        _update_text(into, array, nulls)
    elif _types.is_struct(kind):
        for child in array.flatten():
            update(into, child)
    elif _types.is_dictionary(kind):
        update(into, array.indices)
        update(into, array.dictionary)
    elif _is_list(kind) or _types.is_map(kind):
        if not _types.is_fixed_size_list(kind):
            into.update(_lengths(array, nulls).tobytes())
        if len(array) > array.null_count:  # early pyarrow cannot flatten nothing
            update(into, _entries(array) if _types.is_map(kind) else array.flatten())
    else:
        _update_fixed(into, array, nulls)


def _common(array: Any) -> Any:
    """The same in the widest of the layouts that Arrow has for it."""
    kind = array.type
    if _types.is_string(kind) or str(kind) == "string_view":
        return array.cast(pyarrow.large_string())
    if _types.is_binary(kind) or str(kind) == "binary_view":
        return array.cast(pyarrow.large_binary())
    return array


def _name(kind: Any) -> str:
    """What a type is called: Arrow's own words for some have changed."""
    if _types.is_large_string(kind) or _types.is_string(kind):
        return "text"
    if _types.is_large_binary(kind) or _types.is_binary(kind):
        return "bytes"
    if _types.is_timestamp(kind):
        return f"timestamp[{kind.unit},{kind.tz}]"
    if _types.is_struct(kind):
        return f"struct<{[kind[i].name for i in range(kind.num_fields)]}>"
    if _types.is_dictionary(kind):
        return f"dictionary[{kind.ordered}]"
    if _types.is_fixed_size_list(kind):
        return f"list[{kind.list_size}]<{_name(kind.value_type)}>"
    if _types.is_map(kind):
        return f"map<{_name(kind.key_type)},{_name(kind.item_type)}>"
    return f"list<{_name(kind.value_type)}>" if _is_list(kind) else str(kind)


def describe(kind: Any) -> Any:
    """A type in full, as plain data, with what is in it. Raises `Unhashable`."""
    if _types.is_struct(kind):
        return ["struct", [_described(kind.field(i)) for i in range(kind.num_fields)]]
    if _types.is_map(kind):
        return ["map", bool(kind.keys_sorted), describe(kind.key_type), _described(kind.item_field)]
    if _is_list(kind):
        size = kind.list_size if _types.is_fixed_size_list(kind) else None
        return ["list", size, _described(kind.value_field)]
    if _types.is_nested(kind) or _types.is_dictionary(kind) or isinstance(kind, pyarrow.BaseExtensionType):
        raise Unhashable(str(kind))
    return "text" if str(kind) == "string_view" else "bytes" if str(kind) == "binary_view" else _name(kind)


def _described(field: Any) -> list[Any]:
    return [field.name, field.nullable, describe(field.type)]


def _is_text(kind: Any) -> bool:
    return bool(_types.is_large_string(kind) or _types.is_large_binary(kind))


def _is_list(kind: Any) -> bool:
    return bool(_types.is_list(kind) or _types.is_large_list(kind) or _types.is_fixed_size_list(kind))


def _update_text(into: hashlib._Hash, array: Any, nulls: Any) -> None:
    lengths = _lengths(array, nulls)
    into.update(lengths.tobytes())
    if nulls is not None and _lengths(array, None)[nulls].any():  # some writers leave text under a null
        array = array.drop_null()
    offsets, data = array.buffers()[1:3]
    if data is not None and len(array):
        start = numpy.frombuffer(offsets, "i8", 1, array.offset * 8)[0]
        into.update(memoryview(data)[start : start + lengths.sum()])


def _entries(array: Any) -> Any:
    """Keys and items of a map that no null hides: maps have no `flatten`."""
    some = array.drop_null() if array.null_count else array
    start, stop = some.offsets[0].as_py(), some.offsets[len(some)].as_py()
    children = [some.keys.slice(start, stop - start), some.items.slice(start, stop - start)]
    return pyarrow.StructArray.from_arrays(children, names=["key", "value"])


def _lengths(array: Any, nulls: Any) -> Any:
    """Of texts or lists, as 64-bit integers."""
    wide = _is_text(array.type) or _types.is_large_list(array.type)
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return numpy.zeros(len(array), "<i8")
    offsets = numpy.frombuffer(buffer, "i8" if wide else "i4", len(array) + 1, array.offset * (8 if wide else 4))
    lengths = numpy.diff(offsets).astype("<i8", copy=False)
    return lengths if nulls is None else numpy.where(nulls, 0, lengths)


def _update_fixed(into: hashlib._Hash, array: Any, nulls: Any) -> None:
    try:
        width = array.type.bit_width // 8
    except ValueError:
        raise Unhashable(str(array.type)) from None
    if _types.is_union(array.type) or array.type.num_buffers != 2:
        raise Unhashable(str(array.type))
    buffer, count = array.buffers()[1], len(array)
    if buffer is None or not count:
        return
    code = f"f{width}" if _types.is_floating(array.type) else f"V{width}"
    data = numpy.frombuffer(buffer, code, count, array.offset * width)
    for start in range(0, count, _CHUNK):
        chunk = data[start : start + _CHUNK]
        if nulls is not None:
            chunk = chunk.copy()
            chunk[nulls[start : start + _CHUNK]] = numpy.zeros((), code)
        into.update(canonical(chunk).view("u1").data)


def _nulls(array: Any) -> Any:
    """Where the nulls are; None if there is none."""
    if not array.null_count:
        return None
    valid = array.buffers()[0]
    return numpy.ones(len(array), bool) if valid is None else ~_bits(valid, array)


def _bits(buffer: Any, array: Any) -> Any:
    """A bitmap as one boolean an item."""
    start, stop = array.offset // 8, (array.offset + len(array) + 7) // 8
    bits = numpy.unpackbits(numpy.frombuffer(buffer, "u1", stop - start, start), bitorder="little")
    return bits[array.offset % 8 :][: len(array)].view(bool)
