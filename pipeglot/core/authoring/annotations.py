"""Annotations as people wrote them, and what is below their wrapping."""

from __future__ import annotations

import types
import typing
from typing import Any, get_args, get_origin

MISSING: Any = object()
"""No annotation, which is not `Any`: nobody has said anything."""

_UNIONS = (typing.Union, types.UnionType)


def bare(hint: Any) -> Any:
    """A type without `Annotated`, `NewType`, `Final` or a `type X = …` around it."""
    while True:
        if get_origin(hint) is typing.Annotated:
            hint = get_args(hint)[0]
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        else:
            return hint


def members(hint: Any) -> tuple[Any, ...] | None:
    """The members of a union; None if it is none."""
    return get_args(hint) if get_origin(hint) in _UNIONS else None


def list_of(hint: Any) -> Any:
    """`list[hint]`; a list of anything where nothing is known of its items."""
    return list if hint is MISSING else types.GenericAlias(list, (hint,))


def type_text(hint: Any) -> str:
    """A type for people: `list[str]`, `DataFrame | None`. Alike on all versions of Python, for it is part of the IR."""
    if hint is MISSING:
        return ""
    if hint is None or hint is type(None):
        return "None"
    if hint is Ellipsis:
        return "..."
    union = members(hint)
    if union is not None:
        return " | ".join(type_text(member) for member in union)
    origin = get_origin(hint)
    if origin is typing.Annotated:
        return type_text(get_args(hint)[0])
    if origin is typing.Literal:
        return f"Literal[{', '.join(_literal(value) for value in get_args(hint))}]"
    if origin is not None:
        inner = ", ".join(_argument(arg) for arg in get_args(hint))
        return f"{_name(origin if isinstance(origin, type) else hint)}[{inner}]"
    return _name(hint)


def _argument(arg: Any) -> str:
    return f"[{', '.join(map(type_text, arg))}]" if isinstance(arg, list) else type_text(arg)


def _literal(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if hasattr(value, "name") else repr(value)


def _name(hint: Any) -> str:
    if isinstance(hint, str):
        return hint
    for attribute in ("__qualname__", "__name__", "_name"):
        found = getattr(hint, attribute, None)
        if isinstance(found, str):
            return found.rpartition("<locals>.")[2]
    return str(hint)
