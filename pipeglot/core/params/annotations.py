"""From an annotation to the type of a parameter."""

from __future__ import annotations

import collections.abc
import datetime as dt
import enum
import sys
import types
import typing
from typing import Any

from pipeglot.core import plain
from pipeglot.core.artifact_refs import is_marked
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    FieldType,
    ListType,
    LiteralType,
    OptionalType,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)

_SCALARS: dict[Any, ScalarType] = {
    Any: ScalarType(name="any"),
    object: ScalarType(name="any"),
    bool: ScalarType(name="bool"),
    int: ScalarType(name="int"),
    float: ScalarType(name="float"),
    str: ScalarType(name="str"),
    dt.date: ScalarType(name="date"),
    dt.datetime: ScalarType(name="datetime"),
    dt.timedelta: ScalarType(name="timedelta"),
}
_ANY = _SCALARS[Any]
_LISTS = (list, collections.abc.Sequence)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_BARE: dict[Any, ParamType] = {
    **dict.fromkeys(_LISTS, ListType(of=_ANY)),
    **dict.fromkeys(_DICTS, DictType(of=_ANY)),
    tuple: ListType(of=_ANY, tuple=True),
}
_BARE |= {typing.List: _BARE[list], typing.Dict: _BARE[dict], typing.Tuple: _BARE[tuple]}  # noqa: UP006  # users write them
_BARE |= {typing.Sequence: _BARE[list], typing.Mapping: _BARE[dict], typing.MutableMapping: _BARE[dict]}
_HINT = (
    "a parameter may be bool, int, float, str, date, datetime, timedelta, an Enum, Literal[…], T | None, list[T], "
    "tuple[…], dict[str, T], a dataclass or a pydantic model of these, or Artifact[T]: anything that a step returned"
)
_ALSO: dict[Any, str] = {
    frozenset({int, float}): "float takes whole numbers too",
    frozenset({dt.date, dt.datetime}): "decide for one of them",
}


def type_of(annotation: Any, *, owner: str) -> ParamType:
    """The parameter type that a resolved annotation means; a missing one means any JSON value.

    `owner` says in messages whose annotation it is. Raises `ParamError` for what a parameter cannot be.
    """
    reader = _Reader(owner, ())
    artifact = reader.of_artifact(annotation)
    return reader.read(annotation) if artifact is None else artifact


