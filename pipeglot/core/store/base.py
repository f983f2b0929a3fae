"""What a store must do: four verbs, a size, files to map. Everything above (ledger, artifacts, cache) needs no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeglot.core.store.naming import Entry


class Store(Protocol):
    """A folder or a bucket. Keys are `/`-separated; whoever builds one has checked its parts (`core.lineage.keys`).

    Every method raises `StoreError` when the store itself fails (not there, no permission, full, read-only).
    """

    @property
    def uri(self) -> str:
        """Where it is; `open_store` of it opens the same store. Holds no credentials."""

    @property
    def trusted(self) -> bool:
        """May code from it be run: may a pickle be loaded?"""

    @property
    def at_once(self) -> int:
        """How many small requests are worth making at the same time: 1 where the answer is there at once."""

    def put(self, key: str, data: bytes | Path) -> bool:
        """Create `key` from bytes or from a file, whole or not at all. False if it was there: nothing is changed."""

    def get(self, key: str) -> bytes | None:
        """The bytes of `key`, or None if there is none."""

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Each key with its bytes, in the order of `keys`; of a bucket, several are read at the same time."""

    def size(self, key: str) -> int | None:
        """How many bytes `key` holds, or None if there is none."""

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (which ends with `/`), in order. Unfinished writes are never among them."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The same, each with its size, and with the time of its writing by the clock of the store."""

    def delete(self, key: str) -> None:
        """Remove `key`; fine if it is not there."""

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove several, in no order that could be relied on."""

    def local(self, key: str) -> Path | None:
        """A read-only file holding `key`, to be mapped or copied, not changed; None if there is none."""

    def forget_copy(self, key: str) -> bool:
        """If what `local` gave is only a copy of what is stored, drop it, so that `local` makes another. Was it one?"""

    def temp(self) -> Path:
        """A private name, nothing there yet, for a file that `put` then takes without a copy. The caller removes it."""
