"""An artifact's value outside the store: as JSON on the screen, or as a file that other programs read."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import structs

from pipeglot.cli.output import as_json, print_json
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.records import Ref
from pipeglot.core.lineage.view import readable

_PYTHON = "load it in Python, in a step or a notebook"


def plain_value(artifacts: Artifacts, ref: Ref, shown: str) -> Any:
    """Plain data as JSON has it. Raises `UsageError` for all else."""
    if ref.codec != "json/1":
        what, suffix = _FILES.get(ref.codec, ("a Python object", ""))
        hint = f"write it to a file: `pipeglot artifact get {shown} --json -o FILE{suffix}`" if suffix else _PYTHON
        raise UsageError(f"this is {what}, which has no form in JSON", hint=hint)
    return readable(artifacts.tree(ref))


def to_stdout(artifacts: Artifacts, ref: Ref, shown: str) -> None:
    """Plain data as JSON; bytes and files as they are, but not to a terminal."""
    match ref.codec:
        case "json/1":
            print_json(plain_value(artifacts, ref, shown))
        case "bytes/1" | "file/1":
            if sys.stdout.isatty():
                hint = f"write them to a file: `pipeglot artifact get {shown} -o FILE`"
                raise UsageError("these are bytes, which are not for a terminal", hint=hint)
            _stream(artifacts, ref)
        case _:
            what, suffix = _FILES.get(ref.codec, ("a Python object", ""))
            hint = f"write it to a file: `pipeglot artifact get {shown} -o FILE{suffix}`" if suffix else _PYTHON
            raise UsageError(f"this is {what}, which has no form to print", hint=hint)


_FILES = {
    "bytes/1": ("bytes", ".bin"),
    "file/1": ("a file", ""),
    "dir/1": ("a folder", "/"),
    "frame/1": ("a frame", ".csv"),
    "polars/1": ("a polars frame", ".csv"),
    "arrow/1": ("an Arrow table", ".csv"),
    "custom/1": ("what a serializer of the project has written", ""),
    "npy/1": ("an array", ".npy"),
    "pickle/1": ("a pickled Python object", ".pkl"),
}


def export(artifacts: Artifacts, ref: Ref, target: Path, *, force: bool) -> None:
    """Write the value to a path: whole or not at all. Raises `UsageError` if something is there, unless `force`."""
    if target.exists() and not force:
        raise UsageError(f"`{target}` is there already", hint="give another name, or `--force` to replace it")
    if force and target.is_dir():
        raise UsageError(f"`{target}` is a folder, which is not replaced", hint="remove it first, or give another name")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder `{target.parent}`", hint="make it first")
    write = _writer(artifacts, ref, target)
    with TemporaryDirectory(prefix=".pipeglot-", dir=target.parent) as folder:
        made = Path(folder) / f"value{''.join(target.suffixes)}"
        write(made)
        os.replace(made, target)  # also a folder, onto nothing


def _writer(artifacts: Artifacts, ref: Ref, target: Path) -> Callable[[Path], Any]:
    """How to write this value to a file of this name."""
    match ref.codec:
        case "json/1":
            return lambda path: path.write_bytes(as_json(plain_value(artifacts, ref, "")))
        case "bytes/1":
            return lambda path: path.write_bytes(_bytes(artifacts, ref))
        case "file/1" | "dir/1":
            return lambda path: _copy(artifacts, ref, path)
        case "npy/1":
            _need(target, (".npy",), "an array")
            return lambda path: _save_array(artifacts.load(ref), path)
        case "frame/1":
            _need(target, _FRAMES, "a frame")
            return lambda path: _save_frame(artifacts.load(ref), path)
        case "polars/1" | "arrow/1":
            _need(target, _TABLES, "a table")
            return lambda path: _save_table(artifacts.load(ref), path)
        case "custom/1":
            stored = structs.replace(ref, codec=ref.meta["stored"], meta={})
            return lambda path: _copy(artifacts, stored, path)
        case "tree/1":
            raise UsageError("this is a Python object with arrays, frames or files in it", hint=_PYTHON)
        case "pickle/1":
            _need(target, (".pkl", ".pickle"), "a pickled object")
            return lambda path: _save_pickle(artifacts.load(ref), path)
        case _:
            raise UsageError("this is a list of values that are no plain data, which no one file holds", hint=_PYTHON)


def _need(target: Path, suffixes: tuple[str, ...], what: str) -> None:
    if target.suffix.lower() not in suffixes:
        *others, last = (f"`{suffix}`" for suffix in suffixes)
        listed = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(
            f"{what} is written as {listed}, and `{target.name}` ends otherwise", hint="give FILE that ending"
        )


def _bytes(artifacts: Artifacts, ref: Ref) -> bytes:
    found = artifacts.load(ref)
    assert isinstance(found, bytes), "`bytes/1` holds bytes"
    return found


def _copy(artifacts: Artifacts, ref: Ref, target: Path) -> None:
    """With the usual permissions: what the store hands out is read-only, and may be its own file."""
    with TemporaryDirectory(prefix="pipeglot-") as scratch:
        source = artifacts.load(ref, scratch=Path(scratch))
        assert isinstance(source, Path), "`file/1` and `dir/1` hold paths"
        if source.is_file():
            shutil.copyfile(source, target)
            return
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for folder, _, _ in os.walk(target):
            Path(folder).chmod(0o755)


def _save_array(array: Any, path: Path) -> None:
    import numpy as np

    np.save(path, array, allow_pickle=False)


def _save_frame(frame: Any, path: Path) -> None:
    """An index that only counts the rows is left out."""
    table = frame.to_frame() if frame.ndim == 1 else frame
    if path.suffix.lower() == ".parquet":
        _save_parquet(table, path)
    else:
        table.to_csv(path, index=type(table.index).__name__ != "RangeIndex")


def _save_parquet(table: Any, path: Path) -> None:
    """Its columns are of one type each, and have names that are texts, each another."""
    table.columns = [str(name) for name in table.columns]
    try:
        table.to_parquet(path)
    except (NotImplementedError, TypeError, ValueError) as error:  # Arrow's own are among them
        raise _no_form(path, error, _FRAMES) from error


def _no_form(path: Path, error: Exception, suffixes: tuple[str, ...]) -> UsageError:
    others = " or ".join(f"`{suffix}`" for suffix in suffixes if suffix != path.suffix.lower())
    why = "; ".join(map(str, error.args))
    return UsageError(f"it cannot be written as `{path.suffix}`: {why}", hint=f"try {others}")


def _save_table(value: Any, path: Path) -> None:
    """By Arrow, whichever library it was of. Lists and the like have no form in CSV."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    table = _as_arrow(value)
    try:
        match path.suffix.lower():
            case ".parquet":
                pyarrow.parquet.write_table(table, path)
            case ".feather":
                pyarrow.feather.write_feather(table, str(path))
            case _:
                pyarrow.csv.write_csv(table, path)
    except (pyarrow.ArrowException, NotImplementedError) as error:
        raise _no_form(path, error, _TABLES) from error


_FRAMES = (".csv", ".parquet")
_TABLES = (".csv", ".parquet", ".feather")


def _as_arrow(value: Any) -> Any:
    import pyarrow

    if type(value).__module__.startswith("polars"):
        return value.to_arrow() if hasattr(value, "columns") else value.to_frame().to_arrow()
    if isinstance(value, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([value])
    return value if isinstance(value, pyarrow.Table) else pyarrow.table({"value": value})


def _save_pickle(value: Any, path: Path) -> None:
    import cloudpickle

    path.write_bytes(cloudpickle.dumps(value))


def _stream(artifacts: Artifacts, ref: Ref) -> None:
    sys.stdout.flush()
    with TemporaryDirectory(prefix="pipeglot-") as scratch:
        found = artifacts.load(ref, scratch=Path(scratch))
        if isinstance(found, bytes):
            sys.stdout.buffer.write(found)
            return
        assert isinstance(found, Path), "`file/1` holds a path"
        with found.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
