"""Values of parameters: one canonical simple value for all the ways in which people and engines say the same.

`simple` is the heart: it checks a value against its type and returns what `plain.encode` puts on the wire.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Mapping
from typing import Any

from pipeglot.core import plain
from pipeglot.core.artifact_refs import FORMS, ArtifactRef, parse_artifact
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params import objects
from pipeglot.core.params.describing import class_name, member_names, shown, ticked
from pipeglot.core.params.scalars import EXACT, Place, from_numpy, read_json, read_scalar


def normalise(kind: ParamType, value: object, *, name: str) -> Any:
    """The wire form of a Python value, or of JSON as an engine passes it. Raises `ParamError`."""
    found = simple(kind, value, Place(name))
    try:
        return plain.encode(found, name)
    except plain.NotPlain as error:
        raise ParamError(f"parameter {error.message}") from None


def check(kind: ParamType, wire: Any, *, name: str, portable: bool = True) -> None:
    """Raise `ParamError` if a written value does not fit its type, as far as one can tell without user code."""
    simple(kind, objects.read_plain(wire, name), Place(name, portable=portable, complete=False))


def decode(kind: ParamType, wire: Any, *, name: str = "value", trusted: bool = True) -> Any:
    """The Python object: enum members, dataclasses and models are rebuilt. Raises `ParamError`.

    If what says so is not `trusted`, no module is imported for it that is not imported already: raises `Untrusted`.
    """
    place = Place(name, portable=False, complete=False)
    return objects.build(kind, simple(kind, objects.read_plain(wire, name), place), name, trusted=trusted)


def to_json(kind: ParamType, wire: Any, *, name: str = "value") -> Any:
    """Plain JSON, without tags, that engines and people write: `normalise` turns it back into the same wire form."""
    return _untag(simple(kind, objects.read_plain(wire, name), Place(name, complete=False)))


def simple(kind: ParamType, value: object, place: Place) -> Any:
    """The canonical simple value. Raises `ParamError`, naming the part of the value that is wrong."""
    if type(value).__module__ == "numpy":
        value = from_numpy(value)
    reader: Callable[[Any, Any, Place], Any] = _READERS[type(kind)]
    return reader(kind, value, place)


def _untag(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_untag(item) for item in value]
    if isinstance(value, dict):
        return {key: _untag(item) for key, item in value.items()}
    if isinstance(value, dt.timedelta):
        from pipeglot.core import units

        return units.show_timedelta(value)
    return value.isoformat() if isinstance(value, dt.date) else value


# --- a choice ---------------------------------------------------------------------------------------------------------


def _enum(kind: EnumType, value: object, place: Place) -> str:
    name = _member_name(kind, value)
    if name is None:
        raise place.refuse(kind, value)
    stands_for = plain.decode(kind.members[name])
    return next(one for one in member_names(kind) if plain.decode(kind.members[one]) == stands_for)


def _member_name(kind: EnumType, value: object) -> str | None:
    if isinstance(value, enum.Enum):
        return value.name if objects.is_instance(value, kind.ref) and value.name in kind.members else None
    if isinstance(value, str) and value in kind.members:
        return str.__str__(value)
    return next((name for name, wire in kind.members.items() if _same(plain.decode(wire), value)), None)


def _literal(kind: LiteralType, value: object, place: Place) -> Any:
    for wire in kind.values:
        option = plain.decode(wire)
        if _same(option, value):
            return option
    raise place.refuse(kind, value)


def _same(option: Any, value: Any) -> bool:
    """Equal and of one type, where an integral float is an int, and a subclass of str is a str."""
    if isinstance(value, enum.Enum):
        return False
    if type(option) is int and type(value) is float:
        return abs(value) < EXACT and bool(option == value)
    if type(option) is str and isinstance(value, str):
        return option == str.__str__(value)
    return type(option) is type(value) and bool(option == value)


def _optional(kind: OptionalType, value: object, place: Place) -> Any:
    return None if value is None else simple(kind.of, value, place)


# --- what holds others ------------------------------------------------------------------------------------------------


def _list(kind: ListType, value: object, place: Place) -> list[Any] | tuple[Any, ...]:
    items = [simple(kind.of, item, place.part(f"[{i}]")) for i, item in enumerate(_items(kind, value, place))]
    return tuple(items) if kind.tuple else items


def _tuple(kind: TupleType, value: object, place: Place) -> tuple[Any, ...]:
    items = _items(kind, value, place)
    if len(items) != len(kind.of):
        raise place.refuse(kind, value, f"it has {len(items)} of {len(kind.of)} places")
    return tuple(
        simple(of, item, place.part(f"[{i}]")) for i, (of, item) in enumerate(zip(kind.of, items, strict=True))
    )


def _items(kind: ListType | TupleType, value: object, place: Place) -> list[Any] | tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return value
    raise place.refuse(kind, value, "pass `.tolist()` of it" if hasattr(value, "tolist") else "")


def _dict(kind: DictType, value: object, place: Place) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise place.refuse(kind, value)
    for key in value:
        if not isinstance(key, str):
            raise place.refuse(kind, value, f"its key {shown(key)} is no str")
    return {str.__str__(key): simple(kind.of, item, place.part(f"[{shown(key)}]")) for key, item in value.items()}


def _record(kind: RecordType, value: object, place: Place) -> Any:
    return _model(kind, value, place) if kind.style == "pydantic" else _dataclass(kind, value, place)


def _dataclass(kind: RecordType, value: object, place: Place) -> dict[str, Any]:
    if isinstance(value, Mapping):
        found = _fields(kind, value, place)
    elif objects.is_instance(value, kind.ref):
        found = _attributes(kind, value, place)
    else:
        raise place.refuse(kind, value, f"pass a `{class_name(kind.ref)}`, or a dict of its fields")
    if not place.complete:
        return found
    full = _attributes(kind, objects.build(kind, found, place.path), place)
    if _attributes(kind, objects.build(kind, full, place.path), place) != full:
        raise ParamError(
            f"parameter {ticked(place.path)}: a `{class_name(kind.ref)}` made of its own fields is not the same again",
            hint="let its `__post_init__` change nothing that it has changed already",
        )
    return full


def _attributes(kind: RecordType, instance: object, place: Place) -> dict[str, Any]:
    return _fields(kind, {field.name: getattr(instance, field.name, None) for field in kind.fields}, place)


def _fields(kind: RecordType, given: Mapping[Any, Any], place: Place) -> dict[str, Any]:
    known = [field.name for field in kind.fields]
    unknown = [key for key in given if key not in known]
    missing = [field.name for field in kind.fields if field.required and field.name not in given]
    if unknown or missing:
        raise objects.wrong_fields(kind, place.path, unknown, missing, known)
    return {
        field.name: simple(field.type, given[field.name], place.part(f".{field.name}"))
        for field in kind.fields
        if field.name in given
    }


def _model(kind: RecordType, value: object, place: Place) -> Any:
    """pydantic itself checks the fields, as the model's own settings say; the wire has what comes back equal."""
    if not place.complete:
        return value
    model = objects.make_model(kind, value, place.path)
    return read_json(objects.dump_model(kind, model, place.path), place)


# --- the name of something else ---------------------------------------------------------------------------------------


def _artifact(kind: ArtifactType, value: object, place: Place) -> str:
    """The text that names it. What it stands for is looked up in the store when a run starts."""
    text = value.text if type(value) is ArtifactRef else value
    if not isinstance(text, str):
        raise place.refuse(kind, value, "it is given by its name", f'write `artifact("…")`, with {FORMS}')
    if parse_artifact(text) is None:
        raise place.refuse(kind, text, "that names no artifact", f"write {FORMS}")
    return str.__str__(text)


def artifact_type(kind: ParamType) -> ArtifactType | None:
    """Whether values of this type name an artifact, and of what type; a None of `Artifact[T] | None` names none."""
    if isinstance(kind, OptionalType):
        kind = kind.of
    return kind if isinstance(kind, ArtifactType) else None


_READERS: dict[type, Callable[..., Any]] = {
    ScalarType: read_scalar,
    EnumType: _enum,
    LiteralType: _literal,
    OptionalType: _optional,
    ListType: _list,
    TupleType: _tuple,
    DictType: _dict,
    RecordType: _record,
    ArtifactType: _artifact,
}
