"""`custom/1`: values that a user's `@serializer` writes, as a file or a folder.

The reference says which serializer it was, by id, version and place. From a store that is not trusted no module is
imported for it: there only what the project has imported itself is used, and only if it says that it is `safe`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeglot.core import plain
from pipeglot.core.artifacts import files, folders
from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.errors import PipeglotError, Untrusted, ValueRefused
from pipeglot.core.instances import load_class
from pipeglot.core.serializers import Serializer, by_id, serializer_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool


def dump(value: Any, out: Spool, job: Saving) -> Dumped:
    """Raises `ValueRefused` if the user's code raises, or writes nothing."""
    import tempfile
    from pathlib import Path

    found = serializer_of(type(value))
    assert found is not None, "`codec_of` has found it"
    name = quoted(job.name)
    made = _call(found.make, f"{name} cannot be stored: `{found.ref}()`")
    with tempfile.TemporaryDirectory(prefix="pipeglot-") as folder:
        path = Path(folder) / "value"
        _call(lambda: made.dump(value, path), f"{name} cannot be stored: `{found.ref}.dump`")
        if not os.path.lexists(path):
            raise ValueRefused(
                f"{name} cannot be stored: `{found.ref}.dump` has written nothing to the path that it was given",
                hint="write a file there, or make a folder there and write into it",
            )
        stored = "dir/1" if path.is_dir() else "file/1"
        dumped = (folders if stored == "dir/1" else files).dump(path, out, job)
    meta = {"id": found.id, "version": found.version, "serializer": found.ref, "stored": stored}
    return Dumped(_digest(made, found, value, name), parts=dumped.parts, meta=meta)


def _digest(made: Any, found: Serializer, value: Any, name: str) -> str:
    if not hasattr(made, "digest"):
        return ""
    said = _call(lambda: made.digest(value), f"{name} cannot be stored: `{found.ref}.digest`")
    if type(said) not in (str, bytes) or not said:
        raise ValueRefused(
            f"{name} cannot be stored: `{found.ref}.digest` has returned a `{type(said).__name__}`"
            + ("" if said else " that is empty"),
            hint="return `str` or `bytes` that are equal if, and only if, two values are",
        )
    return plain.digest(["custom/1", found.id, found.version, said])


def load(job: Loading) -> object:
    """Raises `ValueRefused` if the serializer is gone, has another version, or raises; `Untrusted`."""
    found = _find(job)
    _refuse_unsafe(found, job)
    path: Path = (folders if job.ref.meta["stored"] == "dir/1" else files).load(job)
    made = _call(found.make, f"{job.what} cannot be loaded: `{found.ref}()`")
    return _call(lambda: made.load(path), f"{job.what} cannot be loaded: `{found.ref}.load`")


def _find(job: Loading) -> Serializer:
    meta = job.ref.meta
    if by_id(meta["id"]) is None:
        load_class(meta["serializer"], job.what, trusted=job.blobs.store.trusted)
    found = by_id(meta["id"])
    if found is None:
        raise ValueRefused(
            f"{job.what} was stored by the serializer `{meta['id']}` (`{meta['serializer']}`), which is not there",
            hint=f'keep one with `id="{meta["id"]}"`, or run the step that made it again',
        )
    if found.version != meta["version"]:
        raise ValueRefused(
            f"{job.what} was stored by version {meta['version']} of the serializer `{found.id}`, and `{found.ref}` is"
            f" version {found.version}",
            hint="run the step that made it again: `pipeglot run TARGET --no-cache`",
        )
    return found


def _refuse_unsafe(found: Serializer, job: Loading) -> None:
    if not (found.safe or job.blobs.store.trusted):
        raise Untrusted(
            f"{job.what} was stored by the serializer `{found.id}` (`{found.ref}`), which may run what it reads, and"
            f" the store `{job.blobs.store.uri}` is not trusted",
            hint=f"if its `load` never unpickles or runs anything, say `@serializer(…, id={found.id!r}, safe=True)`; if"
            " only people you trust can write to the store, `trusted: true` in the stack",
        )


def _call(do: Any, what: str) -> Any:
    """The user's code, whose errors get a name and stay the cause."""
    try:
        return do()
    except (PipeglotError, MemoryError):
        raise
    except Exception as error:
        raise ValueRefused(f"{what} has raised {type(error).__name__}: {error}") from error


def outdated(meta: dict[str, Any]) -> str:
    """Why a stored value is of no use here: its serializer, if it is imported, is of another version."""
    found = by_id(meta.get("id", ""))
    if found is None or found.version == meta.get("version"):
        return ""
    return f"made by version {meta.get('version')} of the serializer `{found.id}`, and here is version {found.version}"
