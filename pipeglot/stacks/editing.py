"""Write a stack into a `pipeglot.yaml` as a person would, or take one out: every other line is left as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeglot.core.errors import ConfigError, PipeglotError
from pipeglot.core.store.files import create, write_all
from pipeglot.stacks.reading import read_config

_BY_HAND = "write the stack there yourself"


def write_stack(file: Path, name: str, fields: Mapping[str, Any]) -> bool:
    """Add a stack to the file, or let it say these fields. Returns whether that changed it. Raises `ConfigError`."""
    return _rewrite(file, lambda before: with_stack(before, name, fields))


def remove_stack(file: Path, name: str) -> None:
    """Take a stack out of the file. Raises `ConfigError`."""
    _rewrite(file, lambda before: without_stack(before, name))


def _rewrite(file: Path, edit: Callable[[bytes], bytes]) -> bool:
    """Whole or not at all. Returns whether anything changed."""
    path = file.resolve()
    before = path.read_bytes()
    after = edit(before)
    if after == before:
        return False
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = create(str(temp), path.stat().st_mode & 0o777)
        try:
            write_all(fd, after)
        finally:
            os.close(fd)
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)
    return True


def with_stack(data: bytes, name: str, fields: Mapping[str, Any]) -> bytes:
    """The text of a `pipeglot.yaml` with the stack in it. Raises `ConfigError` if it cannot be edited."""
    try:
        text = data.decode("utf-8")
        edited = _edited(text, name, fields)
        _check(text, edited, name, fields)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError("pipeglot.yaml is no YAML that can be edited", hint=_BY_HAND) from None
    return edited.encode("utf-8")


def without_stack(data: bytes, name: str) -> bytes:
    """The text of a `pipeglot.yaml` without the stack, its comments included. Raises `ConfigError`."""
    by_hand = "take the stack out of it yourself"
    try:
        text = data.decode("utf-8")
        wanted = yaml.safe_load(text)
        stacks = _stacks(text, by_hand)
        if len(stacks.value) == 1:
            raise ConfigError(f"`{name}` is the only stack of pipeglot.yaml", hint="add another one first")
        key, value = next((key, value) for key, value in stacks.value if key.value == name)
        lines = text.splitlines(keepends=True)
        edited = "".join([*lines[: key.start_mark.line], *lines[_last_line(value) + 1 :]])
        del wanted["stacks"][name]
        if yaml.safe_load(edited) != wanted:
            raise ConfigError("pipeglot.yaml has a form that cannot be edited", hint=by_hand)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError("pipeglot.yaml is no YAML that can be edited", hint=by_hand) from None
    return edited.encode("utf-8")


def entry_of(name: str, fields: Mapping[str, Any], indent: str, newline: str = "\n") -> str:
    """A stack as it stands in the file, with its name."""
    text = yaml.safe_dump({name: dict(fields)}, sort_keys=False, allow_unicode=True, width=10_000)
    return "".join(f"{indent}{line}{newline}" for line in text.splitlines())


def _edited(text: str, name: str, fields: Mapping[str, Any]) -> str:
    stacks = _stacks(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * stacks.value[0][0].start_mark.column
    entry = entry_of(name, fields, indent, newline)
    lines = text.splitlines(keepends=True)
    found = next(((key, value) for key, value in stacks.value if key.value == name), None)
    if found is None:
        at = max(_last_line(value) for _, value in stacks.value) + 1
        if not lines[at - 1].endswith("\n"):
            lines[at - 1] += newline
        return "".join([*lines[:at], entry, *lines[at:]])
    if yaml.safe_load(text)["stacks"][name] == dict(fields):
        return text
    first, end = found[0].start_mark.line, _last_line(found[1]) + 1
    if any("#" in line for line in lines[first:end]):
        raise ConfigError(
            f"the stack `{name}` says something else in pipeglot.yaml, and has comments in it", hint=_BY_HAND
        )
    return "".join([*lines[:first], entry, *lines[end:]])


def _stacks(text: str, hint: str = _BY_HAND) -> yaml.MappingNode:
    """What stands below `stacks:`, one stack or more in lines of their own."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    stacks = next((value for key, value in pairs if key.value == "stacks"), None)
    if not isinstance(stacks, yaml.MappingNode) or stacks.flow_style or not stacks.value:
        raise ConfigError("pipeglot.yaml has no `stacks:` with one stack a line below it", hint=hint)
    return stacks


def _last_line(node: yaml.Node) -> int:
    """Of the text that a value has. Of a mapping in lines of its own, YAML says where the next thing begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return max(_last_line(item) for item in node.value)
    return int(node.end_mark.line) - (node.end_mark.column == 0)


def _check(before: str, after: str, name: str, fields: Mapping[str, Any]) -> None:
    """Nothing but the stack has changed, and the file is still right: what looks like lines may be something else."""
    wanted = yaml.safe_load(before)
    wanted["stacks"][name] = dict(fields)
    if yaml.safe_load(after) != wanted:
        raise ConfigError("pipeglot.yaml has a form that cannot be edited", hint=_BY_HAND)
    try:
        read_config(after.encode("utf-8"))
    except PipeglotError as error:
        raise ConfigError(f"pipeglot.yaml would not be right: {error.message}", hint=error.hint or _BY_HAND) from None
