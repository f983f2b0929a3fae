"""Any store, with the network of a bucket between: requests time out, replies get lost, bodies and listings are cut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeglot.core.store.base import Store
from pipeglot.core.store.naming import Entry
from tests.faults.points import Injector, timed_out


class FaultyStore:
    """Implements `Store`: each verb is a point."""

    def __init__(self, inner: Store, injector: Injector) -> None:
        self.inner = inner
        self.injector = injector
        self.cut: set[str] = set()

    @property
    def uri(self) -> str:
        return self.inner.uri

    @property
    def trusted(self) -> bool:
        return self.inner.trusted

    @property
    def at_once(self) -> int:
        return self.inner.at_once

    def put(self, key: str, data: bytes | Path) -> bool:
        return bool(self.injector.at("verb", "put", key, self.inner.put, key, data))

    def get(self, key: str) -> bytes | None:
        found: bytes | None = self.injector.at("verb", "get", key, self._get, key)
        return found

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Each of them is a request, and so a point."""
        return ((key, self.get(key)) for key in keys)

    def size(self, key: str) -> int | None:
        found: int | None = self.injector.at("verb", "size", key, self.inner.size, key)
        return found

    def list(self, prefix: str) -> Iterator[str]:
        found: Iterator[str] = self.injector.at("verb", "list", prefix, self._list, prefix)
        return found

    def delete(self, key: str) -> None:
        self.injector.at("verb", "delete", key, self.inner.delete, key)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Whoever asks for them has more in mind than a run does: no point."""
        return self.inner.entries(prefix)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def local(self, key: str) -> Path | None:
        found: Path | None = self.injector.at("verb", "local", key, self._local, key)
        return found

    def forget_copy(self, key: str) -> bool:
        """Touches no network, and so is no point. What `local` gave cut short was a copy."""
        cut = key in self.cut
        self.cut.discard(key)
        return self.inner.forget_copy(key) or cut

    def temp(self) -> Path:
        found: Path = self.injector.at("verb", "temp", "", self.inner.temp)
        return found

    # --- what a fault may cut short -----------------------------------------------------------------------------------

    def _get(self, key: str, *, cut: bool = False) -> bytes | None:
        found = self.inner.get(key)
        return found[: len(found) // 2] if found is not None and cut else found

    def _local(self, key: str, *, cut: bool = False) -> Path | None:
        found = self.inner.local(key)
        if found is None or not cut:
            return found
        data = found.read_bytes()
        with tempfile.NamedTemporaryFile(dir=self.injector.root, delete=False) as file:
            file.write(data[: len(data) // 2])
        self.cut.add(key)
        return Path(file.name)

    def _list(self, prefix: str, *, cut: bool = False) -> Iterator[str]:
        """The first page comes, the next one does not."""
        found = list(self.inner.list(prefix))
        yield from found[: len(found) // 2] if cut else found
        if cut:
            raise timed_out("list")
