"""From a return annotation to the outputs that it declares."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING, bare, type_text


class Declared(NamedTuple):
    """What a function says it returns: its outputs with their types, and the class to rebuild a NamedTuple from."""

    form: Literal["single", "none", "namedtuple", "typeddict", "tuple"]
    hints: dict[str, Any]
    whole: Any = MISSING
    cls: type | None = None
    mistakes: tuple[tuple[str, str, str], ...] = ()

    @property
    def many(self) -> bool:
        return self.form not in ("single", "none")

    def spec(self, ref: str) -> ir.Returns:
        outputs = tuple(ir.Output(name=name, type=type_text(hint)) for name, hint in self.hints.items())
        return ir.Returns(form=self.form, outputs=outputs, ref=ref)


def declared(hint: Any, name: str) -> Declared:
    """Read the return annotation of step `name`."""
    if hint is None or hint is type(None) or hint in (typing.NoReturn, typing.Never):
        return Declared("none", {}, None)
    inner = bare(hint)
    cls = get_origin(inner) or inner
    if isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _of_class("namedtuple", inner, cls, name, dict.fromkeys(cls._fields, MISSING))
    if typing.is_typeddict(cls):
        return _of_class("typeddict", inner, cls, name, {})
    if cls is tuple:
        return _of_tuple(inner, name)
    return Declared("single", {"output": inner}, inner)


def _of_class(
    form: Literal["namedtuple", "typeddict"], hint: Any, cls: Any, name: str, fields: dict[str, Any]
) -> Declared:
    mistakes = []
    try:
        found = typing.get_type_hints(cls)
    except Exception as error:  # noqa: BLE001  # annotations are arbitrary code of the user's
        text = f"the fields of `{cls.__qualname__}`, which step `{name}` returns, cannot be read: {error}"
        mistakes.append(("annotation", text, "write annotations that can be evaluated when the module is imported"))
        found = {}
    hints = {field: found.get(field, MISSING) for field in fields} if form == "namedtuple" else dict(found)
    mistakes += _of_class_mistakes(form, cls, name, hints)
    return Declared(form, hints, hint, cls, tuple(mistakes))


def _of_class_mistakes(form: str, cls: Any, name: str, hints: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if form == "namedtuple" and "<locals>" in cls.__qualname__:
        yield (
            "nested",
            f"`{cls.__name__}`, which step `{name}` returns, is defined inside a function: no worker can import it",
            f"move `{cls.__name__}` to module level",
        )
    if not hints:
        yield (
            "outputs",
            f"`{cls.__name__}`, which step `{name}` returns, has no fields",
            "say `-> None`, or name an output",
        )
    optional = sorted(getattr(cls, "__optional_keys__", ()))
    if optional:
        keys = ", ".join(f"`{key}`" for key in optional)
        yield (
            "outputs",
            f"`{cls.__name__}`, which step `{name}` returns, may lack {keys}: every key is an output",
            "leave out `NotRequired` and `total=False`; an output may be `None`",
        )


def _of_tuple(hint: Any, name: str) -> Declared:
    parts = get_args(hint)
    names = [_name_of(part) for part in parts]
    if not any(names):
        return Declared("single", {"output": hint}, hint)
    mistakes = []
    if not all(names):
        mistakes.append(
            ("outputs", f"step `{name}` names some outputs of its tuple and not others", "name all, or none")
        )
    twice = sorted({one for one in names if one and names.count(one) > 1})
    if twice:
        mistakes.append(
            ("outputs", f"step `{name}` has two outputs named `{twice[0]}`", "give each output its own name")
        )
    hints = {one or f"output_{place}": bare(part) for place, (one, part) in enumerate(zip(names, parts, strict=True))}
    return Declared("tuple", hints, hint, None, tuple(mistakes))


def _name_of(part: Any) -> str | None:
    """The name in `Annotated[T, "name"]`."""
    if get_origin(part) is not typing.Annotated:
        return None
    return next((extra for extra in get_args(part)[1:] if type(extra) is str and extra.isidentifier()), None)
