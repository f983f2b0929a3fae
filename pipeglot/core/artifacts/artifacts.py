"""The artifacts of a store: values that were saved, verified whenever they are read."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import UNSET, MsgspecError, structs

from pipeglot.core import plain
from pipeglot.core.artifacts import items, values
from pipeglot.core.artifacts.at_hand import AtHand
from pipeglot.core.artifacts.blobs import Blobs, blob_key, this_week
from pipeglot.core.artifacts.codec import Loading, Saving, codec
from pipeglot.core.artifacts.saving import save_value, undone
from pipeglot.core.artifacts.spool import INLINE
from pipeglot.core.errors import Corrupt, PipeglotError, ValueRefused
from pipeglot.core.lineage.records import Look, Ref
from pipeglot.core.placeholders import Instance
from pipeglot.core.store.failures import store_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeglot.core.artifacts.folders import Entry
    from pipeglot.core.store.base import Store

T = TypeVar("T")

_UNREADABLE = (
    MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    SyntaxError,
)
"""What decoding raises for bytes that no codec of ours wrote."""

_LISTS = 4
_LISTS_SIZE = 64 << 20


class Artifacts:
    """Saves and loads values. What travels between steps is only a `Ref`."""

    def __init__(self, store: Store, *, sharing: bool = False) -> None:
        """`sharing`: steps run in this process, and get what the one before returned, where it cannot be changed."""
        self.store = store
        self._at_hand = AtHand() if sharing else None
        self._blobs = Blobs(store)
        self._lists: dict[str, tuple[int, Any]] = {}  # by blob: size, and what was read
        self._lock = threading.Lock()

    def save(self, value: object, *, name: str, declared: object = None, opaque_id: Callable[[], str]) -> Ref:
        """Store a value. Raises `ValueRefused` if it would not come back equal, `StoreError`.

        name: how messages call it, such as "output `auc` of step `train`".
        declared: the type in the annotation; a NumPy scalar becomes a declared float, int, bool or str.
        opaque_id: gives the lineage identity of a value that has none of its own (where it comes from).
        """
        job = Saving(self._blobs, this_week(), name, opaque_id)
        if self._at_hand is None:
            return save_value(undone(value, declared), job)
        ref = self._at_hand.ref(value)
        if ref is None or ref.week != job.week or not self._blobs.is_kept(ref.week, ref.blob, ref.size):
            ref = save_value(undone(value, declared), job)
            self._at_hand.keep(value, ref)
        return ref

    def load(self, ref: Ref, *, name: str = "value", scratch: Path | None = None) -> object:
        """The value. Files and folders are put into `scratch`, named after `name`.

        Raises `Corrupt` if the bytes are not what was saved, `Untrusted` for a pickle in a store that is not trusted,
        `NewerFormat`, `ValueRefused`, `StoreError`.
        """
        job = Loading(self._blobs, ref, name, scratch)
        if self._at_hand is None:
            return self._load(job)
        found: object = self._at_hand.value(ref)
        if found is None:
            found = self._load(job)
            self._at_hand.keep(found, ref)
        else:
            os.close(job.open()[0])  # as when it is read: what is gone or was changed fails the step
        return found

    def _load(self, job: Loading) -> object:
        ref = job.ref
        if ref.codec == "json/1" and "at" in ref.meta:
            return self._guarded(job, lambda: values.decode(values.part(self._tree(job), ref.meta), job))
        return self._guarded(job, lambda: codec(ref.codec).load(job))

    def tree(self, ref: Ref) -> Any:
        """The tagged JSON of a plain value, in which no object is built and for which no module is imported."""
        job = Loading(self._blobs, ref, "value", None)
        return self._guarded(job, lambda: values.part(self._tree(job), ref.meta))

    def apart(self, ref: Ref) -> tuple[Any, dict[str, Ref]]:
        """Of plain data and objects: the data, and by path what is saved apart from it. No module is imported.

        An `Instance` stands for each object of a user's class, a `Part` for what is saved apart.
        """
        if ref.codec != "tree/1":
            return plain.decode(self.tree(ref)), {}
        from pipeglot.core.artifacts import trees

        job = Loading(self._blobs, ref, "value", None)
        found = self._guarded(job, lambda: trees.manifest(job))
        parts = {path: items.whole(found.items[at], ref, at) for at, path in enumerate(found.paths)}
        return plain.decode(found.tree), parts

    def exists(self, ref: Ref) -> bool:
        """Is all that `load` needs in the store, in the right size? Reads the list of parts, where there is one."""
        try:
            return all(self._blobs.has(week, sha, size) for week, sha, size in self._needed(ref, 0))
        except Corrupt:
            return False

    def blobs(self, ref: Ref) -> Iterator[tuple[str, str, int]]:
        """Week, hash and size of all that `load` needs. Raises `Corrupt` if a list of parts is gone or damaged."""
        return self._needed(ref, 0)

    def keys(self, ref: Ref) -> Iterator[str]:
        """The store's keys of all that `load` needs: what gc must keep. Raises `Corrupt` if a list of parts is gone."""
        return (blob_key(week, sha) for week, sha, _ in self._needed(ref, 0))

    def item(self, ref: Ref, position: int) -> Ref:
        """The reference to one item of a list or tuple. Nothing is written. Raises `ValueRefused` for anything else."""
        job = Loading(self._blobs, ref, "value", None)
        if ref.codec == "items/1":
            found = self._manifest(job)
            _check_position(position, len(found.items))
            return items.whole(found.items[position], ref, position)
        if ref.codec != "json/1":
            raise _no_list(_KINDS.get(ref.codec, "value"))
        return self._guarded(job, lambda: self._plain_item(job, position))

    def outlined(self, ref: Ref, look: Look | None) -> Ref:
        """The reference with what `look` asks about the items of its list, for a run's record. Reads the list.

        Raises `Corrupt`, `StoreError`. A list that travels in its reference needs no outline.
        """
        if look is None or ref.length is None or (ref.codec == "json/1" and ref.inline is not UNSET):
            return structs.replace(ref, outline=None) if ref.outline is not None else ref
        from pipeglot.core.artifacts.outline import outline

        return structs.replace(ref, outline=outline(ref, look, self._contents))

    def head(self, ref: Ref, count: int) -> bytes:
        """The first of the stored bytes, verified, whatever they mean. Raises `Corrupt`, `StoreError`."""
        job = Loading(self._blobs, ref, "value", None)
        small = job.small()
        if small is not None:
            return small[:count]
        fd, path = job.open()
        try:
            with os.fdopen(fd, "rb") as file:
                return file.read(count)
        except OSError as error:
            raise store_error(error, "read", str(path)) from error

    def listing(self, ref: Ref) -> list[Entry]:
        """What a stored folder holds; of its files, nothing is read. Raises `Corrupt`, `StoreError`."""
        from pipeglot.core.artifacts import folders

        job = Loading(self._blobs, ref, "value", None)
        return self._guarded(job, lambda: folders.listing(job))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _contents(self, ref: Ref) -> Any:
        """The tagged JSON of plain data; the references to the items of any other list."""
        job = Loading(self._blobs, ref, "value", None)
        if ref.codec != "items/1":
            return self._guarded(job, lambda: values.part(self._tree(job), ref.meta))
        return [items.whole(bare, ref, i) for i, bare in enumerate(self._manifest(job).items)]

    def _plain_item(self, job: Loading, position: int) -> Ref:
        """Small items travel in their reference; a large one is a place in the bytes of the list."""
        whole = values.part(self._tree(job), job.ref.meta)
        found = values.items(whole)
        if found is None:
            raise _no_list(_type_name(plain.decode(whole)))
        _check_position(position, len(found))
        tree = found[position]
        value, data, inner = plain.decode(tree), plain.dumps_ordered(tree), values.items(tree)
        changes: dict[str, Any] = {"value": plain.digest(value), "length": None if inner is None else len(inner)}
        if len(data) > INLINE:
            at = [*job.ref.meta.get("at", ()), position]
            return structs.replace(job.ref, **changes, outline=None, meta={"at": at})
        return Ref(blob=hashlib.sha256(data).hexdigest(), size=len(data), codec="json/1", inline=tree, **changes)

    def _needed(self, ref: Ref, depth: int) -> Iterator[tuple[str, str, int]]:
        """Week, hash and size of every blob."""
        if ref.inline is UNSET:
            yield ref.week, ref.blob, ref.size
        if not ref.week:
            return
        job = Loading(self._blobs, ref, "value", None, depth)
        if ref.codec == "items/1":
            for i, bare in enumerate(self._manifest(job).items):
                yield from self._needed(items.whole(bare, ref, i), depth + 1)
        elif ref.codec == "tree/1":
            from pipeglot.core.artifacts import trees

            for i, bare in enumerate(self._guarded(job, lambda: trees.manifest(job)).items):
                yield from self._needed(items.whole(bare, ref, i), depth + 1)
        elif ref.codec == "dir/1" or ref.meta.get("stored") == "dir/1":
            from pipeglot.core.artifacts import folders

            for sha, size in self._guarded(job, lambda: folders.parts(job)):
                yield ref.week, sha, size

    def _tree(self, job: Loading) -> Any:
        return self._remembered(job, lambda: values.tree(job))

    def _manifest(self, job: Loading) -> items.Manifest:
        found: items.Manifest = self._remembered(job, lambda: self._guarded(job, lambda: items.manifest(job)))
        return found

    def _remembered(self, job: Loading, read: Callable[[], Any]) -> Any:
        """A list that was just read, read again for its next item: the latest few are kept."""
        blob = job.ref.blob
        with self._lock:
            known = self._lists.pop(blob, None)
            if known is not None:
                self._lists[blob] = known
                return known[1]
        found = read()
        with self._lock:
            self._lists[blob] = (job.ref.size, found)
            while len(self._lists) > 1 and (
                len(self._lists) > _LISTS or sum(size for size, _ in self._lists.values()) > _LISTS_SIZE
            ):
                del self._lists[next(iter(self._lists))]
        return found

    def _guarded(self, job: Loading, read: Callable[[], T]) -> T:
        """Run a codec. Bytes that it did not write itself may make it stumble anywhere."""
        try:
            return read()
        except plain.Unwritten as error:
            why = error.message
            raise Corrupt(f"{job.what} cannot be read: its bytes are no `{job.ref.codec}` ({why})") from error
        except PipeglotError:
            raise
        except _UNREADABLE as error:
            why = f"{type(error).__name__}: {error}"
            raise Corrupt(f"{job.what} cannot be read: its bytes are no `{job.ref.codec}` ({why})") from error


_KINDS = {
    "bytes/1": "`bytes`",
    "file/1": "file",
    "dir/1": "folder",
    "npy/1": "NumPy array",
    "frame/1": "pandas frame",
    "arrow/1": "Arrow table",
    "polars/1": "polars frame",
    "custom/1": "Python object",
    "tree/1": "Python object",
    "pickle/1": "pickled object",
}


def _type_name(value: object) -> str:
    return f"`{value.ref.partition(':')[2] if isinstance(value, Instance) else type(value).__name__}`"


def _no_list(kind: str) -> ValueRefused:
    return ValueRefused(
        f"a {kind} cannot be stepped through by map", hint="return a `list` or `tuple` from the step that makes it"
    )


def _check_position(position: int, count: int) -> None:
    if not 0 <= position < count:
        raise ValueRefused(f"there is no item {position} in a list of {count}")