class _Reader:
    """Reads one annotation; `inside` are the dataclasses that it is a field of."""

    def __init__(self, owner: str, inside: tuple[type, ...]) -> None:
        self.owner = owner
        self.inside = inside

    def read(self, annotation: Any) -> ParamType:
        simple = _simple(annotation)
        if simple is not None:
            return simple
        if _is_missing(annotation):
            return _ANY
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self.of_generic(annotation, origin, typing.get_args(annotation))
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.read(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":  # `type X = …`, from Python 3.12 on
            return self.read(annotation.__value__)
        if isinstance(annotation, type):
            return self.of_class(annotation)
        raise self.refuse(annotation, "it is a text that names nothing yet" if isinstance(annotation, str) else "")

    def of_artifact(self, annotation: Any) -> ParamType | None:
        """`Artifact[T]`, and `Artifact[T] | None`: a whole parameter, never a part of one. None if it is neither."""
        if is_marked(annotation):
            return ArtifactType(type=_type_text(typing.get_args(annotation)[0]))
        args = typing.get_args(annotation)
        if typing.get_origin(annotation) in (typing.Union, types.UnionType) and len(args) == 2 and type(None) in args:
            of = self.of_artifact(args[args[0] is type(None)])
            return of and OptionalType(of=of)
        return None

    def of_generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> ParamType:
        if is_marked(annotation):
            raise self.refuse(
                annotation,
                "an artifact is a whole parameter: `Artifact[T]`, or `Artifact[T] | None`",
                "name each artifact by a parameter of its own; `Artifact[list[T]]` is one that is a list",
            )
        if origin is typing.Annotated:
            return self.read(args[0])
        if origin is typing.Literal:
            return LiteralType(values=tuple(self.of_literal(value) for value in args))
        if origin is typing.Union or origin is types.UnionType:
            return self.of_union(annotation, args)
        if origin in _LISTS:
            return ListType(of=self.read(args[0]))
        if origin in _DICTS:
            return self.of_mapping(annotation, args)
        if origin is tuple:
            if len(args) == 2 and args[1] is ...:
                return ListType(of=self.read(args[0]), tuple=True)
            return TupleType(of=tuple(self.read(arg) for arg in args))
        if isinstance(origin, type) and hasattr(origin, "__dataclass_fields__"):
            raise self.refuse(annotation, "it has no name of its own to import it by; make a plain subclass")
        raise self.refuse(annotation)

    def of_union(self, annotation: Any, args: tuple[Any, ...]) -> ParamType:
        others = [arg for arg in args if arg is not type(None)]
        if len(others) != 1:
            raise self.refuse(annotation, _ALSO.get(frozenset(_hashable(others)), ""))
        of = self.read(others[0])
        return of if isinstance(of, OptionalType) else OptionalType(of=of)

    def of_mapping(self, annotation: Any, args: tuple[Any, ...]) -> ParamType:
        if args[0] not in (str, Any):
            raise self.refuse(annotation, "the keys of a dict must be `str`, as in JSON")
        return DictType(of=self.read(args[1]))

    def of_literal(self, value: object) -> Any:
        if value is None or type(value) in (bool, int, str):
            return plain.encode(value)
        what = "name the enum itself" if isinstance(value, enum.Enum) else "a Literal may have str, int, bool and None"
        raise self.refuse(typing.Literal[value], what)

    def of_class(self, cls: type) -> ParamType:
        if issubclass(cls, enum.Enum):
            return self.of_enum(cls)
        if hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_fields"):
            return RecordType(ref=self.ref(cls), style="pydantic")
        if hasattr(cls, "__dataclass_fields__"):
            return self.of_dataclass(cls)
        raise self.refuse(cls)

    def of_enum(self, cls: type[enum.Enum]) -> EnumType:
        if issubclass(cls, enum.Flag):
            raise self.refuse(cls, "a Flag has values without a name; use a list of a plain Enum")
        members: dict[str, Any] = {}
        for name, member in cls.__members__.items():
            try:
                members[name] = plain.encode(member.value)
            except plain.NotPlain:
                why = (
                    f"the value of `{name}` is no plain data; give it a str, and look up in the step what it stands for"
                )
                raise self.refuse(cls, why) from None
        if not members:
            raise self.refuse(cls, "it has no members")
        return EnumType(ref=self.ref(cls), members=members)

    def of_dataclass(self, cls: type) -> RecordType:
        if cls in self.inside:
            raise self.refuse(cls, "it contains itself; use a dict for what nests to any depth")
        ref = self.ref(cls)
        hints = self.hints(cls)
        fields: list[FieldType] = []
        for field in cls.__dataclass_fields__.values():  # type: ignore[attr-defined]
            kind = field._field_type.name
            if kind == "_FIELD_INITVAR":
                raise self.refuse(cls, f"`{field.name}` is an InitVar, which its instances do not keep")
            if kind == "_FIELD" and field.init:
                inner = _Reader(f"{self.owner}, field `{cls.__qualname__}.{field.name}`", (*self.inside, cls))
                fields.append(FieldType(name=field.name, type=inner.read(hints[field.name]), required=_required(field)))
        return RecordType(ref=ref, style="dataclass", fields=tuple(fields))

    def hints(self, cls: type) -> dict[str, Any]:
        try:
            return typing.get_type_hints(cls, include_extras=True)
        except Exception as error:
            raise ParamError(
                f"{self.owner}: the annotations of `{cls.__qualname__}` cannot be resolved: {error}",
                hint="import the names that they use at run time, not under `if TYPE_CHECKING:`",
            ) from error

    def ref(self, cls: type) -> str:
        """`module:qualname`, if that is where the class is found again."""
        if "<locals>" in cls.__qualname__:
            raise self.refuse(cls, "a worker imports it by name, so it must stand at the top of a module")
        found: Any = sys.modules.get(cls.__module__)
        for part in cls.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is not cls and cls.__module__ == "__main__":
            told = f"{self.owner}: `{cls.__qualname__}` was defined anew since"
            raise ParamError(told, hint="run the cell that defines the pipeline again")
        if found is not cls:
            raise self.refuse(cls, f"a worker imports it by name, and that is not what `{cls.__module__}` has there")
        return f"{cls.__module__}:{cls.__qualname__}"

    def refuse(self, annotation: Any, why: str = "", hint: str = _HINT) -> ParamError:
        if is_marked(annotation):
            shown = f"Artifact[{_type_text(typing.get_args(annotation)[0])}]"
        else:
            shown = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
        reason = f": {why}" if why else ""
        return ParamError(f"{self.owner} cannot be `{shown.replace('typing.', '')[:200]}`{reason}", hint=hint)


def _type_text(held: Any) -> str:
    """The type of an artifact, for people; of a bare `Artifact` nothing is known."""
    from pipeglot.core.authoring.annotations import type_text

    return "" if isinstance(held, typing.TypeVar) or held in (Any, object) else type_text(held)


def _simple(annotation: Any) -> ParamType | None:
    try:
        return _SCALARS.get(annotation) or _BARE.get(annotation)
    except TypeError:  # unhashable, as `Annotated[int, []]`
        return None


def _hashable(annotations: list[Any]) -> list[Any]:
    return [one for one in annotations if isinstance(one, type)]


def _is_missing(annotation: Any) -> bool:
    """`inspect.Parameter.empty`, without importing `inspect`."""
    return isinstance(annotation, type) and (annotation.__module__, annotation.__qualname__) == ("inspect", "_empty")


def _required(field: Any) -> bool:
    from dataclasses import MISSING  # loaded by whoever made the dataclass

    return field.default is MISSING and field.default_factory is MISSING
