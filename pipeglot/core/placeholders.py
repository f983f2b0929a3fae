"""What stands in plain data for something that is none: an object of a user's class, or a value saved apart."""

from __future__ import annotations

from typing import Any, Protocol


class Instance:
    """An object of a user's class, taken apart; as long as nobody builds it again, it is only data.

    kind: what the class is, such as "dataclass" (see `instances`).
    ref: the class, as `module:qualname`.
    fields: by name.
    rest: what it has beside its fields.
    """

    __slots__ = ("fields", "kind", "ref", "rest")

    def __init__(self, kind: str, ref: str, fields: dict[str, Any], rest: Any = None) -> None:
        self.kind = kind
        self.ref = ref
        self.fields = fields
        self.rest = rest

    def __eq__(self, other: object) -> bool:
        if type(other) is not Instance:
            return NotImplemented
        mine, theirs = ((one.kind, one.ref, one.fields, one.rest) for one in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        try:
            return hash((self.ref, *self.fields.values()))
        except TypeError:  # as an object of a class with a `__hash__` of its own may stand in a set
            return hash(self.ref)


class Part:
    """Something inside plain data that is saved apart from it: at this place in a list, with this value hash."""

    __slots__ = ("at", "value")

    def __init__(self, at: int, value: str = "") -> None:
        self.at = at
        self.value = value


class Builder(Protocol):
    """What puts the place-holders right while plain data is decoded."""

    def instance(self, found: Instance) -> Any:
        """The object."""

    def part(self, at: int) -> Any:
        """What was saved apart."""
