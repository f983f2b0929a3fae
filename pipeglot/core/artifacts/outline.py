"""The outline of a stored list: what the records of a run keep of its items, where the run's shape depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from pipeglot.core import plain
from pipeglot.core.artifacts import values
from pipeglot.core.artifacts.spool import INLINE
from pipeglot.core.lineage.records import Look, Outline, Ref

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OUTLINE = 1 << 20
"""Bytes of JSON. A larger outline is left out, and what needs it fails and says so."""

_SHORT = INLINE // 8  # of a text of so few characters the JSON is small, however they are escaped


def outline(ref: Ref, look: Look, contents: Callable[[Ref], Any]) -> Outline | None:
    """None if `ref` is no list, or its outline would be too large.

    `contents` reads a list: its tagged JSON if it is plain, else the references to its items.
    """
    found = _of_ref(ref, look, contents)
    return found if found is not None and len(msgspec.json.encode(found)) <= MAX_OUTLINE else None


def _of_ref(ref: Ref, look: Look, contents: Callable[[Ref], Any]) -> Outline | None:
    if ref.length is None:
        return None
    if ref.codec == "json/1":
        return _of_tree(contents(ref), look)
    refs: list[Ref] = contents(ref)
    return Outline(
        lengths=[one.length for one in refs] if look.lengths else None,
        values=[_inline(one) for one in refs] if look.values else None,
        items=[_of_ref(one, look.items, contents) for one in refs] if look.items else None,
    )


def _inline(ref: Ref) -> tuple[Any] | None:
    return (ref.inline,) if ref.codec == "json/1" and ref.inline is not UNSET else None


def _of_tree(whole: Any, look: Look) -> Outline | None:
    found = values.items(whole)
    if found is None:
        return None
    return Outline(
        lengths=[_length(tree) for tree in found] if look.lengths else None,
        values=[(tree,) if _is_small(tree) else None for tree in found] if look.values else None,
        items=[_of_tree(tree, look.items) for tree in found] if look.items else None,
    )


def _length(tree: Any) -> int | None:
    inner = values.items(tree)
    return None if inner is None else len(inner)


def _is_small(tree: Any) -> bool:
    kind = type(tree)
    if kind in (dict, list) or (kind is str and len(tree) > _SHORT):
        return len(plain.dumps_ordered(tree)) <= INLINE
    return True
