"""`tree/1`: plain data and users' objects with something in it that has a codec of its own: an array in a dataclass.

Stored as the tagged JSON of all that is plain, and references to the rest. If a part could only be pickled, the whole
is pickled instead: objects may share others, and would come back with copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from pipeglot.core import plain
from pipeglot.core.artifacts.apart import Apart
from pipeglot.core.artifacts.codec import MAX_NESTED, Dumped, codec
from pipeglot.core.artifacts.items import bare, whole
from pipeglot.core.artifacts.saving import save_as
from pipeglot.core.errors import Corrupt
from pipeglot.core.instances import Builder
from pipeglot.core.lineage.records import Ref

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool


class Manifest(Struct, frozen=True):
    """What is stored. `paths` tell where in the value each of the parts stands."""

    tree: Any
    paths: list[str]
    items: list[Ref]


def dump(value: Apart, out: Spool, job: Saving) -> Dumped:
    """Save each part, then the rest with their references. Raises `NotPlain`."""
    tree = plain.encode(value.skeleton, job.name)  # before anything is saved for nothing
    refs = []
    for at, (path, part, holder) in enumerate(value.parts):
        ref = save_as(part, job.part(at, path))
        holder.value = ref.value
        refs.append(ref)
    paths = [path for path, _, _ in value.parts]
    out.write(msgspec.json.encode(Manifest(tree, paths, [bare(ref) for ref in refs])))
    opaque = any(ref.opaque for ref in refs)
    return Dumped(
        "" if opaque else plain.digest(["tree/1", value.skeleton]),
        needs={name: version for ref in refs for name, version in ref.needs.items()},
        parts=any(ref.week for ref in refs),
    )


def load(job: Loading) -> object:
    """Each part, by its own codec, then the value around them."""
    found = manifest(job)

    def part(at: int) -> object:
        inner = job.part(found.paths[at], whole(found.items[at], job.ref, at))
        return codec(inner.ref.codec).load(inner)

    return plain.decode(found.tree, Builder(job.what, trusted=job.blobs.store.trusted, part=part))


def manifest(job: Loading) -> Manifest:
    """Raises `Corrupt` for what is none."""
    if job.depth >= MAX_NESTED:
        raise Corrupt(f"{job.what} is nested more than {MAX_NESTED} values deep")
    found = msgspec.json.decode(job.read(), type=Manifest)
    if len(found.paths) != len(found.items):
        raise ValueError("it has more or fewer paths than parts")
    return found
