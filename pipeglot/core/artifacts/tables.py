"""`arrow/1`: Arrow tables, record batches and arrays, as Arrow IPC files, so that a reader maps them.

The value does not see how a column lies in memory: in how many chunks, from which offset, with offsets of which width.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.errors import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_ARRAY = "array"


def dump(value: Any, out: Spool, job: Saving) -> Dumped:
    """Raises `ValueRefused` for types that Arrow has, but no file of it."""
    import pyarrow

    kind, table = _as_table(value)
    logical = hashlib.sha256(b"arrow/1\n")
    logical.update(plain.canonical(_describe(kind, table, job)))
    for name, column in zip(table.column_names, table.columns, strict=True):
        _hash(logical, column, _where(kind, name), job)
    try:
        table = table.unify_dictionaries()  # a file has one for all its batches
        with pyarrow.ipc.new_file(pyarrow.PythonFile(out, mode="w"), table.schema) as writer:
            writer.write_table(table)
    except (pyarrow.ArrowException, NotImplementedError) as error:
        raise ValueRefused(f"{quoted(job.name)} cannot be stored as an Arrow file: {error}") from error
    return Dumped(logical.hexdigest(), meta={"is": kind})


def load(job: Loading) -> object:
    """What was saved. Large files are mapped, not read."""
    try:
        import pyarrow
    except ImportError as error:
        raise ValueRefused(
            f"{job.what} is of Arrow, and pyarrow is not installed here", hint="pip install 'pipeglot[pandas]'"
        ) from error
    buffer = pyarrow.py_buffer(job.buffer())
    try:
        table = pyarrow.ipc.open_file(pyarrow.BufferReader(buffer)).read_all()
        if not job.blobs.store.trusted:
            table.validate(full=True)
    except (pyarrow.ArrowException, OSError) as error:  # the bytes are verified: they are as somebody wrote them
        raise ValueRefused(
            f"{job.what} cannot be read with pyarrow {pyarrow.__version__}: {error}",
            hint="install the version of the step that made it, or a newer one",
        ) from error
    kind = job.ref.meta["is"]
    if kind == "table":
        return table
    if kind == "batch":
        return _batch(table)
    return table.column(0) if kind == "chunked" else _one(table.column(0))


def _as_table(value: Any) -> tuple[str, Any]:
    import pyarrow

    if isinstance(value, pyarrow.Table):
        return "table", value
    if isinstance(value, pyarrow.RecordBatch):
        return "batch", pyarrow.Table.from_batches([value])
    return "chunked" if isinstance(value, pyarrow.ChunkedArray) else _ARRAY, pyarrow.table({_ARRAY: value})


def _batch(table: Any) -> Any:
    import pyarrow

    arrays = [_one(column) for column in table.columns]
    if not arrays:  # nothing but a number of rows
        return table.to_batches()[0]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=table.schema)


def _one(column: Any) -> Any:
    """One array of all chunks."""
    import pyarrow

    if column.num_chunks == 1:
        return column.chunk(0)
    return pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)


# --- the value --------------------------------------------------------------------------------------------------------


def _describe(kind: str, table: Any, job: Saving) -> dict[str, Any]:
    columns = []
    for field in table.schema:
        described = _describe_type(field.type, _where(kind, field.name), job)
        columns.append([field.name, field.nullable, described, _metadata(field.metadata)])
    return {"is": kind, "rows": table.num_rows, "columns": columns, "metadata": _metadata(table.schema.metadata)}


def _describe_type(kind: Any, where: str, job: Saving) -> Any:
    import pyarrow

    from pipeglot.core.artifacts import arrow_hash

    try:
        if pyarrow.types.is_dictionary(kind):
            return ["dictionary", bool(kind.ordered), str(kind.index_type), arrow_hash.describe(kind.value_type)]
        return arrow_hash.describe(kind)
    except arrow_hash.Unhashable as unfit:
        raise ValueRefused(
            f"{quoted(job.name)} cannot be stored: {where} has the Arrow type `{kind}`"
            + (f", and `{unfit}` is not covered" if str(unfit) != str(kind) else ", which is not covered"),
            hint="cast it to a plainer type: `.cast(…)`, `.dictionary_decode()`, or `.storage` of an extension",
        ) from None


def _where(kind: str, name: str) -> str:
    return f"column `{name}`" if kind in ("table", "batch") else "it"


def _metadata(found: dict[bytes, bytes] | None) -> list[list[bytes]]:
    """Without the versions of libraries, which pandas writes into its own."""
    return sorted(
        [key, _without_versions(value) if key == b"pandas" else value] for key, value in (found or {}).items()
    )


def _without_versions(note: bytes) -> bytes:
    try:
        tree = json.loads(note)
    except ValueError:
        return note
    if isinstance(tree, dict):
        tree = {key: value for key, value in tree.items() if key not in ("creator", "pandas_version")}
    return json.dumps(tree, sort_keys=True).encode()


def _hash(into: hashlib._Hash, column: Any, where: str, job: Saving) -> None:
    import pyarrow

    from pipeglot.core.artifacts import arrow_hash

    try:
        for array in _logical(column):
            arrow_hash.update(into, array)
    except (arrow_hash.Unhashable, pyarrow.ArrowException, NotImplementedError) as error:
        raise ValueRefused(
            f"{quoted(job.name)} cannot be stored: {where} has the Arrow type `{column.type}`: {error}"
        ) from error


def _logical(column: Any) -> Iterator[Any]:
    """One array that stands for a column: text with wide offsets, and of a dictionary what its items are.

    An ordered dictionary is a value of its own: its order is.
    """
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        if kind.ordered:
            column = column.unify_dictionaries()
            yield column.chunk(0).dictionary if column.num_chunks else pyarrow.array([], kind.value_type)
        column = column.cast(kind.value_type)
    if pyarrow.types.is_string(column.type):
        column = column.cast(pyarrow.large_string())
    if pyarrow.types.is_binary(column.type):
        column = column.cast(pyarrow.large_binary())
    yield _one(column)
