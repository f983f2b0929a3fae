"""`polars/1`: polars frames and series, as the Arrow IPC files that polars itself writes.

The value does not see chunks, nor the numbers that polars gives to categories, which differ from process to process.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING, Any

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.errors import ValueRefused

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_AS_TEXT = frozenset({"Categorical", "Enum", "Int128", "UInt128"})
_REFUSED = frozenset({"Object", "Unknown", "Extension"})


def dump(value: Any, out: Spool, job: Saving) -> Dumped:
    """Raises `ValueRefused` for a lazy frame, and for columns that no file holds."""
    import polars

    name = quoted(job.name)
    if isinstance(value, polars.LazyFrame):
        raise ValueRefused(
            f"{name} is a polars `LazyFrame`, which is a plan and not its result", hint="return `.collect()` of it"
        )
    series = isinstance(value, polars.Series)
    frame = value.to_frame() if series else value
    logical = _hash(frame, "series" if series else "frame", name)
    _check(frame, "series" if series else "frame", name)
    frame.write_ipc(out)
    return Dumped(logical, meta={"is": "series"} if series else {})


def load(job: Loading) -> object:
    """A frame or series. Read by path where polars may map it; of an untrusted store, from checked bytes."""
    try:
        import polars
    except ImportError as error:
        raise ValueRefused(
            f"{job.what} is of polars, which is not installed here", hint="pip install polars pyarrow"
        ) from error
    small = job.small()
    try:
        if small is not None or not job.blobs.store.trusted:
            frame = polars.read_ipc(io.BytesIO(job.read()))
        else:
            frame = _read(job)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        raise ValueRefused(  # the bytes are verified: they are as somebody wrote them
            f"{job.what} cannot be read with polars {polars.__version__}: {str(error)[:500]}",
            hint="install the version of the step that made it, or a newer one",
        ) from error
    return frame.to_series() if job.ref.meta.get("is") == "series" else frame


def _read(job: Loading) -> Any:
    import polars

    fd, path = job.open()
    try:
        return polars.read_ipc(path)
    finally:
        os.close(fd)


def _check(frame: Any, kind: str, name: str) -> None:
    """Do the types come back?"""
    import polars

    note = io.BytesIO()
    frame.clear().write_ipc(note)
    now = polars.read_ipc(io.BytesIO(note.getvalue())).schema
    for column, dtype in frame.schema.items():
        if now[column] != dtype:
            raise ValueRefused(
                f"{name} cannot be stored: {_where(kind, column)} has the type `{dtype}`, and would come back as"
                f" `{now[column]}`",
                hint="change it with `.cast(…)`",
            )


# --- the value --------------------------------------------------------------------------------------------------------


def _hash(frame: Any, kind: str, name: str) -> str:
    try:
        import pyarrow

        from pipeglot.core.artifacts import arrow_hash
    except ImportError as error:
        raise ValueRefused(
            f"{name} is of polars, and to store it takes `pyarrow`, which is not installed", hint="pip install pyarrow"
        ) from error
    import polars

    found = hashlib.sha256(b"polars/1\n")
    described = [[column, _describe(dtype, _where(kind, column), name)] for column, dtype in frame.schema.items()]
    found.update(plain.canonical({"is": kind, "rows": frame.height, "columns": described}))
    for column in frame.iter_columns():
        try:
            array = column.cast(_logical(column.dtype)).rechunk().to_arrow()
            arrow_hash.update(found, array.combine_chunks() if isinstance(array, pyarrow.ChunkedArray) else array)
        except (arrow_hash.Unhashable, pyarrow.ArrowException, polars.exceptions.PolarsError) as error:
            where = _where(kind, column.name)
            raise ValueRefused(
                f"{name} cannot be stored: {where} has the type `{column.dtype}`: {error}", hint=_CAST
            ) from error
    return found.hexdigest()


_CAST = "change it with `.cast(…)`, or leave the column out"


def _describe(dtype: Any, where: str, name: str) -> Any:
    """A type in full, as plain data: in words of our own, for those of polars may change."""
    kind = type(dtype).__name__
    if kind in _REFUSED:
        raise ValueRefused(f"{name} cannot be stored: {where} has the polars type `{dtype}`", hint=_CAST)
    if kind == "Struct":
        return [kind, [[field.name, _describe(field.dtype, where, name)] for field in dtype.fields]]
    if kind == "List":
        return [kind, _describe(dtype.inner, where, name)]
    if kind == "Array":
        return [kind, dtype.size, _describe(dtype.inner, where, name)]
    if kind == "Enum":
        return [kind, dtype.categories.to_list()]
    details = [getattr(dtype, detail, None) for detail in ("time_unit", "time_zone", "precision", "scale")]
    return [kind, *details] if any(detail is not None for detail in details) else kind


def _logical(dtype: Any) -> Any:
    """The same with text for what Arrow has no type for, or numbers that are not to be seen."""
    import polars

    kind = type(dtype).__name__
    if kind in _AS_TEXT:
        return polars.String()
    if kind == "Struct":
        return polars.Struct([polars.Field(field.name, _logical(field.dtype)) for field in dtype.fields])
    if kind == "List":
        return polars.List(_logical(dtype.inner))
    return polars.Array(_logical(dtype.inner), dtype.size) if kind == "Array" else dtype


def _where(kind: str, column: str) -> str:
    return f"column `{column}`" if kind == "frame" else "it"
