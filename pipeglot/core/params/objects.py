"""The classes that parameter types name: find them, take their instances apart, and make instances again."""

from __future__ import annotations

import json
from typing import Any

from pipeglot.core import plain
from pipeglot.core.errors import ParamError, Untrusted
from pipeglot.core.imports import import_ref, refuse_import
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
from pipeglot.core.params.describing import class_name, shown, ticked

_MARKS = {"dataclass": "__dataclass_fields__", "pydantic": "__pydantic_validator__"}


def load_class(kind: EnumType | RecordType, at: str, *, trusted: bool = True) -> Any:
    """The class itself, imported. Raises `ParamError` if it is not there, or is not of the kind that the type says.

    `trusted`: may a module be imported because `kind` names it? Raises `Untrusted`.
    """
    mark, what = ("__members__", "enum") if isinstance(kind, EnumType) else (_MARKS[kind.style], kind.style)
    if not trusted:
        refuse_import(kind.ref, f"parameter {ticked(at)}")
    try:
        if not all(kind.ref.partition(":")):
            raise ImportError("it is not written as `module:class`")
        found = import_ref(kind.ref)
    except Exception as error:
        raise ParamError(f"parameter {ticked(at)}: {ticked(kind.ref)} cannot be imported: {_told(error)}") from error
    if not isinstance(found, type) or not hasattr(found, mark):
        raise ParamError(f"parameter {ticked(at)}: {ticked(kind.ref)} is no {what}")
    return found


def is_instance(value: object, ref: str) -> bool:
    """Whether it is an instance of just this class. One and the same file is `__main__` when it is run as a script."""
    cls = type(value)
    module, _, qualname = ref.partition(":")
    return cls.__qualname__ == qualname and (cls.__module__ == module or "__main__" in (cls.__module__, module))


def build(kind: ParamType, simple: Any, at: str, *, trusted: bool = True) -> Any:
    """The Python object that a checked simple value stands for. Raises `ParamError` for what a class itself refuses."""
    match kind:
        case ScalarType() | LiteralType() | ArtifactType():
            return simple
        case OptionalType():
            return None if simple is None else build(kind.of, simple, at, trusted=trusted)
        case EnumType():
            return _member(kind, simple, at, trusted=trusted)
        case ListType():
            items = (build(kind.of, item, f"{at}[{i}]", trusted=trusted) for i, item in enumerate(simple))
            return tuple(items) if kind.tuple else list(items)
        case TupleType():
            pairs = enumerate(zip(kind.of, simple, strict=True))
            return tuple(build(of, item, f"{at}[{i}]", trusted=trusted) for i, (of, item) in pairs)
        case DictType():
            return {key: build(kind.of, item, f"{at}[{shown(key)}]", trusted=trusted) for key, item in simple.items()}
        case RecordType():
            return _instance(kind, simple, at, trusted=trusted)


def _member(kind: EnumType, name: str, at: str, *, trusted: bool) -> Any:
    cls = load_class(kind, at, trusted=trusted)
    if name in cls.__members__:
        return cls[name]
    known = ", ".join(f"`{one}`" for one in cls.__members__)
    raise ParamError(
        f"parameter {ticked(at)}: the enum `{class_name(kind.ref)}` has no member {ticked(name)}, but {known}",
        hint="the code here is not the code that the pipeline was made from",
    )


def _instance(kind: RecordType, simple: Any, at: str, *, trusted: bool) -> Any:
    cls = load_class(kind, at, trusted=trusted)
    try:
        if kind.style == "pydantic":
            return _from_dump(cls, simple)
        types = {field.name: field.type for field in kind.fields}
        fields = {name: build(types[name], value, f"{at}.{name}", trusted=trusted) for name, value in simple.items()}
        return cls(**fields)
    except (ParamError, Untrusted):
        raise
    except Exception as error:
        raise refused_by_class(kind, at, error) from error


def refused_by_class(kind: RecordType, at: str, error: Exception) -> ParamError:
    """What the user's class said against the values that it was given."""
    return ParamError(f"parameter {ticked(at)} is no valid `{class_name(kind.ref)}`: {_told(error)}")


