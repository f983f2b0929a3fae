"""`items/1`: a list or tuple whose items are not all plain data: a list of references, each item with its own codec.

The bytes say nothing of when and where they were made (week, package versions, opaque identities): all that stands in
the reference to the list and counts for its items too. So equal items give equal bytes, and cache keys of those last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct, structs

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import MAX_NESTED, Dumped, codec, item_id, quoted
from pipeglot.core.artifacts.saving import save_value
from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.lineage.records import Ref

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool


class Manifest(Struct, frozen=True):
    """What is stored."""

    kind: Literal["list", "tuple"]
    items: list[Ref]


def dump(value: list[object] | tuple[object, ...], out: Spool, job: Saving) -> Dumped:
    """Save each item, then the list of their references."""
    if len(job.outer) >= MAX_NESTED or any(value is outer for outer in job.outer):
        raise ValueRefused(
            f"{quoted(job.name)} cannot be stored: it is nested more than {MAX_NESTED} lists deep, or contains itself",
            hint="return a flat list",
        )
    refs = [save_value(item, job.item(i, value)) for i, item in enumerate(value)]
    kind: Literal["list", "tuple"] = "list" if type(value) is list else "tuple"
    out.write(msgspec.json.encode(Manifest(kind, [bare(ref) for ref in refs])))
    opaque = any(ref.opaque for ref in refs)
    return Dumped(
        "" if opaque else plain.digest(["items/1", kind, [ref.value for ref in refs]]),
        length=len(refs),
        needs={name: version for ref in refs for name, version in ref.needs.items()},
        parts=any(ref.week for ref in refs),
    )


def load(job: Loading) -> list[object] | tuple[object, ...]:
    """Each item, by its own codec."""
    found = manifest(job)
    values = []
    for i, bare in enumerate(found.items):
        inner = job.item(i, whole(bare, job.ref, i))
        values.append(codec(bare.codec).load(inner))
    return values if found.kind == "list" else tuple(values)


def manifest(job: Loading) -> Manifest:
    """Raises `Corrupt` for what is none."""
    if job.depth >= MAX_NESTED:
        raise Corrupt(f"{job.what} is nested more than {MAX_NESTED} lists deep")
    return msgspec.json.decode(job.read(), type=Manifest)


def whole(bare: Ref, outer: Ref, position: int) -> Ref:
    """The reference to an item, from what is stored of it and from the reference to the list."""
    changes: dict[str, Any] = {}
    if bare.week:
        changes["week"] = outer.week
    if bare.opaque:
        changes["value"] = item_id(outer.value, position)
        changes["needs"] = outer.needs
    return structs.replace(bare, **changes) if changes else bare


def bare(ref: Ref) -> Ref:
    """A reference to a part as it is stored: without what the reference to the whole says."""
    changes: dict[str, Any] = {}
    if ref.week:
        changes["week"] = "-"
    if ref.opaque:
        changes["value"] = ""
        changes["needs"] = {}
    return structs.replace(ref, **changes) if changes else ref
