"""`json/1`: plain data, as its tagged JSON. An item of a long list is read out of the list's own bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import Dumped
from pipeglot.core.errors import Corrupt
from pipeglot.core.instances import Builder

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool


def dump(value: Any, out: Spool, job: Saving) -> Dumped:
    """Raises `NotPlain`."""
    tree = plain.encode(value, job.name)
    out.write(plain.dumps_ordered(tree))
    return Dumped(plain.digest(value), tree, length=len(value) if type(value) in (list, tuple) else None)


def load(job: Loading) -> object:
    """Always a new object: what a step does to it is its own affair."""
    return decode(part(tree(job), job.ref.meta), job)


def decode(found: Any, job: Loading) -> object:
    """With the objects of users' classes, whose modules are imported for it if the store is trusted."""
    return plain.decode(found, Builder(job.what, trusted=job.blobs.store.trusted))


def tree(job: Loading) -> Any:
    """The tagged JSON of the stored bytes."""
    return json.loads(job.read())


def part(whole: Any, meta: dict[str, Any]) -> Any:
    """What a reference with `at`, the position of an item in a list (in a list …), refers to."""
    for position in meta.get("at", ()):
        found = items(whole)
        if found is None or type(position) is not int or not 0 <= position < len(found):
            raise Corrupt(f"a reference points to item {position!r} of a list that has none")
        whole = found[position]
    return whole


def items(whole: Any) -> list[Any] | None:
    """Of a list or tuple in tagged JSON; None if it is neither."""
    if type(whole) is dict and len(whole) == 1:
        whole = whole.get("~t")
    return whole if type(whole) is list else None
