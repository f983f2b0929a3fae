"""A value as plain data, place-holders for users' objects, and the parts of it that have a codec of their own."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import codec_of, inside, quoted
from pipeglot.core.errors import ValueRefused
from pipeglot.core.instances import take_apart
from pipeglot.core.placeholders import Instance, Part


class Apart:
    """`skeleton`: the value, with an `Instance` for each object and a `Part` for each of `parts`, by path."""

    def __init__(self, value: object, name: str) -> None:
        self._name = name
        self.parts: list[tuple[str, Any, Part]] = []
        self.skeleton = self._take(value, "", 0)

    def _take(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if depth >= plain.MAX_DEPTH:
            raise plain.TooDeep(f"`{path[:60]}…` is nested more than {plain.MAX_DEPTH} levels deep, or contains itself")
        if depth and kind is not bytes and codec_of(value) != "json/1":
            part = Part(len(self.parts))
            self.parts.append((path, value, part))
            return part
        walk = _WALKS.get(kind)
        if walk is not None:
            return walk(value, lambda item, key: self._take(item, f"{path}[{key!r}]", depth + 1))
        found = self._instance(value, path)
        if found is not None:
            self._take_fields(found, path, depth)
        return value if found is None else found

    def _take_fields(self, found: Instance, path: str, depth: int) -> None:
        found.fields = {name: self._take(item, f"{path}.{name}", depth + 1) for name, item in found.fields.items()}
        if found.rest is not None:
            found.rest = self._take(found.rest, path, depth + 1)

    def _instance(self, value: Any, path: str) -> Instance | None:
        try:
            return take_apart(value)
        except ValueRefused as refused:
            where = quoted(inside(self._name, path) if path else self._name)
            raise ValueRefused(f"{where} {refused.message}", hint=refused.hint) from None


Take = Callable[[Any, Any], Any]


def _items(value: Any, take: Take) -> list[Any]:
    return [take(item, i) for i, item in enumerate(value)]


def _pairs(value: Any, take: Take) -> dict[Any, Any]:
    return {take(key, key): take(item, key) for key, item in value.items()}


_WALKS: dict[type, Callable[[Any, Take], Any]] = {
    list: _items,
    tuple: lambda value, take: tuple(_items(value, take)),
    set: lambda value, take: set(_items(value, take)),
    frozenset: lambda value, take: frozenset(_items(value, take)),
    dict: _pairs,
    OrderedDict: lambda value, take: OrderedDict(_pairs(value, take)),
    Counter: lambda value, take: Counter(_pairs(value, take)),
    defaultdict: lambda value, take: defaultdict(value.default_factory, _pairs(value, take)),
    deque: lambda value, take: deque(_items(value, take), value.maxlen),
}
