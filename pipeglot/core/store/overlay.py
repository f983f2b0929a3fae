"""A store over another one: reads see both, writes go to the upper only, so the lower stays as it is."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeglot.core.store.base import Store
    from pipeglot.core.store.naming import Entry


class Overlay:
    """Implements `Store`. A key that was deleted here is gone here, until it is put again."""

    def __init__(self, lower: Store, upper: Store) -> None:
        self.lower = lower
        self.upper = upper
        self._deleted: set[str] = set()

    @property
    def uri(self) -> str:
        """That of the lower one: it is what messages mean."""
        return self.lower.uri

    @property
    def trusted(self) -> bool:
        return self.lower.trusted

    @property
    def at_once(self) -> int:
        return self.lower.at_once

    def put(self, key: str, data: bytes | Path) -> bool:
        if key not in self._deleted and self.lower.size(key) is not None:
            return False
        return self.upper.put(key, data)

    def get(self, key: str) -> bytes | None:
        found = self.upper.get(key)
        return found if found is not None or key in self._deleted else self.lower.get(key)

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        return ((key, self.get(key)) for key in keys)

    def size(self, key: str) -> int | None:
        found = self.upper.size(key)
        return found if found is not None or key in self._deleted else self.lower.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        upper = set(self.upper.list(prefix))
        lower = (key for key in self.lower.list(prefix) if key not in self._deleted and key not in upper)
        return heapq.merge(sorted(upper), lower)

    def entries(self, prefix: str) -> Iterator[Entry]:
        upper = {entry.key: entry for entry in self.upper.entries(prefix)}
        below = self.lower.entries(prefix)
        lower = (entry for entry in below if entry.key not in self._deleted and entry.key not in upper)
        return heapq.merge(sorted(upper.values()), lower)

    def delete(self, key: str) -> None:
        self._deleted.add(key)
        self.upper.delete(key)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def local(self, key: str) -> Path | None:
        found = self.upper.local(key)
        return found if found is not None or key in self._deleted else self.lower.local(key)

    def forget_copy(self, key: str) -> bool:
        if self.upper.size(key) is not None:
            return self.upper.forget_copy(key)
        return key not in self._deleted and self.lower.forget_copy(key)

    def temp(self) -> Path:
        return self.upper.temp()
