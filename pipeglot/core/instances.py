"""Objects of users' classes, taken apart into plain data and built again: dataclasses, attrs, models, tuples, enums.

Neither way runs a line of the class: no `__init__`, no validator, no `__post_init__`. What is stored is the class by
name and the fields; so an object has to be just that, and the class must have the same fields when it is built again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pipeglot.core.errors import PipeglotError, ValueRefused
from pipeglot.core.imports import refuse_import
from pipeglot.core.placeholders import Instance

_LOST = frozenset({"__orig_class__"})  # what typing notes on an object of a generic class


def take_apart(value: Any) -> Instance | None:
    """Its class and fields, which are not looked into; None for what is no such object, or has more to it.

    Raises `ValueRefused` for a secret.
    """
    cls = type(value)
    _refuse_secret(cls)
    kind = _kind(cls)  # type: ignore[arg-type]  # a class can be hashed
    ref = reference(cls) if kind else None
    return _APART[kind](value, ref) if kind and ref else None


def reference(cls: type) -> str | None:
    """`module:qualname`, if that leads to this class from another process too: none in `__main__` or in a function."""
    module, qualname = cls.__module__, cls.__qualname__
    if module == "__main__":
        return None
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return f"{module}:{qualname}" if found is cls else None


@functools.lru_cache(maxsize=1024)
def _kind(cls: type) -> str:
    """What sort of class it is; "" for one that is none of these."""
    if "enum" in sys.modules and isinstance(cls, sys.modules["enum"].EnumMeta):
        return "flag" if issubclass(cls, sys.modules["enum"].Flag) else "enum"
    if issubclass(cls, tuple):
        return "namedtuple" if hasattr(cls, "_fields") and hasattr(cls, "_make") else ""
    if cls.__reduce__ is not object.__reduce__ or not _is_bare(cls):
        return ""
    if hasattr(cls, "__pydantic_fields_set__") and hasattr(cls, "__pydantic_validator__"):
        return "pydantic" if hasattr(cls, "model_fields") else ""
    if hasattr(cls, "__dataclass_fields__"):
        return "dataclass"
    return "attrs" if hasattr(cls, "__attrs_attrs__") else ""


def _is_bare(cls: type) -> bool:
    """Does it hold nothing but attributes? A subclass of dict, say, holds items too."""
    try:
        object.__new__(cls)
    except TypeError:
        return False
    return True


def _refuse_secret(cls: type) -> None:
    if cls.__module__.startswith("pydantic") and cls.__name__ in ("SecretStr", "SecretBytes"):
        raise ValueRefused(
            f"is a `{cls.__name__}`, and secrets are not stored",
            hint="read it in each step that needs it: `@step(secrets=[…])` and `secret(…)`",
        )


# --- apart ------------------------------------------------------------------------------------------------------------


def _attributes(kind: str, value: Any, ref: str) -> Instance | None:
    """None if a field was never set, or if there are attributes beside the fields: a pickle has all of it."""
    names = _names(kind, type(value))
    missing = object()
    fields = {name: getattr(value, name, missing) for name in names}
    more = set(getattr(value, "__dict__", ())) - set(names) - _LOST
    more -= {name for name in more if isinstance(getattr(type(value), name, None), functools.cached_property)}
    if more or any(found is missing for found in fields.values()):
        return None
    return Instance(kind, ref, fields)


def _apart_model(value: Any, ref: str) -> Instance | None:
    cls = type(value)
    fields = dict(value.__dict__)
    for name in [name for name in fields if isinstance(getattr(cls, name, None), functools.cached_property)]:
        del fields[name]
    if set(fields) != set(cls.model_fields):
        return None
    rest = {
        "set": sorted(value.__pydantic_fields_set__),
        "extra": value.__pydantic_extra__,
        "private": value.__pydantic_private__,
    }
    return Instance("pydantic", ref, fields, rest)


def _apart_tuple(value: Any, ref: str) -> Instance | None:
    cls = type(value)
    if getattr(value, "__dict__", None) or len(value) != len(cls._fields):
        return None
    return Instance("namedtuple", ref, dict(zip(cls._fields, value, strict=True)))


_APART: dict[str, Callable[[Any, str], Instance | None]] = {
    "dataclass": lambda value, ref: _attributes("dataclass", value, ref),
    "attrs": lambda value, ref: _attributes("attrs", value, ref),
    "pydantic": _apart_model,
    "namedtuple": _apart_tuple,
    "enum": lambda value, ref: Instance("enum", ref, {"name": value.name, "value": value.value}),
    "flag": lambda value, ref: Instance("flag", ref, {"value": value.value}),
}


def _names(kind: str, cls: Any) -> list[str]:
    """The fields of a class."""
    if kind == "dataclass":
        return [name for name, field in cls.__dataclass_fields__.items() if field._field_type.name == "_FIELD"]
    if kind == "attrs":
        return [field.name for field in cls.__attrs_attrs__]
    return list(cls.model_fields if kind == "pydantic" else cls._fields)


# --- together ---------------------------------------------------------------------------------------------------------


class Builder:
    """Builds the objects of one value. `what` is how messages call it; a class whose module is not imported yet is
    imported only if `trusted`. `part` gives what was saved apart.
    """

    def __init__(self, what: str, *, trusted: bool, part: Callable[[int], Any] | None = None) -> None:
        self._what = what
        self._trusted = trusted
        self._part = part
        self._classes: dict[tuple[str, str], Any] = {}

    def part(self, at: int) -> Any:
        """What was saved apart."""
        if self._part is None:
            raise ValueError("it has a part, and is one piece")
        return self._part(at)

    def instance(self, found: Instance) -> Any:
        """The object. Raises `ValueRefused` if its class is gone or has other fields, `Untrusted`."""
        key = (found.kind, found.ref)
        cls = self._classes.get(key)
        if cls is None:
            cls = self._classes[key] = self._class(found)
        if found.kind in ("enum", "flag"):
            return self._member(cls, found)
        names = _names(found.kind, cls)
        if found.fields.keys() != set(names):
            raise self._changed(found, names)
        return _TOGETHER[found.kind](cls, found, names)

    def _class(self, found: Instance) -> Any:
        cls = load_class(found.ref, self._what, trusted=self._trusted)
        if not isinstance(cls, type) or found.kind not in _APART or _kind(cls) != found.kind:
            raise ValueRefused(
                f"{self._what} holds a `{found.ref}`, which is no {found.kind} here",
                hint="the class was changed after the value was saved: run the step that made it again",
            )
        return cls

    def _member(self, cls: Any, found: Instance) -> Any:
        fields = found.fields
        if found.kind == "flag":
            return cls(fields["value"])
        member = cls.__members__.get(fields["name"])
        if member is None:
            problem = f"the enum `{found.ref}` has no member `{fields['name']}` here"
        elif member.value != fields["value"]:
            problem = f"`{found.ref}.{fields['name']}` is {member.value!r} here, and was {fields['value']!r}"
        else:
            return member
        raise ValueRefused(
            f"{self._what} cannot be loaded: {problem}",
            hint="the enum was changed after the value was saved: run the step that made it again",
        )

    def _changed(self, found: Instance, names: list[str]) -> ValueRefused:
        gone = [name for name in found.fields if name not in names]
        new = [name for name in names if name not in found.fields]
        parts = [f"has no field {_listed(gone)} here"] if gone else []
        parts += [f"has the new field {_listed(new)}"] if new else []
        return ValueRefused(
            f"{self._what} holds a `{found.ref}`, which {' and '.join(parts)} (it was saved with"
            f" {_listed(list(found.fields)) or 'no fields'})",
            hint="the class was changed after the value was saved: run the step that made it again",
        )


def load_class(ref: str, what: str, *, trusted: bool) -> Any:
    """What `module:qualname` names; the module is imported only if trusted. Raises `ValueRefused`, `Untrusted`.

    If not, no `__getattr__` of a module is asked either, which may import others.
    """
    module, _, qualname = ref.partition(":")
    if module not in sys.modules:
        if not trusted:
            refuse_import(ref, what)
        try:
            import_module(module)
        except PipeglotError:
            raise
        except Exception as error:  # whatever a user's module raises
            raise ValueRefused(
                f"{what} holds a `{ref}`, which cannot be imported here: {type(error).__name__}: {error}",
                hint="it takes the project's code, with that module importable",
            ) from error
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part, None) if trusted else getattr(found, "__dict__", {}).get(part)
    if found is None:
        raise ValueRefused(
            f"{what} holds a `{ref}`, and module `{module}` has no `{qualname}` here",
            hint="it was moved or removed after the value was saved: run the step that made it again",
        )
    return found


def load_namedtuple(ref: str, what: str, *, trusted: bool) -> Any:
    """The same, of a class of named tuples: nothing else that a record names is ever called."""
    found = load_class(ref, what, trusted=trusted)
    if not isinstance(found, type) or _kind(found) != "namedtuple":
        raise ValueRefused(
            f"{what} holds a `{ref}`, which is no named tuple here",
            hint="the code here is not the code that the pipeline was made from",
        )
    return found


def _build_attributes(cls: Any, found: Instance, names: list[str]) -> Any:
    made = object.__new__(cls)
    for name in names:
        object.__setattr__(made, name, found.fields[name])  # a frozen class has no other way
    return made


def _build_model(cls: Any, found: Instance, names: list[str]) -> Any:
    made = object.__new__(cls)
    object.__setattr__(made, "__dict__", {name: found.fields[name] for name in names})
    object.__setattr__(made, "__pydantic_fields_set__", set(found.rest["set"]))
    object.__setattr__(made, "__pydantic_extra__", found.rest["extra"])
    object.__setattr__(made, "__pydantic_private__", found.rest["private"])
    return made


_TOGETHER: dict[str, Callable[[Any, Instance, list[str]], Any]] = {
    "dataclass": _build_attributes,
    "attrs": _build_attributes,
    "pydantic": _build_model,
    "namedtuple": lambda cls, found, names: tuple.__new__(cls, [found.fields[name] for name in names]),
}


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
