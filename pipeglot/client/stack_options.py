"""What `-o KEY=VALUE` says of a new stack: settings by name, parts of a mapping with a dot, as `auth.user=admin`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeglot.core.errors import UsageError
from pipeglot.core.stack import Stack
from pipeglot.core.suggest import meant
from pipeglot.stacks.models import backends, stack_type


def stack_fields(backend: str, options: Iterable[str]) -> dict[str, Any]:
    """The entry of a stack. Raises `UsageError`; whether the values fit is for the reader of the file to say."""
    if backend not in backends():
        raise UsageError(f"there is no backend `{backend}`", hint=meant(backend, backends(), "the backends are"))
    model = stack_type(backend)
    fields: dict[str, Any] = {"backend": backend}
    for word in options:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(f"`-o {word}` has no `=`", hint=f"write `-o {key or 'KEY'}=VALUE`")
        _set(fields, model, key, text)
    return fields


def _set(fields: dict[str, Any], model: type[Stack], key: str, text: str) -> None:
    name, *inner = key.split(".")
    if name not in model.settings:
        known = list(model.settings)
        raise UsageError(
            f"`-o {key}=…`: stacks of this backend have no setting `{name}`",
            hint=meant(name, known, "the settings are", len(known)),
        )
    at = fields
    for part in [name, *inner][:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise UsageError(f"`-o {key}=…`: `{part}` is given a value of its own, too", hint="say it one way")
    at[[name, *inner][-1]] = _value(model, name, text, is_part=bool(inner))


def _value(model: type[Stack], name: str, text: str, *, is_part: bool) -> Any:
    """As it would be read from the file; what is a text stays one."""
    kind = model.settings[name].type
    if kind is str or (is_part and kind == dict[str, str]):
        return text
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
