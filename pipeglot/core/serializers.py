"""`@serializer`: users' own ways to store a class, known by id and version, found again by `module:qualname`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from pipeglot.core.errors import DefinitionError, Problem

Declared = TypeVar("Declared", bound=type)

_BUILT_IN = frozenset({"builtins", "collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid"})


class Serializer(Struct, frozen=True):
    """One that is registered. `make` gives the object with `dump`, `load` and perhaps `digest`.

    safe: whether `load` may be given what anybody has written.
    """

    id: str
    version: int
    ref: str
    make: Callable[[], Any]
    types: tuple[type, ...]
    safe: bool = False


_by_type: dict[type, Serializer] = {}
_by_id: dict[str, Serializer] = {}


def serializer(
    *types: type,
    id: str,  # noqa: A002  # what it is
    version: int,
    safe: bool = False,
) -> Callable[[Declared], Declared]:
    """Store values of just these types (not of their subclasses) by the decorated class, which has

    - `dump(self, value, path)`: write the value to `path`, as a file or as a folder that it makes there;
    - `load(self, path)`: the value again, from a read-only copy;
    - `digest(self, value)`, if the value has a canonical form: its `str` or `bytes`. Without, it is opaque.

    Change `version` whenever what `dump` writes or `digest` says changes: older artifacts are then not loaded, but made
    again.

    From a store that is not trusted nothing is loaded by it, unless you say that it is `safe`: that `load` does nothing
    but read, whatever bytes it is given. One that unpickles (as `joblib` and `torch` do) is not. Raises
    `DefinitionError`.
    """

    def register(cls: Declared) -> Declared:
        ref = f"{cls.__module__}:{cls.__qualname__}"
        found = Serializer(id, version, ref, cls, types, safe)
        problem = _problem(found, cls)
        if problem:
            raise DefinitionError([Problem("serializer", f"serializer `{ref}` {problem[0]}", hint=problem[1])])
        old = _by_id.get(id)
        if old is not None:  # the same one, of a module that was loaded again
            for kind in old.types:
                del _by_type[kind]
        _by_id[id] = found
        _by_type.update(dict.fromkeys(types, found))
        return cls

    return register


def serializer_of(kind: type) -> Serializer | None:
    """The one for values of this type."""
    return _by_type.get(kind) if _by_type else None


def by_id(name: str) -> Serializer | None:
    """The one of that id, if its module is imported."""
    return _by_id.get(name)


def _problem(new: Serializer, cls: type) -> tuple[str, str] | None:
    """What is wrong, and the way out."""
    if not new.types or not all(isinstance(kind, type) for kind in new.types):
        return "names no type that it is for", "`@serializer(Model, id=…, version=1)`"
    if not new.id or new.id != "".join(new.id.split()) or "/" in new.id:
        return f"has the id {new.id!r}", "give it a name of your own without spaces and slashes, such as `acme.model`"
    if type(new.version) is not int or new.version < 1:
        return f"has the version {new.version!r}", "count from 1"
    missing = [name for name in ("dump", "load") if not callable(getattr(cls, name, None))]
    if missing:
        return f"has no `{missing[0]}`", "write `dump(self, value, path)` and `load(self, path)`"
    return _conflict(new)


def _conflict(new: Serializer) -> tuple[str, str] | None:
    from pipeglot.core.artifacts.codec import codec_of_type

    same = _by_id.get(new.id)
    if same is not None and same.ref != new.ref:
        return f"has the id `{new.id}`, which `{same.ref}` has already", "give one of them another id"
    for kind in new.types:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if kind.__module__.partition(".")[0] in _BUILT_IN or codec_of_type(kind) != "json/1":
            return f"is for `{name}`, which pipeglot stores itself", "wrap the value in a class of your own"
        other = _by_type.get(kind)
        if other is not None and other.ref != new.ref:
            return f"is for `{name}`, which `{other.ref}` is for already", "remove one of them"
    return None