def make_model(kind: RecordType, value: object, at: str) -> Any:
    """The model itself, or what pydantic makes of Python values or of JSON. Raises `ParamError`."""
    cls = load_class(kind, at)
    if type(value) is cls:
        return value
    unknown = _ignored_fields(cls, value)
    if unknown:
        raise wrong_fields(kind, at, unknown, [], list(cls.model_fields))
    try:
        return cls.model_validate(value)
    except Exception as error:  # noqa: BLE001  # a user's validators raise what they like
        try:  # a strict model takes a date from JSON as text, but not from Python
            return _from_dump(cls, value)
        except Exception:  # noqa: BLE001  # the first error tells more
            raise refused_by_class(kind, at, error) from error


def dump_model(kind: RecordType, model: Any, at: str) -> Any:
    """The JSON of a pydantic model, by field names if that can be read back, else by aliases.

    Raises `ParamError` where the model does not come back equal: a SecretStr, an excluded field, a NaN.
    """
    for by_alias in (False, True):
        try:
            dumped = model.model_dump(mode="json", by_alias=by_alias, round_trip=True)
            if _content(_from_dump(type(model), dumped)) == _content(model):
                return dumped
        except Exception:  # noqa: BLE001, S112  # whatever a user's validators raise: this form is not the one
            continue
    raise ParamError(
        f"parameter {ticked(at)}: this `{class_name(kind.ref)}` does not come back equal from its JSON",
        hint="a secret, an excluded field or a NaN gets lost there; name secrets in `@step(secrets=[…])`",
    )


def _from_dump(cls: Any, dumped: object) -> Any:
    return cls.model_validate_json(json.dumps(dumped))


def _content(model: Any) -> list[Any]:
    return [model.__pydantic_extra__, *(getattr(model, name) for name in type(model).model_fields)]


def _ignored_fields(cls: Any, given: object) -> list[Any]:
    """What pydantic would ignore in silence. A model that sets `extra`, or reads its input by itself, knows better."""
    validators = cls.__pydantic_decorators__.model_validators.values()
    reads_itself = any(one.info.mode != "after" for one in validators)
    if not isinstance(given, dict) or "extra" in cls.model_config or reads_itself:
        return []
    by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
    known: set[Any] = set()
    for name, field in cls.model_fields.items():
        alias = field.validation_alias
        if alias is not None and not isinstance(alias, str):
            return []
        known |= {alias or name, name if by_name else alias or name}
    return [key for key in given if key not in known]


def wrong_fields(kind: RecordType, at: str, unknown: list[Any], missing: list[str], known: list[str]) -> ParamError:
    """The error for a dict that has not the fields of a record."""
    parts = [f"has no field {', '.join(ticked(key) for key in unknown[:5])}"] if unknown else []
    parts += [f"needs {', '.join(ticked(name) for name in missing)}"] if missing else []
    listed = ", ".join(ticked(name) for name in known) or "none"
    return ParamError(f"parameter {ticked(at)}: `{class_name(kind.ref)}` {' and '.join(parts)} (its fields: {listed})")


def _told(error: Exception) -> str:
    """An exception of the user's code on one line; of pydantic's, the first few errors with their places."""
    errors = getattr(error, "errors", None)
    if callable(errors) and type(error).__module__.startswith("pydantic"):
        found = errors(include_url=False)
        parts = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found[:5]]
        return "; ".join([" ".join(part.split()) for part in parts] + ["…"] * (len(found) > 5))
    text = " ".join(str(getattr(error, "message", error)).split())
    return f"{text[:200]} ({type(error).__name__})" if text else type(error).__name__


def read_plain(wire: Any, at: str) -> Any:
    """`plain.decode`, of what anybody may have written. Raises `ParamError`."""
    try:
        return plain.decode(wire)
    except Exception as error:
        raise ParamError(f"parameter {ticked(at)}: {shown(wire)} is no written value: {_told(error)}") from error
