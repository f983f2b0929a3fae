"""Who fills in the past: a claim in the store, so that no two backfills of a pipeline on a stack run moments twice.

A claim is put under the next free number, create-only: of several that want it, one gets it. Its holder gives signs of
life while it holds it. Whose process is gone, or whose signs are overdue by the store's own clock, holds it no more.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from pipeglot.core.errors import StoreError, UsageError
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import store_time
from pipeglot.core.lineage.ledger import host, nonce
from pipeglot.core.lineage.processes import is_there, this_process
from pipeglot.core.store.base import Store

SIGN = 60.0
"""Seconds between two signs of life."""

OVERDUE = 3
"""A holder that is silent for so many of these holds nothing any more."""

_OVER = "over"
_LARGEST = 10_000
"""Bytes: no claim of ours comes near."""


class _Held(NamedTuple):
    """The newest claim: its number, whether it was given back, and when anything was heard of its holder."""

    number: int
    over: bool
    heard: float


@contextmanager
def claimed(store: Store, stack: str, pipeline: str) -> Iterator[None]:
    """While this runs, nobody else gets it. Raises `UsageError` if somebody has it, `StoreError`."""
    mine = take(store, stack, pipeline)
    done = threading.Event()
    signs = threading.Thread(target=_give_signs, args=(store, mine, done), daemon=True)
    signs.start()
    try:
        yield
    finally:
        done.set()
        signs.join()
        store.put(f"{mine}.{_OVER}", b"")


def take(store: Store, stack: str, pipeline: str) -> str:
    """The key of a claim that is held from now on. Raises `UsageError` if somebody has it, `StoreError`."""
    place = f"{keys.CLAIMS}{hashlib.sha256(f'{stack}/{pipeline}'.encode()).hexdigest()[:24]}/"
    taken = f"a backfill of `{pipeline}` on stack `{stack}` is at work already"
    found = _newest(store, place)
    if found.number and not found.over:
        _refuse_held(store, place, found, taken)
    mine = found.number + 1
    is_first = store.put(f"{place}{mine}", msgspec.json.encode(this_process()))
    if is_first and _newest(store, place).number > mine:  # that number was taken and given back since it was looked for
        store.delete(f"{place}{mine}")
        is_first = False
    if not is_first:
        raise UsageError(f"{taken}: it has begun just now", hint=_HINT)
    store.delete_all([key for key in store.list(place) if _number(key, place) < mine])
    return f"{place}{mine}"


_HINT = "wait for it, or end it: it can be gone on with by the same command"


def _refuse_held(store: Store, place: str, found: _Held, taken: str) -> None:
    """Raises `UsageError`, unless its holder is gone."""
    holder = _holder(store, f"{place}{found.number}")
    there = is_there(holder)
    silent = store_time(store, nonce()) - found.heard
    if there is False or (there is None and silent > OVERDUE * SIGN):
        return
    pid, where = holder.get("pid", "?"), holder.get("host", "?")
    on = "" if where == host() else f" on `{where}`"
    free = "" if there else f"; if it is gone, it is free {OVERDUE * SIGN - silent:.0f} s from now"
    raise UsageError(f"{taken}, as process {pid}{on}", hint=f"{_HINT}{free}")


def _holder(store: Store, key: str) -> dict[str, str]:
    """A damaged claim is anybody's, until its signs are overdue."""
    data = store.get(key) if (store.size(key) or 0) <= _LARGEST else None
    try:
        return msgspec.json.decode(data or b"{}", type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _newest(store: Store, place: str) -> _Held:
    listed = list(store.entries(place))
    number = max((_number(entry.key, place) for entry in listed), default=0)
    of_it = [entry for entry in listed if _number(entry.key, place) == number]
    over = any(entry.key == f"{place}{number}.{_OVER}" for entry in of_it)
    return _Held(number, over, max((entry.modified for entry in of_it), default=0.0))


def _number(key: str, place: str) -> int:
    """0 of what is none of ours."""
    text = key.removeprefix(place).partition(".")[0]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0


def _give_signs(store: Store, mine: str, done: threading.Event) -> None:
    """What the store does not take now is given again: only a long silence counts."""
    number = 0
    while not done.wait(SIGN):
        try:
            store.put(f"{mine}.{number + 1}", b"")
            store.delete(f"{mine}.{number}")
            number += 1
        except StoreError:
            continue
