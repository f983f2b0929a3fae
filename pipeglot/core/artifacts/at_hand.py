"""Text and bytes that this process has just saved or loaded: the next who asks for them gets the same object.

Nobody can change it, so nobody sees what another does with it. All else is made anew for each who asks (see adr/0010).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import UNSET

if TYPE_CHECKING:
    from pipeglot.core.lineage.records import Ref

MOST = 64 << 20
"""Bytes of all of them, as stored: the latest are kept."""

Shared = str | bytes


class AtHand:
    """Values by their stored bytes. That these are still in the store, and whole, the caller looks after."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Shared, Ref]] = {}
        self._lock = threading.Lock()

    def keep(self, value: object, ref: Ref) -> None:
        """Remember a value that was saved as `ref` or loaded by it, if it is of a kind that can be shared."""
        if type(value) is not str and type(value) is not bytes:
            return
        if ref.inline is not UNSET or ref.meta or ref.opaque or ref.size > MOST:
            return
        with self._lock:
            self._kept.pop((ref.codec, ref.blob), None)
            self._kept[ref.codec, ref.blob] = (value, ref)
            while sum(kept.size for _, kept in self._kept.values()) > MOST:
                del self._kept[next(iter(self._kept))]

    def value(self, ref: Ref) -> Shared | None:
        """What a reference stands for, if it is at hand."""
        if ref.meta:
            return None
        found = self._kept.get((ref.codec, ref.blob))
        return found[0] if found is not None else None

    def ref(self, value: object) -> Ref | None:
        """The reference of this very object, if it is at hand."""
        for one, ref in list(self._kept.values()):
            if one is value:
                return ref
        return None
