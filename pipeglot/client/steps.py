"""What of a step's definition decides its results: the members of its code, what it declares, where inputs are from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeglot.core.ir import OutputRef, ParamRef, Source, Step
from pipeglot.core.lineage.plan import source_needs

Members = dict[str, str]
"""Functions, classes and constants that a step's code covers (`module:name`), with a hash of each."""


class MemberChanges(NamedTuple):
    """The members that make two digests differ."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)

    def __str__(self) -> str:
        told = (("changed", self.changed), ("added", self.added), ("removed", self.removed))
        return "; ".join(f"{word} {', '.join(f'`{name}`' for name in names)}" for word, names in told if names)


def member_changes(before: Members, after: Members) -> MemberChanges:
    """What was changed, added and removed between two versions of a step's code."""
    return MemberChanges(
        tuple(name for name in after if name in before and before[name] != after[name]),
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
    )


def declared_changes(old: Step, new: Step) -> Iterator[tuple[str, Any, Any]]:
    """What the step declares that is part of its cache key, where that differs: name, before, after."""
    pairs = (
        ("version", old.cache.version, new.cache.version),
        ("env", old.env, new.env),
        ("packages", old.packages, new.packages),
        ("secrets", sorted(old.secrets), sorted(new.secrets)),
    )
    return ((name, before, after) for name, before, after in pairs if before != after)


def origin(source: Source) -> str:
    """Where an input comes from, in words."""
    if isinstance(source, ParamRef):
        return f"parameter `{source.name}`"
    if isinstance(source, OutputRef):
        output = f", output `{source.output}`" if source.output else ""
        return f"from step `{source.step}`{output}"
    steps = dict.fromkeys(step for need in source_needs(source) for step in need.steps)
    return f"from {', '.join(f'`{step}`' for step in steps)}" if steps else ""
