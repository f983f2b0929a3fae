"""Text into a tree of plain JSON values: strict JSON, and the part of YAML that means the same to everybody.

Of YAML's traps none is left: `yes`, `no`, `on`, dates and octal numbers are text; a key stands once; there are no
anchors, aliases and tags.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeAlias

from pipeglot.core.errors import DefinitionError, Location, Problem

Path: TypeAlias = tuple[str | int, ...]

_MAX_DEPTH = 400
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = r"[-+]?(?:0|[1-9][0-9]*)"
_FLOAT = r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"


def tree(text: str | bytes, source: str) -> Any:
    """JSON, if it starts with `{`, else YAML. Raises `DefinitionError`."""
    try:
        return _read(text, None)
    except _Wrong as wrong:
        at = Location(source, wrong.line) if wrong.line else None
        raise refused(wrong.code, source, str(wrong), wrong.hint, at=at) from None


def lines(text: str | bytes) -> dict[Path, int]:
    """The line of each part, of YAML that `tree` has read; JSON has none."""
    found: dict[Path, int] = {}
    _read(text, found)
    return found


def refused(code: str, source: str, message: str, hint: str = "", *, at: Location | None = None) -> DefinitionError:
    """The error for one thing that is wrong in `source`."""
    return DefinitionError([Problem(code, message if at else f"{source}: {message}", at, hint)])


class _Wrong(Exception):
    def __init__(self, code: str, message: str, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.hint = hint


def is_json(text: str | bytes) -> bool:
    """Whether `tree` reads it as JSON."""
    return _starts(_decoded(text))


def _starts(text: str) -> bool:
    return text.removeprefix("\ufeff").lstrip().startswith("{")


def _read(text: str | bytes, lines: dict[Path, int] | None) -> Any:
    text = _decoded(text).removeprefix("\ufeff")
    found = _json(text) if _starts(text) else _yaml(text, lines)
    if "\\u" in text or "\\U" in text:
        _check_text(found)
    return found


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise _Wrong("ir-syntax", "it is not UTF-8", text.count(b"\n", 0, error.start) + 1) from None


def _check_text(value: Any) -> None:
    """An escape may name half of a surrogate pair, which no file can hold as it is."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise _Wrong("ir-syntax", f"{ascii(value)[:80]} has half of a surrogate pair")
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise _Wrong("ir-syntax", f"it starts with `{{`, but is no JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise _Wrong("ir-syntax", "it is nested too deeply") from None
    except ValueError:  # the interpreter's limit on the digits of an int
        raise _Wrong("ir-syntax", "it has a number of too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise _Wrong("ir-duplicate-key", f"the key {_shown(twice)} stands twice in one object")
    return found


def _constant(word: str) -> NoReturn:
    raise _Wrong("ir-syntax", f"`{word}` is no JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Wrong("ir-syntax", f"the number {_shown(text)} is too large")
    return number


# --- YAML -------------------------------------------------------------------------------------------------------------


def _yaml(text: str, lines: dict[Path, int] | None) -> Any:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(lines)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        told = " ".join(part for part in (error.context, error.problem) if part)
        raise _Wrong("ir-syntax", f"it is no YAML: {told}", line, _about_tabs(text, line)) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        told = str(error).splitlines()[0]
        raise _Wrong("ir-syntax", f"it is no YAML: {told.encode('utf-8', 'backslashreplace').decode()}") from None
    if builder.documents == 0:
        raise _Wrong("ir-syntax", "it is empty")
    return builder.root


def _about_tabs(text: str, line: int) -> str:
    found = text.split("\n")[line - 1 : line]
    tab = bool(found) and "\t" in found[0][: len(found[0]) - len(found[0].lstrip())]
    return "indent with spaces: YAML takes no tabs" if tab else ""


class _Builder:
    """Makes the tree from the parser's events: one method for each, and a stack in place of recursion."""

    def __init__(self, lines: dict[Path, int] | None) -> None:
        self.lines = lines
        self.documents = 0
        self.root: Any = None
        self.stack: list[list[Any] | dict[str, Any]] = []
        self.keys: list[str | None] = []
        """For each container on the stack, the key whose value comes next."""
        self.path: list[str | int] = []
        """Where the innermost container stands."""

    def take(self, event: Any) -> None:
        match type(event).__name__:
            case "ScalarEvent":
                self.scalar(event)
            case "MappingStartEvent":
                self.push({}, event)
            case "SequenceStartEvent":
                self.push([], event)
            case "MappingEndEvent" | "SequenceEndEvent":
                self.stack.pop()
                self.keys.pop()
                del self.path[-1:]
            case "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    raise _Wrong("ir-syntax", "a second document starts here", _line(event))
            case "AliasEvent":
                raise _Wrong("ir-syntax", f"`*{event.anchor}`: aliases are not read", _line(event), "write it out")

    def scalar(self, event: Any) -> None:
        self.check(event)
        if not self.wants_key:
            self.add(_scalar(event.value, _line(event)) if event.implicit[0] else event.value, event)
        elif event.value in self.stack[-1]:
            raise _Wrong("ir-duplicate-key", f"the key {_shown(event.value)} stands twice here", _line(event))
        else:
            self.keys[-1] = event.value

    @property
    def wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1], dict) and self.keys[-1] is None

    def push(self, container: list[Any] | dict[str, Any], event: Any) -> None:
        self.check(event)
        if self.wants_key:
            raise _Wrong("ir-syntax", "a key must be text", _line(event))
        if len(self.stack) >= _MAX_DEPTH:
            raise _Wrong("ir-syntax", "it is nested too deeply", _line(event))
        part = self.add(container, event)
        if self.stack:
            self.path.append(part)
        self.stack.append(container)
        self.keys.append(None)

    def add(self, value: Any, event: Any) -> str | int:
        """Put a value where it belongs; its key or its position there."""
        if not self.stack:
            self.root = value
            return ""
        holder = self.stack[-1]
        part: str | int
        if isinstance(holder, list):
            part = len(holder)
            holder.append(value)
        else:
            part = self.keys[-1] or ""
            holder[part] = value
            self.keys[-1] = None
        if self.lines is not None:
            self.lines[*self.path, part] = _line(event)
        return part

    def check(self, event: Any) -> None:
        if event.anchor is not None:
            raise _Wrong("ir-syntax", f"`&{event.anchor}`: anchors are not read", _line(event), "write it out")
        if event.tag is not None:
            raise _Wrong("ir-syntax", f"the tag `{event.tag}` is not read", _line(event), "leave it out")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str, line: int) -> Any:
    """What a text without quotes means; all that is no JSON value is text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    try:
        if re.fullmatch(_INT, text):
            return int(text)
    except ValueError:  # the interpreter's limit on the digits of an int
        raise _Wrong("ir-syntax", "it has a number of too many digits", line) from None
    if not re.fullmatch(_FLOAT, text):
        return text
    number = float(text)
    if math.isinf(number):
        raise _Wrong("ir-syntax", f"the number {_shown(text)} is too large", line)
    return number


def _shown(text: str) -> str:
    return f"`{repr(text[:80])[1:-1]}`"
